"""What a year of repeated tasks should be, worked out in plain Python: no query, no code of the product.

A plan says who has what and when they finish it. Everything that follows is computed ahead: mails with the instant at
which they go out, cycles, the ledger, and the status at any instant.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

DAY = timedelta(days=1)
LEARNER, ASSIGNER = "LEARNER", "ASSIGNER"
#: Days that are to be left at least, as tenants have it by default.
MINIMUM_LEAD = 3


@dataclass(frozen=True)
class Outage:
    """From when until when no worker and no scheduler runs."""

    begin: datetime
    end: datetime

    def delayed(self, instant: datetime) -> datetime:
        """Return when something happens that should happen at an instant."""
        return self.end if self.begin <= instant < self.end else instant


@dataclass(frozen=True)
class Plan:
    """Somebody's task, and their habits: on which day, from the due date on, they begin and finish a cycle."""

    name: str
    zone: str
    title: str
    due_on: date
    every_weeks: int
    #: Days before the due date, and who is reminded.
    reminders: tuple[tuple[int, tuple[str, ...]], ...]
    finishes: tuple[int, ...]
    begins: tuple[int | None, ...] = (None,)
    is_path: bool = False

    @property
    def email(self) -> str:
        """Where mails go."""
        return f"{self.name.lower()}@acme.test"

    def midnight(self, day: date) -> datetime:
        """Return the first instant of a day there, found minute by minute."""
        instant = datetime.combine(day - DAY, time(6), UTC)
        while self.today(instant) < day:
            instant += timedelta(minutes=1)
        return instant

    def today(self, instant: datetime) -> date:
        """Return the date that the calendar shows there."""
        return instant.astimezone(ZoneInfo(self.zone)).date()


@dataclass(frozen=True, order=True)
class ExpectedMail:
    """A mail: when it goes out, to whom, and what is above it."""

    at: datetime
    address: str
    subject: str


@dataclass
class Cycle:
    """A round of a task as it should be."""

    number: int
    opened_at: datetime
    opened_on: date
    due_on: date
    due_at: datetime
    begun_at: datetime | None
    finished_at: datetime
    #: Due date, days before it, status and reason, in the order of time.
    ledger: list[str] = field(default_factory=list)
    next_due_on: date | None = None
    next_opens_on: date | None = None

    def status(self, instant: datetime) -> str:
        """Return how the task stands as long as this is the last cycle, right before what is done at that instant."""
        if instant > self.finished_at:
            return "COMPLETED"
        if instant >= self.due_at:
            return "OVERDUE"
        return "IN_PROGRESS" if self.begun_at is not None and instant > self.begun_at else "ASSIGNED"


@dataclass
class Course:
    """All that should come of a plan until an end."""

    plan: Plan
    cycles: list[Cycle] = field(default_factory=list)
    mails: list[ExpectedMail] = field(default_factory=list)

    def cycle(self, instant: datetime) -> Cycle:
        """Return the last cycle that has opened."""
        return next(cycle for cycle in reversed(self.cycles) if cycle.opened_at <= instant)

    def status(self, instant: datetime) -> str:
        """Return the status that the task should have."""
        return self.cycle(instant).status(instant)


def expect(plan: Plan, assigner: tuple[str, str], start: datetime, end: datetime, outage: Outage) -> Course:
    """Return what comes of a task that somebody (email, name) assigns at the start, until the end."""
    course = Course(plan)
    opened_at, opened_on, due_on = start, plan.today(start), plan.due_on
    first_lead = (due_on - opened_on).days
    lead = max(first_lead, *(days + 1 for days, _ in plan.reminders))
    while opened_at < end:
        cycle = _cycle(plan, len(course.cycles) + 1, opened_at, opened_on, due_on)
        course.cycles.append(cycle)
        verb = "again to be completed" if course.cycles[1:] else "to be completed"
        course.mails.append(ExpectedMail(opened_at, plan.email, f"{plan.title}: {verb} by {due_on}"))
        course.mails += _remind(plan, cycle, assigner, end, outage)
        finished_on = plan.today(cycle.finished_at)
        next_due_on = max(due_on, finished_on) + timedelta(weeks=plan.every_weeks)
        planned = max(next_due_on - lead * DAY, finished_on + DAY)
        cycle.next_due_on, cycle.next_opens_on = _with_time_left(next_due_on, planned, lead), planned
        opened_at = outage.delayed(plan.midnight(planned))
        opened_on = max(planned, plan.today(opened_at))
        due_on = _with_time_left(cycle.next_due_on, opened_on, lead)
    course.mails = [mail for mail in course.mails if mail.at < end]
    return course


def _with_time_left(due_on: date, opens_on: date, lead: int) -> date:
    return due_on if (due_on - opens_on).days >= MINIMUM_LEAD else max(due_on, opens_on + lead * DAY)


def _cycle(plan: Plan, number: int, opened_at: datetime, opened_on: date, due_on: date) -> Cycle:
    index = number - 1
    begins, finishes = plan.begins[index % len(plan.begins)], plan.finishes[index % len(plan.finishes)]
    begun_at = None if begins is None else _noon_after(opened_at, due_on + begins * DAY)
    finished_at = _noon_after(opened_at if begun_at is None else begun_at, due_on + finishes * DAY)
    return Cycle(number, opened_at, opened_on, due_on, plan.midnight(due_on + DAY), begun_at, finished_at)


def _noon_after(instant: datetime, day: date) -> datetime:
    noon = noon_of(day)
    while noon <= instant:
        noon += DAY
    return noon


def noon_of(day: date) -> datetime:
    """Return the instant of a day at which people do something, and at which one looks."""
    return datetime.combine(day, time(12), UTC)


def _remind(
    plan: Plan, cycle: Cycle, assigner: tuple[str, str], end: datetime, outage: Outage
) -> Iterator[ExpectedMail]:
    """Yield the mails of a cycle's reminders, and enter what becomes of each into its ledger."""
    planned = {days: plan.midnight(cycle.due_on - days * DAY) for days, _ in plan.reminders}
    missed = [days for days, at in planned.items() if outage.delayed(at) != at]
    latest = {min(group) for group in _before_and_after(missed) if group}
    for days, recipients in sorted(plan.reminders, reverse=True):
        at = outage.delayed(planned[days])
        if planned[days] <= cycle.opened_at:
            outcome = "SKIPPED TIME_PASSED"
        elif at > cycle.finished_at:
            outcome = "SCHEDULED" if cycle.finished_at >= end else "CANCELLED TASK_COMPLETED"
        elif at >= end:
            outcome = "SCHEDULED"
        elif days in missed and days not in latest:
            outcome = "SKIPPED SUPERSEDED"
        else:
            outcome = "SENT"
            when = _when(cycle.due_on, plan.today(at))
            if LEARNER in recipients:
                yield ExpectedMail(at, plan.email, f"Reminder: {plan.title} {when}")
            if ASSIGNER in recipients:
                yield ExpectedMail(at, assigner[0], f"Reminder: {plan.title} of {plan.name} {when}")
        cycle.ledger.append(f"{cycle.due_on} {days} {outcome}")


def _before_and_after(days: Sequence[int]) -> tuple[list[int], list[int]]:
    return [one for one in days if one >= 0], [one for one in days if one < 0]


def _when(due_on: date, today: date) -> str:
    left = (due_on - today).days
    if left < 0:
        return f"was due on {due_on}"
    words = {0: "is due today", 1: "is due tomorrow"}
    return words.get(left, f"is due on {due_on}, in {left} days")
