"""Reports as CSV: what each one is made of, and cells that no spreadsheet takes for a formula.

A cell that begins with `=`, `+`, `-` or `@`, in their full-width forms too and behind blanks, or with a tab or the end
of a line, gets an apostrophe in front, as spreadsheets would run what follows as a formula. Whoever reads the file by
program takes it off again.

The parameter `bom=true` puts a byte order mark in front, by which spreadsheets know the encoding.
"""

import asyncio
import codecs
import csv
import io
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from starlette.requests import Request

from domain.foundation.access import Principal
from domain.foundation.database.sessions import ReadScope
from domain.foundation.errors import Invalid
from gql.exports.query_parameters import parse_parameters
from gql.schema import Schema

Input = TypeVar("Input")
Restriction = TypeVar("Restriction")
Item = TypeVar("Item")

#: Parameter of all reports beside those of their filters.
MARK = "bom"
_FORMULAS = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
_CONTROLS = ("\t", "\r", "\n")


def disarmed(cell: str | None) -> str:
    """Return the text of a cell so that spreadsheets show it and do not run it; nothing for None."""
    if cell is None:
        return ""
    return f"'{cell}" if cell.startswith(_CONTROLS) or cell.lstrip().startswith(_FORMULAS) else cell


@dataclass(frozen=True, slots=True)
class Wanted(Generic[Restriction]):
    """What a request asks of a report."""

    restriction: Restriction
    has_mark: bool


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
    media_type: str = "text/csv; charset=utf-8"

    def wanted(self, schema: Schema, request: Request) -> Wanted[Restriction]:
        """Return what the parameters of the request say; raises Invalid."""
        items = request.query_params.multi_items()
        marks = [text for name, text in items if name == MARK]
        if marks and marks not in (["true"], ["false"]):
            raise Invalid("Has to be true or false, once.", path=[MARK])
        restriction = parse_parameters(schema, self.filter_type, [item for item in items if item[0] != MARK])
        return Wanted(self.restriction(restriction), marks == ["true"])

    async def content(
        self, reads: ReadScope, principal: Principal, wanted: Wanted[Restriction], now: datetime
    ) -> AsyncGenerator[bytes, None]:
        """Yield the file: the names of the columns, then the lines batch by batch."""
        yield (codecs.BOM_UTF8 if wanted.has_mark else b"") + _lines([self.columns])
        async with aclosing(self.batches(reads, principal, wanted.restriction, now)) as batches:
            async for batch in batches:
                # Beside the loop, which has other requests to serve.
                yield await asyncio.to_thread(self._lines_of, batch, now)

    def _lines_of(self, items: Sequence[Item], now: datetime) -> bytes:
        return _lines([self.cells(item, now) for item in items])


def _lines(rows: Sequence[Sequence[str | None]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([disarmed(cell) for cell in row] for row in rows)
    return text.getvalue().encode()
