"""Withdrawing a task: it is gone from everywhere but the log, and its reason to be enrolled ends."""

from domain.enrollments.binding import set_binding
from domain.enrollments.ending import Selection, end_reasons
from domain.enrollments.granting import Grant, grant
from domain.enrollments.models import ContentActionKind
from domain.foundation.access import Source
from domain.foundation.unit_of_work import UnitOfWork
from domain.mandatory_tasks.editing import lock_task_to_change
from domain.mandatory_tasks.errors import TaskAlreadyCompleted
from domain.mandatory_tasks.messages import tell_learners
from domain.mandatory_tasks.reminders.planning import call_off_reminders
from domain.mandatory_tasks.reminders.schedule import ReminderReason
from domain.mandatory_tasks.task_rows import TaskRow, action_of, log_tasks, touch_tasks
from domain.notifications.messages import suppress_emails
from domain.notifications.models import NotificationKind

_REASON_OF_TASK = """
SELECT r.id AS reason_id, r.enrollment_id, r.learner_id, r.content_id, NULL::bigint AS rule_id
  FROM enrollment_reason r
 WHERE r.tenant_id = $9::bigint AND r.task_id = $10::bigint AND r.source = 'MANDATORY_TASK' AND r.until_at IS NULL
"""


async def withdraw_mandatory_task(work: UnitOfWork, *, task_id: int, keeps_enrollment: bool = True) -> int:
    """Withdraw a task, tell the learner, and return its ID.

    With `keeps_enrollment`, the account becomes a reason of its own. Raises NotFound, NotPermitted and
    TaskAlreadyCompleted.
    """
    task = await lock_task_to_change(work, task_id)
    if not task.is_open:
        raise TaskAlreadyCompleted(path=["id"])
    await take_back(work, task)
    if keeps_enrollment:
        # Before the other reason ends, so that access is never interrupted.
        await grant(
            work,
            [Grant(task.learner_id, task.target_id, work.principal.source)],
            writes_facts=True,
            logs_every_reason=True,
        )
    await end_reason_of_task(work, task_id)
    await tell_learners(work, NotificationKind.TASK_WITHDRAWN, [task_id])
    return task_id


async def end_reason_of_task(work: UnitOfWork, task_id: int) -> None:
    """End what a task, which binds nobody any more, was a reason for."""
    await end_reasons(
        work,
        Selection(_REASON_OF_TASK, (work.tenant_id, task_id)),
        source=Source.MANDATORY_TASK,
        is_by_rule=False,
        task_id=task_id,
    )


async def take_back(work: UnitOfWork, task: TaskRow) -> None:
    """Take a task out of force: nothing is bound, nobody is reminded."""
    await work.sql.execute(
        "UPDATE mandatory_task SET withdrawn_at = $3, is_suspended = false WHERE tenant_id = $1 AND id = $2",
        work.tenant_id,
        task.id,
        work.now,
    )
    await set_binding(work, [task.id], is_binding=False)
    await call_off_reminders(work, [task.id], ReminderReason.TASK_WITHDRAWN)
    await suppress_emails(
        work, [task.id], kinds=[NotificationKind.TASK_REMINDER], reason="The task was withdrawn before."
    )
    await touch_tasks(work, [task.id])
    await log_tasks(work, ContentActionKind.TASK_WITHDRAWN, [action_of(task, work.now)], source=Source.MANDATORY_TASK)
