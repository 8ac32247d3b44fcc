"""Instants from outside: which are believed, and how they come out of the database whatever is in there.

Whatever is done to an instant between the bounds, in any time zone and with any repetition, stays inside the calendar.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from domain.foundation.errors import Invalid

#: What lies before is a missing date of some system (year 1 and 1753 are such), not one that somebody reported.
MIN_INSTANT = datetime(1900, 1, 1, tzinfo=UTC)
#: The last instant that is read from the database: it can be moved by a thousand years.
MAX_INSTANT = datetime(8999, 12, 31, tzinfo=UTC)

#: PostgreSQL counts microseconds from here; its infinities are the largest and the smallest number.
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_MIN_COUNT = (MIN_INSTANT - _EPOCH) // _MICROSECOND
_MAX_COUNT = (MAX_INSTANT - _EPOCH) // _MICROSECOND


def past_instant(value: datetime, now: datetime, *, path: Sequence[str | int]) -> datetime:
    """Return when something is said to have happened; raises Invalid for the future and for what lies before 1900."""
    if value > now:
        raise Invalid("Must not lie in the future.", path=path)
    if value < MIN_INSTANT:
        raise Invalid("Must not lie before the year 1900.", path=path)
    return value


def encode_instant(value: datetime) -> tuple[int]:
    """Return an aware instant as PostgreSQL has it. (asyncpg makes infinities of the first and the last there is.)"""
    return ((value - _EPOCH) // _MICROSECOND,)


def decode_instant(value: tuple[int]) -> datetime:
    """Return the instant that PostgreSQL has, the nearest within the bounds for infinities and what lies outside.

    One row with an instant that Python's calendar does not have would otherwise fail the whole page that it is on.
    """
    count = value[0]
    if count < _MIN_COUNT:
        return MIN_INSTANT
    return _EPOCH + timedelta(microseconds=count) if count <= _MAX_COUNT else MAX_INSTANT
