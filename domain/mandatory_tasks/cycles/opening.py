"""Opening the next cycle of repeated tasks: enrolled where needed, begun anew, told and reminded again (spec 4.15)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from domain.enrollments.binding import set_binding
from domain.enrollments.granting import Grant, grant
from domain.enrollments.models import ContentActionKind
from domain.enrollments.progress.resetting import Reset, reset_attempts
from domain.foundation.access import Source
from domain.foundation.unit_of_work import UnitOfWork
from domain.mandatory_tasks.assignees import Assignee, load_assignees, minimum_lead_days
from domain.mandatory_tasks.cycles.recurrence import NextCycle, cycle_opening, lead_days
from domain.mandatory_tasks.dates.local_time import end_of
from domain.mandatory_tasks.messages import tell_learners
from domain.mandatory_tasks.reminders.planning import CyclePlan, load_settings, plan_reminders
from domain.mandatory_tasks.task_rows import TaskRow, action_of, lock_tasks, log_tasks, touch_tasks
from domain.notifications.models import NotificationKind
from domain.people.queries import lock_idle_learners


@dataclass(frozen=True, slots=True)
class _Opening:
    task: TaskRow
    person: Assignee
    due_on: date
    opened_on: date


async def open_cycles(work: UnitOfWork, *, task_ids: Sequence[int]) -> int:
    """Open the next cycle of those of these tasks whose time has come, and return how many that were.

    People whom somebody else has locked are left for the next time, so two that do this share the work.
    """
    # Nobody waits for the answer, so there is no need for another job to look at the rules.
    work.evaluates_at_once = True
    openings = await _openings(work, task_ids)
    if not openings:
        return 0
    ids = [one.task.id for one in openings]
    await _begin_cycles(work, openings)
    await grant(
        work,
        [
            Grant(one.task.learner_id, one.task.target_id, Source.MANDATORY_TASK, task_id=one.task.id)
            for one in openings
        ],
        writes_facts=True,
    )
    await set_binding(work, ids, is_binding=True)
    await reset_attempts(work, [Reset(one.task.learner_id, one.task.target_id, one.task.id) for one in openings])
    await plan_reminders(
        work,
        [CyclePlan(one.task.id, one.task.cycle_number + 1, one.due_on, one.person.zone) for one in openings],
    )
    await touch_tasks(work, ids)
    await log_tasks(
        work,
        ContentActionKind.TASK_ASSIGNED,
        [action_of(one.task, work.now) for one in openings],
        source=Source.MANDATORY_TASK,
    )
    await tell_learners(work, NotificationKind.TASK_REOPENED, ids)
    return len(openings)


async def _openings(work: UnitOfWork, task_ids: Sequence[int]) -> list[_Opening]:
    learners = {
        record["id"]: record["learner_id"]
        for record in await work.sql.fetch(
            "SELECT id, learner_id FROM mandatory_task WHERE tenant_id = $1 AND id = ANY ($2::bigint[])",
            work.tenant_id,
            list(task_ids),
        )
    }
    locked = set(await lock_idle_learners(work, set(learners.values())))
    # On a snapshot after the lock: who became inactive or was moved meanwhile is not due any more.
    tasks = [
        task
        for task in await lock_tasks(
            work, [task_id for task_id, learner_id in learners.items() if learner_id in locked]
        )
        if not task.is_open and task.next_opens_at and task.next_opens_at <= work.now
    ]
    if not tasks:
        return []
    people = await load_assignees(work, {task.learner_id for task in tasks})
    settings = await load_settings(work, [task.id for task in tasks])
    minimum = await minimum_lead_days(work.sql, work.tenant_id)
    openings = []
    for task in tasks:
        assert task.next_due_on is not None
        assert task.next_opens_on is not None
        person = people[task.learner_id]
        cycle = cycle_opening(
            NextCycle(due_on=task.next_due_on, opens_on=task.next_opens_on),
            lead_days=lead_days(task.first_lead_days, [one.days_before_due for one in settings[task.id]]),
            minimum_lead_days=minimum,
            today=person.today(work.now),
        )
        openings.append(_Opening(task, person, cycle.due_on, cycle.opens_on))
    return openings


async def _begin_cycles(work: UnitOfWork, openings: Sequence[_Opening]) -> None:
    await work.sql.execute(
        """
        WITH n AS (
          SELECT * FROM unnest($2::bigint[], $3::date[], $4::timestamptz[], $5::date[])
                   AS n (id, due_on, due_at, opened_on)),
        cycle AS (
          INSERT INTO task_cycle (tenant_id, task_id, number, opened_on, due_on, due_at, every_weeks)
          SELECT $1, t.id, t.cycle_number + 1, n.opened_on, n.due_on, n.due_at, t.every_weeks
            FROM n JOIN mandatory_task t ON t.tenant_id = $1 AND t.id = n.id)
        UPDATE mandatory_task t
           SET cycle_number = t.cycle_number + 1, due_on = n.due_on, due_at = n.due_at, stage = 'ASSIGNED',
               completed_at = NULL, is_overdue_noted = false, next_due_on = NULL, next_opens_on = NULL,
               next_opens_at = NULL
          FROM n WHERE t.tenant_id = $1 AND t.id = n.id
        """,
        work.tenant_id,
        [one.task.id for one in openings],
        [one.due_on for one in openings],
        [end_of(one.due_on, one.person.zone) for one in openings],
        [one.opened_on for one in openings],
    )
