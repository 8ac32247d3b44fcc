"""`mandate import`: CSV files into a tenant, chunk by chunk, each in one transaction; what is refused is listed.

A row that is refused changes nothing, all others of its chunk are committed together with what the rules make of them.
So an import that was stopped is simply run again: what is there already is unchanged.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from domain.foundation import clock
from domain.foundation.access import Principal
from domain.foundation.database import refresh_statistics
from domain.foundation.unit_of_work import UnitOfWork, perform, with_retry
from domain.people.row_outcomes import RowOutcome
from ops.column_mapping import ColumnMapping
from ops.content_import import ContentImport, EnrollmentImport
from ops.csv_reading import BrokenRecord, CsvFile
from ops.import_progress import Progress
from ops.import_rows import Import, MadeForNothing, Row, RowResult, Written
from ops.learner_import import LEARNER_FIELDS, LearnerImport

CHUNK = 1_000
#: Chunks after which the planner is told how the tables have grown.
STATISTICS_AFTER = frozenset({1, 4, 16, 64, 256})


class ImportKind(StrEnum):
    """What a file holds."""

    LEARNERS = "learners"
    CONTENT = "content"
    ENROLLMENTS = "enrollments"


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """How the file is to be read."""

    maps: Sequence[str] = ()
    values: Sequence[str] = ()
    #: Whether rows whose key was there before are left out without a word; otherwise they are refused.
    first_wins: bool = False


@dataclass(slots=True)
class ImportReport:
    """What became of a file."""

    outcomes: Counter[RowOutcome] = field(default_factory=Counter)
    #: Rows left out because the key was there before.
    repeated: int = 0
    #: Places made on the way, by kind.
    made: Counter[str] = field(default_factory=Counter)

    @property
    def refused(self) -> int:
        """How many rows changed nothing because something is wrong with them."""
        return self.outcomes[RowOutcome.FAILED]

    def lines(self) -> Iterator[str]:
        """Yield what to tell the operator at the end."""
        counts = [
            f"{self.outcomes[outcome]:,} {word}"
            for outcome, word in (
                (RowOutcome.CREATED, "created"),
                (RowOutcome.UPDATED, "updated"),
                (RowOutcome.UNCHANGED, "unchanged"),
                (RowOutcome.FAILED, "refused"),
            )
        ]
        yield ", ".join(counts) + (f"; {self.repeated:,} repeated rows left out" if self.repeated else "")
        if self.made:
            yield "made on the way: " + ", ".join(f"{kind} {count:,}" for kind, count in self.made.items())


@dataclass(frozen=True, slots=True)
class _Numbered:
    line: int
    row: Row


class Importer:
    """One call: a file, a tenant, a report. Raises CommandFailed before anything is written if the call is wrong."""

    def __init__(self, path: Path, kind: ImportKind, options: ImportOptions) -> None:
        self._file = CsvFile(path)
        self._kind = kind
        self._first_wins = options.first_wins
        fields = {
            ImportKind.LEARNERS: LEARNER_FIELDS,
            ImportKind.CONTENT: ContentImport.fields,
            ImportKind.ENROLLMENTS: EnrollmentImport.fields,
        }[kind]
        self._mapping = ColumnMapping(self._file.header, fields, maps=options.maps, values=options.values)
        self._import = self._importer()
        #: Line and content of the first row of each key, and which of these were refused.
        self._first: dict[str, tuple[int, int]] = {}
        self._refused: set[int] = set()
        #: Rows that say what an earlier one says: line of each, and line of the earlier one.
        self._identical: list[tuple[int, int]] = []
        self.report = ImportReport()

    def _importer(self) -> Import:
        match self._kind:
            case ImportKind.LEARNERS:
                return LearnerImport(self._mapping.fields)
            case ImportKind.CONTENT:
                return ContentImport()
            case ImportKind.ENROLLMENTS:
                return EnrollmentImport()

    async def run(self, tenant_id: int) -> ImportReport:
        """Import everything and return what became of it; refused rows are printed as they come."""
        principal = Principal.operator(tenant_id)
        with Progress(self._file.line_count) as self._progress:
            chunk: list[_Numbered] = []
            chunks = 0
            for numbered in self._rows():
                chunk.append(numbered)
                if len(chunk) == CHUNK:
                    await self._write(principal, chunk)
                    chunk = []
                    chunks += 1
                    # Tables that have just been filled still look empty to the planner.
                    if chunks in STATISTICS_AFTER:
                        await refresh_statistics()
            if chunk:
                await self._write(principal, chunk)
            self._judge_identical()
        await refresh_statistics()
        return self.report

    def _rows(self) -> Iterator[_Numbered]:
        """Yield the rows that can be read and are not there twice."""
        for record in self._file.records():
            if isinstance(record, BrokenRecord):
                self._refuse(record.line, record.reason)
                continue
            row = self._mapping.row(record.cells)
            key = self._import.key(row)
            if not key or not (self._import.has_unique_rows or self._first_wins):
                yield _Numbered(record.line, row)
                continue
            content = hash(tuple(row.items()))
            line, first = self._first.setdefault(key, (record.line, content))
            if line == record.line:
                yield _Numbered(line, row)
            elif self._first_wins:
                self.report.repeated += 1
            elif first == content:
                self._identical.append((record.line, line))
            else:
                self._refuse(record.line, f"line {line} is about the same and says something else")

    def _judge_identical(self) -> None:
        """Let rows that were there before fare as those did."""
        for line, first in self._identical:
            if first in self._refused:
                self._refuse(line, f"says the same as line {first}")
            else:
                self.report.outcomes[RowOutcome.UNCHANGED] += 1

    def _refuse(self, line: int, reason: str) -> None:
        self.report.outcomes[RowOutcome.FAILED] += 1
        self._refused.add(line)
        self._progress.say(f"line {line} refused: {reason}")

    async def _write(self, principal: Principal, chunk: Sequence[_Numbered]) -> None:
        """Write a chunk, and again without what was refused if something was made for that."""
        remaining = list(chunk)
        while remaining:
            try:
                written = await self._attempt(principal, [one.row for one in remaining])
            except MadeForNothing as error:
                for index, result in error.refused.items():
                    self._note(remaining[index], result)
                remaining = [one for index, one in enumerate(remaining) if index not in error.refused]
                continue
            for one, result in zip(remaining, written.results, strict=True):
                self._note(one, result)
            self.report.made += written.made
            break
        self._progress.advance(chunk[-1].line, len(chunk))

    def _note(self, one: _Numbered, result: RowResult) -> None:
        if result.outcome is RowOutcome.FAILED:
            self._refuse(one.line, "; ".join(result.reasons))
        else:
            self.report.outcomes[result.outcome] += 1

    async def _attempt(self, principal: Principal, rows: Sequence[Row]) -> Written:
        async def action(work: UnitOfWork) -> Written:
            # A file's order decides what rules see, so nothing waits for a job.
            work.evaluates_at_once = True
            await work.sql.plan_each_time()
            return await self._import.write(work, rows)

        operation = f"import {self._kind.value}"
        return (await with_retry(lambda: perform(principal, clock.now(), operation, action))).result
