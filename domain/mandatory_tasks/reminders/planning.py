"""The ledger of reminders: planned for one due date of one cycle, and settled when they are given out or called off.

An entry stands for (task, cycle, reminder, due date) for ever, so what was sent for a date is never sent for it again,
however often the task is moved.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

from domain.foundation.unit_of_work import UnitOfWork
from domain.mandatory_tasks.reminders.schedule import (
    ReminderReason,
    ReminderRecipient,
    ReminderSetting,
    ReminderStatus,
    planned_state,
    scheduled_at,
)


@dataclass(frozen=True, slots=True)
class CyclePlan:
    """A cycle for whose due date reminders are to be planned."""

    task_id: int
    cycle_number: int
    due_on: date
    zone: ZoneInfo
    #: Of what is completed already nobody is reminded.
    is_completed: bool = False


@dataclass(frozen=True, slots=True)
class StoredSetting:
    """A reminder that a task is set up with."""

    id: int
    task_id: int
    days_before_due: int
    template_id: int | None
    recipients: list[str]

    @property
    def setting(self) -> ReminderSetting:
        """The reminder without its place in the database."""
        recipients = tuple(ReminderRecipient(one) for one in self.recipients)
        return ReminderSetting(self.days_before_due, self.template_id, recipients)


async def load_settings(work: UnitOfWork, task_ids: Collection[int]) -> dict[int, list[StoredSetting]]:
    """Return the reminders that each task is set up with."""
    found: dict[int, list[StoredSetting]] = {task_id: [] for task_id in task_ids}
    for row in await work.sql.rows(
        StoredSetting,
        "SELECT id, task_id, days_before_due, template_id, recipients FROM task_reminder_setting"
        " WHERE tenant_id = $1 AND task_id = ANY ($2::bigint[]) AND removed_at IS NULL ORDER BY id",
        work.tenant_id,
        list(task_ids),
    ):
        found[row.task_id].append(row)
    return found


async def store_settings(work: UnitOfWork, task_ids: Sequence[int], settings: Collection[ReminderSetting]) -> None:
    """Set up every task with these reminders; one that was taken out before is the same one again."""
    for setting in settings:
        await work.sql.execute(
            """
            INSERT INTO task_reminder_setting (tenant_id, task_id, days_before_due, template_id, recipients)
            SELECT $1, unnest($2::bigint[]), $3, $4, $5
            ON CONFLICT (task_id, days_before_due, (coalesce(template_id, 0)), recipients)
              DO UPDATE SET removed_at = NULL
            """,
            work.tenant_id,
            list(task_ids),
            setting.days_before_due,
            setting.template_id,
            [recipient.value for recipient in setting.recipients],
        )


async def plan_reminders(work: UnitOfWork, plans: Sequence[CyclePlan]) -> None:
    """Enter the reminders of these cycles into the ledger; the tasks have to be locked.

    What lies ahead is SCHEDULED, also where it was called off before; what has passed is SKIPPED. What was sent stays,
    and so does what is scheduled: its time may have come just now.
    """
    settings = await load_settings(work, [plan.task_id for plan in plans])
    rows = []
    for plan in plans:
        for setting in settings[plan.task_id]:
            at = scheduled_at(plan.due_on, setting.days_before_due, plan.zone)
            status, reason = planned_state(at, work.now)
            if plan.is_completed and status is ReminderStatus.SCHEDULED:
                status, reason = ReminderStatus.CANCELLED, ReminderReason.TASK_COMPLETED
            rows.append((plan.task_id, plan.cycle_number, setting.id, plan.due_on, at, status.value, reason))
    if not rows:
        return
    columns = list(zip(*rows, strict=True))
    await work.sql.execute(
        """
        INSERT INTO task_reminder AS r (tenant_id, task_id, cycle_number, setting_id, due_on, scheduled_at, status,
                                        reason, settled_at)
        SELECT $1, task_id, cycle_number, setting_id, due_on, scheduled_at, status, reason,
               CASE WHEN status <> 'SCHEDULED' THEN $2::timestamptz END
          FROM unnest($3::bigint[], $4::int[], $5::bigint[], $6::date[], $7::timestamptz[], $8::text[], $9::text[])
               AS n (task_id, cycle_number, setting_id, due_on, scheduled_at, status, reason)
        ON CONFLICT (task_id, cycle_number, setting_id, due_on)
          DO UPDATE SET scheduled_at = excluded.scheduled_at, status = excluded.status, reason = excluded.reason,
                        settled_at = excluded.settled_at
           WHERE r.status = 'CANCELLED'
        """,
        work.tenant_id,
        work.now,
        *(list(column) for column in columns),
    )


async def call_off_reminders(
    work: UnitOfWork,
    task_ids: Collection[int],
    reason: ReminderReason,
    *,
    setting_ids: Collection[int] | None = None,
) -> None:
    """Cancel what is still scheduled of these tasks, or of these reminders of them; the tasks have to be locked."""
    await work.sql.execute(
        """
        UPDATE task_reminder SET status = 'CANCELLED', reason = $3, settled_at = $4
         WHERE tenant_id = $1 AND task_id = ANY ($2::bigint[]) AND status = 'SCHEDULED'
           AND ($5::bigint[] IS NULL OR setting_id = ANY ($5))
        """,
        work.tenant_id,
        list(task_ids),
        reason.value,
        work.now,
        None if setting_ids is None else list(setting_ids),
    )
