"""The calendar of one's own open tasks, which whoever knows its secret may read.

The secret is the person's calendar key. It gives a look at these tasks and at nothing else, and ends when its owner
renews it or is no active person any more.
"""

import uuid
from dataclasses import dataclass
from datetime import date, datetime

from domain.foundation.access import Principal
from domain.foundation.audit.recording import FieldChange, audit
from domain.foundation.database.sessions import ReadScope, Statements, across_tenants
from domain.foundation.errors import Forbidden
from domain.foundation.feed.changes import ObjectType
from domain.foundation.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True)
class CalendarEntry:
    """An open task as a calendar shows it."""

    task_id: int
    cycle_number: int
    title: str
    note: str | None
    due_on: date
    is_overdue: bool
    #: Since when the entry is as it is now, whether somebody changed it or time did.
    changed_at: datetime
    #: Grows with whatever an entry shows.
    revision: int


async def find_calendar_entries(learner_id: int, key: uuid.UUID, now: datetime) -> list[CalendarEntry] | None:
    """Return the open tasks of an active person by due date, None unless this is their calendar key."""
    [[tenant_id]] = await across_tenants("SELECT find_calendar($1, $2)", learner_id, key)
    if tenant_id is None:
        return None
    async with ReadScope(tenant_id) as reads:
        return await reads.rows(
            CalendarEntry,
            """
            SELECT t.id AS task_id, t.cycle_number, c.title, t.note, t.due_on, t.due_at <= $3 AS is_overdue,
                   greatest(t.updated_at, c.retitled_at, CASE WHEN t.due_at <= $3 THEN t.due_at END) AS changed_at,
                   -- Being overdue counts half a version: a task that is no longer overdue has another version.
                   2 * (t.version + c.version) + (t.due_at <= $3)::int AS revision
              FROM mandatory_task t JOIN content c ON c.id = t.target_id
             WHERE t.tenant_id = $1 AND t.learner_id = $2 AND t.withdrawn_at IS NULL AND NOT t.is_suspended
               AND t.stage <> 'COMPLETED'
             ORDER BY t.due_on, t.id
            """,
            tenant_id,
            learner_id,
            now,
        )


async def find_calendar_key(reads: Statements, principal: Principal) -> uuid.UUID | None:
    """Return the viewer's own calendar key, None for tools."""
    if principal.learner_id is None:
        return None
    key: uuid.UUID = await reads.value(
        "SELECT calendar_key FROM learner WHERE tenant_id = $1 AND id = $2", principal.tenant_id, principal.learner_id
    )
    return key


async def renew_calendar_key(work: UnitOfWork) -> int:
    """Give the caller another calendar key and return their ID. Raises Forbidden for tools."""
    learner_id = work.principal.learner_id
    if learner_id is None:
        raise Forbidden
    name = await work.sql.value(
        "UPDATE learner SET calendar_key = gen_random_uuid() WHERE tenant_id = $1 AND id = $2 RETURNING name",
        work.tenant_id,
        learner_id,
    )
    # That it was changed, and neither what it was nor what it is.
    await audit(work, ObjectType.LEARNER, learner_id, name, [FieldChange("calendarUrl", None, None)])
    return learner_id
