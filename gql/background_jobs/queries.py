"""Queries about background jobs."""

from typing import Annotated

import strawberry

from domain.foundation.jobs.queries import list_jobs, load_visible_jobs_by_id, require_jobs
from gql.background_jobs.types import (
    BackgroundJob,
    BackgroundJobConnection,
    BackgroundJobEdge,
    BackgroundJobFilterInput,
)
from gql.contract.arguments import FILTER, After, First, ObjectId
from gql.contract.ids import BACKGROUND_JOB, find_own_key
from gql.contract.pagination import paging_of
from gql.execution.context import Info


async def find_background_job(info: Info, key: int) -> BackgroundJob | None:
    """Return a job that the viewer may see."""
    row = await info.context.load(load_visible_jobs_by_id, key)
    return None if row is None else BackgroundJob.from_row(row)


NODES = {BACKGROUND_JOB: find_background_job}


@strawberry.type
class BackgroundJobsQuery:
    """Queries about background jobs."""

    @strawberry.field(description="Background job by ID.")
    async def background_job(self, info: Info, id: ObjectId) -> BackgroundJob | None:
        """Find a job."""
        require_jobs(info.context.principal)
        key = find_own_key(BACKGROUND_JOB, id)
        return None if key is None else await find_background_job(info, key)

    @strawberry.field(description="Background jobs the viewer may see, newest first.")
    async def background_jobs(
        self,
        info: Info,
        first: First = 25,
        after: After = None,
        filter: Annotated[BackgroundJobFilterInput | None, FILTER] = None,
    ) -> BackgroundJobConnection | None:
        """List the jobs."""
        context = info.context
        paging = paging_of(info, first, after, filter)
        wanted = filter or BackgroundJobFilterInput()
        page = await list_jobs(
            context.reads, context.principal, paging.request, statuses=wanted.statuses, kinds=wanted.kinds
        )
        return BackgroundJobConnection.of(page, paging, BackgroundJobEdge, BackgroundJob.from_row)
