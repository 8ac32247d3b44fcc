"""Giving one person a mandatory task."""

from collections.abc import Sequence
from datetime import date

from domain.content.queries import ContentKey, resolve_content
from domain.enrollments.errors import LearnerInactive
from domain.foundation.errors import DomainError, ProblemList
from domain.foundation.unit_of_work import UnitOfWork
from domain.mandatory_tasks.assignees import load_assignees, minimum_lead_days
from domain.mandatory_tasks.dates.due_dates import earliest_due_on
from domain.mandatory_tasks.errors import DueDateTooSoon, TaskAlreadyAssigned
from domain.mandatory_tasks.rights import require_assignable, require_assigning_role
from domain.mandatory_tasks.task_creation import NewTask, create_tasks
from domain.mandatory_tasks.terms import (
    ReminderInput,
    TaskTerms,
    check_latest,
    check_weeks,
    checked_note,
    checked_reminders,
)
from domain.people.queries import LearnerKey, lock_learners, resolve_learner


async def assign_mandatory_task(
    work: UnitOfWork,
    *,
    target: ContentKey,
    learner: LearnerKey,
    due_on: date,
    note: str | None = None,
    every_weeks: int | None = None,
    reminders: Sequence[ReminderInput] | None = None,
) -> int:
    """Give a learner a task, enroll and tell them, and return its ID. Reminders: None for the default one.

    Raises NotFound, NotPermitted, Invalid, TaskAlreadyAssigned, LearnerInactive and DueDateTooSoon.
    """
    require_assigning_role(work.principal)
    problems = ProblemList()
    learner_id = target_id = 0
    try:
        learner_id = await resolve_learner(work.sql, work.principal, learner)
    except DomainError as error:
        problems.add(error)
    try:
        target_id = await resolve_target(work, target)
    except DomainError as error:
        problems.add(error)
    terms = await checked_terms(work, problems, due_on=due_on, note=note, every_weeks=every_weeks, reminders=reminders)
    problems.raise_if_any()
    await lock_learners(work, [learner_id])
    existing = await tasks_in_force(work, target_id, [learner_id])
    if existing:
        raise TaskAlreadyAssigned(task_id=existing[learner_id])
    person = (await load_assignees(work, [learner_id]))[learner_id]
    today = person.today(work.now)
    if not person.is_active:
        problems.add(LearnerInactive(path=["learner"]))
    earliest = earliest_due_on(today, await minimum_lead_days(work.sql, work.tenant_id))
    if due_on < earliest:
        problems.add(DueDateTooSoon(earliest=earliest))
    problems.raise_if_any()
    return (await create_tasks(work, target_id, terms, [NewTask(person, today)]))[learner_id]


async def resolve_target(work: UnitOfWork, target: ContentKey) -> int:
    """Return the content to assign; raises NotFound, and NotPermitted where the account may not assign it."""
    target_id = await resolve_content(work.sql, work.principal, target, ["target"])
    await require_assignable(work.sql, work.principal, target_id)
    return target_id


async def checked_terms(
    work: UnitOfWork,
    problems: ProblemList,
    *,
    due_on: date,
    note: str | None,
    every_weeks: int | None,
    reminders: Sequence[ReminderInput] | None,
) -> TaskTerms:
    """Return what is asked for; notes everything that is wrong with it whoever gets the task."""
    check_latest(work.now, due_on, problems, ["dueOn"])
    check_weeks(every_weeks, problems, ["repeatEveryWeeks"])
    return TaskTerms(
        due_on=due_on,
        note=checked_note(note, problems),
        every_weeks=every_weeks,
        reminders=await checked_reminders(
            work.sql, work.principal, reminders, problems, has_assigner=work.principal.is_person
        ),
    )


async def tasks_in_force(work: UnitOfWork, target_id: int, learner_ids: Sequence[int]) -> dict[int, int]:
    """Return the task that each of these learners has for a target, completed ones too."""
    records = await work.sql.fetch(
        "SELECT learner_id, id FROM mandatory_task"
        " WHERE tenant_id = $1 AND target_id = $2 AND learner_id = ANY ($3::bigint[]) AND withdrawn_at IS NULL",
        work.tenant_id,
        target_id,
        list(learner_ids),
    )
    return {record["learner_id"]: record["id"] for record in records}
