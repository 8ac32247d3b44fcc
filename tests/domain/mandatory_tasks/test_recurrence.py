"""When the cycles of a repeated task open and are due (spec 4.15)."""

from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from domain.mandatory_tasks.cycles.recurrence import MOST_WEEKS, NextCycle, cycle_opening, lead_days, plan_next_cycle
from domain.mandatory_tasks.reminders.schedule import (
    MOST_DAYS,
    ReminderStatus,
    planned_state,
    scheduled_at,
)
from tests.domain.mandatory_tasks.zones import dates_in_zones, instant_of, is_left_out, shares

DAY = timedelta(days=1)
DUE_ON = date(2026, 3, 2)


@dataclass(frozen=True, slots=True)
class Policy:
    """How a task is repeated."""

    every_weeks: int
    lead_days: int
    minimum_lead_days: int

    @property
    def days_left_at_least(self) -> int:
        """How many days an opening always leaves: the minimum, unless the lead was never as long."""
        return min(self.lead_days, self.minimum_lead_days)

    def plan(self, *, due_on: date, completed_on: date, today: date | None = None) -> NextCycle:
        """Return the next cycle, planned on the day of completion unless another day is named."""
        return plan_next_cycle(
            due_on=due_on,
            completed_on=completed_on,
            every_weeks=self.every_weeks,
            lead_days=self.lead_days,
            minimum_lead_days=self.minimum_lead_days,
            today=completed_on if today is None else today,
        )

    def open(self, planned: NextCycle, *, today: date) -> NextCycle:
        """Return the planned cycle as it opens."""
        return cycle_opening(planned, lead_days=self.lead_days, minimum_lead_days=self.minimum_lead_days, today=today)


YEARLY = Policy(every_weeks=52, lead_days=30, minimum_lead_days=3)

# Leads up to a year and more, minimums that are larger than the lead: the tenant's setting may have changed since.
policies = st.builds(
    Policy,
    every_weeks=st.integers(1, 8) | st.sampled_from([26, 52, 104, MOST_WEEKS]),
    lead_days=st.integers(0, 40) | st.integers(0, MOST_DAYS + 1),
    minimum_lead_days=st.integers(0, 10) | st.integers(0, 365),
)
days_of_a_task = st.dates(date(2024, 1, 1), date(2100, 12, 31))
#: Completed long before the due date (before the task was assigned, even) or long after.
distances = st.integers(-800, 800).map(lambda days: timedelta(days=days)) | st.integers(-5, 5).map(
    lambda days: timedelta(days=days)
)
waits = st.integers(0, 30).map(lambda days: timedelta(days=days)) | st.integers(0, 2000).map(
    lambda days: timedelta(days=days)
)


@pytest.mark.parametrize(
    ("first_lead_days", "days_before_due", "expected"),
    [
        pytest.param(14, [], 14, id="no-reminders"),
        pytest.param(14, [13, 3], 14, id="reminders-within"),
        pytest.param(14, [3, 14], 15, id="reminder-on-the-first-day"),
        pytest.param(14, [30, 3], 31, id="reminder-before"),
        pytest.param(14, [-30, -365], 14, id="reminders-after-the-due-date"),
        pytest.param(0, [0], 1, id="reminder-on-the-due-date"),
        pytest.param(0, [-1], 0, id="nothing-needed"),
    ],
)
def test_the_lead_is_the_first_one_or_what_the_reminders_need(
    first_lead_days: int, days_before_due: list[int], expected: int
) -> None:
    """The days that the first assignment gave, and one more than the largest reminder that is not overdue."""
    assert lead_days(first_lead_days, days_before_due) == expected


