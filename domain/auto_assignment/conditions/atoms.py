"""Conditions of a rule, and the atoms and masks that they become. Pure: no database, no clock.

Every condition gets one bit. Its atoms are the facts that set the bit, any one of them. NOT_EQUALS conditions are those
of `negative_mask`: they hold while their bit is *not* set. So `(bits XOR negative_mask)` has a one for every condition
that is met: all of them (`full_mask`) for ALL, any for ANY.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from domain.auto_assignment.models import ConditionMatch
from domain.enrollments.models import EnrollmentStatus
from domain.people.events import Fact, FactKind

MAX_CONDITIONS = 20
MAX_VALUES = 100


class ConditionKind(StrEnum):
    """What a condition looks at."""

    CONTENT_STATUS = "CONTENT_STATUS"
    SUBLICENSE = "SUBLICENSE"
    CLIENT = "CLIENT"
    DEPARTMENT = "DEPARTMENT"
    LEARNING_GROUP = "LEARNING_GROUP"
    REF_VALUE = "REF_VALUE"


class RefOperator(StrEnum):
    """Comparisons of a reference value."""

    EQUALS = "EQUALS"
    NOT_EQUALS = "NOT_EQUALS"


@dataclass(frozen=True, slots=True)
class Condition:
    """What the user said: one of these objects, or one of (or none of) these reference values."""

    kind: ConditionKind
    object_ids: tuple[int, ...] = ()
    status: EnrollmentStatus | None = None
    field_number: int | None = None
    operator: RefOperator | None = None
    ref_values: tuple[str, ...] = ()

    @property
    def is_negative(self) -> bool:
        """Whether the condition is met by the absence of its facts."""
        return self.operator is RefOperator.NOT_EQUALS

    def facts(self) -> list[Fact]:
        """Return the facts of which one decides the condition."""
        if self.kind is ConditionKind.REF_VALUE:
            assert self.field_number is not None
            return [Fact(FactKind.REF, self.field_number, value) for value in dict.fromkeys(self.ref_values)]
        value = self.status.value if self.status is not None else ""
        return [Fact(_FACT_KINDS[self.kind], object_id, value) for object_id in dict.fromkeys(self.object_ids)]


_FACT_KINDS = {
    ConditionKind.CONTENT_STATUS: FactKind.STATUS,
    ConditionKind.SUBLICENSE: FactKind.SUBLICENSE,
    ConditionKind.CLIENT: FactKind.CLIENT,
    ConditionKind.DEPARTMENT: FactKind.DEPARTMENT,
    ConditionKind.LEARNING_GROUP: FactKind.LEARNING_GROUP,
}


@dataclass(frozen=True, slots=True)
class Atom:
    """A fact that sets the bit of a condition."""

    bit: int
    fact: Fact


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """Conditions as the matching query wants them."""

    match: ConditionMatch
    atoms: tuple[Atom, ...]
    full_mask: int
    negative_mask: int

    @property
    def is_met_by_default(self) -> bool:
        """Whether somebody with none of the facts meets the rule."""
        if self.match is ConditionMatch.ALL:
            return self.full_mask != 0 and self.negative_mask == self.full_mask
        return self.negative_mask != 0


def compile_rule(match: ConditionMatch, conditions: Sequence[Condition]) -> CompiledRule:
    """Give each condition its bit, in order."""
    atoms = [Atom(1 << number, fact) for number, condition in enumerate(conditions) for fact in condition.facts()]
    negative = sum(1 << number for number, condition in enumerate(conditions) if condition.is_negative)
    return CompiledRule(match, tuple(atoms), (1 << len(conditions)) - 1, negative)
