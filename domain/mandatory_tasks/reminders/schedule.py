"""When reminders are sent, and which are not sent any more: of what is due, nothing is sent twice or far too late."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from enum import StrEnum

from domain.mandatory_tasks.dates.local_time import first_instant

#: Reminders of one task.
MOST_REMINDERS = 50
#: Days between a reminder and the due date, in either direction.
MOST_DAYS = 365


class ReminderRecipient(StrEnum):
    """Who gets a reminder."""

    LEARNER = "LEARNER"
    ASSIGNER = "ASSIGNER"


class ReminderStatus(StrEnum):
    """What has become of a reminder."""

    SCHEDULED = "SCHEDULED"
    SENT = "SENT"
    CANCELLED = "CANCELLED"
    SKIPPED = "SKIPPED"


class ReminderReason(StrEnum):
    """Why a reminder is not sent."""

    TIME_PASSED = "TIME_PASSED"
    SUPERSEDED = "SUPERSEDED"
    TASK_COMPLETED = "TASK_COMPLETED"
    TASK_WITHDRAWN = "TASK_WITHDRAWN"
    TASK_RESCHEDULED = "TASK_RESCHEDULED"
    TASK_SUSPENDED = "TASK_SUSPENDED"
    SETTING_REMOVED = "SETTING_REMOVED"
    NO_RECIPIENT = "NO_RECIPIENT"


@dataclass(frozen=True, slots=True)
class ReminderSetting:
    """One reminder that is wished for; equal ones are the same reminder, in whatever order recipients were named."""

    #: Positive before the due date, 0 on it, negative after it.
    days_before_due: int
    #: None for the default text.
    template_id: int | None
    #: Sorted, each once.
    recipients: tuple[ReminderRecipient, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "recipients", tuple(sorted(set(self.recipients))))


@dataclass(frozen=True, slots=True)
class DueReminder:
    """A reminder whose time has come."""

    id: int
    days_before_due: int
    scheduled_at: datetime


#: What a task has if its assigner says nothing about reminders.
DEFAULT_REMINDERS = (ReminderSetting(3, None, (ReminderRecipient.LEARNER,)),)


def scheduled_at(due_on: date, days_before_due: int, zone: tzinfo) -> datetime:
    """Return when a reminder is to be sent, in UTC: 00:00 in the zone, so many days before (negative: after)."""
    return first_instant(due_on - timedelta(days=days_before_due), zone)


def planned_state(scheduled_at: datetime, now: datetime) -> tuple[ReminderStatus, ReminderReason | None]:
    """Return how a reminder begins that is planned now, and why if it will not be sent.

    The very instant has passed too. So whoever is assigned something for in five days gets no "five days before".
    """
    if scheduled_at <= now:
        return ReminderStatus.SKIPPED, ReminderReason.TIME_PASSED
    return ReminderStatus.SCHEDULED, None


def superseded(due: Sequence[DueReminder]) -> set[int]:
    """Return the IDs of those that are not sent, of all the reminders of one task that are due now, in any order.

    Normally there are none. After an outage, of those before (or on) the due date only those of the latest day say what
    is still true; of those after it likewise. Neither supersedes the other, and all of the same day are sent.
    """
    before = [reminder for reminder in due if reminder.days_before_due >= 0]
    after = [reminder for reminder in due if reminder.days_before_due < 0]
    return _all_but_the_latest(before) | _all_but_the_latest(after)


def _all_but_the_latest(due: Sequence[DueReminder]) -> set[int]:
    # By days, not by instants: two days have the same instant where the zone left one of them out.
    latest = min((reminder.days_before_due for reminder in due), default=0)
    return {reminder.id for reminder in due if reminder.days_before_due > latest}
