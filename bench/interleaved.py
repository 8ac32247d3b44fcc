"""A background job and its floor by turns, so that whatever else the machine does meanwhile hits both alike."""

from collections.abc import Awaitable, Callable
from time import perf_counter

from domain.foundation import clock
from domain.foundation.jobs.running import Job, run_job
from domain.foundation.models import JobKind
from domain.foundation.unit_of_work import UnitOfWork
from domain.reactions import CHUNKS

#: Writes again what the job has written for the learner IDs after … until.
WriteAgain = Callable[[int, int], Awaitable[None]]


class Turns:
    """Runs a job as a worker does; before each chunk, and after the last, the floor of the one before has its turn."""

    def __init__(self, kind: JobKind, write_again: WriteAgain) -> None:
        self._kind = kind
        self._write_again = write_again
        self._learners_done = 0
        self._begin = 0.0
        #: Seconds that each chunk took, its commit included.
        self.chunks: list[float] = []

    async def run(self, tenant_id: int, job_id: int) -> None:
        """Run the job to its end."""
        self._begin = perf_counter()
        await run_job(tenant_id, job_id, {**CHUNKS, self._kind: self._chunk}, clock.now)

    async def _chunk(self, work: UnitOfWork, job: Job) -> bool:
        learners_done = job.progress.get("after", 0)
        if learners_done > self._learners_done:
            self.chunks.append(perf_counter() - self._begin)
            await self._write_again(self._learners_done, learners_done)
            self._learners_done = learners_done
            self._begin = perf_counter()
        return await CHUNKS[self._kind](work, job)
