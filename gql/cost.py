"""The node budget: how many objects an operation asks for at most. It is what separates good from bad; depth does not.

An object counts once per parent, a connection its `first` per parent (`edges` and `nodes` together), `nodes(ids:)` the
number of IDs, any other list of objects 5. Members of a union or interface count as the largest. Values of variables
matter, so this runs at execution: a validation rule does not know them, and a cached validation does not run at all.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLNamedOutputType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
    get_named_type,
    get_nullable_type,
    is_abstract_type,
    is_composite_type,
    is_list_type,
)
from strawberry.extensions import SchemaExtension

from gql.limits import MAX_NODES, too_expensive

LIST_LENGTH = 5
#: Lists that are longer than others.
LIST_LENGTHS = {
    ("AutoAssignmentRulePreview", "sample"): 100,
    ("MandatoryTaskChangeBatch", "changes"): 100,
    ("EnrollmentChangeBatch", "changes"): 100,
    ("AutoAssignmentRuleChangeBatch", "changes"): 100,
    ("ContentActionBatch", "contentActions"): 100,
    ("BackgroundJobChangeBatch", "jobs"): 100,
    ("NotificationBatch", "notifications"): 100,
    # What a tenant may have unless its operator allows more.
    ("AutoAssignmentRuleList", "rules"): 50,
}

#: Parts of a connection that are no objects of their own.
_POSITION = frozenset({"pageInfo"})


def count_nodes(
    schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode, variables: Mapping[str, Any]
) -> int:
    """Return how many objects an operation asks for at most. The document has to be valid."""
    root = schema.get_root_type(operation.operation)
    assert root is not None
    return _Counter(schema, document, operation, variables).of_type(root, (operation.selection_set,))


class _Counter:
    def __init__(
        self,
        schema: GraphQLSchema,
        document: DocumentNode,
        operation: OperationDefinitionNode,
        variables: Mapping[str, Any],
    ) -> None:
        self._schema = schema
        self._variables = variables
        self._defaults = {node.variable.name.value: node.default_value for node in operation.variable_definitions or ()}
        self._fragments = {
            node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)
        }
        # What is spread in many places is counted once per type.
        self._known: dict[tuple[str, tuple[int, ...]], int] = {}
        self._row_count: int | None = None

    def of_type(self, type_: GraphQLNamedOutputType, selections: tuple[SelectionSetNode, ...]) -> int:
        """Count what the selections ask for below one object."""
        key = (type_.name, tuple(id(selection) for selection in selections))
        if key not in self._known:
            self._known[key] = self._count(type_, selections)
        return self._known[key]

    def _count(self, type_: GraphQLNamedOutputType, selections: tuple[SelectionSetNode, ...]) -> int:
        if is_abstract_type(type_):
            possible = self._schema.get_possible_types(type_)
            return max((self.of_type(member, selections) for member in possible), default=0)
        if not isinstance(type_, GraphQLObjectType):
            return 0
        return sum(self._of_field(type_, nodes) for nodes in self._fields(type_, selections).values())

    def _of_field(self, parent: GraphQLObjectType, nodes: list[FieldNode]) -> int:
        """Count what one field asks for; `nodes` are all its occurrences under one key."""
        name = nodes[0].name.value
        field = parent.fields.get(name)
        if field is None or name in _POSITION or not is_composite_type(get_named_type(field.type)):
            return 0
        if parent is self._schema.mutation_type:
            # Row by row, the payload is as long as the input.
            self._row_count = self._rows(nodes[0])
            self._known.clear()
        type_ = get_named_type(field.type)
        below = tuple(node.selection_set for node in nodes if node.selection_set is not None)
        if "edges" in getattr(type_, "fields", {}):
            return self._length(parent, nodes[0]) * (1 + self._of_items(type_, below))
        if is_list_type(get_nullable_type(field.type)):
            return self._length(parent, nodes[0]) * (1 + self.of_type(type_, below))
        return 1 + self.of_type(type_, below)

    def _of_items(self, connection: Any, selections: tuple[SelectionSetNode, ...]) -> int:
        """Count below one item of a connection, whether it is reached by `nodes`, by `edges`, or by both."""
        items: list[SelectionSetNode] = []
        for nodes in self._fields(connection, selections).values():
            below = [node.selection_set for node in nodes if node.selection_set is not None]
            if nodes[0].name.value == "nodes":
                items += below
            elif nodes[0].name.value == "edges":
                edge = get_named_type(connection.fields["edges"].type)
                for inner in self._fields(edge, tuple(below)).values():
                    items += [node.selection_set for node in inner if node.selection_set is not None]
        item = get_named_type(connection.fields["nodes"].type)
        return self.of_type(item, tuple(items)) if items else 0

    def _fields(self, type_: Any, selections: tuple[SelectionSetNode, ...]) -> dict[str, list[FieldNode]]:
        """Return the fields of an object by response key, fragments resolved."""
        found: dict[str, list[FieldNode]] = {}
        for node in self._flatten(type_, selections, set()):
            found.setdefault(node.alias.value if node.alias else node.name.value, []).append(node)
        return found

    def _flatten(
        self, type_: GraphQLObjectType, selections: tuple[SelectionSetNode, ...], seen: set[str]
    ) -> Iterator[FieldNode]:
        for selection in selections:
            for node in selection.selections:
                if isinstance(node, FieldNode):
                    yield node
                elif isinstance(node, InlineFragmentNode):
                    if node.type_condition is None or self._applies(node.type_condition.name.value, type_):
                        yield from self._flatten(type_, (node.selection_set,), seen)
                elif isinstance(node, FragmentSpreadNode) and node.name.value not in seen:
                    seen.add(node.name.value)
                    fragment = self._fragments[node.name.value]
                    if self._applies(fragment.type_condition.name.value, type_):
                        yield from self._flatten(type_, (fragment.selection_set,), seen)

    def _applies(self, condition: str, type_: GraphQLObjectType) -> bool:
        if condition == type_.name:
            return True
        named = self._schema.get_type(condition)
        return is_abstract_type(named) and self._schema.is_sub_type(named, type_)

    def _length(self, parent: GraphQLObjectType, node: FieldNode) -> int:
        """Return how many items a list field may have."""
        name = node.name.value
        ids = self._argument(node, "ids")
        if isinstance(ids, list):
            return len(ids)
        if "first" in parent.fields[name].args:
            first = self._argument(node, "first")
            # What is out of range is refused where it is used.
            return (
                first if isinstance(first, int) and first > 0 else int(parent.fields[name].args["first"].default_value)
            )
        if name == "results" and self._row_count is not None:
            return self._row_count
        return LIST_LENGTHS.get((parent.name, name), LIST_LENGTH)

    def _rows(self, node: FieldNode) -> int | None:
        value = self._argument(node, "input")
        rows = value.get("rows") if isinstance(value, dict) else None
        return len(rows) if isinstance(rows, list) else None

    def _argument(self, node: FieldNode, name: str) -> Any:
        for argument in node.arguments or ():
            if argument.name.value == name:
                return self._value(argument.value)
        return None

    def _value(self, value: Any) -> Any:
        match value:
            case VariableNode():
                variable = value.name.value
                if variable in self._variables:
                    return self._variables[variable]
                return self._value(self._defaults.get(variable))
            case IntValueNode():
                return int(value.value)
            case ListValueNode():
                return list(value.values)
            case ObjectValueNode():
                return {field.name.value: self._value(field.value) for field in value.fields}
            case _:
                return None


class NodeBudget(SchemaExtension):
    """Refuses operations that ask for too many objects."""

    def on_execute(self) -> Iterator[None]:
        """Count before anything is executed."""
        context = self.execution_context
        document = context.graphql_document
        assert document is not None
        operation = next(
            node
            for node in document.definitions
            if isinstance(node, OperationDefinitionNode)
            and (context.operation_name is None or (node.name and node.name.value == context.operation_name))
        )
        actual = count_nodes(context.schema._schema, document, operation, context.variables or {})
        if actual > MAX_NODES:
            raise too_expensive("nodes", limit=MAX_NODES, actual=actual)
        yield
