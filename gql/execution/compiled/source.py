"""The source of a plan: one function for each object type at each place of a selection."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLUnionType,
)
from graphql.execution.collect_fields import FieldDetails
from strawberry.types.base import StrawberryObjectDefinition
from strawberry.types.field import StrawberryField

from gql.execution.compiled.calls import Call
from gql.execution.compiled.leaves import NotPlain, coercion, give_up, names_of, test_of

_DEFINITION = "strawberry-definition"

Completion = Callable[[Any, Any], Any]


@dataclass(frozen=True, slots=True)
class Plan:
    """How a field is completed: `complete(value, run)`, and what it calls on the way."""

    complete: Completion
    calls: list[Call]
    #: What completes the value of a call that waits; None for the others.
    completions: list[Completion | None]
    #: Names that the functions know, themselves among them.
    scope: dict[str, Any]

    def __del__(self) -> None:
        """End the circle of functions and their names, so that nobody has to look for it."""
        self.scope.clear()


def compile_plan(executor: Any, type_: Any, details: list[FieldDetails]) -> Plan:
    """Return the plan of a field; raises NotPlain, and for very deep selections what Python raises."""
    writer = _Writer(executor)
    body = writer.value(type_, "o", details)
    writer.lines += ["def complete(o, r):", f"    return {body}"]
    scope = writer.names
    exec(compile("\n".join(writer.lines), "<selection>", "exec"), scope)
    completions = [scope.get(f"wait_{number}") for number in range(len(writer.calls))]
    return Plan(scope["complete"], writer.calls, completions, scope)


class _Writer:
    """Writes functions of an object `o` and the run `r`; in them `v` is the value just read, `i` an item of a list."""

    def __init__(self, executor: Any) -> None:
        self._executor = executor
        self._objects: dict[tuple[Any, ...], str] = {}
        self.lines: list[str] = []
        self.names: dict[str, Any] = {"give_up": give_up, "items": _items}
        self.calls: list[Call] = []

    def value(self, type_: Any, expression: str, details: list[FieldDetails]) -> str:
        """Return the expression of the completed value of another one."""
        if isinstance(type_, GraphQLNonNull):
            return self._present(type_.of_type, expression, f"(v := {expression})", details)
        return f"(None if (v := {expression}) is None else {self._present(type_, 'v', 'v', details)})"

    def _present(self, type_: Any, value: str, first: str, details: list[FieldDetails]) -> str:
        """Return the expression for a value that should not be null; `first` is it where `v` is used afterwards."""
        if isinstance(type_, GraphQLList):
            return f"[{self.value(type_.of_type, 'i', details)} for i in items({value})]"
        if isinstance(type_, GraphQLObjectType):
            return f"{self._object(type_, details)}({value}, r)"
        if isinstance(type_, GraphQLInterfaceType | GraphQLUnionType):
            return f"{self._functions_by_class(type_, details)}[{first}.__class__](v, r)"
        if not isinstance(type_, GraphQLScalarType | GraphQLEnumType):
            raise NotPlain
        coerce = self._name(coercion(type_))
        enum, test = names_of(type_), test_of(type_)
        if enum is not None:
            class_, names = enum
            return f"({self._name(names)}[v] if {first}.__class__ is {self._name(class_)} else {coerce}(v))"
        if test is not None:
            return f"(v if {first}.__class__ is {test} else {coerce}(v))"
        return f"{coerce}({value})"

    def _functions_by_class(self, type_: Any, details: list[FieldDetails]) -> str:
        functions: dict[type[Any], str] = {}
        if getattr((type_.extensions or {}).get(_DEFINITION), "resolve_type", None) is not None:
            raise NotPlain
        for possible in self._executor.schema.get_possible_types(type_):
            definition = (possible.extensions or {}).get(_DEFINITION)
            if not isinstance(definition, StrawberryObjectDefinition) or definition.origin in functions:
                raise NotPlain
            functions[definition.origin] = self._object(possible, details)
        # Objects of other classes are in no table, and fail.
        table: dict[type[Any], Completion] = {}
        name = self._name(table)
        self.lines += [f"{name}[{self._name(class_)}] = {function}" for class_, function in functions.items()]
        return name

    def _object(self, type_: GraphQLObjectType, details: list[FieldDetails]) -> str:
        key = (type_.name, *(id(detail.node) for detail in details))
        name = self._objects.get(key)
        if name is None:
            name = self._objects[key] = f"object_{len(self._objects)}"
            self._write_object(name, type_, details)
        return name

    def _write_object(self, name: str, type_: GraphQLObjectType, details: list[FieldDetails]) -> None:
        if any(detail.fragment_variable_values is not None for detail in details):
            raise NotPlain
        collected = self._executor.collect_subfields(type_, details)
        if collected.new_defer_usages:
            raise NotPlain
        entries, waiting = [], []
        for key, fields in collected.grouped_field_set.items():
            field_name = fields[0].node.name.value
            if field_name == "__typename":
                entries.append(f"{key!r}: {type_.name!r}")
                continue
            definition = type_.fields.get(field_name)
            field = (definition.extensions or {}).get(_DEFINITION) if definition else None
            if definition is None or not isinstance(field, StrawberryField):
                raise NotPlain
            if field.is_basic_field and getattr(definition.resolve, "_is_default", False):
                entries.append(f"{key!r}: {self.value(definition.type, f'o.{field.python_name}', fields)}")
                continue
            number = len(self.calls)
            call = Call(key, definition, field, [one.node for one in fields], type_)
            self.calls.append(call)
            if call.is_async:
                completed = self.value(definition.type, "o", fields)
                self.lines += [f"def wait_{number}(o, r):", f"    return {completed}"]
                entries.append(f"{key!r}: None")
                noting = f"r.links[{number}]((o, d))" if call.is_declared else f"r.later(({number}, o, d))"
                waiting.append(f"    {noting}")
            else:
                entries.append(f"{key!r}: {self.value(definition.type, f'r.calls[{number}](o)', fields)}")
        self.lines += [f"def {name}(o, r):", *self._check(type_)]
        if waiting:
            self.lines += [f"    d = {{{', '.join(entries)}}}", *waiting, "    return d"]
        else:
            self.lines.append(f"    return {{{', '.join(entries)}}}")

    def _check(self, type_: GraphQLObjectType) -> list[str]:
        if type_.is_type_of is None:
            return ["    if o is None: give_up()"]
        condition = f"not {self._name(type_.is_type_of)}(o, None)"
        definition = (type_.extensions or {}).get(_DEFINITION)
        if isinstance(definition, StrawberryObjectDefinition):
            condition = f"o.__class__ is not {self._name(definition.origin)} and {condition}"
        return [f"    if {condition}: give_up()"]

    def _name(self, value: Any) -> str:
        name = f"n{len(self.names)}"
        self.names[name] = value
        return name


def _items(value: Any) -> Any:
    """Return a list, or leave it to the ordinary way, which knows what else can be listed."""
    if value.__class__ is list or value.__class__ is tuple:
        return value
    raise NotPlain
