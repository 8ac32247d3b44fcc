"""Limits of a document that its text alone decides. The node budget also needs variables: see `gql/limits/budget.py`.

What is written once and spread often counts as often as it is spread. The rules are built once: a new class per request
would be a new key of what documents were checked by.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from graphql import (
    ASTValidationRule,
    DocumentNode,
    EnumValueNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLSyntaxError,
    InlineFragmentNode,
    NameNode,
    Node,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
)
from graphql.validation.validate import ValidationAbortedError

TOO_EXPENSIVE = "QUERY_TOO_EXPENSIVE"

MAX_BODY_BYTES = 4 * 1024 * 1024
#: Values of a body: some bytes of JSON become hundreds in memory. An import of 1,000 rows has 50,000.
MAX_BODY_VALUES = 150_000
MAX_MESSAGE_VALUES = 20_000
#: Bodies with more bytes or values are few at the same time.
LARGE_BODY_BYTES, LARGE_BODY_VALUES = 64 * 1024, 5_000
MAX_LARGE_BODIES = 3
#: Operations that ask for more objects are few at the same time.
LARGE_NODES = 1_000
MAX_LARGE_OPERATIONS = 3
#: The document alone, in UTF-8, before anything is read of it.
MAX_DOCUMENT_BYTES = 64 * 1024
MAX_TOKENS = 1_000
#: Characters of a name: fields, aliases, variables, operations and whatever else has one.
MAX_NAME_LENGTH = 100
#: Errors of a document, or of its variables, that are told.
MAX_ERRORS = 10
MAX_DEPTH = 12
#: Levels below `__schema` or `__type`: tools ask for 15.
MAX_INTROSPECTION_DEPTH = 20
MAX_ALIASES = 30
#: Of them, at `__schema` and below: each may be the whole schema once more, which tools ask for once.
MAX_SCHEMA_ALIASES = 3
MAX_MUTATIONS = 5
MAX_DIRECTIVES = 10
#: Fields that one selection has already under the same name: rules compare each of them with each.
MAX_REPETITIONS = 30
MAX_NODES = 10_000
#: What is beyond this is told as this: products of page sizes would not even fit into JSON.
MOST_TOLD = 2**31 - 1


def too_expensive(what: str, *, limit: int, actual: int | None = None, nodes: Any = None) -> GraphQLError:
    """Return the error of a document that exceeds a limit."""
    extensions: dict[str, Any] = {"code": TOO_EXPENSIVE, "limit": limit}
    if actual is not None:
        extensions["actual"] = min(actual, MOST_TOLD)
    return GraphQLError(f"The document has too many {what}: at most {limit}.", nodes=nodes, extensions=extensions)


def too_many_tokens(error: GraphQLSyntaxError) -> GraphQLError | None:
    """Return the error of a document that is too long, or None when the syntax error is another one."""
    # graphql-core has no error class of its own for it.
    if error.message.endswith(f"Document contains more than {MAX_TOKENS} tokens. Parsing aborted."):
        return too_expensive("tokens", limit=MAX_TOKENS)
    return None


class DocumentLimits(ASTValidationRule):
    """Refuses documents that are too deep or repeat too much."""

    def enter_document(self, document: DocumentNode, *_args: Any) -> None:
        """Check the whole document at once."""
        written = list(_nodes(document))
        self._check("characters in a name", max(map(_name_length, written), default=0), MAX_NAME_LENGTH, document)
        self._check(
            "directives",
            sum(len(getattr(node, "directives", None) or ()) for node in written),
            MAX_DIRECTIVES,
            document,
        )
        fragments = {
            definition.name.value: definition
            for definition in document.definitions
            if isinstance(definition, FragmentDefinitionNode)
        }
        measures = _Measures(fragments)
        self._check("aliases", sum(_is_aliased(node) for node in written), MAX_ALIASES, document)
        for operation in _operations(document):
            measured = measures.of(operation.selection_set)
            self._check("levels", measured.depth, MAX_DEPTH, operation)
            self._check("levels of introspection", measured.introspection_depth, MAX_INTROSPECTION_DEPTH, operation)
            self._check("aliases", measured.aliases, MAX_ALIASES, operation)
            self._check("aliases of introspection", measured.schema_aliases, MAX_SCHEMA_ALIASES, operation)
            if operation.operation is OperationType.MUTATION:
                count = sum(1 for _ in _fields_of(operation.selection_set, fragments))
                self._check("mutations", count, MAX_MUTATIONS, operation)
        self._check(
            "repeated fields", sum(_repetitions(node, fragments) for node in written), MAX_REPETITIONS, document
        )

    def _check(self, what: str, actual: int, limit: int, node: Any) -> None:
        if actual > limit:
            error = too_expensive(what, limit=limit, actual=actual, nodes=[node])
            # The end of it: other rules can take long for what is too much.
            raise ValidationAbortedError(error.message, error.nodes, extensions=error.extensions)


@dataclass(frozen=True, slots=True)
class _Measure:
    """How much there is below a selection, fragments included."""

    depth: int = 0
    introspection_depth: int = 0
    aliases: int = 0
    schema_aliases: int = 0


class _Measures:
    """Measures of selections; each fragment is measured once, so spreading it often costs nothing."""

    def __init__(self, fragments: dict[str, FragmentDefinitionNode]) -> None:
        self._fragments = fragments
        self._known: dict[str, _Measure] = {}

    def of(self, selections: SelectionSetNode | None) -> _Measure:
        """Return what is below; what is spread twice is there twice."""
        if selections is None:
            return _Measure()
        parts = [self._of_selection(node) for node in selections.selections]
        return _Measure(
            max((part.depth for part in parts), default=0),
            max((part.introspection_depth for part in parts), default=0),
            # Doubled again and again, it would be a number that is itself too long.
            min(sum(part.aliases for part in parts), MOST_TOLD),
            min(sum(part.schema_aliases for part in parts), MOST_TOLD),
        )

    def _of_selection(self, node: Any) -> _Measure:
        if isinstance(node, FieldNode):
            below = self.of(node.selection_set)
            aliases = below.aliases + (node.alias is not None)
            if node.name.value.startswith("__"):
                depth = 1 + max(below.depth, below.introspection_depth)
                return _Measure(0, depth, aliases, aliases if node.name.value == "__schema" else 0)
            return _Measure(1 + below.depth, below.introspection_depth, aliases, below.schema_aliases)
        if isinstance(node, InlineFragmentNode):
            return self.of(node.selection_set)
        name = node.name.value
        if name not in self._known:
            # A fragment within itself is another rule's error; here it must only come to an end.
            self._known[name] = _Measure()
            fragment = self._fragments.get(name)
            self._known[name] = self.of(fragment.selection_set) if fragment else _Measure()
        return self._known[name]


def _operations(document: DocumentNode) -> Iterator[OperationDefinitionNode]:
    return (node for node in document.definitions if isinstance(node, OperationDefinitionNode))


def _fields_of(
    selections: SelectionSetNode, fragments: dict[str, FragmentDefinitionNode]
) -> Iterator[tuple[str | None, FieldNode]]:
    """Yield the fields of a selection with the type that they are on, if that is said.

    A fragment that is spread again selects the same, and runs once.
    """
    seen: set[str] = set()
    pending: list[tuple[str | None, Any]] = [(None, node) for node in reversed(selections.selections)]
    while pending:
        on, node = pending.pop()
        if isinstance(node, FieldNode):
            yield on, node
            continue
        if isinstance(node, FragmentSpreadNode):
            if node.name.value in seen or node.name.value not in fragments:
                continue
            seen.add(node.name.value)
            node = fragments[node.name.value]
        condition = node.type_condition
        inner = on if condition is None else condition.name.value
        pending += [(inner, below) for below in reversed(node.selection_set.selections)]


def _nodes(document: DocumentNode) -> Iterator[Any]:
    """Yield everything that is in a document, each once as it is written."""
    pending: list[Any] = list(document.definitions)
    while pending:
        node = pending.pop()
        yield node
        for value in vars(node).values():
            if isinstance(value, Node):
                pending.append(value)
            elif isinstance(value, list | tuple):
                pending += value


def _is_aliased(node: Any) -> bool:
    return isinstance(node, FieldNode) and node.alias is not None


def _name_length(node: Any) -> int:
    return len(node.value) if isinstance(node, NameNode | EnumValueNode) else 0


def _repetitions(node: Any, fragments: dict[str, FragmentDefinitionNode]) -> int:
    """Return how many fields of the selection below a field or operation have a name that another one has there."""
    if not isinstance(node, FieldNode | OperationDefinitionNode) or node.selection_set is None:
        return 0
    # On different types, they are different fields.
    names = [(on, (field.alias or field.name).value) for on, field in _fields_of(node.selection_set, fragments)]
    return len(names) - len(set(names))


#: Besides those that graphql-core recommends, one of which bounds introspection.
RULES: list[type[ASTValidationRule]] = [DocumentLimits]
