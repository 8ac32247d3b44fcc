"""What happens to tasks because something happens to their learners: progress, rest, another time zone.

Each handler gets what a whole transaction has done, and does what follows in a few statements however much it was.
"""

from collections.abc import Collection, Sequence
from datetime import datetime

from domain.enrollments.events import ProgressChanged
from domain.enrollments.models import ContentActionKind, EnrollmentStatus
from domain.foundation.access import Source
from domain.foundation.unit_of_work import UnitOfWork
from domain.mandatory_tasks.assignees import load_assignees
from domain.mandatory_tasks.cycles.completion import Completion, complete_tasks
from domain.mandatory_tasks.dates.local_time import first_instant
from domain.mandatory_tasks.overdue import note_overdue
from domain.mandatory_tasks.status import TaskStage
from domain.mandatory_tasks.task_rows import TaskRow, action_of, lock_tasks, log_tasks, status_of, touch_tasks
from domain.notifications.messages import suppress_emails
from domain.notifications.models import NotificationKind
from domain.people.events import LearnerBecameActive, LearnerBecameInactive

_STAGES = {
    EnrollmentStatus.NOT_STARTED: TaskStage.ASSIGNED,
    EnrollmentStatus.IN_PROGRESS: TaskStage.IN_PROGRESS,
    EnrollmentStatus.COMPLETED: TaskStage.COMPLETED,
}


async def follow_progress(work: UnitOfWork, events: Sequence[ProgressChanged]) -> None:
    """Let tasks stand where their learners are now. A completed cycle stays so, whatever happens to the content.

    Evidence that the content was completed earlier dates the cycle back, so that the order of reports does not matter.
    """
    places = sorted({(event.learner_id, event.content_id) for event in events})
    standings = {
        record["id"]: (EnrollmentStatus(record["status"]), record["completed_at"])
        for record in await work.sql.fetch(
            """
            SELECT t.id, e.status, e.completed_at FROM unnest($2::bigint[], $3::bigint[]) AS p (learner_id, content_id)
              JOIN mandatory_task t ON t.tenant_id = $1 AND t.learner_id = p.learner_id AND t.target_id = p.content_id
               AND t.withdrawn_at IS NULL
              JOIN enrollment e ON e.tenant_id = $1 AND e.learner_id = p.learner_id AND e.content_id = p.content_id
            """,
            work.tenant_id,
            [learner_id for learner_id, _ in places],
            [content_id for _, content_id in places],
        )
    }
    if not standings:
        return
    tasks = await lock_tasks(work, standings)
    completions, moved = [], []
    for task in tasks:
        status, completed_at = standings[task.id]
        stage = _STAGES[status]
        if not task.is_open:
            if _dates_back(task, stage, completed_at):
                completions.append(Completion(task, completed_at or work.now))
            continue
        if stage is TaskStage.COMPLETED:
            completions.append(Completion(task, completed_at or work.now))
        elif stage != task.stage:
            moved.append((task.id, stage))
        if status_of(stage, task.due_at, work.now, is_suspended=task.is_suspended) is not task.status(work.now):
            work.changed_task_ids.append(task.id)
    await _move(work, moved)
    await complete_tasks(work, completions)
    await touch_tasks(work, [task.id for task in tasks])


def _dates_back(task: TaskRow, stage: TaskStage, completed_at: datetime | None) -> bool:
    # A later attempt is completed later, so what is earlier is about the attempt that completed the cycle.
    if stage is not TaskStage.COMPLETED or completed_at is None or task.completed_at is None:
        return False
    return completed_at < task.completed_at


async def _move(work: UnitOfWork, moved: Sequence[tuple[int, TaskStage]]) -> None:
    if moved:
        await work.sql.execute(
            "UPDATE mandatory_task t SET stage = n.stage FROM unnest($2::bigint[], $3::text[]) AS n (id, stage)"
            " WHERE t.tenant_id = $1 AND t.id = n.id",
            work.tenant_id,
            [task_id for task_id, _ in moved],
            [stage.value for _, stage in moved],
        )


async def suspend_tasks(work: UnitOfWork, events: Sequence[LearnerBecameInactive]) -> None:
    """Let the open tasks of people who become inactive rest, and open no cycle of theirs meanwhile (spec 2.10)."""
    tasks = await _tasks_of(work, [event.learner_id for event in events])
    resting = [task.id for task in tasks if task.is_open]
    waiting = [task.id for task in tasks if task.next_opens_at is not None]
    if resting:
        await work.sql.execute(
            "UPDATE mandatory_task SET is_suspended = true, is_overdue_noted = false"
            " WHERE tenant_id = $1 AND id = ANY ($2::bigint[])",
            work.tenant_id,
            resting,
        )
        await suppress_emails(
            work, resting, kinds=[NotificationKind.TASK_REMINDER], reason="The learner was inactive at the time."
        )
    if waiting:
        await work.sql.execute(
            "UPDATE mandatory_task SET next_opens_at = NULL WHERE tenant_id = $1 AND id = ANY ($2::bigint[])",
            work.tenant_id,
            waiting,
        )
    await touch_tasks(work, resting)
    # The log said that these were overdue, and nothing that rests is.
    await log_tasks(
        work,
        ContentActionKind.TASK_CHANGED,
        [action_of(task, work.now) for task in tasks if task.is_open and task.is_overdue_noted],
        source=Source.MANDATORY_TASK,
    )


async def resume_tasks(work: UnitOfWork, events: Sequence[LearnerBecameActive]) -> None:
    """Let the tasks of people who become active again go on: reminders whose time passed meanwhile are skipped."""
    tasks = await _tasks_of(work, [event.learner_id for event in events])
    resumed = [task.id for task in tasks if task.is_suspended]
    if resumed:
        await work.sql.execute(
            """
            WITH skipped AS (
              UPDATE task_reminder SET status = 'SKIPPED', reason = 'TASK_SUSPENDED', settled_at = $3
               WHERE tenant_id = $1 AND task_id = ANY ($2::bigint[]) AND status = 'SCHEDULED' AND scheduled_at <= $3)
            UPDATE mandatory_task SET is_suspended = false WHERE tenant_id = $1 AND id = ANY ($2::bigint[])
            """,
            work.tenant_id,
            resumed,
            work.now,
        )
        await touch_tasks(work, resumed)
        await note_overdue(work, task_ids=resumed)
    await _open_later(work, tasks)


async def _tasks_of(work: UnitOfWork, learner_ids: Collection[int]) -> list[TaskRow]:
    """Lock and return the tasks of people, who are locked already."""
    task_ids = await work.sql.values(
        "SELECT id FROM mandatory_task"
        " WHERE tenant_id = $1 AND learner_id = ANY ($2::bigint[]) AND withdrawn_at IS NULL",
        work.tenant_id,
        list(learner_ids),
    )
    return await lock_tasks(work, task_ids) if task_ids else []


async def _open_later(work: UnitOfWork, tasks: Sequence[TaskRow]) -> None:
    """Let sweeps open the next cycles of completed tasks again."""
    people = await load_assignees(work, {task.learner_id for task in tasks})
    openings = [
        (task.id, first_instant(task.next_opens_on, people[task.learner_id].zone))
        for task in tasks
        if task.next_opens_on is not None
    ]
    if openings:
        await work.sql.execute(
            "UPDATE mandatory_task t SET next_opens_at = n.opens_at FROM unnest($2::bigint[], $3::timestamptz[])"
            " AS n (id, opens_at) WHERE t.tenant_id = $1 AND t.id = n.id",
            work.tenant_id,
            [task_id for task_id, _ in openings],
            [opens_at for _, opens_at in openings],
        )