@given(
    dates_in_zones,
    st.integers(0, 400),
    st.lists(st.integers(-MOST_DAYS, MOST_DAYS), max_size=12),
    shares,
)
def test_no_reminder_has_passed_when_a_cycle_opens(
    where: tuple[ZoneInfo, date], first_lead_days: int, days_before_due: list[int], share: int
) -> None:
    """At any hour of the day when a cycle with its full lead opens, all its reminders lie ahead."""
    zone, opens_on = where
    assume(not is_left_out(zone, opens_on))
    due_on = opens_on + timedelta(days=lead_days(first_lead_days, days_before_due))
    now = instant_of(zone, opens_on, share)
    for days in days_before_due:
        assert planned_state(scheduled_at(due_on, days, zone), now) == (ReminderStatus.SCHEDULED, None)


@pytest.mark.parametrize(
    ("completed_on", "expected"),
    [
        pytest.param(date(2026, 2, 20), NextCycle(date(2027, 3, 1), date(2027, 1, 30)), id="in-time"),
        pytest.param(date(2026, 3, 2), NextCycle(date(2027, 3, 1), date(2027, 1, 30)), id="on-the-due-date"),
        pytest.param(date(2026, 3, 3), NextCycle(date(2027, 3, 2), date(2027, 1, 31)), id="a-day-late"),
        pytest.param(date(2026, 8, 1), NextCycle(date(2027, 7, 31), date(2027, 7, 1)), id="months-late"),
        pytest.param(date(2019, 5, 5), NextCycle(date(2027, 3, 1), date(2027, 1, 30)), id="before-it-was-assigned"),
    ],
)
def test_a_yearly_task_comes_back_by_its_due_date_or_its_late_completion(
    completed_on: date, expected: NextCycle
) -> None:
    """52 weeks after the due date, or after the completion when that was later; open 30 days before."""
    assert YEARLY.plan(due_on=DUE_ON, completed_on=completed_on) == expected


def test_a_cycle_does_not_open_before_the_day_after_completion() -> None:
    """A weekly task with a lead of 30 days, completed on Monday, opens on Tuesday and is due on the next Monday."""
    weekly = Policy(every_weeks=1, lead_days=30, minimum_lead_days=3)
    assert weekly.plan(due_on=DUE_ON, completed_on=DUE_ON) == NextCycle(due_on=date(2026, 3, 9), opens_on=DUE_ON + DAY)


def test_too_few_days_left_move_the_due_date() -> None:
    """The same with a minimum of 7 days: six would be left, so it is due 30 days after the Tuesday."""
    weekly = Policy(every_weeks=1, lead_days=30, minimum_lead_days=7)
    assert weekly.plan(due_on=DUE_ON, completed_on=DUE_ON) == NextCycle(due_on=date(2026, 4, 2), opens_on=DUE_ON + DAY)


@pytest.mark.parametrize(
    ("today", "due_on"),
    [
        pytest.param(date(2027, 1, 30), date(2027, 3, 1), id="on-its-day"),
        pytest.param(date(2027, 2, 26), date(2027, 3, 1), id="late-with-the-minimum-left"),
        pytest.param(date(2027, 2, 27), date(2027, 3, 29), id="late-with-less-than-the-minimum-left"),
        pytest.param(date(2031, 12, 31), date(2032, 1, 30), id="years-late"),
    ],
)
def test_a_late_opening_keeps_its_due_date_as_long_as_the_minimum_is_left(today: date, due_on: date) -> None:
    """Three days left are enough; with two it is due 30 days after it opens."""
    planned = NextCycle(due_on=date(2027, 3, 1), opens_on=date(2027, 1, 30))
    assert YEARLY.open(planned, today=today) == NextCycle(due_on=due_on, opens_on=today)


def test_a_late_report_opens_one_cycle_now() -> None:
    """A completion of 2022 that is reported in 2026 opens a cycle on the day of the report, not four of them."""
    today = date(2026, 6, 1)
    planned = YEARLY.plan(due_on=date(2022, 3, 1), completed_on=date(2022, 2, 1), today=today)
    assert planned == NextCycle(due_on=today + timedelta(days=30), opens_on=today)


