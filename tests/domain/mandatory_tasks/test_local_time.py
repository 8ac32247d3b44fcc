"""Where dates begin and end in their zones (spec 4.3)."""

from datetime import UTC, date, datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.mandatory_tasks.dates.local_time import end_of, first_instant, local_date
from tests.domain.mandatory_tasks.zones import dates, dates_in_zones, is_left_out, zones

DAY = timedelta(days=1)
MICROSECOND = timedelta(microseconds=1)

instants_of_a_date = st.timedeltas(timedelta(hours=-26), timedelta(hours=26))


def utc(day: date, hour: int, minute: int = 0) -> datetime:
    """Return an instant of a date in UTC."""
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "day", "expected"),
    [
        pytest.param("UTC", date(2026, 3, 2), utc(date(2026, 3, 2), 0), id="utc"),
        pytest.param("Asia/Kathmandu", date(2024, 2, 29), utc(date(2024, 2, 28), 18, 15), id="leap-day"),
        pytest.param("Pacific/Kiritimati", date(2027, 1, 1), utc(date(2026, 12, 31), 10), id="year-begins-first"),
        pytest.param("Europe/Berlin", date(2024, 3, 31), utc(date(2024, 3, 30), 23), id="jump-later-in-the-day"),
        pytest.param("America/Santiago", date(2022, 9, 11), utc(date(2022, 9, 11), 4), id="jump-at-midnight-santiago"),
        pytest.param("Asia/Beirut", date(2022, 3, 27), utc(date(2022, 3, 26), 22), id="jump-at-midnight-beirut"),
        pytest.param("Africa/Cairo", date(2014, 5, 16), utc(date(2014, 5, 15), 22), id="jump-at-midnight-cairo"),
        pytest.param("Atlantic/Azores", date(2022, 3, 27), utc(date(2022, 3, 27), 1), id="jump-at-midnight-azores"),
        pytest.param("Antarctica/Vostok", date(1994, 11, 1), utc(date(1994, 11, 1), 0), id="jump-of-seven-hours"),
        pytest.param("America/Toronto", date(1919, 3, 31), utc(date(1919, 3, 31), 4, 30), id="jump-across-midnight"),
        pytest.param("Atlantic/Azores", date(2022, 10, 30), utc(date(2022, 10, 30), 0), id="midnight-twice-azores"),
        pytest.param("America/Havana", date(2022, 11, 6), utc(date(2022, 11, 6), 4), id="midnight-twice-havana"),
        pytest.param("America/St_Johns", date(2010, 11, 7), utc(date(2010, 11, 7), 2, 30), id="back-a-minute-after"),
        pytest.param("Antarctica/Casey", date(2010, 3, 5), utc(date(2010, 3, 4), 13), id="back-hours-after"),
        pytest.param("America/Santiago", date(2022, 4, 3), utc(date(2022, 4, 3), 4), id="back-just-before-midnight"),
        pytest.param("Pacific/Apia", date(2011, 12, 30), utc(date(2011, 12, 30), 10), id="left-out-apia"),
        pytest.param("Pacific/Kwajalein", date(1993, 8, 21), utc(date(1993, 8, 21), 12), id="left-out-kwajalein"),
    ],
)
def test_a_date_begins_when_its_zone_says(zone: str, day: date, expected: datetime) -> None:
    """Jumps over midnight, midnights that come twice and dates left out begin where people's clocks show it."""
    first = first_instant(day, ZoneInfo(zone))
    assert first == expected
    assert first.tzinfo is UTC


@given(dates_in_zones)
def test_the_first_instant_is_what_looking_at_every_minute_finds(where: tuple[ZoneInfo, date]) -> None:
    """Of all minutes around a date, the first in it (or after it, where the zone left it out) is the first instant."""
    zone, day = where
    start = utc(day, 0) - timedelta(hours=26)
    minutes = (start + timedelta(minutes=minute) for minute in range(52 * 60))
    assert first_instant(day, zone) == next(minute for minute in minutes if local_date(minute, zone) >= day)


@given(dates_in_zones)
def test_the_microsecond_before_is_not_in_the_date(where: tuple[ZoneInfo, date]) -> None:
    """The first instant is in its date or after it; the microsecond before is in an earlier one."""
    zone, day = where
    first = first_instant(day, zone)
    assert local_date(first, zone) >= day
    assert local_date(first - MICROSECOND, zone) < day


@given(dates_in_zones)
def test_only_a_date_that_was_left_out_is_not_begun_by_its_first_instant(where: tuple[ZoneInfo, date]) -> None:
    """The first instant is in the date itself, unless the zone left that date out."""
    zone, day = where
    assert (local_date(first_instant(day, zone), zone) == day) is not is_left_out(zone, day)


@given(dates_in_zones, st.integers(1, 400))
def test_instants_keep_the_order_of_dates(where: tuple[ZoneInfo, date], days: int) -> None:
    """A later date begins later; only the date after one that was left out begins at the same instant as that."""
    zone, day = where
    first, later = first_instant(day, zone), first_instant(day + timedelta(days=days), zone)
    if days == 1 and is_left_out(zone, day):
        assert first == later
    else:
        assert first < later


@given(dates_in_zones)
def test_a_date_lasts_about_a_day(where: tuple[ZoneInfo, date]) -> None:
    """A date is over within 31 hours of beginning, and where it was left out at once."""
    zone, day = where
    length = end_of(day, zone) - first_instant(day, zone)
    if is_left_out(zone, day):
        assert length == timedelta(0)
    else:
        assert timedelta(hours=17) <= length <= timedelta(hours=31)


@given(dates_in_zones, instants_of_a_date)
def test_a_date_is_over_once_the_calendar_shows_a_later_one(where: tuple[ZoneInfo, date], distance: timedelta) -> None:
    """Before the end the calendar shows no later date, from the end on no earlier one, and its own only by a fold."""
    zone, day = where
    instant = end_of(day, zone) + distance
    shown = local_date(instant, zone)
    if instant < end_of(day, zone):
        assert shown <= day
    else:
        assert shown >= day
        is_back = shown == day
        assert not is_back or instant < end_of(day, zone) + timedelta(hours=4)


def test_a_date_that_comes_back_is_over_all_the_same() -> None:
    """In St. John's, 2010: 7 November began, and a minute later it was 6 November, 23:01, again."""
    zone = ZoneInfo("America/St_Johns")
    end = end_of(date(2010, 11, 6), zone)
    assert local_date(end, zone) == date(2010, 11, 7)
    assert local_date(end + timedelta(minutes=1), zone) == date(2010, 11, 6)


@given(dates, st.integers(-12 * 60, 14 * 60))
def test_a_fixed_offset_is_a_zone_too(day: date, minutes: int) -> None:
    """Where the clock never changes, each date begins at 00:00 and lasts 24 hours."""
    zone = timezone(timedelta(minutes=minutes))
    assert first_instant(day, zone) == utc(day, 0) - timedelta(minutes=minutes)
    assert end_of(day, zone) - first_instant(day, zone) == DAY


@given(dates, st.times(), zones, zones)
def test_the_date_depends_on_the_instant_and_not_on_how_it_is_written(
    day: date, at: time, zone: ZoneInfo, other: ZoneInfo
) -> None:
    """An instant that is written in another zone has the same date."""
    instant = datetime.combine(day, at, tzinfo=UTC)
    assert local_date(instant.astimezone(other), zone) == local_date(instant, zone)
