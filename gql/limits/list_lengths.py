"""How long lists in arguments may be, looked at as they were sent: to coerce a long one is the work to be avoided.

The domain says the same of each list that a mutation takes, in its payload and with the other failures; for those,
this is only the point from which nobody looks at them any more.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLError,
    ListValueNode,
    Node,
    ObjectValueNode,
    OperationDefinitionNode,
    OperationType,
    VariableNode,
)

from domain.foundation.errors import TooManyItems
from gql.contract.user_errors import error_extensions

MAX_ITEMS = 100
#: Lists of people that are worked through in bulk.
LONGER = {"rows": 1_000, "audience": 1_000}
#: Items of a list of a mutation that is looked at.
MAX_ITEMS_OF_MUTATIONS = 2_000

Path = tuple[str | int, ...]


def check_list_lengths(
    document: DocumentNode, operation: OperationDefinitionNode, variables: Mapping[str, Any]
) -> None:
    """Raise TOO_MANY_ITEMS for the first list in an argument that is too long, with its path into the arguments."""
    is_mutation = operation.operation is OperationType.MUTATION
    given = dict(variables)
    for definition in operation.variable_definitions or ():
        given.setdefault(definition.variable.name.value, definition.default_value)
    # Used again in the same place, a variable is as long as it was.
    seen: set[tuple[str, str | int]] = set()
    for node in _fields(operation, document):
        pending: list[tuple[Path, Any]] = [
            ((argument.name.value,), argument.value) for argument in node.arguments or ()
        ]
        while pending:
            path, value = pending.pop()
            if isinstance(value, VariableNode):
                name, where = value.name.value, path[-1]
                if (name, where) in seen:
                    continue
                seen.add((name, where))
                value = given.get(name)
            if isinstance(value, ListValueNode | list):
                items = value if isinstance(value, list) else value.values
                limit = MAX_ITEMS_OF_MUTATIONS if is_mutation else _limit(path)
                if len(items) > limit:
                    error = TooManyItems(limit=limit, path=path)
                    raise GraphQLError(error.message, nodes=[node], extensions=error_extensions(error))
                pending += [((*path, index), item) for index, item in enumerate(items) if _holds_more(item)]
            elif isinstance(value, ObjectValueNode):
                pending += [((*path, field.name.value), field.value) for field in value.fields]
            elif isinstance(value, dict):
                pending += [((*path, name), item) for name, item in value.items() if _holds_more(item)]


def _limit(path: Path) -> int:
    name = next((step for step in reversed(path) if isinstance(step, str)), "")
    return LONGER.get(name, MAX_ITEMS)


def _holds_more(value: Any) -> bool:
    return isinstance(value, list | dict | ListValueNode | ObjectValueNode | VariableNode)


def _fields(operation: OperationDefinitionNode, document: DocumentNode) -> Iterator[FieldNode]:
    """Yield the fields with arguments of an operation and of all fragments, each once as it is written."""
    pending: list[Any] = [operation.selection_set]
    pending += [node.selection_set for node in document.definitions if isinstance(node, FragmentDefinitionNode)]
    while pending:
        selections = pending.pop()
        for node in selections.selections:
            if isinstance(node, FieldNode) and node.arguments:
                yield node
            below: Node | None = getattr(node, "selection_set", None)
            if below is not None:
                pending.append(below)
