"""Resolvers that compiled functions call, bound to one operation: its context and the values of its arguments."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from graphql import FieldNode, GraphQLField, GraphQLObjectType
from graphql.execution.values import get_argument_values
from graphql.pyutils import Path
from strawberry.types.field import StrawberryField


@dataclass(frozen=True, slots=True)
class Call:
    """A field that has a resolver, at one place of the selection."""

    key: str
    definition: GraphQLField
    field: StrawberryField
    nodes: list[FieldNode]
    parent_type: GraphQLObjectType

    @property
    def is_async(self) -> bool:
        """Whether the resolver may wait."""
        return self.field.is_async

    @property
    def is_declared(self) -> bool:
        """Whether the resolver tells where it leads, without waiting."""
        resolver = self.field.base_resolver
        return (
            resolver is not None
            and hasattr(resolver.wrapped_func, "declare")
            and not self.field.extensions
            and not self.definition.args
        )

    def bind(self, executor: Any, path: Path) -> Callable[[Any], Any]:
        """Return the resolver as a function of the object alone; raises what arguments are wrong."""
        info = executor.build_resolve_info(
            self.definition, self.nodes, self.parent_type, path.add_key(self.key, self.parent_type.name)
        )
        resolver = self.field.base_resolver
        node = self.nodes[0]
        if self.definition.args or node.arguments:
            arguments = get_argument_values(
                self.definition, node, executor.variable_values, None, executor.hide_suggestions
            )
            return partial(_with_arguments, self.definition.resolve, info, arguments)
        if resolver is None or self.field.extensions or not resolver.self_parameter:
            return partial(_with_arguments, self.definition.resolve, info, {})
        function: Any = resolver.wrapped_func
        if self.is_declared:
            if not function.takes_info:
                declare: Callable[[Any], Any] = function.declare
                return declare
            function = function.declare
        if resolver.root_parameter or resolver.parent_parameter:
            return partial(_with_arguments, self.definition.resolve, info, {})
        if resolver.info_parameter is None:
            bound: Callable[[Any], Any] = function
            return bound
        config = executor.schema._strawberry_schema.config
        return partial(function, **{resolver.info_parameter.name: config.info_class(_raw_info=info, _field=self.field)})


def _with_arguments(resolve: Any, info: Any, arguments: dict[str, Any], source: Any) -> Any:
    return resolve(source, info, **arguments)
