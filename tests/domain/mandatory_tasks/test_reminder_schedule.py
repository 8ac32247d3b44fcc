"""When reminders are sent, and which are not sent any more (spec 4.7 and 4.8)."""

from datetime import UTC, date, datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.mandatory_tasks.dates.local_time import local_date
from domain.mandatory_tasks.reminders.schedule import (
    DEFAULT_REMINDERS,
    MOST_DAYS,
    DueReminder,
    ReminderReason,
    ReminderRecipient,
    ReminderSetting,
    ReminderStatus,
    planned_state,
    scheduled_at,
    superseded,
)
from tests.domain.mandatory_tasks.zones import dates_in_zones, is_left_out

LEARNER, ASSIGNER = ReminderRecipient.LEARNER, ReminderRecipient.ASSIGNER
SKIPPED = (ReminderStatus.SKIPPED, ReminderReason.TIME_PASSED)
SCHEDULED = (ReminderStatus.SCHEDULED, None)
MICROSECOND = timedelta(microseconds=1)

days_before_due = st.integers(-MOST_DAYS, MOST_DAYS)


@st.composite
def due_reminders(draw: st.DrawFn) -> list[DueReminder]:
    """Draw reminders of one task in any order, several of them on the same days."""
    zone, due_on = draw(dates_in_zones)
    days = draw(st.lists(st.integers(-4, 4) | days_before_due, max_size=12))
    return [DueReminder(number, day, scheduled_at(due_on, day, zone)) for number, day in enumerate(days)]


def test_the_order_of_recipients_makes_no_other_reminder() -> None:
    """Recipients are sorted and each is there once, so that equal wishes are equal."""
    both = ReminderSetting(3, None, (LEARNER, ASSIGNER))
    assert both == ReminderSetting(3, None, (ASSIGNER, LEARNER, ASSIGNER))
    assert both.recipients == (ASSIGNER, LEARNER)
    assert len({both, ReminderSetting(3, None, (ASSIGNER, LEARNER))}) == 1


@given(st.lists(st.sampled_from(ReminderRecipient), max_size=4), st.lists(st.sampled_from(ReminderRecipient)))
def test_reminders_are_equal_if_the_same_people_get_them(
    some: list[ReminderRecipient], others: list[ReminderRecipient]
) -> None:
    """Two reminders of the same day and template are the same one exactly if the same people get them."""
    first, second = ReminderSetting(3, 7, tuple(some)), ReminderSetting(3, 7, tuple(others))
    assert (first == second) is (set(some) == set(others))


def test_day_and_template_make_another_reminder() -> None:
    """The same people may get several reminders."""
    setting = ReminderSetting(3, None, (LEARNER,))
    assert setting != ReminderSetting(-3, None, (LEARNER,))
    assert setting != ReminderSetting(3, 1, (LEARNER,))


def test_a_task_reminds_its_learner_three_days_before_by_default() -> None:
    """One reminder, three days before, to the learner, with the default text."""
    assert (ReminderSetting(days_before_due=3, template_id=None, recipients=(LEARNER,)),) == DEFAULT_REMINDERS


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        pytest.param(3, datetime(2024, 10, 26, 22, tzinfo=UTC), id="before"),
        pytest.param(4, datetime(2024, 10, 25, 22, tzinfo=UTC), id="before-the-clock-changes"),
        pytest.param(0, datetime(2024, 10, 29, 23, tzinfo=UTC), id="on-the-due-date"),
        pytest.param(-1, datetime(2024, 10, 30, 23, tzinfo=UTC), id="after"),
        pytest.param(245, datetime(2024, 2, 27, 23, tzinfo=UTC), id="across-a-leap-day"),
    ],
)
def test_a_reminder_is_due_at_midnight_of_its_day(days: int, expected: datetime) -> None:
    """Due in Berlin on 30 October 2024, in the week after the clocks went back: 00:00 is 22:00 or 23:00 in UTC."""
    assert scheduled_at(date(2024, 10, 30), days, ZoneInfo("Europe/Berlin")) == expected


@given(dates_in_zones, days_before_due)
def test_a_reminder_is_due_when_its_day_begins(where: tuple[ZoneInfo, date], days: int) -> None:
    """Its instant is in its day, or after it if the zone left that day out; the microsecond before is not."""
    zone, due_on = where
    at = scheduled_at(due_on, days, zone)
    day = due_on - timedelta(days=days)
    assert (local_date(at, zone) == day) is not is_left_out(zone, day)
    assert local_date(at - MICROSECOND, zone) < day


