"""Random selections over a schema: fields at any depth, fragments, aliases, arguments, directives."""

from collections.abc import Iterator, Mapping
from random import Random
from typing import Any

from graphql import (
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    get_named_type,
    is_leaf_type,
    is_required_argument,
)

#: How deep selections go, and how many fields a document has at most: more would cost too much to be allowed.
DEPTH, MOST_FIELDS, MOST_DIRECTIVES = 6, 40, 8
DIRECTIVES = ("", "", "", " @include(if: $yes)", " @skip(if: $no)", " @skip(if: $yes)", " @include(if: $no)")


class Selections:
    """Writes documents."""

    def __init__(self, schema: GraphQLSchema, dice: Random, roots: Mapping[str, str]) -> None:
        """`roots` are the fields of the root with their arguments, as they are written."""
        self._schema = schema
        self._dice = dice
        self._roots = roots
        self._left = MOST_FIELDS
        self._names = 0
        self._directives = 0

    def document(self) -> str:
        """Return a query."""
        query = self._schema.query_type
        assert query is not None
        chosen = self._dice.sample(sorted(self._roots), self._dice.choice((1, 1, 2)))
        fields = [
            f"{self._alias()}{name}{self._roots[name]} {{ {self._selection(get_named_type(field.type), 1)} }}"
            for name in chosen
            if (field := query.fields[name])
        ]
        used = "__typename @include(if: $yes) @skip(if: $no)"
        return f"query ($yes: Boolean!, $no: Boolean = false) {{ {used} {' '.join(fields)} }}"

    def _directive(self) -> str:
        directive = self._dice.choice(DIRECTIVES) if self._directives < MOST_DIRECTIVES else ""
        self._directives += bool(directive)
        return directive

    def _alias(self) -> str:
        self._names += 1
        return f"a{self._names}: "

    def _selection(self, type_: Any, depth: int) -> str:
        if isinstance(type_, GraphQLUnionType):
            members = self._dice.sample(type_.types, min(3, len(type_.types)))
            return " ".join(["__typename", *(self._fragment(member, depth) for member in members)])
        parts = ["__typename"] if self._dice.random() < 0.3 else []
        parts += self._fields(type_, depth)
        if isinstance(type_, GraphQLInterfaceType):
            possible = self._schema.get_possible_types(type_)
            parts += [self._fragment(one, depth) for one in self._dice.sample(possible, min(2, len(possible)))]
        return " ".join(parts) or "__typename"

    def _fragment(self, type_: GraphQLObjectType, depth: int) -> str:
        directive = self._directive()
        # With names of its own: fields of several types may not meet under one.
        return f"... on {type_.name}{directive} {{ __typename {' '.join(self._fields(type_, depth, is_named=True))} }}"

    def _fields(self, type_: Any, depth: int, *, is_named: bool = False) -> Iterator[str]:
        fields = {name: field for name, field in type_.fields.items() if _is_usable(name, field)}
        for name in self._dice.sample(sorted(fields), min(len(fields), self._dice.randint(1, 5))):
            field = fields[name]
            inner = get_named_type(field.type)
            if self._left <= 0 or (not is_leaf_type(inner) and depth >= DEPTH):
                continue
            self._left -= 1
            arguments = "(first: 2)" if "first" in field.args else ""
            alias = self._alias() if arguments or is_named or self._dice.random() < 0.2 else ""
            directive = self._directive()
            if is_leaf_type(inner):
                yield f"{alias}{name}{directive}"
                continue
            yield f"{alias}{name}{arguments}{directive} {{ {self._selection(inner, depth + 1)} }}"
            if not alias and self._dice.random() < 0.3:
                # Once more, with another selection: both are merged.
                yield f"{name} {{ __typename {self._alias()}__typename }}"


def _is_usable(name: str, field: GraphQLField) -> bool:
    # A sample is another one each time.
    return name != "sample" and not any(map(is_required_argument, field.args.values()))
