"""What is exported of what one person was told: notifications, emails, and which of these they want."""

import datetime as dt
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from domain.foundation.access import Principal
from domain.foundation.database.sessions import ReadScope, Statements
from domain.notifications.inbox import COLUMNS, NotificationRow
from domain.notifications.preferences import Preference, preferences_of
from domain.people.learners.person_export import BATCH, require_export


@dataclass(frozen=True, slots=True)
class EmailRow:
    """An email to the person; its text is that of the notification of the same kind and task."""

    kind: str
    task_id: int | None
    status: str
    #: Address of the latest attempt.
    email: str | None
    created_at: dt.datetime
    attempted_at: dt.datetime | None
    failure_reason: str | None


async def export_preferences(reads: Statements, principal: Principal, learner_id: int) -> list[Preference]:
    """Return a person's preferences, one per category."""
    require_export(principal, learner_id)
    return await preferences_of(reads, principal.tenant_id, learner_id)


async def export_notifications(
    reads: ReadScope, principal: Principal, learner_id: int
) -> AsyncGenerator[list[NotificationRow], None]:
    """Yield a person's notifications batch by batch, oldest first."""
    require_export(principal, learner_id)
    statement = f"SELECT {COLUMNS} FROM notification WHERE tenant_id = $1 AND learner_id = $2 ORDER BY id"
    async with aclosing(reads.batches(statement, principal.tenant_id, learner_id, size=BATCH)) as batches:
        async for records in batches:
            yield [NotificationRow(**record) for record in records]


async def export_emails(
    reads: ReadScope, principal: Principal, learner_id: int
) -> AsyncGenerator[list[EmailRow], None]:
    """Yield the emails to a person batch by batch, oldest first."""
    require_export(principal, learner_id)
    statement = (
        "SELECT kind, task_id, status, email, created_at, attempted_at, failure_reason FROM email_delivery"
        " WHERE tenant_id = $1 AND recipient_id = $2 ORDER BY id"
    )
    async with aclosing(reads.batches(statement, principal.tenant_id, learner_id, size=BATCH)) as batches:
        async for records in batches:
            yield [EmailRow(**record) for record in records]
