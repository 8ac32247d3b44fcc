"""People, enrollments and rules as the oracle writes them down, and what it means to meet a condition."""

from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeAlias

Status: TypeAlias = Literal["NOT_STARTED", "IN_PROGRESS", "COMPLETED"]
Policy: TypeAlias = Literal["KEEP", "UNENROLL", "RELEASE"]
ORDER: tuple[Status, ...] = ("NOT_STARTED", "IN_PROGRESS", "COMPLETED")
LESSONS = 2


class RefCondition(NamedTuple):
    """A reference value is one of these, or none of them."""

    number: int
    is_negative: bool
    values: tuple[str, ...]


class PlaceCondition(NamedTuple):
    """The person belongs to one of these places."""

    places: tuple[str, ...]


class StatusCondition(NamedTuple):
    """The status fact on one of these contents is this one."""

    status: Status
    contents: tuple[str, ...]


Condition: TypeAlias = RefCondition | PlaceCondition | StatusCondition


class Reason(NamedTuple):
    """Why an enrollment is active."""

    source: Literal["MANAGER", "LEARNER", "AUTO_ENROLLMENT", "LEARNING_PATH"]
    rule: str | None = None
    path: str | None = None
    is_permanent: bool = False


MANAGER, LEARNER = Reason("MANAGER"), Reason("LEARNER")
#: What the reason of a rule becomes when the rule is deleted.
ORPHAN = Reason("AUTO_ENROLLMENT", is_permanent=True)


@dataclass(slots=True)
class Enrollment:
    """A person's place in a content."""

    reasons: list[Reason] = field(default_factory=list)
    status: Status = "NOT_STARTED"
    fact: Status | None = None
    lessons: int = 0


@dataclass(slots=True)
class Person:
    """Somebody with facts and enrollments."""

    is_active: bool = True
    refs: dict[int, str] = field(default_factory=dict)
    places: set[str] = field(default_factory=set)
    enrollments: dict[str, Enrollment] = field(default_factory=dict)
    #: When they were unenrolled from a content last, by a manager or by themselves.
    taken_out: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Rule:
    """A rule and whom it knows."""

    gives: dict[str, int]
    conditions: list[Condition]
    match: Literal["ALL", "ANY"]
    when_unmet: Policy
    #: Since when each of them counts as meeting the conditions.
    members: dict[str, int] = field(default_factory=dict)
    #: Whom it ever enrolled in what: person and content.
    has_enrolled: set[tuple[str, str]] = field(default_factory=set)


def meets(person: Person, condition: Condition) -> bool:
    """Tell whether somebody meets a condition."""
    match condition:
        case RefCondition(number, is_negative, values):
            return (person.refs.get(number) in values) is not is_negative
        case PlaceCondition(places):
            return not person.places.isdisjoint(places)
        case StatusCondition(status, contents):
            known = person.enrollments
            return any(content in known and known[content].fact == status for content in contents)
