"""What happens to people. Rules look at facts only, so every change that they could care about ends in one of these."""

from dataclasses import dataclass
from enum import StrEnum


class FactKind(StrEnum):
    """Kinds of facts about a learner, as the `fact` view and the atoms of rules name them."""

    REF = "R"
    DEPARTMENT = "D"
    LEARNING_GROUP = "G"
    CLIENT = "C"
    SUBLICENSE = "S"
    STATUS = "T"


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact: a reference value (key: number of the field), a placement (key: the place), a content status."""

    kind: FactKind
    key: int
    value: str = ""


@dataclass(frozen=True, slots=True)
class FactsChanged:
    """A learner's facts have changed; `facts` are those that came and those that went."""

    learner_id: int
    facts: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class LearnerTimeZoneChanged:
    """A learner lives by another time zone than before."""

    learner_id: int


@dataclass(frozen=True, slots=True)
class LearnerListedOtherwise:
    """What lists of other things find a learner by has changed: name, email, department, groups or activity."""

    learner_id: int


@dataclass(frozen=True, slots=True)
class LearnerBecameActive:
    """A learner was created or reactivated: every rule is new to them."""

    learner_id: int


@dataclass(frozen=True, slots=True)
class LearnerErased:
    """The personal data of a learner was erased, and they are inactive for good; they may have been before."""

    learner_id: int


@dataclass(frozen=True, slots=True)
class LearnerBecameInactive:
    """A learner was deactivated: they leave every rule."""

    learner_id: int
