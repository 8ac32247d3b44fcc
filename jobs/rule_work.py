"""Running background jobs from the queue. A message holds the job's ID only; the row knows all the rest."""

from collections.abc import Callable

import dramatiq
import structlog

from domain.foundation import clock
from domain.foundation.background import run_job, take_job
from domain.reactions import CHUNKS

QUEUE = "jobs"
ACTOR = "run_background_job"


def job_message(tenant_id: int, job_id: int) -> "dramatiq.Message[None]":
    """Return the message that has a worker run a job."""
    arguments = {"tenant_id": tenant_id, "job_id": job_id}
    return dramatiq.Message(queue_name=QUEUE, actor_name=ACTOR, args=(), kwargs=arguments, options={})


def declare_actors(broker: dramatiq.Broker, *, should_stop: Callable[[], bool]) -> None:
    """Tell the broker's worker what to do with messages; once it should stop, jobs are left between two chunks."""

    @dramatiq.actor(actor_name=ACTOR, queue_name=QUEUE, broker=broker)
    async def run_background_job(*, tenant_id: int, job_id: int, **_: object) -> None:
        # Unknown arguments may come from the scheduler of a newer release.
        with structlog.contextvars.bound_contextvars(tenant_id=tenant_id, job_id=job_id):
            if await take_job(tenant_id, job_id, clock.now()):
                await run_job(tenant_id, job_id, CHUNKS, clock.now, should_stop=should_stop)
