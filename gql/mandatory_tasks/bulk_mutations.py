"""Assigning in bulk."""

from typing import Annotated

import strawberry

from domain.mandatory_tasks.bulk.assigning import bulk_assign_mandatory_tasks
from gql.content.inputs import content_key
from gql.contract.arguments import INPUT
from gql.contract.mutations import Payload, mutation
from gql.execution.context import Info
from gql.mandatory_tasks.bulk_inputs import BulkAssignMandatoryTasksInput, audience_parts
from gql.mandatory_tasks.bulk_types import BulkAssignment
from gql.mandatory_tasks.inputs import wanted_reminders


@strawberry.type(description="Payload of bulkAssignMandatoryTasks.")
class BulkAssignMandatoryTasksPayload(Payload):
    """Payload of bulkAssignMandatoryTasks."""

    bulk_assignment: BulkAssignment | None = strawberry.field(
        default=None, description="Bulk assignment; its `job` is already SUCCEEDED for fewer than 100 learners."
    )


@strawberry.type
class BulkAssignmentsMutation:
    """Mutations of bulk assignments."""

    @mutation(
        "Gives a whole audience a mandatory task. Learners who already have one for this target are skipped. Needs a "
        "trainer of the target or ADMIN."
    )
    async def bulk_assign_mandatory_tasks(
        self, info: Info, input: Annotated[BulkAssignMandatoryTasksInput, INPUT]
    ) -> BulkAssignMandatoryTasksPayload | None:
        """Assign to an audience."""
        done = await info.context.perform(
            "bulkAssignMandatoryTasks",
            input,
            lambda work: bulk_assign_mandatory_tasks(
                work,
                target=content_key(input.target),
                audience=audience_parts(input.audience),
                due_on=input.due_on,
                note=input.note,
                every_weeks=input.repeat_every_weeks,
                reminders=wanted_reminders(input.reminders),
            ),
            int,
        )
        return BulkAssignMandatoryTasksPayload(bulk_assignment=await BulkAssignment.load(info, done.result))