@given(dates_in_zones, days_before_due, days_before_due)
def test_more_days_before_are_not_later(where: tuple[ZoneInfo, date], one: int, other: int) -> None:
    """Reminders come in the order of their days."""
    zone, due_on = where
    assert scheduled_at(due_on, max(one, other), zone) <= scheduled_at(due_on, min(one, other), zone)


def test_a_reminder_whose_time_has_passed_is_skipped() -> None:
    """Assigned on Monday for Saturday: "five days before" was this midnight, at midnight itself too; four is ahead."""
    zone, saturday = ZoneInfo("Europe/Lisbon"), date(2026, 3, 7)
    midnight = datetime(2026, 3, 2, tzinfo=zone)
    for now in (midnight, midnight.replace(hour=9), midnight.replace(hour=23, minute=59)):
        assert planned_state(scheduled_at(saturday, 5, zone), now) == SKIPPED
        assert planned_state(scheduled_at(saturday, 4, zone), now) == SCHEDULED
    assert planned_state(scheduled_at(saturday, 5, zone), midnight - MICROSECOND) == SCHEDULED


@given(dates_in_zones, days_before_due, st.timedeltas(timedelta(days=-400), timedelta(days=400)))
def test_what_is_planned_lies_ahead(where: tuple[ZoneInfo, date], days: int, distance: timedelta) -> None:
    """SCHEDULED is in the future, SKIPPED for its time is not."""
    zone, due_on = where
    at = scheduled_at(due_on, days, zone)
    assert planned_state(at, at + distance) == (SCHEDULED if distance < timedelta(0) else SKIPPED)


@pytest.mark.parametrize(
    ("days", "sent"),
    [
        pytest.param([], [], id="none"),
        pytest.param([3], [3], id="one"),
        pytest.param([7, 3, 5], [3], id="latest-before"),
        pytest.param([3, 7, 3], [3, 3], id="all-of-the-same-day"),
        pytest.param([1, 0], [0], id="on-the-due-date-is-before"),
        pytest.param([-1, -7, -3], [-7], id="latest-after"),
        pytest.param([3, 1, -1, -2], [1, -2], id="one-of-either"),
    ],
)
def test_after_an_outage_only_the_latest_day_is_sent(days: list[int], sent: list[int]) -> None:
    """Of those before the due date those of the latest day, of those after it likewise."""
    zone = ZoneInfo("Europe/Lisbon")
    due = [DueReminder(number, day, scheduled_at(date(2026, 3, 7), day, zone)) for number, day in enumerate(days)]
    gone = superseded(due)
    assert [reminder.days_before_due for reminder in due if reminder.id not in gone] == sent


def test_a_day_that_was_left_out_is_superseded_by_the_next() -> None:
    """In Apia, 30 and 31 December 2011 begin at one instant, and still only the reminder of the 31st is sent."""
    zone, due_on = ZoneInfo("Pacific/Apia"), date(2012, 1, 2)
    two, three = (DueReminder(days, days, scheduled_at(due_on, days, zone)) for days in (2, 3))
    assert two.scheduled_at == three.scheduled_at
    assert superseded([two, three]) == {three.id}


@given(due_reminders())
def test_a_reminder_is_superseded_exactly_by_a_later_day_of_its_kind(due: list[DueReminder]) -> None:
    """What is not sent has one of a later day, on the same side of the due date, that is sent."""
    gone = superseded(due)
    sent = [reminder for reminder in due if reminder.id not in gone]
    for reminder in due:
        later = [
            other
            for other in sent
            if other.days_before_due < reminder.days_before_due
            and (other.days_before_due < 0) is (reminder.days_before_due < 0)
        ]
        assert (reminder.id in gone) is bool(later)
        assert all(other.scheduled_at >= reminder.scheduled_at for other in later)


@given(due_reminders(), st.randoms())
def test_the_order_in_which_reminders_are_found_does_not_matter(due: list[DueReminder], random: Random) -> None:
    """The same ones are superseded, and again none of those that are left."""
    shuffled = list(due)
    random.shuffle(shuffled)
    gone = superseded(due)
    assert superseded(shuffled) == gone
    assert superseded([reminder for reminder in due if reminder.id not in gone]) == set()
