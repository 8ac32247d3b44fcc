"""Which documents are remembered: how they are parsed, what is wrong with them, what they cost, and their plans."""

from collections.abc import Iterator

from graphql import OperationDefinitionNode
from strawberry.extensions import ParserCache, ValidationCache

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


class CheckCache(ValidationCache):
    """Remembers what is wrong with documents."""

    def __init__(self) -> None:
        super().__init__(maxsize=MOST_REMEMBERED)

    def on_validate(self) -> Iterator[None]:
        """Check a document unless it is long: then Strawberry does."""
        if len(self.execution_context.query or "") > LONGEST_REMEMBERED:
            yield
        else:
            yield from super().on_validate()
