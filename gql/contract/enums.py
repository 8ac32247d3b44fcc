"""Enums of the domain as enums of the API: the same Python classes, with the contract's names and descriptions."""

from enum import Enum
from typing import TypeVar

import strawberry

E = TypeVar("E", bound=type[Enum])


def publish_enum(cls: E, *, description: str, values: dict[str, str], name: str | None = None) -> E:
    """Make an enum usable in the schema. `values` has the description of every member; returns the enum itself."""
    if set(values) != set(cls.__members__):
        raise ValueError(f"{cls.__name__}: described are {sorted(values)}, there are {sorted(cls.__members__)}.")
    strawberry.enum(cls, name=name, description=description)
    for value in cls.__strawberry_definition__.values:  # type: ignore[attr-defined]
        value.description = values[value.name]
    return cls


@strawberry.enum(description="Direction of a sort order.")
class SortDirection(Enum):
    """Direction of a sort order."""

    ASC = strawberry.enum_value("ASC", description="Smallest, earliest or A first.")
    DESC = strawberry.enum_value("DESC", description="Largest, latest or Z first.")
