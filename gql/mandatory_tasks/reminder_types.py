"""Reminders as the API shows them: how a task is set up, and the ledger of what became of each."""

from datetime import date, datetime
from typing import Self

import strawberry

from domain.mandatory_tasks.reminders.queries import DeliveryRow, ReminderRow, SettingRow, load_deliveries_by_reminder
from domain.mandatory_tasks.reminders.schedule import ReminderReason, ReminderRecipient, ReminderStatus
from domain.notifications.models import DeliveryStatus
from gql.contract.ids import REMINDER, encode
from gql.contract.interfaces import Node
from gql.execution.context import Info
from gql.mandatory_tasks import enums  # noqa: F401 - publishes the enums that the types below use
from gql.notifications.types import EmailTemplate


@strawberry.type(description="Reminder that a mandatory task is set up with.")
class ReminderSetting:
    """Reminder that a task is set up with."""

    days_before_due: int = strawberry.field(description="Days before the due date; negative means after it.")
    recipients: list[ReminderRecipient] = strawberry.field(description="Who gets the reminder.")
    row: strawberry.Private[SettingRow]

    @classmethod
    def from_row(cls, row: SettingRow) -> Self:
        """Return the reminder of a row."""
        return cls(days_before_due=row.days_before_due, recipients=_recipients(row.recipients), row=row)

    @strawberry.field(description="Template of the email; null for the default email.")
    async def template(self, info: Info) -> EmailTemplate | None:
        """Load the template."""
        return await _template(info, self.row.template_id)


@strawberry.type(description="Email of a reminder to one recipient.")
class ReminderDelivery:
    """Email of a reminder to one recipient."""

    recipient: ReminderRecipient = strawberry.field(description="Recipient of the email.")
    email: str | None = strawberry.field(
        description="Address that it was sent to; null before the first attempt, and for those who may not see it."
    )
    status: DeliveryStatus = strawberry.field(description="What became of the email.")
    attempted_at: datetime | None = strawberry.field(
        description="Timestamp of the latest attempt; null before the first."
    )
    failure_reason: str | None = strawberry.field(
        description="Why the email was not delivered, in English; null otherwise."
    )

    @classmethod
    def from_row(cls, row: DeliveryRow) -> Self:
        """Return the email of a row."""
        status = DeliveryStatus(row.status)
        is_undelivered = status in (DeliveryStatus.SUPPRESSED, DeliveryStatus.FAILED)
        return cls(
            recipient=ReminderRecipient(row.recipient_part),
            email=row.email,
            status=status,
            attempted_at=row.attempted_at,
            failure_reason=row.failure_reason if is_undelivered else None,
        )


@strawberry.type(description="Reminder of a mandatory task, planned for one due date.")
class TaskReminder(Node):
    """Entry of the ledger of reminders."""

    due_on: date = strawberry.field(description="Due date that the reminder was planned for.")
    days_before_due: int = strawberry.field(description="Days before the due date; negative means after it.")
    recipients: list[ReminderRecipient] = strawberry.field(description="Who gets the reminder.")
    scheduled_at: datetime = strawberry.field(
        description="Timestamp from which the reminder is sent: midnight in the learner's time zone."
    )
    status: ReminderStatus = strawberry.field(description="State of the reminder.")
    reason: ReminderReason | None = strawberry.field(
        description="Why the reminder was skipped or cancelled; null otherwise."
    )
    row: strawberry.Private[ReminderRow]

    @classmethod
    def from_row(cls, row: ReminderRow) -> Self:
        """Return the entry of a row."""
        return cls(
            id=encode(REMINDER, row.id),
            due_on=row.due_on,
            days_before_due=row.days_before_due,
            recipients=_recipients(row.recipients),
            scheduled_at=row.scheduled_at,
            status=ReminderStatus(row.status),
            reason=None if row.reason is None else ReminderReason(row.reason),
            row=row,
        )

    @strawberry.field(description="Template of the email; null for the default email.")
    async def template(self, info: Info) -> EmailTemplate | None:
        """Load the template."""
        return await _template(info, self.row.template_id)

    @strawberry.field(description="What became of each email.")
    async def deliveries(self, info: Info) -> list[ReminderDelivery]:
        """Load the emails."""
        rows = await info.context.load(load_deliveries_by_reminder, self.row.id)
        return [ReminderDelivery.from_row(row) for row in rows]


async def _template(info: Info, key: int | None) -> EmailTemplate | None:
    return None if key is None else await EmailTemplate.load(info, key)


def _recipients(values: object) -> list[ReminderRecipient]:
    assert isinstance(values, list)
    return [ReminderRecipient(value) for value in values]
