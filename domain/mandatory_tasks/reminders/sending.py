"""Giving out the reminders whose time has come: each once, of several days after an outage only the latest (spec 4.8).

What is given out is a notification and an email to send, written with the ledger in one transaction; so nobody is
reminded twice, whatever crashes and however many do this.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from domain.foundation.metrics import REMINDER_DELAY, REMINDERS
from domain.foundation.unit_of_work import UnitOfWork
from domain.mandatory_tasks.messages import TaskFacts, load_facts, thread_of, words
from domain.mandatory_tasks.reminders.schedule import (
    DueReminder,
    ReminderReason,
    ReminderRecipient,
    ReminderStatus,
    superseded,
)
from domain.mandatory_tasks.task_rows import TaskRow, lock_idle_tasks, touch_tasks
from domain.notifications.messages import Message, send_messages
from domain.notifications.models import NotificationKind


@dataclass(frozen=True, slots=True)
class _Due:
    """An entry of the ledger whose time has come."""

    id: int
    task_id: int
    due_on: date
    scheduled_at: datetime
    days_before_due: int
    template_id: int | None
    recipients: list[str]


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What becomes of an entry."""

    reminder: _Due
    status: ReminderStatus
    reason: ReminderReason | None = None
    #: Who is reminded, by person: in which part each gets it.
    recipients: tuple[tuple[int, ReminderRecipient], ...] = ()


async def give_out_reminders(work: UnitOfWork, *, task_ids: Sequence[int]) -> int:
    """Settle every reminder of these tasks that is due, and return how many that were, given out or not.

    Tasks that somebody else has locked are left for the next time, so two that do this share the work.
    """
    tasks = {task.id: task for task in await lock_idle_tasks(work, task_ids)}
    # After the lock, on a fresh snapshot: somebody else may have settled them meanwhile.
    due = await work.sql.rows(
        _Due,
        """
        SELECT r.id, r.task_id, r.due_on, r.scheduled_at, s.days_before_due, s.template_id, s.recipients
          FROM task_reminder r JOIN task_reminder_setting s ON s.id = r.setting_id
         WHERE r.tenant_id = $1 AND r.task_id = ANY ($2::bigint[]) AND r.status = 'SCHEDULED' AND r.scheduled_at <= $3
         ORDER BY r.scheduled_at, r.id
        """,
        work.tenant_id,
        list(tasks),
        work.now,
    )
    by_task: dict[int, list[_Due]] = defaultdict(list)
    for reminder in due:
        by_task[reminder.task_id].append(reminder)
    active = await _active(work, tasks.values())
    outcomes = [one for task_id, reminders in by_task.items() for one in _judged(tasks[task_id], reminders, active)]
    await _settle(work, outcomes)
    await touch_tasks(work, list(by_task))
    await _tell(work, [one for one in outcomes if one.status is ReminderStatus.SENT])
    work.count(lambda: _count(outcomes, work.now))
    return len(outcomes)


def _count(outcomes: Sequence[_Outcome], now: datetime) -> None:
    for one in outcomes:
        REMINDERS.labels(one.status.value).inc()
        if one.status is ReminderStatus.SENT:
            REMINDER_DELAY.observe((now - one.reminder.scheduled_at).total_seconds())


async def _active(work: UnitOfWork, tasks: Iterable[TaskRow]) -> set[int]:
    """Return which of the people concerned are active."""
    people = {person for task in tasks for person in (task.learner_id, task.assigner_learner_id) if person is not None}
    return set(
        await work.sql.values(
            "SELECT id FROM learner WHERE tenant_id = $1 AND id = ANY ($2::bigint[]) AND is_active",
            work.tenant_id,
            list(people),
        )
    )


def _judged(task: TaskRow, reminders: Sequence[_Due], active: set[int]) -> Iterable[_Outcome]:
    """Tell what becomes of the reminders of one task that are due."""
    late = superseded([DueReminder(one.id, one.days_before_due, one.scheduled_at) for one in reminders])
    for one in reminders:
        if task.is_suspended:
            yield _Outcome(one, ReminderStatus.SKIPPED, ReminderReason.TASK_SUSPENDED)
        elif not task.is_open:
            yield _Outcome(one, ReminderStatus.CANCELLED, ReminderReason.TASK_COMPLETED)
        elif one.id in late:
            yield _Outcome(one, ReminderStatus.SKIPPED, ReminderReason.SUPERSEDED)
        elif recipients := _recipients(task, one, active):
            yield _Outcome(one, ReminderStatus.SENT, recipients=recipients)
        else:
            yield _Outcome(one, ReminderStatus.SKIPPED, ReminderReason.NO_RECIPIENT)


def _recipients(task: TaskRow, reminder: _Due, active: set[int]) -> tuple[tuple[int, ReminderRecipient], ...]:
    """Return the active people to remind; learner and assigner in one person are reminded once, as the learner."""
    parts = (
        (task.learner_id, ReminderRecipient.LEARNER),
        (task.assigner_learner_id, ReminderRecipient.ASSIGNER),
    )
    found: dict[int, ReminderRecipient] = {}
    for person, part in parts:
        if part.value in reminder.recipients and person is not None and person in active:
            found.setdefault(person, part)
    return tuple(found.items())


async def _settle(work: UnitOfWork, outcomes: Sequence[_Outcome]) -> None:
    if outcomes:
        await work.sql.execute(
            """
            UPDATE task_reminder r SET status = n.status, reason = n.reason, settled_at = $2
              FROM unnest($3::bigint[], $4::text[], $5::text[]) AS n (id, status, reason)
             WHERE r.tenant_id = $1 AND r.id = n.id
            """,
            work.tenant_id,
            work.now,
            [one.reminder.id for one in outcomes],
            [one.status.value for one in outcomes],
            [one.reason for one in outcomes],
        )


async def _tell(work: UnitOfWork, sent: Sequence[_Outcome]) -> None:
    facts = await load_facts(work.sql, work.tenant_id, {one.reminder.task_id for one in sent})
    await send_messages(work, [message for one in sent for message in _messages(one, facts, work.now)])


def _messages(outcome: _Outcome, facts: dict[int, TaskFacts], now: datetime) -> Iterable[Message]:
    reminder = outcome.reminder
    about = facts[reminder.task_id]
    for person, part in outcome.recipients:
        yield Message(
            # The entry of the ledger stands for cycle, reminder and due date.
            key=f"task_reminder/{reminder.id}/{person}",
            recipient_id=person,
            kind=NotificationKind.TASK_REMINDER,
            title=words(NotificationKind.TASK_REMINDER, about),
            facts=about.as_json(now),
            task_id=reminder.task_id,
            content_id=about.target_id,
            template_id=reminder.template_id,
            reminder_id=reminder.id,
            recipient_part=part.value,
            thread=thread_of(about),
        )