@given(policies, days_of_a_task, distances, waits)
def test_a_plan_is_possible_and_leaves_time(policy: Policy, due_on: date, distance: timedelta, wait: timedelta) -> None:
    """It opens after completion, not before today, and is due the repetition later at least, with the days needed."""
    completed_on = due_on + distance
    today = completed_on + wait
    planned = policy.plan(due_on=due_on, completed_on=completed_on, today=today)
    assert planned.opens_on > completed_on
    assert planned.opens_on >= today
    assert planned.due_on >= max(due_on, completed_on) + timedelta(weeks=policy.every_weeks)
    assert planned.due_on - planned.opens_on >= timedelta(days=policy.days_left_at_least)
    assert planned.due_on - planned.opens_on <= timedelta(days=policy.lead_days)


@given(policies, days_of_a_task, distances, waits)
def test_nothing_but_completion_today_and_the_minimum_disturbs_a_plan(
    policy: Policy, due_on: date, distance: timedelta, wait: timedelta
) -> None:
    """It opens its lead before the due date of the series unless that day is not to be had, and then at once."""
    completed_on = due_on + distance
    today = completed_on + wait
    planned = policy.plan(due_on=due_on, completed_on=completed_on, today=today)
    series_due_on = max(due_on, completed_on) + timedelta(weeks=policy.every_weeks)
    first_day = max(completed_on + DAY, today)
    if series_due_on - timedelta(days=policy.lead_days) >= first_day:
        assert planned == NextCycle(series_due_on, series_due_on - timedelta(days=policy.lead_days))
    else:
        assert planned.opens_on == first_day
        is_moved = planned.due_on != series_due_on
        assert is_moved is ((series_due_on - first_day).days < policy.days_left_at_least)


@given(policies, days_of_a_task, distances, waits)
def test_on_its_day_a_cycle_is_what_was_planned(
    policy: Policy, due_on: date, distance: timedelta, wait: timedelta
) -> None:
    """Opening on the planned day changes nothing; nor does a calendar that went back behind it."""
    completed_on = due_on + distance
    planned = policy.plan(due_on=due_on, completed_on=completed_on, today=completed_on + wait)
    assert policy.open(planned, today=planned.opens_on) == planned
    assert policy.open(planned, today=planned.opens_on - DAY) == planned


@given(policies, days_of_a_task, distances, waits, waits)
def test_opening_late_and_planning_late_come_to_the_same(
    policy: Policy, due_on: date, distance: timedelta, wait: timedelta, outage: timedelta
) -> None:
    """Whether the report or the worker was late, the cycle that opens today is the same, unless it was moved before."""
    completed_on = due_on + distance
    planned = policy.plan(due_on=due_on, completed_on=completed_on)
    today = planned.opens_on + outage
    opened = policy.open(planned, today=today)
    if planned.due_on == max(due_on, completed_on) + timedelta(weeks=policy.every_weeks):
        assert policy.plan(due_on=due_on, completed_on=completed_on, today=today) == opened


@given(policies, days_of_a_task, st.integers(0, 400), waits, st.integers(0, 365))
def test_an_opening_never_draws_a_due_date_nearer(
    policy: Policy, opens_on: date, days: int, outage: timedelta, minimum_lead_days: int
) -> None:
    """Also when lead and minimum are others than at planning: the announced date stands, or moves away from today."""
    planned = NextCycle(due_on=opens_on + timedelta(days=days), opens_on=opens_on)
    today = opens_on + outage
    opened = cycle_opening(planned, lead_days=policy.lead_days, minimum_lead_days=minimum_lead_days, today=today)
    assert opened.opens_on == today
    assert opened.due_on >= planned.due_on
    assert opened.due_on - today >= timedelta(days=min(policy.lead_days, minimum_lead_days))
    if planned.due_on - today >= timedelta(days=minimum_lead_days):
        assert opened.due_on == planned.due_on


@dataclass(frozen=True, slots=True)
class Lived:
    """A cycle as it went."""

    opened_on: date
    due_on: date
    completed_on: date


