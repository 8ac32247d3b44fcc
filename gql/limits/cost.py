"""What an operation asks for at most: how many objects, and what it takes from its account.

An object counts once per parent, a connection its `first` per parent (`edges` and `nodes` together), `nodes(ids:)` the
number of IDs, any other list of objects 5. Members of a union or interface count as the largest. What is more work
than its objects show costs more than they do: counting, previews, introspection, mutations, and every item that
arguments list.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
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
    OperationType,
    SchemaMetaFieldDef,
    SelectionSetNode,
    TypeMetaFieldDef,
    VariableNode,
    get_named_type,
    get_nullable_type,
    is_abstract_type,
    is_composite_type,
    is_list_type,
)

from gql.execution.documents import DOCUMENTS, MAX_COSTS

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

#: Lists of payloads that are as long as a list of the input.
AS_LONG_AS = {"results": "rows", "learners": "learners", "notifications": "ids"}

#: Fields of the query type that it does not list; below them everything counts as anywhere.
_META_FIELDS = {"__schema": SchemaMetaFieldDef, "__type": TypeMetaFieldDef}

#: Parts of a connection that are no objects of their own.
_POSITION = frozenset({"pageInfo"})

MUTATION = 10
COUNT = 50
#: Of the longest number that GraphQL has, and more.
INT_DIGITS = 20
#: Root fields that look at many objects to show few.
COUNTED = frozenset(
    {
        *("mandatoryTaskCounts", "mandatoryTaskBreakdown", "autoAssignmentSimulation"),
        *("autoAssignmentRulePreview", "bulkAssignmentPreview", "emailPreview"),
        *("__schema", "__type"),
    }
)


@dataclass(frozen=True, slots=True)
class Cost:
    """Objects, and points besides."""

    nodes: int = 0
    surcharge: int = 0

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.nodes + other.nodes, self.surcharge + other.surcharge)

    def times(self, count: int) -> "Cost":
        """Return the cost of so many of these."""
        return Cost(self.nodes * count, self.surcharge * count)

    @property
    def points(self) -> int:
        """What is taken from the account. Nothing is free."""
        return max(1, self.nodes + self.surcharge)


NOTHING, ONE = Cost(), Cost(nodes=1)


def cost_of(
    schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode, variables: Mapping[str, Any]
) -> Cost:
    """Return what an operation costs at most. The document has to be valid."""
    # The input of a mutation is counted in all its depth.
    known = None if operation.operation is OperationType.MUTATION else DOCUMENTS.of(operation)
    if known is None:
        return _count(schema, document, operation, variables)
    key = (id(operation), *((name, _counted_part(value)) for name, value in variables.items()))
    cost: Cost | None = known.costs.get(key)
    if cost is None:
        if len(known.costs) >= MAX_COSTS:
            known.costs.clear()
        cost = known.costs[key] = _count(schema, document, operation, variables)
    return cost


def _count(
    schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode, variables: Mapping[str, Any]
) -> Cost:
    root = schema.get_root_type(operation.operation)
    assert root is not None
    return _Counter(schema, document, operation, variables).of_type(root, (operation.selection_set,))


def _counted_part(value: Any) -> Any:
    """Return what of a variable counts in a query: a number, or how many items it lists."""
    if isinstance(value, list | dict):
        return len(value) if isinstance(value, list) else None, _count_items(value)
    return value if isinstance(value, int | float) else None


def _sum(costs: Iterable[Cost]) -> Cost:
    return sum(costs, NOTHING)


def _largest(costs: Iterable[Cost]) -> Cost:
    known = list(costs)
    return Cost(max((cost.nodes for cost in known), default=0), max((cost.surcharge for cost in known), default=0))


def _count_items(value: Any) -> int:
    """Count the items of all lists in an input. It may be nested as deep as JSON can be, so this does not nest."""
    count, pending = 0, [value]
    while pending:
        part = pending.pop()
        if isinstance(part, list):
            count += len(part)
            pending.extend(part)
        elif isinstance(part, dict):
            pending.extend(part.values())
    return count


def _payload_lengths(value: Any) -> dict[str, int]:
    """Return how long the lists of a payload are that are as long as one of the input."""
    given = value if isinstance(value, dict) else {}
    return {name: len(given[of]) for name, of in AS_LONG_AS.items() if isinstance(given.get(of), list)}


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
        self._known: dict[tuple[str, tuple[int, ...]], Cost] = {}
        self._payload_lengths: dict[str, int] = {}
        # Items of variables, which may be used in many places.
        self._items: dict[str, int] = {}

    def of_type(self, type_: GraphQLNamedOutputType, selections: tuple[SelectionSetNode, ...]) -> Cost:
        """Count what the selections ask for below one object."""
        key = (type_.name, tuple(id(selection) for selection in selections))
        if key not in self._known:
            self._known[key] = self._count(type_, selections)
        return self._known[key]

    def _count(self, type_: GraphQLNamedOutputType, selections: tuple[SelectionSetNode, ...]) -> Cost:
        if is_abstract_type(type_):
            possible = self._schema.get_possible_types(type_)
            return _largest(self.of_type(member, selections) for member in possible)
        if not isinstance(type_, GraphQLObjectType):
            return NOTHING
        return _sum(self._of_field(type_, nodes) for nodes in self._fields(type_, selections).values())

    def _of_field(self, parent: GraphQLObjectType, nodes: list[FieldNode]) -> Cost:
        """Count what one field asks for; `nodes` are all its occurrences under one key."""
        name = nodes[0].name.value
        surcharge = Cost(surcharge=self._listed(parent, nodes[0]))
        if name in COUNTED and parent is self._schema.query_type:
            surcharge += Cost(surcharge=COUNT)
        field = parent.fields.get(name) or _META_FIELDS.get(name)
        if field is None or name in _POSITION or not is_composite_type(get_named_type(field.type)):
            return surcharge
        if parent is self._schema.mutation_type:
            given = self._argument(nodes[0], "input")
            surcharge = Cost(surcharge=MUTATION + _count_items(given))
            self._payload_lengths = _payload_lengths(given)
            self._known.clear()
        type_: Any = get_named_type(field.type)
        below = tuple(node.selection_set for node in nodes if node.selection_set is not None)
        if "edges" in getattr(type_, "fields", {}):
            found = self._fields(type_, below)
            if any(node[0].name.value == "totalCount" for node in found.values()):
                surcharge += Cost(surcharge=COUNT)
            return surcharge + (ONE + self._of_items(type_, found)).times(self._length(parent, nodes[0]))
        if is_list_type(get_nullable_type(field.type)):
            return surcharge + (ONE + self.of_type(type_, below)).times(self._length(parent, nodes[0]))
        return surcharge + ONE + self.of_type(type_, below)

    def _of_items(self, connection: Any, found: dict[str, list[FieldNode]]) -> Cost:
        """Count below one item of a connection, whether it is reached by `nodes`, by `edges`, or by both."""
        items: list[SelectionSetNode] = []
        for nodes in found.values():
            below = [node.selection_set for node in nodes if node.selection_set is not None]
            if nodes[0].name.value == "nodes":
                items += below
            elif nodes[0].name.value == "edges":
                edge = get_named_type(connection.fields["edges"].type)
                for inner in self._fields(edge, tuple(below)).values():
                    items += [node.selection_set for node in inner if node.selection_set is not None]
        item = get_named_type(connection.fields["nodes"].type)
        return self.of_type(item, tuple(items)) if items else NOTHING

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

    def _listed(self, parent: GraphQLObjectType, node: FieldNode) -> int:
        """Return how many items the arguments of a field list, except where they are its objects."""
        if parent is self._schema.mutation_type:
            # Counted with the rest of the input.
            return 0
        return sum(self._items_of(argument.value) for argument in node.arguments or () if argument.name.value != "ids")

    def _items_of(self, value: Any) -> int:
        if not isinstance(value, VariableNode):
            return _count_items(self._value(value)) if isinstance(value, ListValueNode | ObjectValueNode) else 0
        name = value.name.value
        if name not in self._items:
            self._items[name] = _count_items(self._value(value))
        return self._items[name]

    def _length(self, parent: GraphQLObjectType, node: FieldNode) -> int:
        """Return how many items a list field may have."""
        name = node.name.value
        ids = self._argument(node, "ids")
        if isinstance(ids, list):
            return len(ids)
        field = parent.fields.get(name)
        if field is not None and "first" in field.args:
            first = self._argument(node, "first")
            # What is out of range is refused where it is used. In variables, a whole number may be written `100.0`.
            is_given = isinstance(first, int | float) and first > 0
            return int(first if is_given else field.args["first"].default_value)
        if name in self._payload_lengths and parent.name.endswith("Payload"):
            return self._payload_lengths[name]
        return LIST_LENGTHS.get((parent.name, name), LIST_LENGTH)

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
                # IDs may be numbers as well, longer than any that counts, and than what Python reads.
                return int(value.value) if len(value.value) <= INT_DIGITS else None
            case ListValueNode():
                return [self._value(item) for item in value.values]
            case ObjectValueNode():
                return {field.name.value: self._value(field.value) for field in value.fields}
            case _:
                return None
