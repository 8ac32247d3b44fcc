"""What became of the rows of a bulk mutation: kept with the idempotency key, so plain values only."""

from dataclasses import dataclass
from enum import StrEnum

from domain.foundation.errors import (
    AlreadyExists,
    DomainError,
    Invalid,
    NotFound,
    NotPermitted,
    Problems,
    TooManyItems,
)


class RowOutcome(StrEnum):
    """What happened to one row."""

    CREATED = "CREATED"
    UPDATED = "UPDATED"
    UNCHANGED = "UNCHANGED"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class RowError:
    """Why a row was refused."""

    code: str
    message: str
    path: list[str]
    limit: int | None = None

    @classmethod
    def of(cls, error: DomainError) -> "RowError":
        """Return what is kept of an expected failure."""
        return cls(error.code, error.message, error.path, error.limit if isinstance(error, TooManyItems) else None)

    def as_error(self) -> DomainError:
        """Return the failure again, as the API shows it."""
        if self.limit is not None:
            return TooManyItems(limit=self.limit, path=self.path)
        return _KINDS.get(self.code, Invalid)(self.message, path=self.path)


_KINDS: dict[str, type[DomainError]] = {kind.code: kind for kind in (AlreadyExists, NotFound, NotPermitted)}


def row_errors(error: DomainError) -> list[RowError]:
    """Return the failures of a row, one or several."""
    return [RowError.of(each) for each in (error.errors if isinstance(error, Problems) else [error])]