def live(policy: Policy, first_due_on: date, days: list[tuple[timedelta, timedelta, timedelta]]) -> list[Lived]:
    """Return the cycles of a task whose days are: until completion, until it is reported, and of outage then."""
    opened_on, due_on = first_due_on - timedelta(days=policy.lead_days), first_due_on
    cycles: list[Lived] = []
    for until_completion, until_report, outage in days:
        completed_on = opened_on + until_completion
        cycles.append(Lived(opened_on, due_on, completed_on))
        planned = policy.plan(due_on=due_on, completed_on=completed_on, today=completed_on + until_report)
        opened = policy.open(planned, today=planned.opens_on + outage)
        opened_on, due_on = opened.opens_on, opened.due_on
    return cycles


@given(policies, days_of_a_task, st.lists(st.tuples(waits, waits, waits), min_size=2, max_size=8))
def test_two_cycles_are_never_open_at_once(
    policy: Policy, due_on: date, days: list[tuple[timedelta, timedelta, timedelta]]
) -> None:
    """Whatever is late, a cycle opens after the completion of the one before and is due the repetition after it."""
    for before, after in pairwise(live(policy, due_on, days)):
        assert after.opened_on > before.completed_on
        assert after.due_on >= before.due_on + timedelta(weeks=policy.every_weeks)
        assert after.due_on - after.opened_on >= timedelta(days=policy.days_left_at_least)


@given(policies, days_of_a_task, st.lists(st.integers(0, 400), min_size=2, max_size=12))
def test_a_series_that_is_completed_in_time_does_not_drift(
    policy: Policy, due_on: date, completions: list[int]
) -> None:
    """With leads shorter than the repetition, each cycle is the one before moved by so many weeks, for ever."""
    weeks = timedelta(weeks=policy.every_weeks)
    lead = min(policy.lead_days, weeks.days - 1)
    policy = Policy(policy.every_weeks, lead, policy.minimum_lead_days)
    in_time = [(timedelta(days=min(days, lead)), timedelta(0), timedelta(0)) for days in completions]
    cycles = live(policy, due_on, in_time)
    assert [cycle.due_on for cycle in cycles] == [due_on + number * weeks for number in range(len(cycles))]
    assert {cycle.due_on - cycle.opened_on for cycle in cycles} == {timedelta(days=lead)}


@given(policies, days_of_a_task, st.integers(1, 20))
def test_after_an_outage_one_cycle_opens_and_no_backlog(policy: Policy, due_on: date, years: int) -> None:
    """After years without workers one cycle opens; completed at once, the next one waits for its due date to near."""
    planned = policy.plan(due_on=due_on, completed_on=due_on)
    today = planned.opens_on + timedelta(days=366 * years)
    opened = policy.open(planned, today=today)
    assert opened.opens_on == today
    # Nothing of the years is made up for: the new due date is the next one of the series, or counts from today.
    assert opened.due_on in (planned.due_on, today + timedelta(days=policy.lead_days))
    following = policy.plan(due_on=opened.due_on, completed_on=today, today=today)
    assert following.due_on >= opened.due_on + timedelta(weeks=policy.every_weeks)
    assert following.opens_on > today
    if opened.due_on == today + timedelta(days=policy.lead_days):
        assert following.opens_on == today + timedelta(weeks=policy.every_weeks)


@given(
    days_of_a_task,
    st.integers(0, MOST_DAYS + 1),
    st.integers(0, 365),
    st.lists(st.tuples(waits, waits, waits), min_size=4, max_size=8),
)
def test_a_yearly_task_is_due_once_a_year_and_one_cycle_at_a_time(
    due_on: date, lead: int, minimum_lead_days: int, days: list[tuple[timedelta, timedelta, timedelta]]
) -> None:
    """Also with a lead of more than a year no day sees two open cycles, and no 52 weeks two due dates."""
    cycles = live(Policy(every_weeks=52, lead_days=lead, minimum_lead_days=minimum_lead_days), due_on, days)
    for before, after in pairwise(cycles):
        assert before.completed_on < after.opened_on
        assert after.due_on - before.due_on >= timedelta(days=364)
