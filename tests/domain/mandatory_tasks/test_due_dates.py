"""Which dates a task can be due on (spec 4.3)."""

from datetime import date, timedelta
from zoneinfo import ZoneInfo

from hypothesis import assume, given
from hypothesis import strategies as st

from domain.mandatory_tasks.cycles.recurrence import MOST_WEEKS, plan_next_cycle
from domain.mandatory_tasks.dates.due_dates import MOST_DAYS_AHEAD, earliest_due_on
from domain.mandatory_tasks.dates.local_time import end_of
from domain.mandatory_tasks.reminders.schedule import MOST_DAYS, scheduled_at
from tests.domain.mandatory_tasks.zones import dates, dates_in_zones, instant_of, is_left_out, shares, zones


def test_the_lead_counts_from_today() -> None:
    """Three days from 26 February 2028 are 29 February, from the 28th 2 March; no days are today."""
    assert earliest_due_on(date(2028, 2, 26), 3) == date(2028, 2, 29)
    assert earliest_due_on(date(2028, 2, 28), 3) == date(2028, 3, 2)
    assert earliest_due_on(date(2026, 12, 31), 1) == date(2027, 1, 1)
    assert earliest_due_on(date(2026, 12, 31), 0) == date(2026, 12, 31)


@given(dates_in_zones, st.integers(1, 30), shares)
def test_the_minimum_lead_is_left_at_any_hour_of_today(where: tuple[ZoneInfo, date], days: int, share: int) -> None:
    """Whatever the hour, more than all the days but one lie before the end of the earliest date."""
    zone, today = where
    assume(not is_left_out(zone, today))
    left = end_of(earliest_due_on(today, days), zone) - instant_of(zone, today, share)
    assert left > timedelta(days=days - 1)


@given(dates, zones, st.sampled_from([1, MOST_WEEKS]), st.integers(0, MOST_DAYS_AHEAD))
def test_the_latest_due_date_leaves_the_calendar_nowhere(
    today: date, zone: ZoneInfo, every_weeks: int, lead_days: int
) -> None:
    """All that follows from a due date a hundred years ahead can be worked out: its end, reminders, the next cycle."""
    latest = today + timedelta(days=MOST_DAYS_AHEAD)
    planned = plan_next_cycle(
        due_on=latest,
        completed_on=today,
        every_weeks=every_weeks,
        lead_days=lead_days,
        minimum_lead_days=MOST_DAYS,
        today=today,
    )
    assert scheduled_at(planned.due_on, -MOST_DAYS, zone) > end_of(latest, zone)
