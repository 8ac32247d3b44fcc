"""Dates in time zones for properties: any zone there is, and the dates at which clocks do what nobody expects."""

import zoneinfo
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from domain.mandatory_tasks.dates.local_time import end_of, first_instant

#: A jump over midnight, a midnight that comes twice, yesterday coming back, dates left out, half hours, leap days.
ODD_DATES = [
    ("Africa/Cairo", date(2014, 5, 16)),
    ("America/Havana", date(2022, 11, 6)),
    ("America/Santiago", date(2022, 4, 3)),
    ("America/Santiago", date(2022, 9, 11)),
    ("America/Sao_Paulo", date(2018, 11, 4)),
    ("America/St_Johns", date(2010, 3, 14)),
    ("America/St_Johns", date(2010, 11, 7)),
    ("Antarctica/Casey", date(2010, 3, 5)),
    ("Antarctica/Casey", date(2016, 10, 22)),
    ("Antarctica/Vostok", date(1994, 2, 1)),
    ("Antarctica/Vostok", date(1994, 11, 1)),
    ("Asia/Amman", date(2021, 10, 29)),
    ("Asia/Beirut", date(2022, 3, 27)),
    ("Asia/Kathmandu", date(2024, 2, 29)),
    ("Asia/Tehran", date(2022, 3, 22)),
    ("Atlantic/Azores", date(2022, 3, 27)),
    ("Atlantic/Azores", date(2022, 10, 30)),
    ("Australia/Lord_Howe", date(2024, 4, 7)),
    ("Europe/Berlin", date(2024, 3, 31)),
    ("Europe/Berlin", date(2024, 10, 27)),
    ("Pacific/Apia", date(2011, 12, 30)),
    ("Pacific/Chatham", date(2000, 2, 29)),
    ("Pacific/Kiritimati", date(1994, 12, 31)),
    ("Pacific/Kwajalein", date(1993, 8, 21)),
]
zones = st.sampled_from(sorted(zoneinfo.available_timezones() - {"localtime", "posixrules"})).map(ZoneInfo)
#: From when on all offsets are whole minutes.
dates = st.dates(date(1975, 1, 1), date(2150, 12, 31))
#: A zone and a date in it: an odd one, one next to it, the end of a year or of a February, or any.
dates_in_zones = st.one_of(
    st.tuples(st.sampled_from(ODD_DATES), st.integers(-2, 2)).map(
        lambda odd: (ZoneInfo(odd[0][0]), odd[0][1] + timedelta(days=odd[1]))
    ),
    st.tuples(
        zones,
        st.tuples(st.integers(1975, 2150), st.sampled_from([(1, 1), (3, 1)]), st.integers(-2, 1)).map(
            lambda near: date(near[0], *near[1]) + timedelta(days=near[2])
        ),
    ),
    st.tuples(zones, dates),
)
#: Where in a date, in thousandths.
shares = st.integers(0, 1000)


def is_left_out(zone: ZoneInfo, day: date) -> bool:
    """Return whether the zone left a date out: there is no noon in it."""
    noon = datetime.combine(day, time(12), tzinfo=zone)
    return noon.astimezone(UTC).astimezone(zone).date() != day


def instant_of(zone: ZoneInfo, day: date, share: int) -> datetime:
    """Return the first instant of a date for 0, the last microsecond before its end for 1000."""
    first = first_instant(day, zone)
    return first + (end_of(day, zone) - timedelta(microseconds=1) - first) * share // 1000
