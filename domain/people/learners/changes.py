"""What callers ask to be changed about a person. A field that is left out stays; None removes its value."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from domain.foundation.access import Role
from domain.foundation.keys import Reference
from domain.foundation.text_validation import key_text
from domain.people.models import PlaceKind

#: Longest list of places or reference values of one person.
LONGEST_LIST = 100


class Unset(Enum):
    """Says that a field was left out, where None would remove its value."""

    UNSET = "UNSET"


UNSET: Final = Unset.UNSET


@dataclass(frozen=True, slots=True)
class RefChange:
    """New value of a reference field; None removes it."""

    number: int
    value: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnerChanges:
    """What to change about a person, or how to create them; fields left out stay."""

    external_id: str | Unset | None = UNSET
    name: str | Unset = UNSET
    email: str | Unset = UNSET
    role: Role | Unset = UNSET
    is_active: bool | Unset = UNSET
    time_zone: str | Unset | None = UNSET
    department: Reference | Unset | None = UNSET
    learning_groups: Sequence[Reference] | Unset = UNSET
    clients: Sequence[Reference] | Unset = UNSET
    sublicenses: Sequence[Reference] | Unset = UNSET
    ref_values: Sequence[RefChange] = ()

    def __post_init__(self) -> None:
        # People are found by it before it is judged.
        if isinstance(self.external_id, str):
            object.__setattr__(self, "external_id", key_text(self.external_id))

    def references(self) -> list[tuple[PlaceKind, Reference]]:
        """Return every place that is named."""
        named = [
            (kind, reference)
            for kind, references in (
                (PlaceKind.LEARNING_GROUP, self.learning_groups),
                (PlaceKind.CLIENT, self.clients),
                (PlaceKind.SUBLICENSE, self.sublicenses),
            )
            if not isinstance(references, Unset)
            for reference in references[:LONGEST_LIST]
        ]
        if self.department is not None and not isinstance(self.department, Unset):
            named.append((PlaceKind.DEPARTMENT, self.department))
        return named
