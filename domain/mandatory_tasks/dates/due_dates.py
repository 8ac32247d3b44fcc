"""Which dates a task can be due on."""

from datetime import date, timedelta

#: Days from today to the latest due date: a hundred years, so that no date that follows from one leaves the calendar.
MOST_DAYS_AHEAD = 36_525


def earliest_due_on(today: date, minimum_lead_days: int) -> date:
    """Return the first date that a new task can be due on; 0 days is today. `today` is the learner's."""
    return today + timedelta(days=minimum_lead_days)
