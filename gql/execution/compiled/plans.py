"""The plans of operations, kept with their documents."""

from typing import Any

from graphql import GraphQLError, NonNullTypeNode

from gql.execution.compiled.leaves import NotPlain
from gql.execution.compiled.source import Plan, compile_plan
from gql.execution.documents import DOCUMENTS, MAX_PLANS


class Plans:
    """Plans of one operation, with one set of values for what `@include` and `@skip` depend on."""

    def __init__(self) -> None:
        self._plans: dict[Any, Plan | None] = {}

    def find(self, executor: Any, type_: Any, details: list[Any]) -> Plan | None:
        """Return the plan of a field, or None where it has to go the ordinary way."""
        key = (type_, *(id(detail.node) for detail in details))
        try:
            return self._plans[key]
        except KeyError:
            plan = self._plans[key] = self._compile(executor, type_, details)
            return plan

    @staticmethod
    def _compile(executor: Any, type_: Any, details: list[Any]) -> Plan | None:
        try:
            return compile_plan(executor, type_, details)
        except (NotPlain, GraphQLError, RecursionError, SyntaxError, MemoryError):
            # The latter are what Python says to what is nested too deeply for it; GraphQLError is about a directive
            # whose variable is null, which is told only where there is an object to select it of.
            return None


def plans_of(executor: Any) -> Plans:
    """Return the plans of what an executor runs; they are kept as long as its document is."""
    known = DOCUMENTS.of(executor.operation)
    if known is None:
        return Plans()
    key = (id(executor.operation), id(executor.schema), *_flags(executor))
    plans: Plans | None = known.plans.get(key)
    if plans is None:
        if len(known.plans) >= MAX_PLANS:
            known.plans.clear()
        plans = known.plans[key] = Plans()
    return plans


def _flags(executor: Any) -> list[Any]:
    """Return the values of all variables that `@include` and `@skip` can depend on: they are Booleans."""
    definitions = executor.operation.variable_definitions
    if not definitions:
        return []
    coerced = executor.variable_values.coerced
    return [
        coerced.get(definition.variable.name.value)
        for definition in definitions
        if _named(definition.type) == "Boolean"
    ]


def _named(type_: Any) -> str | None:
    if isinstance(type_, NonNullTypeNode):
        type_ = type_.type
    name = getattr(type_, "name", None)
    return None if name is None else name.value
