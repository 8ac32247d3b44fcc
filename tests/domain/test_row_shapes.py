"""Rows are made of records as their classes would make them."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from domain.foundation.database.row_shapes import keyed_rows_of, rows_of


class Record(dict[str, object]):
    """A record: its columns by name and by number, and its values in order."""

    def __iter__(self) -> Any:
        """Yield the values, as records of the driver do."""
        return iter(self.values())

    def __getitem__(self, key: str | int) -> object:
        """Return a value."""
        return list(self.values())[key] if isinstance(key, int) else super().__getitem__(key)


@dataclass(frozen=True, slots=True)
class Plain:
    """Row with a default."""

    id: int
    name: str
    position: int = 7


@dataclass(frozen=True)
class WithoutSlots:
    """Row that has a dict."""

    id: int


@dataclass(frozen=True, slots=True)
class Working:
    """Row that works something out."""

    id: int
    doubled: int = field(init=False)

    def __post_init__(self) -> None:
        """Work it out."""
        object.__setattr__(self, "doubled", 2 * self.id)


def test_columns_in_any_order_and_defaults() -> None:
    """As keyword arguments would do."""
    assert rows_of(Plain, [Record(name="A", id=1), Record(name="B", id=2)]) == [Plain(1, "A"), Plain(2, "B")]
    assert rows_of(Plain, [Record(position=3, id=1, name="A")]) == [Plain(1, "A", 3)]
    assert rows_of(Plain, []) == []


def test_the_first_column_can_be_a_key() -> None:
    """It is no field of the row."""
    records = [Record(owner=9, name="A", id=1), Record(owner=8, name="B", id=2)]
    assert keyed_rows_of(Plain, records) == [(9, Plain(1, "A")), (8, Plain(2, "B"))]
    assert keyed_rows_of(WithoutSlots, [Record(owner=9, id=1)]) == [(9, WithoutSlots(1))]
    assert keyed_rows_of(Plain, []) == []


def test_other_classes_are_made_by_themselves() -> None:
    """Those without slots, and those that do more than keep what they get."""
    assert rows_of(WithoutSlots, [Record(id=1)]) == [WithoutSlots(1)]
    assert rows_of(Working, [Record(id=2)])[0].doubled == 4


@pytest.mark.parametrize("record", [Record(id=1), Record(id=1, name="A", age=3)])
def test_columns_that_do_not_fit(record: Record) -> None:
    """Too few and too many."""
    with pytest.raises(TypeError):
        rows_of(Plain, [record])
