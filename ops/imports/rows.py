"""What the kinds of imports have in common: rows go in, results come out, in the same order."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from domain.foundation.errors import AlreadyExists
from domain.foundation.row_outcomes import RowError, RowOutcome
from domain.foundation.unit_of_work import UnitOfWork
from domain.people.errors import LastAdmin
from ops.imports.column_mapping import FieldSet

#: Fields of a record with their texts, empty ones too; fields that the file does not have are missing.
Row = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class RowResult:
    """What became of a row, and why it was refused."""

    outcome: RowOutcome
    reasons: tuple[str, ...] = ()
    #: Whether rows that come later in the file may take away what this one was refused for.
    may_pass_later: bool = False

    @classmethod
    def of(cls, outcome: RowOutcome, errors: Sequence[RowError], file_names: Mapping[str, str]) -> "RowResult":
        """Return the result that the domain reports, with the file's names of fields."""
        return cls(
            outcome,
            tuple(_reason(error, file_names) for error in errors),
            bool(errors) and all(_may_pass_later(error) for error in errors),
        )


def _may_pass_later(error: RowError) -> bool:
    """Tell whether a value is somebody else's as yet, or an administrator the last one as yet."""
    if error.code == AlreadyExists.code:
        return error.path == ["email"]
    return error.message == LastAdmin().message


def _reason(error: RowError, file_names: Mapping[str, str]) -> str:
    path = ".".join(error.path)
    name = next((name for prefix, name in file_names.items() if path == prefix or path.startswith(f"{prefix}.")), path)
    return f"{name}: {error.message}" if name else error.message


@dataclass(frozen=True, slots=True)
class Written:
    """Results of a chunk, and how many things of which kind were made on the way."""

    results: list[RowResult]
    made: Counter[str] = field(default_factory=Counter)


class MadeForNothing(Exception):
    """Something was made for rows that were refused: the chunk has to be done again without these."""

    def __init__(self, refused: dict[int, RowResult]) -> None:
        super().__init__()
        self.refused = refused


class Import(Protocol):
    """One kind of file."""

    fields: FieldSet
    #: Whether two rows with one key contradict each other, unless they are the same.
    has_unique_rows: bool

    def key(self, row: Row) -> str:
        """Return what names a row within its file."""

    async def write(self, work: UnitOfWork, rows: Sequence[Row]) -> Written:
        """Do what the rows say, in the transaction given; raises MadeForNothing."""
