"""Background jobs as they go on."""

from collections.abc import AsyncGenerator
from typing import Annotated, Any

import strawberry
from strawberry import ID

from domain.foundation.errors import NotFound
from domain.foundation.feed.live import LiveBatch
from domain.foundation.jobs.live import live_jobs
from domain.foundation.jobs.running import TERMINAL
from gql.background_jobs.types import BackgroundJob
from gql.contract.arguments import After
from gql.contract.change_stream import ChangeBatch, follow_changes, place_of, rows_of
from gql.contract.ids import BACKGROUND_JOB, find_own_key
from gql.execution.context import Context, Info


@strawberry.type(description="Changes of background jobs.")
class BackgroundJobChangeBatch(ChangeBatch):
    """Changes of jobs."""

    jobs: list[BackgroundJob | None] = strawberry.field(description="Jobs that changed, as they are now, at most 100.")


def _batch(context: Context, batch: LiveBatch[Any]) -> BackgroundJobChangeBatch:
    return BackgroundJobChangeBatch(
        jobs=[BackgroundJob.from_row(row) for row in rows_of(batch)], **place_of(context, batch)
    )


@strawberry.type
class BackgroundJobsSubscription:
    """Stream of jobs."""

    @strawberry.subscription(
        description="Progress of one background job, which the first batch always holds and with whose end the stream "
        "completes; without `id`, of all that the viewer may see."
    )
    async def background_job_changes(
        self,
        info: Info,
        id: Annotated[ID | None, strawberry.argument(description="ID of the object.")] = None,
        after: After = None,
    ) -> AsyncGenerator[BackgroundJobChangeBatch, None]:
        """Follow jobs."""
        job_id = None
        if id is not None:
            job_id = find_own_key(BACKGROUND_JOB, id)
            if job_id is None:
                raise NotFound(path=["id"])
        view = await live_jobs(info.context.reads, info.context.principal, job_id)
        async for batch in follow_changes(info, view, after, _batch):
            yield batch
            if job_id is not None and any(row.status in TERMINAL for row in rows_of(batch.live)):
                return
