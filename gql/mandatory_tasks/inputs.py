"""Inputs about mandatory tasks, and how they become what the domain asks for."""

from collections.abc import Sequence
from datetime import date

import strawberry
from strawberry import ID

from domain.mandatory_tasks.editing import TaskChanges
from domain.mandatory_tasks.reminders.schedule import ReminderRecipient
from domain.mandatory_tasks.terms import ReminderInput as WantedReminder
from domain.people.learners.changes import UNSET, Unset
from gql.content.inputs import LearningContentKeyInput
from gql.contract import ids
from gql.contract.mutations import UpdateInput
from gql.execution.context import MutationInput
from gql.mandatory_tasks import enums  # noqa: F401 - publishes the enums that the inputs below use
from gql.people.inputs import LearnerKeyInput

#: Template that is not there.
_NO_TEMPLATE = 0


@strawberry.input(description="Reminder to set up.")
class ReminderInput:
    """Reminder to set up."""

    days_before_due: int = strawberry.field(
        description="Days before the due date, from -365 to 365; negative means after it."
    )
    email_template_id: ID | None = strawberry.field(
        default=None, description="Template of the email; left out for the default email."
    )
    recipients: list[ReminderRecipient] = strawberry.field(
        default_factory=lambda: [ReminderRecipient.LEARNER], description="Who gets the reminder."
    )


@strawberry.input
class TaskTermsInput(MutationInput):
    """What is asked of everybody who gets a task."""

    due_on: date = strawberry.field(description="Last day on which completion is in time.")
    note: str | None = strawberry.field(
        default=None, description="Note shown in the course player, at most 500 characters."
    )
    repeat_every_weeks: int | None = strawberry.field(
        default=None, description="Weeks between repetitions, from 1 to 520; left out for no repetition."
    )
    reminders: list[ReminderInput] | None = strawberry.field(
        default=None,
        description="Reminders; left out for one to the learner three days before, empty for none.",
    )


@strawberry.input(description="Input of assignMandatoryTask.")
class AssignMandatoryTaskInput(TaskTermsInput):
    """Who has to complete what by when."""

    target: LearningContentKeyInput = strawberry.field(description="Course or learning path to complete.")
    learner: LearnerKeyInput = strawberry.field(description="Learner who has to complete it.")


@strawberry.input(description="Changes of a mandatory task; fields left out stay.")
class MandatoryTaskChangesInput:
    """Changes of a task."""

    due_on: date | None = strawberry.field(default=None, description="New due date.")
    note: strawberry.Maybe[str | None] = strawberry.field(description="New note; null removes it.")
    repeat_every_weeks: strawberry.Maybe[int | None] = strawberry.field(description="New repetition; null ends it.")
    reminders: list[ReminderInput] | None = strawberry.field(
        default=None, description="All reminders from now on; those already sent stay in the history."
    )


@strawberry.input(description="Input of updateMandatoryTask.")
class UpdateMandatoryTaskInput(UpdateInput):
    """What to change about a task."""

    id: ID = strawberry.field(description="Task to change.")
    changes: MandatoryTaskChangesInput = strawberry.field(description="What to change; fields left out stay.")


@strawberry.input(description="Input of withdrawMandatoryTask.")
class WithdrawMandatoryTaskInput(MutationInput):
    """Which task to withdraw."""

    id: ID = strawberry.field(description="Task to withdraw.")
    keeps_enrollment: bool = strawberry.field(default=True, description="Whether the learner stays enrolled.")


def wanted_reminders(reminders: Sequence[ReminderInput] | None) -> list[WantedReminder] | None:
    """Return the reminders to set up; a template that cannot be one is one that is not there."""
    if reminders is None:
        return None
    return [
        WantedReminder(
            one.days_before_due,
            None if one.email_template_id is None else _template(one.email_template_id),
            tuple(one.recipients),
        )
        for one in reminders
    ]


def _template(text: str) -> int:
    key = ids.find_own_key(ids.EMAIL_TEMPLATE, text)
    return _NO_TEMPLATE if key is None else key


def task_changes(changes: MandatoryTaskChangesInput) -> TaskChanges:
    """Return what to change about a task."""
    reminders: Sequence[WantedReminder] | Unset = wanted_reminders(changes.reminders) or UNSET
    if changes.reminders is not None and not changes.reminders:
        reminders = ()
    return TaskChanges(
        due_on=UNSET if changes.due_on is None else changes.due_on,
        note=UNSET if changes.note is None else changes.note.value,
        every_weeks=UNSET if changes.repeat_every_weeks is None else changes.repeat_every_weeks.value,
        reminders=reminders,
    )
