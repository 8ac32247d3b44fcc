"""Running background jobs from the queue. A message holds the job's ID only; the row knows all the rest.

A message is a turn: a job that is longer goes back into the queue, behind those of other tenants. While the queue is
away there are no others, and the worker goes on.
"""

import time
from collections.abc import Callable

import dramatiq
import structlog

from domain.foundation import clock
from domain.foundation.jobs.running import run_job, take_job
from domain.reactions import CHUNKS
from jobs.queue_lengths import QueueLengths
from jobs.rounds import JOBS, TURN


def declare_job_actor(broker: dramatiq.Broker, lengths: QueueLengths, *, should_stop: Callable[[], bool]) -> None:
    """Tell the broker's worker what to do with jobs; once it should stop, they are left between two chunks."""

    @dramatiq.actor(actor_name=JOBS.actor, queue_name=JOBS.name, broker=broker)
    async def run_background_job(*, tenant_id: int, job_id: int, **_: object) -> None:
        # Unknown arguments may come from the scheduler of a newer release.
        with structlog.contextvars.bound_contextvars(tenant_id=tenant_id, job_id=job_id):
            while await take_job(tenant_id, job_id, clock.now()):
                end = time.monotonic() + TURN

                def is_over(end: float = end) -> bool:
                    return should_stop() or time.monotonic() > end

                await run_job(tenant_id, job_id, CHUNKS, clock.now, should_stop=is_over)
                if should_stop() or await _answers(lengths):
                    return


async def _answers(lengths: QueueLengths) -> bool:
    try:
        await lengths.of(JOBS.name)
    except Exception:
        return False
    return True
