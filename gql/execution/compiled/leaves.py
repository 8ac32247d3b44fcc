"""Scalars and enums in compiled functions: values of the very class that is expected pass, all others are coerced."""

from collections.abc import Callable
from enum import Enum
from typing import Any

from graphql import GraphQLEnumType, GraphQLLeafType, Undefined

_MOST = 2**31


class NotPlain(Exception):
    """Only the ordinary way can deal with it."""


def give_up() -> Any:
    """Leave it to the ordinary way."""
    raise NotPlain


def coercion(type_: GraphQLLeafType) -> Callable[[Any], Any]:
    """Return the function that coerces values as graphql-core does, or raises; null is never accepted."""
    coerce = type_.coerce_output_value

    def coerced(value: Any) -> Any:
        if value is None or value is Undefined:
            raise NotPlain
        result = coerce(value)
        if result is None or result is Undefined:
            raise NotPlain
        return result

    return coerced


def test_of(type_: GraphQLLeafType) -> str | None:
    """Return what the class of `v` has to be so that it needs no coercion, as the rest of a condition in Python."""
    if type_.name in ("String", "ID"):
        return "str"
    if type_.name == "Boolean":
        return "bool"
    if type_.name == "Int":
        return f"int and {-_MOST} <= v < {_MOST}"
    return None


def names_of(type_: GraphQLLeafType) -> tuple[type[Enum], dict[Any, str]] | None:
    """Return the class of an enum and the names that its members have in the API."""
    wrapped = getattr(type_, "wrapped_cls", None)
    if not isinstance(type_, GraphQLEnumType) or not isinstance(wrapped, type) or not issubclass(wrapped, Enum):
        return None
    names = {}
    for member in wrapped:
        try:
            names[member] = type_.coerce_output_value(member)
        except Exception:
            # A member that the API does not have: the ordinary way tells.
            continue
    return wrapped, names
