"""When the next cycle of a repeated task opens and is due: dates in the learner's zone, durations in days.

There is one next cycle at a time, planned when the present one is completed. However late it opens, nothing is made up
for: it gets the time that it needs, and the series goes on from there.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

#: Weeks between two cycles: from 1 to about ten years.
MOST_WEEKS = 520

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class NextCycle:
    """When a cycle is due, and the date on which it opens."""

    due_on: date
    opens_on: date


def lead_days(first_lead_days: int, days_before_due: Iterable[int]) -> int:
    """Return how many days before its due date a cycle opens.

    As many as the first assignment gave, but one more than the largest reminder before (or on) the due date: so no
    reminder's time has passed on the day when a cycle opens. Reminders after the due date (negative) count nothing,
    as the first assignment never gave fewer than 0 days.
    """
    return max([first_lead_days, *(days + 1 for days in days_before_due)])


def plan_next_cycle(
    *, due_on: date, completed_on: date, every_weeks: int, lead_days: int, minimum_lead_days: int, today: date
) -> NextCycle:
    """Return the cycle after the one that was due and completed on these dates, as it is planned today.

    It follows the due date by the weeks, or the completion if that was later. It opens `lead_days` before it is due,
    but never before the day after completion (also of one that was completed before the task was assigned), and never
    before today: a completion that is reported late does not open anything in the past. If fewer than
    `minimum_lead_days` would be left then, it is due `lead_days` after it opens.
    """
    next_due_on = max(due_on, completed_on) + timedelta(weeks=every_weeks)
    opens_on = max(next_due_on - timedelta(days=lead_days), completed_on + _DAY, today)
    return _opening_on(opens_on, due_on=next_due_on, lead_days=lead_days, minimum_lead_days=minimum_lead_days)


def cycle_opening(planned: NextCycle, *, lead_days: int, minimum_lead_days: int, today: date) -> NextCycle:
    """Return what a planned cycle is when it really opens today.

    It is due as planned, or `lead_days` after today when fewer than `minimum_lead_days` would be left; a date that was
    announced is never drawn nearer. On the planned day, planned with the same days, it is the planned one. A `today`
    before that day counts as that day: the calendar can go back after the cycle's first instant, where the clock falls
    back across midnight or the learner moves to another zone.
    """
    return _opening_on(
        max(planned.opens_on, today), due_on=planned.due_on, lead_days=lead_days, minimum_lead_days=minimum_lead_days
    )


def _opening_on(opens_on: date, *, due_on: date, lead_days: int, minimum_lead_days: int) -> NextCycle:
    if (due_on - opens_on).days < minimum_lead_days:
        due_on = max(due_on, opens_on + timedelta(days=lead_days))
    return NextCycle(due_on=due_on, opens_on=opens_on)
