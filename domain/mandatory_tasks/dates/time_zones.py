"""Another time zone of a learner or of the tenant: ends of due dates, openings and reminders move with it (spec 4.3).

Dates stay; what they mean as instants does not. A reminder whose instant thereby lies in the past goes out at once, and
what was sent stays sent.
"""

from collections.abc import Collection, Mapping, Sequence
from zoneinfo import ZoneInfo

from domain.enrollments.models import ContentActionKind
from domain.foundation.access import Source
from domain.foundation.feed.changes import ObjectType
from domain.foundation.jobs.running import BACKGROUND_THRESHOLD, Job, create_job
from domain.foundation.models import JobKind
from domain.foundation.unit_of_work import UnitOfWork
from domain.mandatory_tasks.assignees import load_assignees
from domain.mandatory_tasks.dates.local_time import end_of, first_instant
from domain.mandatory_tasks.overdue import note_overdue
from domain.mandatory_tasks.reminders.schedule import scheduled_at
from domain.mandatory_tasks.task_rows import action_of, lock_tasks, log_tasks, touch_tasks
from domain.people.events import LearnerTimeZoneChanged
from domain.people.queries import lock_learners
from domain.tenants.events import TenantTimeZoneChanged

#: Learners that one transaction moves.
CHUNK = 500

_FOLLOWERS = """
SELECT DISTINCT t.learner_id FROM mandatory_task t JOIN learner l ON l.id = t.learner_id
 WHERE t.tenant_id = $1 AND t.withdrawn_at IS NULL AND l.time_zone IS NULL AND t.learner_id > $2
 ORDER BY t.learner_id LIMIT $3
"""


async def follow_learners(work: UnitOfWork, events: Sequence[LearnerTimeZoneChanged]) -> None:
    """Move the tasks of people whose time zone is another now; they are locked."""
    await _move(work, {event.learner_id for event in events})


async def follow_tenant(work: UnitOfWork, events: Sequence[TenantTimeZoneChanged]) -> None:
    """Move the tasks of everybody without a time zone of their own, at once or by a job."""
    learner_ids = await work.sql.values(_FOLLOWERS, work.tenant_id, 0, BACKGROUND_THRESHOLD)
    if not learner_ids:
        return
    subject = (ObjectType.TENANT, work.tenant_id, events[-1].name)
    if len(learner_ids) >= BACKGROUND_THRESHOLD:
        work.rescheduling_job_id = await create_job(work, JobKind.TIME_ZONE_CHANGE, subject=subject)
        return
    await lock_learners(work, learner_ids)
    await _move(work, learner_ids)
    work.rescheduling_job_id = await create_job(
        work, JobKind.TIME_ZONE_CHANGE, subject=subject, finished_with=len(learner_ids)
    )


async def time_zone_chunk(work: UnitOfWork, job: Job) -> bool:
    """Move the tasks of the next people of a TIME_ZONE_CHANGE."""
    if job.total_count is None:
        job.total_count = await work.sql.value(
            "SELECT count(DISTINCT t.learner_id) FROM mandatory_task t JOIN learner l ON l.id = t.learner_id"
            " WHERE t.tenant_id = $1 AND t.withdrawn_at IS NULL AND l.time_zone IS NULL",
            work.tenant_id,
        )
    learner_ids = await work.sql.values(_FOLLOWERS, work.tenant_id, job.progress.get("after", 0), CHUNK)
    if learner_ids:
        await lock_learners(work, learner_ids)
        await _move(work, learner_ids)
        job.progress["after"] = learner_ids[-1]
        job.processed_count += len(learner_ids)
    if len(learner_ids) < CHUNK:
        job.total_count = job.processed_count
        return True
    return False


async def _move(work: UnitOfWork, learner_ids: Collection[int]) -> None:
    """Work out all instants of these people's tasks from their dates and the zones as they are now."""
    task_ids = await work.sql.values(
        "SELECT id FROM mandatory_task"
        " WHERE tenant_id = $1 AND learner_id = ANY ($2::bigint[]) AND withdrawn_at IS NULL",
        work.tenant_id,
        list(learner_ids),
    )
    tasks = await lock_tasks(work, task_ids) if task_ids else []
    if not tasks:
        return
    people = await load_assignees(work, learner_ids)
    zones = {task.id: people[task.learner_id].zone for task in tasks}
    due = [end_of(task.due_on, zones[task.id]) for task in tasks]
    opens = [
        first_instant(task.next_opens_on, zones[task.id])
        if task.next_opens_on is not None and people[task.learner_id].is_active
        else None
        for task in tasks
    ]
    moved = {
        task.id
        for task, at, opens_at in zip(tasks, due, opens, strict=True)
        if (task.due_at, task.next_opens_at) != (at, opens_at)
    }
    in_time = [
        task for task, at in zip(tasks, due, strict=True) if task.is_open and task.is_overdue_noted and at > work.now
    ]
    await work.sql.execute(
        """
        WITH n AS (
          SELECT * FROM unnest($2::bigint[], $3::timestamptz[], $4::timestamptz[]) AS n (id, due_at, opens_at)),
        cycle AS (
          UPDATE task_cycle c SET due_at = n.due_at FROM n JOIN mandatory_task t ON t.id = n.id
           WHERE c.tenant_id = $1 AND c.task_id = t.id AND c.number = t.cycle_number)
        UPDATE mandatory_task t SET due_at = n.due_at, next_opens_at = n.opens_at,
               is_overdue_noted = t.is_overdue_noted AND n.due_at <= $5
          FROM n WHERE t.tenant_id = $1 AND t.id = n.id
        """,
        work.tenant_id,
        [task.id for task in tasks],
        due,
        opens,
        work.now,
    )
    await touch_tasks(work, sorted(moved | await _move_reminders(work, zones)))
    # The log said that these were overdue; it has to say that they are not any more, and which others are now.
    await log_tasks(
        work,
        ContentActionKind.TASK_CHANGED,
        [action_of(task, work.now) for task in in_time],
        source=Source.MANDATORY_TASK,
    )
    await note_overdue(work, task_ids=sorted(moved))


async def _move_reminders(work: UnitOfWork, zones: Mapping[int, ZoneInfo]) -> set[int]:
    """Work out when the reminders of these tasks go out; return the tasks with another one than before."""
    reminders = await work.sql.fetch(
        """
        SELECT r.id, r.task_id, r.due_on, r.scheduled_at, s.days_before_due FROM task_reminder r
          JOIN task_reminder_setting s ON s.id = r.setting_id
         WHERE r.tenant_id = $1 AND r.task_id = ANY ($2::bigint[]) AND r.status = 'SCHEDULED'
        """,
        work.tenant_id,
        list(zones),
    )
    planned = [scheduled_at(row["due_on"], row["days_before_due"], zones[row["task_id"]]) for row in reminders]
    moved = [(row, at) for row, at in zip(reminders, planned, strict=True) if row["scheduled_at"] != at]
    await work.sql.execute(
        "UPDATE task_reminder r SET scheduled_at = n.at FROM unnest($2::bigint[], $3::timestamptz[]) AS n (id, at)"
        " WHERE r.tenant_id = $1 AND r.id = n.id",
        work.tenant_id,
        [row["id"] for row, _ in moved],
        [at for _, at in moved],
    )
    return {row["task_id"] for row, _ in moved}
