"""Giving a target to people as a task: one path for one learner and for ten thousand.

A task enrolls, plans its reminders and tells the learner. What somebody has completed already fulfils it at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from domain.enrollments.granting import Grant, grant
from domain.enrollments.models import ContentActionKind, EnrollmentStatus
from domain.foundation.access import Source
from domain.foundation.feed.changes import ObjectType, record_changes
from domain.foundation.unit_of_work import UnitOfWork
from domain.mandatory_tasks.assignees import Assignee
from domain.mandatory_tasks.cycles.completion import Completion, complete_tasks
from domain.mandatory_tasks.dates.local_time import end_of
from domain.mandatory_tasks.messages import tell_learners
from domain.mandatory_tasks.reminders.planning import CyclePlan, plan_reminders, store_settings
from domain.mandatory_tasks.status import TaskStage
from domain.mandatory_tasks.task_rows import TaskRow, action_of, lock_tasks, log_tasks
from domain.mandatory_tasks.terms import TaskTerms
from domain.notifications.models import NotificationKind


@dataclass(frozen=True, slots=True)
class NewTask:
    """Somebody who is to get a task, and the date on which it was given to them, in their time zone."""

    assignee: Assignee
    assigned_on: date


@dataclass(frozen=True, slots=True)
class _Standing:
    """How far somebody is in the target of their new task."""

    task_id: int
    status: str
    completed_at: datetime | None


async def create_tasks(
    work: UnitOfWork,
    target_id: int,
    terms: TaskTerms,
    people: Sequence[NewTask],
    *,
    bulk_assignment_id: int | None = None,
) -> dict[int, int]:
    """Give a target to these people, who have to be locked and to have no task for it; return tasks by learner."""
    if not people:
        return {}
    assignees = {one.assignee.id: one.assignee for one in people}
    task_ids = await _insert(work, target_id, terms, people, bulk_assignment_id)
    by_learner = {task_id: learner_id for learner_id, task_id in task_ids.items()}
    await store_settings(work, list(by_learner), terms.reminders)
    await grant(
        work,
        [
            Grant(learner_id, target_id, Source.MANDATORY_TASK, task_id=task_id)
            for task_id, learner_id in by_learner.items()
        ],
        writes_facts=True,
    )
    tasks = await _set_stages(work, by_learner)
    plans = [
        CyclePlan(task.id, task.cycle_number, task.due_on, assignees[task.learner_id].zone, not task.is_open)
        for task in tasks
    ]
    await plan_reminders(work, plans)
    await log_tasks(
        work,
        ContentActionKind.TASK_ASSIGNED,
        [action_of(task, work.now) for task in tasks],
        source=Source.MANDATORY_TASK,
    )
    await record_changes(work, ObjectType.MANDATORY_TASK, [(task.id, task.version) for task in tasks])
    await tell_learners(work, NotificationKind.TASK_ASSIGNED, [task.id for task in tasks])
    return task_ids


async def _insert(
    work: UnitOfWork, target_id: int, terms: TaskTerms, people: Sequence[NewTask], bulk_assignment_id: int | None
) -> dict[int, int]:
    """Insert the tasks with their first cycles; return their IDs by learner, in the order of learners."""
    records = await work.sql.fetch(
        """
        WITH task AS (
          INSERT INTO mandatory_task (tenant_id, learner_id, target_id, assigner_learner_id,
                 assigner_service_account_id, bulk_assignment_id, note, every_weeks, first_lead_days, cycle_number,
                 due_on, due_at, stage, is_overdue_noted, is_suspended, created_at, updated_at, version, edited_version)
          SELECT $1, n.learner_id, $2, $3, $4, $5, $6, $7, n.lead_days, 1, $8, n.due_at, 'ASSIGNED', false, false,
                 $9, $9, 1, 1
            FROM unnest($10::bigint[], $11::timestamptz[], $12::int[], $13::date[])
                 AS n (learner_id, due_at, lead_days, opened_on) ORDER BY n.learner_id
          RETURNING id, learner_id, due_at),
        cycle AS (
          INSERT INTO task_cycle (tenant_id, task_id, number, opened_on, due_on, due_at, every_weeks)
          SELECT $1, task.id, 1, n.opened_on, $8, task.due_at, $7 FROM task
            JOIN unnest($10::bigint[], $13::date[]) AS n (learner_id, opened_on) ON n.learner_id = task.learner_id)
        SELECT id, learner_id FROM task ORDER BY learner_id
        """,
        work.tenant_id,
        target_id,
        work.principal.learner_id,
        work.principal.service_account_id,
        bulk_assignment_id,
        terms.note,
        terms.every_weeks,
        terms.due_on,
        work.now,
        [one.assignee.id for one in people],
        [end_of(terms.due_on, one.assignee.zone) for one in people],
        [(terms.due_on - one.assigned_on).days for one in people],
        [one.assigned_on for one in people],
    )
    return {record["learner_id"]: record["id"] for record in records}


async def _set_stages(work: UnitOfWork, by_task: dict[int, int]) -> list[TaskRow]:
    """Let new tasks begin where their learners are, which fulfils some of them; return them."""
    standings = await work.sql.rows(
        _Standing,
        """
        SELECT t.id AS task_id, e.status, e.completed_at FROM mandatory_task t
          JOIN enrollment e ON e.tenant_id = $1 AND e.learner_id = t.learner_id AND e.content_id = t.target_id
         WHERE t.tenant_id = $1 AND t.id = ANY ($2::bigint[])
        """,
        work.tenant_id,
        list(by_task),
    )
    fulfilled = {one.task_id: one.completed_at for one in standings if one.status == EnrollmentStatus.COMPLETED}
    begun = [one.task_id for one in standings if one.status == EnrollmentStatus.IN_PROGRESS]
    if begun:
        await work.sql.execute(
            "UPDATE mandatory_task SET stage = $3 WHERE tenant_id = $1 AND id = ANY ($2::bigint[])",
            work.tenant_id,
            begun,
            TaskStage.IN_PROGRESS.value,
        )
    if not fulfilled:
        return await lock_tasks(work, list(by_task))
    await complete_tasks(
        work,
        [
            Completion(task, fulfilled[task.id] or work.now)
            for task in await lock_tasks(work, list(by_task))
            if task.id in fulfilled
        ],
    )
    return await lock_tasks(work, list(by_task))
