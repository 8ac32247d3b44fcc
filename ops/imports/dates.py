"""Dates and instants as files write them, read only where they can mean one thing.

The year has four digits. `2025-12-31`, `31.12.2025` (dots mean that the day comes first), `31/12/2025`, `12/31/2025`,
`31 Dec 2025`; a time may follow (`14:00`, `2:00:00 PM`), and an offset (`Z`, `+01:00`). What `03/04/2025` means is
known only when the operator says it, or the column does by another row.
"""

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta, timezone
from enum import StrEnum

from domain.foundation.errors import Invalid

#: A date means a day of somebody's calendar, a datetime without offset a time of their clock.
When = date | datetime

MAX_OFFSET_HOURS = 14
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_LONG_MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_YEAR_FIRST = re.compile(r"(\d{4})([-/.])(\d{1,2})\2(\d{1,2})")
_COMPACT = re.compile(r"(\d{4})(\d{2})(\d{2})")
_DOTTED = re.compile(r"(\d{1,2})\.\s?(\d{1,2})\.\s?(\d{4})")
_YEAR_LAST = re.compile(r"(\d{1,2})([-/])(\d{1,2})\2(\d{4})")
_DAY_MONTH = re.compile(r"(\d{1,2})\.?[\s-]+([a-z]+)\.?,?[\s-]+(\d{4})")
_MONTH_DAY = re.compile(r"([a-z]+)\.?\s+(\d{1,2}),?\s+(\d{4})")
_TIME = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?\s*([ap]\.?m\.?)?\s*(z|utc|[+-]\d{2}:?\d{2})?")
_PARTS = re.compile(r"(.+?)(?:(?<=\d)t|\s+)(\d{1,2}:.+)", re.DOTALL)


class DateOrder(StrEnum):
    """What comes first where a date is written with slashes or hyphens and ends with the year."""

    DAY_FIRST = "dmy"
    MONTH_FIRST = "mdy"


class AmbiguousDate(Invalid):
    """Could be two dates: --date-format says whether the day (dmy) or the month (mdy) comes first."""


def parse_when(text: str, order: DateOrder | None, *, path: Iterable[str]) -> When | None:
    """Return the date or instant of a cell, None for an empty one; raises AmbiguousDate and Invalid."""
    text = text.strip().lower()
    if not text:
        return None
    where = list(path)
    if re.fullmatch(r"\d{5}(\.\d+)?", text):
        raise Invalid("Is a number of days as spreadsheets count them: write the column as dates.", path=where)
    split = _PARTS.fullmatch(text)
    day_text, time_text = (split[1].rstrip(","), split[2]) if split else (text, None)
    try:
        day = _day(day_text, order, where)
        return day if time_text is None else _at(day, time_text)
    except AmbiguousDate:
        raise
    except ValueError as error:
        raise Invalid("Is no date that can be read, such as 2025-12-31 or 2025-12-31 14:00.", path=where) from error


def find_order(texts: Iterable[str]) -> DateOrder | None:
    """Return which order the texts of a column have; None where they leave it open or contradict each other."""
    found = set()
    for text in texts:
        written = _YEAR_LAST.match(text.strip())
        if written is None:
            continue
        first, second = int(written[1]), int(written[3])
        if first > 12 >= second:
            found.add(DateOrder.DAY_FIRST)
        elif second > 12 >= first:
            found.add(DateOrder.MONTH_FIRST)
        if len(found) > 1:
            return None
    return next(iter(found), None)


def _day(text: str, order: DateOrder | None, where: list[str]) -> date:
    if written := _YEAR_FIRST.fullmatch(text):
        return date(int(written[1]), int(written[3]), int(written[4]))
    if written := _COMPACT.fullmatch(text):
        return date(int(written[1]), int(written[2]), int(written[3]))
    if written := _DOTTED.fullmatch(text):
        return date(int(written[3]), int(written[2]), int(written[1]))
    if written := _DAY_MONTH.fullmatch(text):
        return date(int(written[3]), _month(written[2]), int(written[1]))
    if written := _MONTH_DAY.fullmatch(text):
        return date(int(written[3]), _month(written[1]), int(written[2]))
    written = _YEAR_LAST.fullmatch(text)
    if written is None:
        raise ValueError(text)
    first, second, year = int(written[1]), int(written[3]), int(written[4])
    if order is None and first <= 12 and second <= 12 and first != second:
        raise AmbiguousDate(path=where)
    is_day_first = order is DateOrder.DAY_FIRST if order else first > 12
    day, month = (first, second) if is_day_first else (second, first)
    return date(year, month, day)


def _month(name: str) -> int:
    if name in _LONG_MONTHS:
        return _LONG_MONTHS.index(name) + 1
    return _MONTHS.index("sep" if name == "sept" else name) + 1


def _at(day: date, text: str) -> datetime:
    written = _TIME.fullmatch(text.strip())
    if written is None:
        raise ValueError(text)
    hour = int(written[1])
    if written[5]:
        if not 1 <= hour <= 12:
            raise ValueError(text)
        hour = hour % 12 + (12 if written[5].startswith("p") else 0)
    microsecond = int((written[4] or "0").ljust(6, "0")[:6])
    local = datetime.combine(day, time(hour, int(written[2]), int(written[3] or 0), microsecond))
    return local if written[6] is None else local.replace(tzinfo=_offset(written[6]))


def _offset(text: str) -> timezone:
    if text in ("z", "utc"):
        return UTC
    hours, minutes = int(text[1:3]), int(text[-2:])
    if hours > MAX_OFFSET_HOURS or minutes > 59:
        raise ValueError(text)
    distance = timedelta(hours=hours, minutes=minutes)
    return timezone(-distance if text[0] == "-" else distance)
