"""Operations over the whole schema: random fields with random arguments, as variables or written into the document."""

import json
from random import Random
from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLUnionType,
    get_named_type,
)

from tests.security.hostile.request import EVENTS, JSON_BODY, Request, encoded, graphql
from tests.security.hostile.values import NAME, Values
from tests.security.inputs import built_schema
from tests.security.world import CALLERS

#: Levels of random selections.
DEPTH = 4


class Operations:
    """Makes operations."""

    def __init__(self, random: Random, values: Values) -> None:
        self._random = random
        self._values = values
        schema = built_schema()
        self._roots = {"query": schema.query_type, "mutation": schema.mutation_type, "subscription": None}
        self._roots["subscription"] = schema.subscription_type
        self._types = schema.type_map

    def any(self) -> Request:
        """Return one of any kind."""
        kind = self._random.choices(["query", "mutation", "subscription"], [10, 8, 1])[0]
        root: Any = self._roots[kind]
        name = self._random.choice(list(root.fields))
        field = root.fields[name]
        caller = self._random.choice(["ADMIN"] * 6 + list(CALLERS))
        arguments = self._values.arguments(field, name)
        if self._random.random() < 0.25:
            given = ", ".join(f"{key}: {literal(value, field.args[key].type)}" for key, value in arguments.items())
            document, variables = (
                f"{kind} {{ {name}{f'({given})' if given else ''} {self._selection(field.type)} }}",
                None,
            )
        else:
            declared = ", ".join(f"${key}: {field.args[key].type}" for key in arguments)
            given = ", ".join(f"{key}: ${key}" for key in arguments)
            document = (
                f"{kind}{f' ({declared})' if declared else ''} {{"
                f" {name}{f'({given})' if given else ''} {self._selection(field.type)} }}"
            )
            variables = arguments
        label = f"{kind} {name}"
        if kind == "subscription":
            headers = dict(EVENTS) if self._random.random() < 0.7 else dict(JSON_BODY)
            return graphql(label, document, variables, caller=caller, headers=headers)
        if kind == "query" and self._random.random() < 0.2:
            return as_get(label, document, variables, caller)
        return graphql(label, document, variables, caller=caller)

    def _selection(self, type_: Any, depth: int = 0) -> str:
        named = get_named_type(type_)
        if isinstance(named, GraphQLUnionType):
            return "{ __typename }"
        if not isinstance(named, GraphQLObjectType | GraphQLInterfaceType):
            return ""
        chosen = ["__typename"]
        for name, field in named.fields.items():
            is_leaf = not isinstance(
                get_named_type(field.type), GraphQLObjectType | GraphQLInterfaceType | GraphQLUnionType
            )
            chance = 0.9 if name in ("nodes", "errors", "code", "message", "path") else 0.25 if is_leaf else 0.15
            if (depth < DEPTH or is_leaf) and self._random.random() < chance:
                arguments = self._values.arguments(field, named.name)
                given = ", ".join(f"{key}: {literal(value, field.args[key].type)}" for key, value in arguments.items())
                chosen.append(f"{name}{f'({given})' if given else ''} {self._selection(field.type, depth + 1)}")
        return f"{{ {' '.join(chosen)} }}"


def as_get(label: str, document: str, variables: Any, caller: str) -> Request:
    """Return an operation as the parameters of an address."""
    from urllib.parse import quote

    path = f"/graphql?query={quote(document, errors='surrogatepass')}"
    if variables is not None:
        path += f"&variables={quote(encoded(variables))}"
    headers = {"Accept": "application/graphql-response+json"}
    return Request(f"GET {label}", path=path, method="GET", headers=headers, caller=caller)


def literal(value: Any, type_: Any) -> str:
    """Return a value as it is written in a document; what is no value of the type is written as well as it can be."""
    if isinstance(type_, GraphQLNonNull):
        return literal(value, type_.of_type)
    inner = type_.of_type if isinstance(type_, GraphQLList) else type_
    if isinstance(value, list):
        return f"[{', '.join(literal(one, inner) for one in value)}]"
    if isinstance(value, dict):
        fields = inner.fields if isinstance(inner, GraphQLInputObjectType) else {}
        parts = (
            f"{name}: {literal(one, fields[name].type if name in fields else inner)}" for name, one in value.items()
        )
        return f"{{{', '.join(parts)}}}"
    if isinstance(value, str) and isinstance(inner, GraphQLEnumType) and value.isidentifier():
        return value if value in inner.values else NAME
    return json.dumps(value)
