"""The ledger of reminders as viewers see it: what was planned, what became of it, and of each email."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from domain.foundation.access import Principal
from domain.foundation.database.sessions import Statements
from domain.mandatory_tasks.rights import visibility


@dataclass(frozen=True, slots=True)
class SettingRow:
    """A reminder that a task is set up with; no template where it was deleted since."""

    id: int
    task_id: int
    days_before_due: int
    template_id: int | None
    recipients: Sequence[str]


@dataclass(frozen=True, slots=True)
class ReminderRow:
    """An entry of the ledger."""

    id: int
    task_id: int
    cycle_number: int
    due_on: dt.date
    days_before_due: int
    template_id: int | None
    recipients: Sequence[str]
    scheduled_at: dt.datetime
    status: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """What became of the email to one recipient; the address is None where the viewer may not see it."""

    reminder_id: int
    recipient_part: str
    email: str | None
    status: str
    attempted_at: dt.datetime | None
    failure_reason: str | None


_REMINDER = (
    "SELECT r.id, r.task_id, r.cycle_number, r.due_on, s.days_before_due, m.id AS template_id, s.recipients,"
    " r.scheduled_at, r.status, r.reason FROM task_reminder r JOIN task_reminder_setting s ON s.id = r.setting_id"
    " LEFT JOIN email_template m ON m.id = s.template_id AND m.deleted_at IS NULL"
)


async def load_visible_reminders_by_id(
    reads: Statements, principal: Principal, ids: Sequence[int]
) -> list[ReminderRow | None]:
    """Return entries of the ledger, aligned with their IDs, of tasks that the viewer may see."""
    rows = await reads.rows(
        ReminderRow,
        f"{_REMINDER} JOIN mandatory_task t ON t.id = r.task_id"
        f" WHERE r.tenant_id = $1 AND r.id = ANY ($2::bigint[]) AND {visibility(principal)}",
        principal.tenant_id,
        list(ids),
    )
    found = {row.id: row for row in rows}
    return [found.get(reminder_id) for reminder_id in ids]


async def load_reminders_by_cycle(
    reads: Statements, principal: Principal, cycles: Sequence[tuple[int, int]]
) -> list[list[ReminderRow]]:
    """Return the ledger of each cycle, given as (task, number), in order of time; the tasks have to be visible."""
    rows = await reads.rows(
        ReminderRow,
        f"{_REMINDER} JOIN unnest($2::bigint[], $3::int[]) AS c (task_id, number)"
        " ON c.task_id = r.task_id AND c.number = r.cycle_number"
        " WHERE r.tenant_id = $1 ORDER BY r.scheduled_at, r.id",
        principal.tenant_id,
        [task_id for task_id, _ in cycles],
        [number for _, number in cycles],
    )
    found: dict[tuple[int, int], list[ReminderRow]] = {cycle: [] for cycle in cycles}
    for row in rows:
        found[row.task_id, row.cycle_number].append(row)
    return [found[cycle] for cycle in cycles]


async def load_settings_by_task(reads: Statements, principal: Principal, ids: Sequence[int]) -> list[list[SettingRow]]:
    """Return the reminders that each task is set up with, the earliest first; the tasks have to be visible."""
    settings: dict[int, list[SettingRow]] = {task_id: [] for task_id in ids}
    for row in await reads.rows(
        SettingRow,
        """
        SELECT s.id, s.task_id, s.days_before_due, m.id AS template_id, s.recipients FROM task_reminder_setting s
          LEFT JOIN email_template m ON m.id = s.template_id AND m.deleted_at IS NULL
         WHERE s.tenant_id = $1 AND s.task_id = ANY ($2::bigint[]) AND s.removed_at IS NULL
         ORDER BY s.days_before_due DESC, s.id
        """,
        principal.tenant_id,
        list(ids),
    ):
        settings[row.task_id].append(row)
    return [settings[task_id] for task_id in ids]


async def load_deliveries_by_reminder(
    reads: Statements, principal: Principal, ids: Sequence[int]
) -> list[list[DeliveryRow]]:
    """Return the emails of each entry of the ledger. Addresses are part of the directory; learners see their own."""
    is_shown = (
        "true" if principal.sees_all or principal.is_trainer else f"d.recipient_id = {principal.learner_id or 0:d}"
    )
    deliveries: dict[int, list[DeliveryRow]] = {reminder_id: [] for reminder_id in ids}
    for row in await reads.rows(
        DeliveryRow,
        f"""
        SELECT d.reminder_id, d.recipient_part, CASE WHEN {is_shown} THEN d.email END AS email, d.status,
               d.attempted_at, d.failure_reason FROM email_delivery d
         WHERE d.tenant_id = $1 AND d.reminder_id = ANY ($2::bigint[])
         ORDER BY d.id
        """,
        principal.tenant_id,
        list(ids),
    ):
        deliveries[row.reminder_id].append(row)
    return [deliveries[reminder_id] for reminder_id in ids]
