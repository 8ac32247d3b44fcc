"""Reports as CSV: what each one is made of, and cells that no spreadsheet takes for a formula.

A cell that begins with `=`, `+`, `-`, `@`, a tab or a carriage return gets an apostrophe in front, as spreadsheets
would run what follows as a formula. Whoever reads the file by program takes it off again.
"""

import csv
import io
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from domain.foundation.access import Principal
from domain.foundation.database import ReadScope

Input = TypeVar("Input")
Restriction = TypeVar("Restriction")
Item = TypeVar("Item")

_FORMULAS = ("=", "+", "-", "@", "\t", "\r")


def disarmed(cell: str | None) -> str:
    """Return the text of a cell so that spreadsheets show it and do not run it; nothing for None."""
    if cell is None:
        return ""
    return f"'{cell}" if cell.startswith(_FORMULAS) else cell


@dataclass(frozen=True, slots=True)
class Report(Generic[Input, Restriction, Item]):
    """A report: its filter as the API takes it and as the domain does, and where its rows come from."""

    #: Of the file.
    name: str
    columns: Sequence[str]
    filter_type: type[Input]
    restriction: Callable[[Input], Restriction]
    batches: Callable[[ReadScope, Principal, Restriction, datetime], AsyncGenerator[list[Item], None]]
    #: Cells of a row, at an instant.
    cells: Callable[[Item, datetime], Sequence[str | None]]

    @property
    def header(self) -> bytes:
        """The first line of the file."""
        return _lines([self.columns])

    def lines_of(self, items: Sequence[Item], now: datetime) -> bytes:
        """Return the lines of a batch."""
        return _lines([self.cells(item, now) for item in items])


def _lines(rows: Sequence[Sequence[str | None]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([disarmed(cell) for cell in row] for row in rows)
    return text.getvalue().encode()
