"""Filters by URL: query parameters named like the fields of an input type, lists by repeating a parameter.

The schema decides what there is and how it is written, so what can be asked in GraphQL can be asked here.
"""

from collections.abc import Sequence
from typing import Any, TypeVar

from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLScalarType,
    get_named_type,
)

from domain.foundation.errors import Invalid, ProblemList
from gql.schema import Schema

Input = TypeVar("Input")


def parse_parameters(schema: Schema, input_type: type[Input], items: Sequence[tuple[str, str]]) -> Input:
    """Return the input that the parameters of a URL say.

    Raises Invalid, or several of it together, with the parameter's name as the path. Values are not repeated.
    """
    definition: Any = input_type
    type_ = schema._schema.type_map[definition.__strawberry_definition__.name]
    assert isinstance(type_, GraphQLInputObjectType)
    problems = ProblemList()
    values: dict[str, Any] = {}
    for name in dict.fromkeys(name for name, _ in items):
        texts = [text for other, text in items if other == name]
        try:
            values[name] = _parse(type_, name, texts)
        except Invalid as error:
            problems.add(error)
    problems.raise_if_any()
    name_of = schema.config.name_converter.get_graphql_name
    fields = definition.__strawberry_definition__.fields
    return input_type(**{field.python_name: values[name_of(field)] for field in fields if name_of(field) in values})


def _parse(type_: GraphQLInputObjectType, name: str, texts: Sequence[str]) -> Any:
    field = type_.fields.get(name)
    if field is None:
        raise Invalid(f"There is no such parameter. There are: {', '.join(type_.fields)}.", path=[name])
    outer = field.type.of_type if isinstance(field.type, GraphQLNonNull) else field.type
    if isinstance(outer, GraphQLList):
        return [_parse_one(outer, name, text) for text in texts]
    if len(texts) > 1:
        raise Invalid("Can be given once only.", path=[name])
    return _parse_one(outer, name, texts[0])


def _parse_one(type_: Any, name: str, text: str) -> Any:
    named = get_named_type(type_)
    if isinstance(named, GraphQLEnumType):
        if text not in named.values:
            raise Invalid(f"Has to be one of: {', '.join(named.values)}.", path=[name])
        return named.parse_value(text)
    assert isinstance(named, GraphQLScalarType)
    if named.name == "Boolean":
        if text not in ("true", "false"):
            raise Invalid("Has to be true or false.", path=[name])
        return text == "true"
    try:
        return named.parse_value(text)
    except ValueError as error:
        # Of our own scalars, whose messages repeat no value.
        raise Invalid(str(error), path=[name]) from error
