"""What is the same input, and what is not: keys against doing things twice and cursors hang on it."""

import datetime as dt
from enum import Enum
from itertools import combinations
from typing import Any

import strawberry
from strawberry import Some

from gql.contract.canonical_text import digest
from gql.execution.context import MutationInput


class Color(Enum):
    """An enum."""

    RED = "r"


@strawberry.input
class Inner:
    """An object in an input."""

    name: str | None = None
    note: strawberry.Maybe[str | None] = None


@strawberry.input
class Outer(MutationInput):
    """An input."""

    count: int | None = None
    colors: list[Color] | None = None
    inner: Inner | None = None


def test_different_inputs_have_different_digests() -> None:
    """Also where one is null, empty, false or nothing."""
    inputs: list[Any] = [
        Outer(),
        Outer(count=0),
        Outer(colors=[]),
        Outer(colors=[Color.RED]),
        Outer(inner=Inner(name="")),
        Outer(inner=Inner(name="x")),
        Outer(inner=Inner(note=Some(None))),
        Outer(inner=Inner(note=Some(""))),
        Outer(inner=Inner(note=Some("x"))),
        [],
        False,
        0,
        "",
        dt.date(2026, 3, 1),
        dt.datetime(2026, 3, 1, tzinfo=dt.UTC),
    ]
    digests = [digest(value) for value in inputs]
    equal = [pair for pair in combinations(range(len(digests)), 2) if digests[pair[0]] == digests[pair[1]]]
    assert equal == []


def test_the_key_is_no_part_of_the_input() -> None:
    """Two calls with different keys ask for the same."""
    assert digest(Outer(idempotency_key="a", count=1)) == digest(Outer(count=1))


def test_an_object_without_fields_is_none() -> None:
    """An empty filter restricts nothing."""
    assert digest(Inner()) == digest(None)
    assert digest(Inner(), None) != digest(None, Inner(name="x"))
