"""Mutations of mandatory tasks."""

from typing import Annotated

import strawberry
from strawberry import ID

from domain.mandatory_tasks.assigning import assign_mandatory_task
from domain.mandatory_tasks.editing import update_mandatory_task
from domain.mandatory_tasks.withdrawing import withdraw_mandatory_task
from gql.content.inputs import content_key
from gql.contract import ids
from gql.contract.arguments import INPUT
from gql.contract.mutations import Payload, mutation
from gql.execution.context import Info
from gql.mandatory_tasks.inputs import (
    AssignMandatoryTaskInput,
    UpdateMandatoryTaskInput,
    WithdrawMandatoryTaskInput,
    task_changes,
    wanted_reminders,
)
from gql.mandatory_tasks.types import MandatoryTask
from gql.people.inputs import learner_key


@strawberry.type(description="Payload of assignMandatoryTask.")
class AssignMandatoryTaskPayload(Payload):
    """Payload of assignMandatoryTask."""

    mandatory_task: MandatoryTask | None = strawberry.field(default=None, description="Task as created.")


@strawberry.type(description="Payload of updateMandatoryTask.")
class UpdateMandatoryTaskPayload(Payload):
    """Payload of updateMandatoryTask."""

    mandatory_task: MandatoryTask | None = strawberry.field(default=None, description="Task after the change.")


@strawberry.type(description="Payload of withdrawMandatoryTask.")
class WithdrawMandatoryTaskPayload(Payload):
    """Payload of withdrawMandatoryTask."""

    withdrawn_mandatory_task_id: ID | None = strawberry.field(default=None, description="ID of the withdrawn task.")


@strawberry.type
class MandatoryTasksMutation:
    """Mutations of mandatory tasks."""

    @mutation(
        "Gives one learner a mandatory task and enrolls them. Completed content fulfils it at once. Needs a trainer of "
        "the target or ADMIN."
    )
    async def assign_mandatory_task(
        self, info: Info, input: Annotated[AssignMandatoryTaskInput, INPUT]
    ) -> AssignMandatoryTaskPayload | None:
        """Assign a task."""
        done = await info.context.perform(
            "assignMandatoryTask",
            input,
            lambda work: assign_mandatory_task(
                work,
                target=content_key(input.target),
                learner=learner_key(input.learner),
                due_on=input.due_on,
                note=input.note,
                every_weeks=input.repeat_every_weeks,
                reminders=wanted_reminders(input.reminders),
            ),
            int,
        )
        return AssignMandatoryTaskPayload(mandatory_task=await MandatoryTask.load(info, done.result))

    @mutation(
        "Changes deadline, note, repetition or reminders; pending reminders are recalculated. Needs the assigner or "
        "ADMIN."
    )
    async def update_mandatory_task(
        self, info: Info, input: Annotated[UpdateMandatoryTaskInput, INPUT]
    ) -> UpdateMandatoryTaskPayload | None:
        """Change a task."""
        done = await info.context.perform(
            "updateMandatoryTask",
            input,
            lambda work: update_mandatory_task(
                work,
                task_id=ids.get_own_key(ids.MANDATORY_TASK, input.id, path=["id"]),
                changes=task_changes(input.changes),
                expected_version=input.expected_version,
            ),
            int,
        )
        return UpdateMandatoryTaskPayload(mandatory_task=await MandatoryTask.load(info, done.result))

    @mutation(
        "Withdraws a task and notifies the learner. A completed task cannot be withdrawn. Needs the assigner or ADMIN."
    )
    async def withdraw_mandatory_task(
        self, info: Info, input: Annotated[WithdrawMandatoryTaskInput, INPUT]
    ) -> WithdrawMandatoryTaskPayload | None:
        """Withdraw a task."""
        done = await info.context.perform(
            "withdrawMandatoryTask",
            input,
            lambda work: withdraw_mandatory_task(
                work,
                task_id=ids.get_own_key(ids.MANDATORY_TASK, input.id, path=["id"]),
                keeps_enrollment=input.keeps_enrollment,
            ),
            int,
        )
        return WithdrawMandatoryTaskPayload(withdrawn_mandatory_task_id=ids.encode(ids.MANDATORY_TASK, done.result))
