"""What a task asks for, judged as a whole: date, note, repetition and reminders."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from domain.foundation.access import Principal
from domain.foundation.database.sessions import Statements
from domain.foundation.errors import Invalid, NotFound, ProblemList, TooManyItems
from domain.foundation.text_validation import storable_text
from domain.mandatory_tasks.cycles.recurrence import MOST_WEEKS
from domain.mandatory_tasks.dates.due_dates import MOST_DAYS_AHEAD
from domain.mandatory_tasks.reminders.schedule import (
    DEFAULT_REMINDERS,
    MOST_DAYS,
    MOST_REMINDERS,
    ReminderRecipient,
    ReminderSetting,
)

NOTE_LENGTH = 500


@dataclass(frozen=True, slots=True)
class ReminderInput:
    """A reminder as a caller wants it. `template_id` is one that may not be there, None for the default email."""

    days_before_due: int
    template_id: int | None = None
    recipients: tuple[ReminderRecipient, ...] = (ReminderRecipient.LEARNER,)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskTerms:
    """What is asked of everybody to whom a task is given; dates are judged for each of them."""

    due_on: date
    note: str | None = None
    every_weeks: int | None = None
    reminders: tuple[ReminderSetting, ...] = DEFAULT_REMINDERS


def checked_note(note: str | None, problems: ProblemList, path: Sequence[str | int] = ("note",)) -> str | None:
    """Return a note without surrounding blanks, None for a blank one; notes what is wrong with it."""
    if note is None or not note.strip():
        return None
    try:
        return storable_text(note.strip(), path=path, longest=NOTE_LENGTH)
    except Invalid as error:
        problems.add(error)
        return None


def check_latest(now: datetime, due_on: date, problems: ProblemList, path: Sequence[str | int]) -> None:
    """Note a due date that is too far away to be meant."""
    if due_on > now.date() + timedelta(days=MOST_DAYS_AHEAD):
        problems.add(Invalid("At most a hundred years from today.", path=path))


def check_weeks(every_weeks: int | None, problems: ProblemList, path: Sequence[str | int]) -> None:
    """Note a repetition that is out of range."""
    if every_weeks is not None and not 1 <= every_weeks <= MOST_WEEKS:
        problems.add(Invalid(f"From 1 to {MOST_WEEKS}.", path=path))


async def checked_reminders(
    sql: Statements,
    principal: Principal,
    reminders: Sequence[ReminderInput] | None,
    problems: ProblemList,
    *,
    has_assigner: bool,
    path: Sequence[str | int] = ("reminders",),
) -> tuple[ReminderSetting, ...]:
    """Return the reminders to set up, the default one for None; notes everything that is wrong with them.

    `has_assigner` tells whether a person assigns the task: nobody can remind a service account.
    """
    if reminders is None:
        return DEFAULT_REMINDERS
    if len(reminders) > MOST_REMINDERS:
        problems.add(TooManyItems(limit=MOST_REMINDERS, path=path))
        return ()
    wanted = [one.template_id for one in reminders if one.template_id is not None]
    templates = set(
        await sql.values(
            "SELECT id FROM email_template WHERE tenant_id = $1 AND id = ANY ($2::bigint[]) AND deleted_at IS NULL",
            principal.tenant_id,
            wanted,
        )
        if wanted
        else ()
    )
    settings: dict[ReminderSetting, None] = {}
    for index, one in enumerate(reminders):
        if not -MOST_DAYS <= one.days_before_due <= MOST_DAYS:
            problems.add(Invalid(f"From -{MOST_DAYS} to {MOST_DAYS}.", path=[*path, index, "daysBeforeDue"]))
        if one.template_id is not None and one.template_id not in templates:
            problems.add(NotFound(path=[*path, index, "emailTemplateId"]))
        if not one.recipients:
            problems.add(Invalid("At least one.", path=[*path, index, "recipients"]))
        elif ReminderRecipient.ASSIGNER in one.recipients and not has_assigner:
            problems.add(Invalid("No person assigns the task.", path=[*path, index, "recipients"]))
        setting = ReminderSetting(one.days_before_due, one.template_id, one.recipients)
        if setting in settings:
            problems.add(Invalid("Is the same as another reminder.", path=[*path, index]))
        settings[setting] = None
    return tuple(settings)
