"""Mutations of background jobs."""

from typing import Annotated

import strawberry
from strawberry import ID

from domain.foundation.jobs.control import cancel_job, resume_job
from domain.foundation.unit_of_work import UnitOfWork
from gql.background_jobs.types import BackgroundJob
from gql.contract.arguments import INPUT
from gql.contract.ids import BACKGROUND_JOB, own_key_or_missing
from gql.contract.mutations import Payload, mutation
from gql.execution.context import Info, MutationInput


@strawberry.input(description="Input of cancelBackgroundJob.")
class CancelBackgroundJobInput(MutationInput):
    """Input of cancelBackgroundJob."""

    id: ID = strawberry.field(description="Job to cancel.")


@strawberry.type(description="Payload of cancelBackgroundJob.")
class CancelBackgroundJobPayload(Payload):
    """Payload of cancelBackgroundJob."""

    job: BackgroundJob | None = strawberry.field(default=None, description="Job after the change.")


@strawberry.input(description="Input of resumeBackgroundJob.")
class ResumeBackgroundJobInput(MutationInput):
    """Input of resumeBackgroundJob."""

    id: ID = strawberry.field(description="Job to resume.")


@strawberry.type(description="Payload of resumeBackgroundJob.")
class ResumeBackgroundJobPayload(Payload):
    """Payload of resumeBackgroundJob."""

    job: BackgroundJob | None = strawberry.field(default=None, description="Job after the change.")


@strawberry.type
class BackgroundJobsMutation:
    """Mutations of background jobs."""

    @mutation(
        "Cancels a BULK_ASSIGNMENT or RULE_BACKFILL; what it has processed stays. An ended one is returned as it is. "
        "Needs its starter or ADMIN."
    )
    async def cancel_background_job(
        self, info: Info, input: Annotated[CancelBackgroundJobInput, INPUT]
    ) -> CancelBackgroundJobPayload | None:
        """Cancel a job."""

        async def cancel(work: UnitOfWork) -> int:
            return await cancel_job(work, job_id=own_key_or_missing(BACKGROUND_JOB, input.id))

        done = await info.context.perform("cancelBackgroundJob", input, cancel, int)
        return CancelBackgroundJobPayload(job=await BackgroundJob.load(info, done.result))

    @mutation("Lets a FAILED or CANCELLED background job go on where it ended. Needs its starter or ADMIN.")
    async def resume_background_job(
        self, info: Info, input: Annotated[ResumeBackgroundJobInput, INPUT]
    ) -> ResumeBackgroundJobPayload | None:
        """Let a job go on."""

        async def resume(work: UnitOfWork) -> int:
            return await resume_job(work, job_id=own_key_or_missing(BACKGROUND_JOB, input.id))

        done = await info.context.perform("resumeBackgroundJob", input, resume, int)
        return ResumeBackgroundJobPayload(job=await BackgroundJob.load(info, done.result))
