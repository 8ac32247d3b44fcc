"""Limits of a document that its text alone decides. The node budget also needs variables: see `gql/budget.py`.

The rules are built once: a new class per request would be a new key of the validation cache.
"""

from collections.abc import Iterator
from typing import Any

from graphql import (
    ASTValidationRule,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLSyntaxError,
    InlineFragmentNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
)
from graphql.validation.validate import ValidationAbortedError

TOO_EXPENSIVE = "QUERY_TOO_EXPENSIVE"

MAX_BODY_BYTES = 4 * 1024 * 1024
MAX_TOKENS = 1_000
MAX_DEPTH = 12
MAX_ALIASES = 30
MAX_MUTATIONS = 5
MAX_DIRECTIVES = 10
#: Fields that are in one selection already under the same name: rules compare each of them with each.
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
        depths = _Depths(document)
        for operation in _operations(document):
            self._check("levels", depths.of(operation.selection_set), MAX_DEPTH, operation)
            if operation.operation is OperationType.MUTATION:
                count = sum(1 for _ in _root_fields(operation.selection_set, depths.fragments, set()))
                self._check("mutations", count, MAX_MUTATIONS, operation)
        fields = list(_nodes(document))
        self._check(
            "aliases",
            sum(isinstance(node, FieldNode) and node.alias is not None for node in fields),
            MAX_ALIASES,
            document,
        )
        self._check(
            "directives", sum(len(getattr(node, "directives", None) or ()) for node in fields), MAX_DIRECTIVES, document
        )
        self._check("repeated fields", sum(_repetitions(node) for node in fields), MAX_REPETITIONS, document)

    def _check(self, what: str, actual: int, limit: int, node: Any) -> None:
        if actual > limit:
            error = too_expensive(what, limit=limit, actual=actual, nodes=[node])
            # The end of it: other rules can take long for what is too much.
            raise ValidationAbortedError(error.message, error.nodes, extensions=error.extensions)


class _Depths:
    """Depths of selections; each fragment is measured once, so spreading it often costs nothing."""

    def __init__(self, document: DocumentNode) -> None:
        self.fragments = {
            definition.name.value: definition
            for definition in document.definitions
            if isinstance(definition, FragmentDefinitionNode)
        }
        self._known: dict[str, int] = {}

    def of(self, selections: SelectionSetNode | None) -> int:
        """Return the number of levels of fields; introspection has a rule of its own."""
        if selections is None:
            return 0
        return max((self._of_selection(node) for node in selections.selections), default=0)

    def _of_selection(self, node: Any) -> int:
        if isinstance(node, FieldNode):
            return 0 if node.name.value.startswith("__") else 1 + self.of(node.selection_set)
        if isinstance(node, InlineFragmentNode):
            return self.of(node.selection_set)
        name = node.name.value
        if name not in self._known:
            # A fragment within itself is another rule's error; here it must only come to an end.
            self._known[name] = 0
            fragment = self.fragments.get(name)
            self._known[name] = self.of(fragment.selection_set) if fragment else 0
        return self._known[name]


def _operations(document: DocumentNode) -> Iterator[OperationDefinitionNode]:
    return (node for node in document.definitions if isinstance(node, OperationDefinitionNode))


def _root_fields(
    selections: SelectionSetNode, fragments: dict[str, FragmentDefinitionNode], seen: set[str]
) -> Iterator[FieldNode]:
    """Yield the fields of an operation; a fragment that is spread again selects the same, and runs once."""
    for node in selections.selections:
        if isinstance(node, FieldNode):
            yield node
        elif isinstance(node, InlineFragmentNode):
            yield from _root_fields(node.selection_set, fragments, seen)
        elif isinstance(node, FragmentSpreadNode) and node.name.value not in seen:
            seen.add(node.name.value)
            fragment = fragments.get(node.name.value)
            if fragment is not None:
                yield from _root_fields(fragment.selection_set, fragments, seen)


def _nodes(document: DocumentNode) -> Iterator[Any]:
    """Yield the definitions and selections of a document, each once as it is written."""
    pending: list[Any] = list(document.definitions)
    while pending:
        node = pending.pop()
        yield node
        selections = getattr(node, "selection_set", None)
        pending.extend(selections.selections if selections is not None else ())
        pending.extend(getattr(node, "variable_definitions", None) or ())


def _repetitions(node: Any) -> int:
    """Return how many fields of the selection below a node have a name that another one has."""
    if getattr(node, "selection_set", None) is None:
        return 0
    names = [
        (field.alias or field.name).value for field in node.selection_set.selections if isinstance(field, FieldNode)
    ]
    return len(names) - len(set(names))


#: Besides those that graphql-core recommends, one of which bounds introspection.
RULES: list[type[ASTValidationRule]] = [DocumentLimits]
