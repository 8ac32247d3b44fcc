"""Which documents are remembered: how they are parsed, what is wrong with them, what they cost, and their plans."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from graphql import ASTValidationRule, DocumentNode, GraphQLError, GraphQLSchema, OperationDefinitionNode
from strawberry.extensions import ParserCache, SchemaExtension
from strawberry.schema.schema import validate_document

#: Documents that are remembered, those not used for longest are forgotten.
MOST_REMEMBERED = 500
#: Characters of the longest one of them. Comments and texts count, which are no limit of a document: a few hundred long
#: ones would take gigabytes.
LONGEST_REMEMBERED = 20_000


def is_remembered(operation: OperationDefinitionNode) -> bool:
    """Tell whether what is worked out for an operation may be kept: its nodes keep the text of the document."""
    return operation.loc is not None and len(operation.loc.source.body) <= LONGEST_REMEMBERED


class DocumentCache(ParserCache):
    """Remembers how documents are parsed."""

    def __init__(self) -> None:
        super().__init__(maxsize=MOST_REMEMBERED)

    def on_parse(self) -> Iterator[None]:
        """Parse a document unless it is long: then Strawberry does."""
        if len(self.execution_context.query or "") > LONGEST_REMEMBERED:
            yield
        else:
            yield from super().on_parse()


@dataclass(frozen=True, slots=True)
class _Text:
    """A document, told apart by its text: nodes are equal wherever their lines end, and errors name lines."""

    text: str
    document: DocumentNode = field(compare=False)


@lru_cache(maxsize=MOST_REMEMBERED)
def _errors_of(schema: GraphQLSchema, text: _Text, rules: tuple[type[ASTValidationRule], ...]) -> list[GraphQLError]:
    return validate_document(schema, text.document, rules)


class CheckCache(SchemaExtension):
    """Remembers what is wrong with documents."""

    def on_validate(self) -> Iterator[None]:
        """Check a document unless it is long: then Strawberry does."""
        context = self.execution_context
        query, document = context.query or "", context.graphql_document
        if len(query) <= LONGEST_REMEMBERED and document is not None:
            context.pre_execution_errors = _errors_of(
                context.schema._schema, _Text(query, document), context.validation_rules
            )
        yield
