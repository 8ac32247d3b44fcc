"""Tasks as operations and sweeps work with them: locked rows, and the notes that every change of them leaves behind."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from domain.enrollments.models import ContentActionKind
from domain.foundation.access import Source
from domain.foundation.feed.changes import ObjectType, record_changes
from domain.foundation.unit_of_work import UnitOfWork
from domain.mandatory_tasks.status import TaskStage, TaskStatus, status_at


@dataclass(frozen=True, slots=True)
class TaskRow:
    """A task as it stays until the end of the transaction."""

    id: int
    learner_id: int
    target_id: int
    assigner_learner_id: int | None
    assigner_service_account_id: int | None
    note: str | None
    every_weeks: int | None
    first_lead_days: int
    cycle_number: int
    due_on: date
    due_at: datetime
    stage: str
    completed_at: datetime | None
    is_overdue_noted: bool
    is_suspended: bool
    next_due_on: date | None
    next_opens_on: date | None
    next_opens_at: datetime | None
    version: int
    edited_version: int

    @property
    def is_open(self) -> bool:
        """Whether the current cycle is not completed."""
        return self.stage != TaskStage.COMPLETED

    def status(self, now: datetime) -> TaskStatus:
        """Return the status at an instant; a suspended task is never overdue."""
        return status_of(self.stage, self.due_at, now, is_suspended=self.is_suspended)


def status_of(stage: str, due_at: datetime, now: datetime, *, is_suspended: bool) -> TaskStatus:
    """Return the status of a task at an instant; a suspended task is never overdue."""
    return TaskStatus(stage) if is_suspended else status_at(TaskStage(stage), due_at, now)


COLUMNS = (
    "t.id, t.learner_id, t.target_id, t.assigner_learner_id, t.assigner_service_account_id, t.note, t.every_weeks,"
    " t.first_lead_days, t.cycle_number, t.due_on, t.due_at, t.stage, t.completed_at, t.is_overdue_noted,"
    " t.is_suspended, t.next_due_on, t.next_opens_on, t.next_opens_at, t.version, t.edited_version"
)


async def lock_tasks(work: UnitOfWork, task_ids: Collection[int]) -> list[TaskRow]:
    """Lock those of these tasks that are in force and return them by ID; their learners come before them."""
    return await _lock(work, task_ids, "")


async def lock_idle_tasks(work: UnitOfWork, task_ids: Collection[int]) -> list[TaskRow]:
    """Lock those of these tasks that are in force and that nobody else has locked; waits for nobody."""
    return await _lock(work, task_ids, " SKIP LOCKED")


async def _lock(work: UnitOfWork, task_ids: Collection[int], how: str) -> list[TaskRow]:
    # In the order of IDs, or two transactions that lock the same tasks wait for each other for ever.
    return await work.sql.rows(
        TaskRow,
        f"SELECT {COLUMNS} FROM mandatory_task t WHERE t.tenant_id = $1 AND t.id = ANY ($2::bigint[])"
        f" AND t.withdrawn_at IS NULL ORDER BY t.id FOR NO KEY UPDATE{how}",
        work.tenant_id,
        list(task_ids),
    )


async def touch_tasks(work: UnitOfWork, task_ids: Collection[int]) -> None:
    """Raise the versions of tasks and tell the feed: after all that has changed about them in one step."""
    if not task_ids:
        return
    changed = await work.sql.fetch(
        "UPDATE mandatory_task SET version = version + 1, updated_at = $3"
        " WHERE tenant_id = $1 AND id = ANY ($2::bigint[]) RETURNING id, version",
        work.tenant_id,
        list(task_ids),
        work.now,
    )
    await record_changes(work, ObjectType.MANDATORY_TASK, sorted((row["id"], row["version"]) for row in changed))


@dataclass(frozen=True, slots=True)
class TaskAction:
    """What the log is to tell of a task."""

    task_id: int
    learner_id: int
    target_id: int
    occurred_at: datetime


def action_of(task: TaskRow, occurred_at: datetime) -> TaskAction:
    """Return what the log is to tell of a task."""
    return TaskAction(task.id, task.learner_id, task.target_id, occurred_at)


async def log_tasks(
    work: UnitOfWork, action: ContentActionKind, actions: Iterable[TaskAction], *, source: Source
) -> None:
    """Write a log row for each task, with the status of its enrollment as it is now."""
    entries: Sequence[TaskAction] = list(actions)
    if not entries:
        return
    await work.sql.execute(
        """
        WITH logged AS (
          INSERT INTO content_action (tenant_id, learner_id, content_id, action, source, task_id, actor_learner_id,
                                      actor_service_account_id, resulting_status, occurred_at, recorded_at)
          SELECT $1, n.learner_id, n.target_id, $2, $3, n.task_id, $4, $5, e.status, n.occurred_at, $6
            FROM unnest($7::bigint[], $8::bigint[], $9::bigint[], $10::timestamptz[])
                 AS n (task_id, learner_id, target_id, occurred_at)
            LEFT JOIN enrollment e ON e.tenant_id = $1 AND e.learner_id = n.learner_id AND e.content_id = n.target_id
           ORDER BY n.task_id
          RETURNING id)
        INSERT INTO change_pending (tenant_id, object_type, object_id, version, at)
        SELECT $1, 'CONTENT_ACTION', id, 1, $6 FROM logged
        """,
        work.tenant_id,
        action.value,
        source.value,
        work.principal.learner_id,
        work.principal.service_account_id,
        work.now,
        [one.task_id for one in entries],
        [one.learner_id for one in entries],
        [one.target_id for one in entries],
        [one.occurred_at for one in entries],
    )
