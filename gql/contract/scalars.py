"""Dates and instants as the contract has them. Python's own parsers accept more than ISO 8601 and RFC 3339 allow."""

import datetime as dt
import re
from typing import Any

import strawberry
from strawberry.types.scalar import ScalarDefinition

_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)", re.ASCII)
#: Where both are described: `full-date` and `date-time`.
RFC_3339 = "https://www.rfc-editor.org/rfc/rfc3339#section-5.6"


def parse_date(value: Any) -> dt.date:
    """Return the date of an ISO 8601 text; raises ValueError."""
    if not isinstance(value, str) or not _DATE.fullmatch(value):
        raise ValueError("Expected a date such as 2026-03-31.")
    return dt.date.fromisoformat(value)


def parse_instant(value: Any) -> dt.datetime:
    """Return the instant of an RFC 3339 text, which has to name its offset; raises ValueError."""
    if not isinstance(value, str) or not _INSTANT.fullmatch(value):
        raise ValueError("Expected an instant such as 2026-03-31T22:00:00Z.")
    try:
        return dt.datetime.fromisoformat(value.upper()).astimezone(dt.UTC)
    except OverflowError as error:
        raise ValueError("Expected an instant from the years 1 to 9999.") from error


def print_instant(value: dt.datetime) -> str:
    """Return the instant in UTC."""
    return value.astimezone(dt.UTC).replace(tzinfo=None).isoformat() + "Z"


SCALARS: dict[object, ScalarDefinition] = {
    dt.date: strawberry.scalar(
        name="Date",
        description="Calendar date without a time zone, ISO 8601 (`2026-03-31`).",
        specified_by_url=RFC_3339,
        serialize=dt.date.isoformat,
        parse_value=parse_date,
    ),
    dt.datetime: strawberry.scalar(
        name="DateTime",
        description="Instant in UTC, RFC 3339 (`2026-03-31T22:00:00Z`).",
        specified_by_url=RFC_3339,
        serialize=print_instant,
        parse_value=parse_instant,
    ),
}
