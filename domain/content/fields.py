"""What a course or learning path is asked to be, judged as a whole. Pure: no database, no clock."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

from domain.foundation.errors import DomainError, Invalid, ProblemList, TooManyItems
from domain.foundation.keys import Reference
from domain.foundation.text_validation import external_id_text, name_text

LONGEST_LIST = 100
#: A hundred years: what is longer cannot be meant, and dates end at some point.
LONGEST_ACCESS_DAYS = 36_525
LARGEST_NUMBER = 2**31 - 1


@dataclass(frozen=True, slots=True)
class PathItem:
    """Place of a course in a learning path, as it is asked for."""

    course: Reference
    is_mandatory: bool = True


class ContentFields(TypedDict, total=False):
    """Fields of a content; those left out stay, and None removes a value."""

    title: str
    external_id: str | None
    trainers: Sequence[Reference]


class CourseFields(ContentFields, total=False):
    """Fields of a course."""

    minimum_score: int | None
    lesson_count: int
    is_self_enrollable: bool
    seat_limit: int | None
    has_waitlist: bool
    access_days: int | None


class PathFields(ContentFields, total=False):
    """Fields of a learning path."""

    items: Sequence[PathItem]


#: Columns of a content with the names that the API gives them.
API_NAMES = {
    "title": "title",
    "external_id": "externalId",
    "minimum_score": "minimumScore",
    "lesson_count": "lessonCount",
    "is_self_enrollable": "isSelfEnrollable",
    "seat_limit": "seatLimit",
    "has_waitlist": "hasWaitlist",
    "access_days": "accessDays",
}


def judged_columns(
    fields: Mapping[str, Any], problems: ProblemList, path: Sequence[str], *, names: Mapping[str, str] = API_NAMES
) -> dict[str, Any]:
    """Return the columns that are to be written; what is wrong with them goes into `problems`, by these names."""
    judges: dict[str, Callable[[Any, Sequence[str]], Any]] = {
        "title": lambda value, at: name_text(value, path=at),
        "external_id": lambda value, at: external_id_text(value, path=at),
        "minimum_score": lambda value, at: _number(value, 0, 100, at),
        "lesson_count": lambda value, at: _number(value, 1, LARGEST_NUMBER, at),
        "seat_limit": lambda value, at: _number(value, 0, LARGEST_NUMBER, at),
        "access_days": lambda value, at: _number(value, 1, LONGEST_ACCESS_DAYS, at),
    }
    columns: dict[str, Any] = {}
    for column, name in names.items():
        if column not in fields:
            continue
        try:
            judge = judges.get(column)
            columns[column] = judge(fields[column], [*path, name]) if judge else fields[column]
        except DomainError as error:
            problems.add(error)
    return columns


def judge_items(items: Sequence[PathItem], problems: ProblemList, path: Sequence[str]) -> None:
    """Note what is wrong with the items of a path, its courses aside."""
    if not items:
        problems.add(Invalid("At least one course.", path=path))
    elif len(items) > LONGEST_LIST:
        problems.add(TooManyItems(limit=LONGEST_LIST, path=path))
    elif not any(item.is_mandatory for item in items):
        problems.add(Invalid("At least one course has to be mandatory.", path=path))


def _number(value: int | None, smallest: int, largest: int, path: Sequence[str]) -> int | None:
    if value is not None and not smallest <= value <= largest:
        raise Invalid(f"From {smallest} to {largest}.", path=path)
    return value
