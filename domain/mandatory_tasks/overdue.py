"""Noting that tasks have passed their due date. They are overdue without it; the log and the feed are told here."""

from collections.abc import Sequence

from domain.enrollments.models import ContentActionKind
from domain.foundation.access import Source
from domain.foundation.unit_of_work import UnitOfWork
from domain.mandatory_tasks.task_rows import action_of, lock_idle_tasks, log_tasks, touch_tasks


async def note_overdue(work: UnitOfWork, *, task_ids: Sequence[int]) -> int:
    """Note those of these tasks that are overdue and were not noted yet, and return how many that were.

    The log dates it by the end of the due date, however late it is noted.
    """
    overdue = [
        task
        for task in await lock_idle_tasks(work, task_ids)
        if task.is_open and not task.is_suspended and not task.is_overdue_noted and task.due_at <= work.now
    ]
    if not overdue:
        return 0
    ids = [task.id for task in overdue]
    await work.sql.execute(
        "UPDATE mandatory_task SET is_overdue_noted = true WHERE tenant_id = $1 AND id = ANY ($2::bigint[])",
        work.tenant_id,
        ids,
    )
    await touch_tasks(work, ids)
    await log_tasks(
        work,
        ContentActionKind.TASK_OVERDUE,
        [action_of(task, task.due_at) for task in overdue],
        source=Source.SYSTEM,
    )
    return len(overdue)
