"""Where dates begin and end: calendar dates mean something in a time zone, instants are UTC.

Everything that happens "at 00:00 of a date" happens at the first instant of that date, which is not always 00:00.
"""

from bisect import bisect_left
from datetime import UTC, date, datetime, time, timedelta, tzinfo

_DAY = timedelta(days=1)


def first_instant(day: date, zone: tzinfo) -> datetime:
    """Return the first instant of a date in its zone, in UTC.

    Where the clock jumps over 00:00, the date begins with the jump. Where 00:00 comes twice, the earlier one counts,
    also if yesterday comes back for a while (the clock falls back across midnight). A date that the zone left out
    (the date line moved) has the first instant after it, which the next date has too.
    """
    midnight = datetime.combine(day, time.min, tzinfo=zone)
    first = midnight.astimezone(UTC)
    if first.astimezone(zone).replace(tzinfo=None) == midnight.replace(tzinfo=None):
        return first
    # There is no 00:00. Taken by the offset from before the jump it is the jump or later, by the one from after it
    # earlier. The jump need not be at 00:00: it has been from 23:30 to 00:30.
    before = midnight.replace(fold=1).astimezone(UTC)
    seconds = range((first - before) // timedelta(seconds=1))
    return before + timedelta(
        seconds=bisect_left(seconds, day, key=lambda second: local_date(before + timedelta(seconds=second), zone))
    )


def local_date(instant: datetime, zone: tzinfo) -> date:
    """Return the date that the calendar shows at an aware instant.

    Dates do not always follow instants: where the clock falls back across midnight, yesterday comes back for a while.
    """
    return instant.astimezone(zone).date()


def end_of(day: date, zone: tzinfo) -> datetime:
    """Return the instant from which a date is over, in UTC: the first one of the next date.

    For a date that the zone left out this is its first instant too: it is over at once.
    """
    return first_instant(day + _DAY, zone)
