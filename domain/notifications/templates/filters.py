"""Filters of the template language. Each takes whatever it is given, never fails, and never makes much out of little.

What a filter returns is at most as long as what it was given, all arguments included: so a template of some length has
a longest email, which is known before anything is sent.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
#: What each directive of `date` stands for. Those of the C library are not used: some can ask for gigabytes.
_DIRECTIVES: dict[str, Callable[[date], str]] = {
    "%d": lambda day: f"{day.day:02}",
    "%-d": lambda day: str(day.day),
    "%m": lambda day: f"{day.month:02}",
    "%-m": lambda day: str(day.month),
    "%y": lambda day: f"{day.year % 100:02}",
    "%Y": lambda day: f"{day.year:04}",
    "%b": lambda day: _MONTHS[day.month - 1][:3],
    "%B": lambda day: _MONTHS[day.month - 1],
    "%a": lambda day: _WEEKDAYS[day.weekday()][:3],
    "%A": lambda day: _WEEKDAYS[day.weekday()],
}
_DIRECTIVE = re.compile(r"%-?[A-Za-z]")
#: Characters that one character of a format becomes at most: "%A" is Wednesday.
GROWTH_OF_DATES = 5


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter, and how many arguments it has to be given."""

    apply: Callable[..., object]
    fewest: int = 0
    most: int = 0


def text_of(value: object) -> str:
    """Return a value as an email shows it."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _each(change: Callable[[str], str], value: object) -> str:
    # Letters that would become several (ß) stay: the length of a text does not change.
    return "".join(changed if len(changed := change(letter)) == 1 else letter for letter in text_of(value))


def _capitalize(value: object) -> str:
    text = text_of(value)
    return _each(str.upper, text[:1]) + text[1:]


def _truncate(value: object, length: object = 50, end: object = "…") -> str:
    text, mark = text_of(value), text_of(end)
    longest = length if type(length) is int else 50
    return text if len(text) <= longest else text[: max(longest - len(mark), 0)] + mark


def _default(value: object, other: object) -> object:
    return other if value is None or value is False or value == "" else value


def _absolute(value: object) -> object:
    return abs(value) if type(value) in (int, float) else value  # type: ignore[arg-type]


def _date(value: object, format: object) -> str:
    try:
        day = date.fromisoformat(text_of(value))
    except ValueError:
        return text_of(value)

    def told(directive: re.Match[str]) -> str:
        tell = _DIRECTIVES.get(directive[0])
        return directive[0] if tell is None else tell(day)

    return _DIRECTIVE.sub(told, text_of(format))


FILTERS = {
    "abs": Filter(_absolute),
    "append": Filter(lambda value, more: text_of(value) + text_of(more), 1, 1),
    "capitalize": Filter(_capitalize),
    "date": Filter(_date, 1, 1),
    "default": Filter(_default, 1, 1),
    "downcase": Filter(lambda value: _each(str.lower, value)),
    "prepend": Filter(lambda value, more: text_of(more) + text_of(value), 1, 1),
    "strip": Filter(lambda value: text_of(value).strip()),
    "truncate": Filter(_truncate, 0, 2),
    "upcase": Filter(lambda value: _each(str.upper, value)),
}
