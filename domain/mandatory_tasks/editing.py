"""Changing a task: its deadline, note, repetition and reminders."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from domain.enrollments.models import ContentActionKind
from domain.foundation.access import Source
from domain.foundation.errors import NotFound, NotPermitted, ProblemList, VersionConflict
from domain.foundation.unit_of_work import UnitOfWork
from domain.mandatory_tasks.assignees import Assignee, load_assignees
from domain.mandatory_tasks.cycles.completion import Completion, plan_next_cycles
from domain.mandatory_tasks.dates.local_time import end_of
from domain.mandatory_tasks.errors import DueDateTooSoon, TaskAlreadyCompleted
from domain.mandatory_tasks.messages import tell_learners
from domain.mandatory_tasks.reminders.planning import (
    CyclePlan,
    call_off_reminders,
    load_settings,
    plan_reminders,
    store_settings,
)
from domain.mandatory_tasks.reminders.schedule import ReminderReason, ReminderSetting
from domain.mandatory_tasks.rights import changeability, require_assigning_role, visibility
from domain.mandatory_tasks.task_rows import TaskRow, action_of, lock_tasks, log_tasks, touch_tasks
from domain.mandatory_tasks.terms import ReminderInput, check_latest, check_weeks, checked_note, checked_reminders
from domain.notifications.models import NotificationKind
from domain.people.learners.changes import UNSET, Unset
from domain.people.queries import lock_learners


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskChanges:
    """What to change about a task; fields left out stay, None removes note and repetition."""

    due_on: date | Unset = UNSET
    note: str | Unset | None = UNSET
    every_weeks: int | Unset | None = UNSET
    reminders: Sequence[ReminderInput] | Unset = UNSET


async def lock_task_to_change(work: UnitOfWork, task_id: int) -> TaskRow:
    """Lock a task and its learner for a change by the account.

    Raises NotFound for what is withdrawn or not theirs to see, NotPermitted for what others have assigned.
    """
    require_assigning_role(work.principal)
    seen = visibility(work.principal) if work.principal.is_person or work.principal.is_operator else "true"
    found = await work.sql.fetch(
        f"SELECT t.learner_id, {changeability(work.principal)} AS may_change FROM mandatory_task t"
        f" WHERE t.tenant_id = $1 AND t.id = $2 AND t.withdrawn_at IS NULL AND {seen}",
        work.tenant_id,
        task_id,
    )
    if not found:
        raise NotFound(path=["id"])
    if not found[0]["may_change"]:
        raise NotPermitted("Only who has assigned the task changes it, or an administrator.", path=["id"])
    await lock_learners(work, [found[0]["learner_id"]])
    tasks = await lock_tasks(work, [task_id])
    if not tasks:
        raise NotFound(path=["id"])
    return tasks[0]


async def update_mandatory_task(
    work: UnitOfWork, *, task_id: int, changes: TaskChanges, expected_version: int | None = None
) -> int:
    """Change a task, recalculate its reminders, and tell the learner of a new deadline or note; returns its ID.

    Raises NotFound, NotPermitted, VersionConflict, Invalid, DueDateTooSoon and, for the deadline of a completed cycle,
    TaskAlreadyCompleted.
    """
    task = await lock_task_to_change(work, task_id)
    if expected_version is not None and task.edited_version > expected_version:
        raise VersionConflict(current_version=task.version)
    person = (await load_assignees(work, [task.learner_id]))[task.learner_id]
    edit = await _judged(work, task, person, changes)
    if edit.is_empty:
        return task_id
    await _write(work, task, edit, person)
    if edit.settings is not None:
        await _replace_settings(work, task, edit.settings)
    if edit.due_on is not None:
        await call_off_reminders(work, [task_id], ReminderReason.TASK_RESCHEDULED)
    due_on = edit.due_on or task.due_on
    if task.is_open and (edit.settings is not None or edit.due_on is not None):
        await plan_reminders(work, [CyclePlan(task_id, task.cycle_number, due_on, person.zone)])
    if not task.is_open:
        await _plan_again(work, task_id)
    await touch_tasks(work, [task_id])
    await work.sql.execute(
        "UPDATE mandatory_task SET edited_version = version WHERE tenant_id = $1 AND id = $2", work.tenant_id, task_id
    )
    await log_tasks(work, ContentActionKind.TASK_CHANGED, [action_of(task, work.now)], source=Source.MANDATORY_TASK)
    if edit.due_on is not None or edit.has_other_note:
        await tell_learners(work, NotificationKind.TASK_CHANGED, [task_id])
    return task_id


@dataclass(frozen=True, slots=True)
class _Edit:
    """What an edit really changes."""

    #: None where the date stays.
    due_on: date | None
    note: str | None
    has_other_note: bool
    every_weeks: int | None
    has_other_weeks: bool
    #: None where the reminders stay.
    settings: tuple[ReminderSetting, ...] | None

    @property
    def is_empty(self) -> bool:
        """Whether everything is so already."""
        return self.due_on is None and self.settings is None and not (self.has_other_note or self.has_other_weeks)


async def _judged(work: UnitOfWork, task: TaskRow, person: Assignee, changes: TaskChanges) -> _Edit:
    """Return what is to change; raises everything that is wrong with it."""
    problems = ProblemList()
    note, every_weeks = task.note, task.every_weeks
    due_on: date | None = None
    settings: tuple[ReminderSetting, ...] | None = None
    if not isinstance(changes.due_on, Unset) and changes.due_on != task.due_on:
        due_on = changes.due_on
        _check_due_on(work, task, person, due_on, problems)
    if not isinstance(changes.note, Unset):
        note = checked_note(changes.note, problems, ["changes", "note"])
    if not isinstance(changes.every_weeks, Unset):
        every_weeks = changes.every_weeks
        check_weeks(every_weeks, problems, ["changes", "repeatEveryWeeks"])
    if not isinstance(changes.reminders, Unset):
        settings = await checked_reminders(
            work.sql,
            work.principal,
            changes.reminders,
            problems,
            has_assigner=task.assigner_learner_id is not None,
            path=["changes", "reminders"],
        )
        present = {stored.setting for stored in (await load_settings(work, [task.id]))[task.id]}
        if set(settings) == present:
            settings = None
    problems.raise_if_any()
    return _Edit(due_on, note, note != task.note, every_weeks, every_weeks != task.every_weeks, settings)


def _check_due_on(work: UnitOfWork, task: TaskRow, person: Assignee, due_on: date, problems: ProblemList) -> None:
    path = ["changes", "dueOn"]
    today = person.today(work.now)
    if not task.is_open:
        problems.add(TaskAlreadyCompleted(path=path))
    elif due_on < today:
        problems.add(DueDateTooSoon(earliest=today, path=path))
    check_latest(work.now, due_on, problems, path)


async def _write(work: UnitOfWork, task: TaskRow, edit: _Edit, person: Assignee) -> None:
    due_on = edit.due_on or task.due_on
    due_at = end_of(due_on, person.zone)
    await work.sql.execute(
        """
        UPDATE mandatory_task SET due_on = $3, due_at = $4::timestamptz, note = $5, every_weeks = $6,
               is_overdue_noted = is_overdue_noted AND $4::timestamptz <= $7
         WHERE tenant_id = $1 AND id = $2
        """,
        work.tenant_id,
        task.id,
        due_on,
        due_at,
        edit.note,
        edit.every_weeks,
        work.now,
    )
    if task.is_open:
        await work.sql.execute(
            "UPDATE task_cycle SET due_on = $4, due_at = $5, every_weeks = $6"
            " WHERE tenant_id = $1 AND task_id = $2 AND number = $3",
            work.tenant_id,
            task.id,
            task.cycle_number,
            due_on,
            due_at,
            edit.every_weeks,
        )


async def _replace_settings(work: UnitOfWork, task: TaskRow, settings: tuple[ReminderSetting, ...]) -> None:
    """Set up other reminders; an equal one is the same and keeps its state."""
    stored = (await load_settings(work, [task.id]))[task.id]
    removed = [one.id for one in stored if one.setting not in settings]
    await work.sql.execute(
        "UPDATE task_reminder_setting SET removed_at = $3 WHERE tenant_id = $1 AND id = ANY ($2::bigint[])",
        work.tenant_id,
        removed,
        work.now,
    )
    await call_off_reminders(work, [task.id], ReminderReason.SETTING_REMOVED, setting_ids=removed)
    await store_settings(work, [task.id], [one for one in settings if one not in {old.setting for old in stored}])


async def _plan_again(work: UnitOfWork, task_id: int) -> None:
    """Lay down the next cycle of a completed task anew: repetition and reminders decide when it opens."""
    for task in await lock_tasks(work, [task_id]):
        if task.completed_at is not None:
            await plan_next_cycles(work, [Completion(task, task.completed_at)])
