"""Completing the current cycle of tasks, and planning the next one of those that are repeated."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from domain.enrollments.binding import set_binding
from domain.foundation.unit_of_work import UnitOfWork
from domain.mandatory_tasks.assignees import Assignee, load_assignees, minimum_lead_days
from domain.mandatory_tasks.cycles.recurrence import NextCycle, lead_days, plan_next_cycle
from domain.mandatory_tasks.dates.local_time import first_instant, local_date
from domain.mandatory_tasks.reminders.planning import call_off_reminders, load_settings
from domain.mandatory_tasks.reminders.schedule import ReminderReason
from domain.mandatory_tasks.task_rows import TaskRow
from domain.notifications.messages import suppress_emails
from domain.notifications.models import NotificationKind


@dataclass(frozen=True, slots=True)
class Completion:
    """A task whose target is completed, and when that was."""

    task: TaskRow
    completed_at: datetime


async def complete_tasks(work: UnitOfWork, completions: Sequence[Completion]) -> None:
    """Complete the current cycle of these tasks, which have to be locked: nobody is bound or reminded any more."""
    if not completions:
        return
    task_ids = [one.task.id for one in completions]
    await work.sql.execute(
        """
        WITH done AS (SELECT * FROM unnest($2::bigint[], $3::timestamptz[]) AS d (id, completed_at)),
        cycle AS (
          UPDATE task_cycle c SET completed_at = d.completed_at FROM done d JOIN mandatory_task t ON t.id = d.id
           WHERE c.tenant_id = $1 AND c.task_id = t.id AND c.number = t.cycle_number)
        UPDATE mandatory_task t SET stage = 'COMPLETED', completed_at = d.completed_at, is_suspended = false
          FROM done d WHERE t.tenant_id = $1 AND t.id = d.id
        """,
        work.tenant_id,
        task_ids,
        [one.completed_at for one in completions],
    )
    await set_binding(work, task_ids, is_binding=False)
    await call_off_reminders(work, task_ids, ReminderReason.TASK_COMPLETED)
    # Whatever still waits asks them to complete it.
    await suppress_emails(work, task_ids, kinds=list(NotificationKind), reason="The task was completed before.")
    await plan_next_cycles(work, completions)


async def plan_next_cycles(work: UnitOfWork, completions: Sequence[Completion]) -> None:
    """Lay down when the next cycle of each of these completed tasks opens, nothing where it is not repeated."""
    plans = await _planned(work, completions)
    people = await load_assignees(work, {one.task.learner_id for one in completions})
    rows = []
    for one in completions:
        plan, person = plans.get(one.task.id), people[one.task.learner_id]
        rows.append((one.task.id, plan and plan.due_on, plan and plan.opens_on, _opens_at(plan, person)))
    ids, due, opens, instants = zip(*rows, strict=True)
    await work.sql.execute(
        """
        UPDATE mandatory_task t SET next_due_on = n.due_on, next_opens_on = n.opens_on, next_opens_at = n.opens_at
          FROM unnest($2::bigint[], $3::date[], $4::date[], $5::timestamptz[]) AS n (id, due_on, opens_on, opens_at)
         WHERE t.tenant_id = $1 AND t.id = n.id
        """,
        work.tenant_id,
        list(ids),
        list(due),
        list(opens),
        list(instants),
    )


def _opens_at(plan: NextCycle | None, person: Assignee) -> datetime | None:
    """Return when sweeps shall open a cycle; never while the person is inactive."""
    return first_instant(plan.opens_on, person.zone) if plan is not None and person.is_active else None


async def _planned(work: UnitOfWork, completions: Sequence[Completion]) -> Mapping[int, NextCycle]:
    repeated = [one for one in completions if one.task.every_weeks is not None]
    if not repeated:
        return {}
    minimum = await minimum_lead_days(work.sql, work.tenant_id)
    settings = await load_settings(work, [one.task.id for one in repeated])
    people = await load_assignees(work, {one.task.learner_id for one in repeated})
    plans = {}
    for one in repeated:
        task, person = one.task, people[one.task.learner_id]
        assert task.every_weeks is not None
        plans[task.id] = plan_next_cycle(
            due_on=task.due_on,
            completed_on=local_date(one.completed_at, person.zone),
            every_weeks=task.every_weeks,
            lead_days=lead_days(task.first_lead_days, [setting.days_before_due for setting in settings[task.id]]),
            minimum_lead_days=minimum,
            today=person.today(work.now),
        )
    return plans
