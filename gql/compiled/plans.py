"""The plans of the documents last used."""

from collections import OrderedDict
from typing import Any

from graphql import GraphQLError, NonNullTypeNode, OperationDefinitionNode

from gql.compiled.leaves import NotPlain
from gql.compiled.source import Plan, compile_plan
from gql.documents import MOST_REMEMBERED, is_remembered


class Plans:
    """Plans of one operation, with one set of values for what `@include` and `@skip` depend on."""

    def __init__(self, operation: OperationDefinitionNode, schema: Any) -> None:
        # Kept alive: nodes are told apart by where they are in memory.
        self._operation = operation
        self._schema = schema
        self._plans: dict[Any, Plan | None] = {}

    def belong_to(self, executor: Any) -> bool:
        """Tell whether these are the plans of what an executor runs."""
        return self._operation is executor.operation and self._schema is executor.schema

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


class PlanCache:
    """Plans of many operations; those not used for longest are dropped."""

    def __init__(self, most: int = MOST_REMEMBERED) -> None:
        self._most = most
        self._kept: OrderedDict[Any, Plans] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def of(self, executor: Any) -> Plans:
        """Return the plans of what an executor runs."""
        key = (id(executor.operation), *_flags(executor))
        plans = self._kept.get(key)
        if plans is None or not plans.belong_to(executor):
            plans = Plans(executor.operation, executor.schema)
            if not is_remembered(executor.operation):
                return plans
            self._kept[key] = plans
            if len(self._kept) > self._most:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
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
