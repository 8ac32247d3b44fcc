"""Which documents are remembered: how they are parsed, that they are valid, what they cost, and their plans.

All of it hangs on one entry per document and goes with it, and nothing in it refers to itself: what is dropped is free
at once. Entries are bounded by what they take, as anybody may send documents. Only valid ones are kept.
"""

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Hashable, Iterator
from functools import cached_property
from re import compile as pattern
from typing import Any
from weakref import WeakValueDictionary

from graphql import DocumentNode, GraphQLError, Node, OperationDefinitionNode, Source, SourceLocation, parse, validate
from strawberry.extensions import SchemaExtension
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule

from gql.limits.document import MAX_DOCUMENT_BYTES, MAX_ERRORS, too_expensive

#: What all entries may take.
MAX_REMEMBERED_BYTES = 24 * 1024 * 1024
#: What one entry takes: by itself, and for each node with what is compiled of it.
ENTRY_BYTES, NODE_BYTES = 10_000, 600
#: Costs that an entry keeps, for different variables, and plans, for different flags.
MAX_COSTS, MAX_PLANS = 20, 4

_LINE_END = pattern(r"\r\n|[\n\r]")


class Text(Source):
    """The text of a document; it knows where its lines begin, and does not count them for each error."""

    @cached_property
    def _line_starts(self) -> list[int]:
        return [0, *(found.end() for found in _LINE_END.finditer(self.body))]

    def get_location(self, position: int) -> SourceLocation:
        """Return line and column of a position."""
        line = bisect_right(self._line_starts, position)
        return SourceLocation(line, position + 1 - self._line_starts[line - 1])


class Remembered:
    """A valid document, and what was worked out for it."""

    __slots__ = ("__weakref__", "checks", "costs", "document", "plans", "size", "streams")

    def __init__(self, document: DocumentNode, size: int) -> None:
        self.document = document
        self.size = size
        #: What it was checked by: a schema and rules.
        self.checks: set[Hashable] = set()
        self.costs: dict[Hashable, Any] = {}
        self.plans: dict[Hashable, Any] = {}
        #: Streams that run.
        self.streams = 0

    @property
    def operations(self) -> Iterator[OperationDefinitionNode]:
        """Operations of the document."""
        return (node for node in self.document.definitions if isinstance(node, OperationDefinitionNode))


class Documents:
    """The documents last used, by their text."""

    def __init__(self, max_bytes: int = MAX_REMEMBERED_BYTES) -> None:
        self._max_bytes = max_bytes
        self._kept: OrderedDict[str, Remembered] = OrderedDict()
        # Entries keep their operations alive, so no other node is where one of them is. Streams keep theirs.
        self._by_operation: WeakValueDictionary[int, Remembered] = WeakValueDictionary()
        self.size = 0

    def __len__(self) -> int:
        return len(self._kept)

    def find(self, text: str) -> Remembered | None:
        """Return what is remembered of a document."""
        found = self._kept.get(text)
        if found is not None:
            self._kept.move_to_end(text)
        return found

    def of(self, operation: OperationDefinitionNode) -> Remembered | None:
        """Return what is remembered of the document that an operation is part of."""
        return self._by_operation.get(id(operation))

    def keep(self, text: str, document: DocumentNode) -> Remembered:
        """Remember a document, and forget those not used for longest."""
        if (known := self._kept.get(text)) is not None:
            # Another request has brought it meanwhile.
            return known
        # Text that is not Latin takes up to four bytes a character.
        size = ENTRY_BYTES + len(text.encode()) * 2 + _count_nodes(document) * NODE_BYTES
        kept = self._kept[text] = Remembered(document, size)
        for operation in kept.operations:
            self._by_operation[id(operation)] = kept
        self.size += size
        while self.size > self._max_bytes:
            _, dropped = self._kept.popitem(last=False)
            self.size -= dropped.size
        return kept


#: Documents of this process.
DOCUMENTS = Documents()


def read_document(text: str, **options: Any) -> DocumentNode:
    """Parse a text. Nodes keep where they are in it, but not its tokens, which refer to each other in a circle."""
    document = parse(Text(text), **options)
    token = document.loc.start_token if document.loc else None
    while token is not None:
        token.prev, token.next, token = None, None, token.next
    for node in _nodes(document):
        if node.loc is not None:
            node.loc.start_token = node.loc.end_token = None  # type: ignore[assignment]
    return document


def _nodes(document: DocumentNode) -> Iterator[Node]:
    pending: list[Any] = [document]
    while pending:
        node = pending.pop()
        yield node
        for value in vars(node).values():
            if isinstance(value, Node):
                pending.append(value)
            elif isinstance(value, list | tuple):
                pending += value


def _count_nodes(document: DocumentNode) -> int:
    return sum(1 for _ in _nodes(document))


class DocumentCache(SchemaExtension):
    """Reads and checks documents, those that are remembered at once."""

    def on_operation(self) -> Iterator[None]:
        """Refuse a document that is too long before anything reads it."""
        text = self.execution_context.query or ""
        # Characters have a byte at least: what is far too long is not even encoded.
        size = len(text) if len(text) > MAX_DOCUMENT_BYTES else len(text.encode(errors="surrogatepass"))
        if size > MAX_DOCUMENT_BYTES:
            raise too_expensive("bytes", limit=MAX_DOCUMENT_BYTES, actual=size)
        yield

    def on_parse(self) -> Iterator[None]:
        """Parse a document unless it is known."""
        context = self.execution_context
        if context.query:
            known = DOCUMENTS.find(context.query)
            context.graphql_document = (
                known.document if known else read_document(context.query, **context.parse_options)
            )
        yield

    def on_validate(self) -> Iterator[None]:
        """Check a document unless it was found to be valid; few errors are told, as each is work."""
        context = self.execution_context
        document, text = context.graphql_document, context.query or ""
        assert document is not None
        schema = context.schema._schema
        # As Strawberry does.
        rules = (*context.validation_rules, MaybeNullValidationRule, OneOfInputValidationRule)
        check = (schema, rules)
        known = DOCUMENTS.find(text)
        errors: list[GraphQLError] = []
        if known is None or check not in known.checks:
            errors = validate(schema, document, rules, max_errors=MAX_ERRORS)[:MAX_ERRORS]
            if not errors and text:
                kept = DOCUMENTS.keep(text, document)
                kept.checks.add(check)
                context.graphql_document = kept.document
        context.pre_execution_errors = errors
        yield
