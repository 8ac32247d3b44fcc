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
from domain.foundation.database.sessions import refresh_statistics
from domain.foundation.row_outcomes import RowOutcome
from domain.foundation.unit_of_work import UnitOfWork, perform, with_retry
from ops.failures import CommandFailed
from ops.imports.column_mapping import ColumnMapping
from ops.imports.content import DATES, ContentImport, EnrollmentImport
from ops.imports.csv_reading import BrokenRecord, CsvFile, Record
from ops.imports.dates import DateOrder, find_order
from ops.imports.learners import LEARNER_FIELDS, LearnerImport
from ops.imports.leavers import Leavers, deactivate, find_leavers, named, printable
from ops.imports.progress import Progress
from ops.imports.rows import Import, MadeForNothing, Row, RowResult, Written

CHUNK = 1_000
#: Rows that may wait for each other: these are tried in one transaction.
MAX_DEFERRED = 10_000
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
    #: What stands between several values of one cell.
    separator: str = "|"
    #: Whether the day or the month comes first in dates that could be read both ways; None to leave it to the column.
    date_order: DateOrder | None = None
    #: Whether COMPLETED counts beside a score that the course does not accept.
    trusts_status: bool = False
    #: Whether people of earlier imports whom the file lacks are deactivated, and how many these are, as counted before.
    deactivates_missing: bool = False
    confirmed_count: int | None = None


@dataclass(slots=True)
class ImportReport:
    """What became of a file."""

    outcomes: Counter[RowOutcome] = field(default_factory=Counter)
    #: Rows left out because the key was there before.
    repeated: int = 0
    #: Places made on the way, by kind.
    made: Counter[str] = field(default_factory=Counter)
    #: Columns of the file that nothing was done with.
    ignored_columns: list[str] = field(default_factory=list)
    #: How many people were deactivated because the file lacks them; None where that was not asked for.
    deactivated: int | None = None

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
        if self.deactivated is not None:
            yield f"{self.deactivated:,} deactivated who were missing"
        if self.ignored_columns:
            yield "columns that no field takes: " + ", ".join(self.ignored_columns)


@dataclass(frozen=True, slots=True)
class _Numbered:
    line: int
    row: Row


class Importer:
    """One call: a file, a tenant, a report. Raises CommandFailed before anything is written if the call is wrong."""

    def __init__(self, path: Path, kind: ImportKind, options: ImportOptions) -> None:
        self._file = CsvFile(path)
        self._kind = kind
        self._options = options
        self._first_wins = options.first_wins
        if options.deactivates_missing and kind is not ImportKind.LEARNERS:
            raise CommandFailed("--deactivate-missing is for learners.")
        self._fields = {
            ImportKind.LEARNERS: LEARNER_FIELDS,
            ImportKind.CONTENT: ContentImport.fields,
            ImportKind.ENROLLMENTS: EnrollmentImport.fields,
        }[kind]
        self._mapping = ColumnMapping(self._file.header, self._fields, maps=options.maps, values=options.values)
        self._import = self._importer()
        #: Line and content of the first row of each key, and which of these were refused.
        self._first: dict[str, tuple[int, int]] = {}
        self._refused: set[int] = set()
        #: Rows that say what an earlier one says: line of each, line of the earlier one, and whom they are about.
        self._identical: list[tuple[int, int, str]] = []
        #: Rows whose value somebody else has who may give it up further down.
        self._deferred: list[_Numbered] = []
        self._is_last_try = False
        self.report = ImportReport(ignored_columns=self._mapping.ignored)

    def _importer(self) -> Import:
        match self._kind:
            case ImportKind.LEARNERS:
                if not self._options.separator:
                    raise CommandFailed("--separator must not be empty.")
                return LearnerImport(self._mapping.fields, self._options.separator)
            case ImportKind.CONTENT:
                return ContentImport()
            case ImportKind.ENROLLMENTS:
                return EnrollmentImport(self._date_orders(), trusts_status=self._options.trusts_status)

    def _date_orders(self) -> dict[str, DateOrder | None]:
        """Return for each column of dates what comes first in it, the day or the month."""
        fields = [name for name in DATES if name in self._mapping.fields]
        if not fields or self._options.date_order is not None:
            return dict.fromkeys(fields, self._options.date_order)

        def texts(name: str) -> Iterator[str]:
            return (
                self._mapping.row(record.cells)[name] for record in self._file.records() if isinstance(record, Record)
            )

        return {name: find_order(texts(name)) for name in fields}

    def _keys(self) -> set[str]:
        """Return the key of every row; raises CommandFailed where a row does not tell it."""
        keys = set()
        for record in self._file.records():
            key = "" if isinstance(record, BrokenRecord) else self._import.key(self._mapping.row(record.cells))
            if not key.strip():
                raise CommandFailed(
                    f"--deactivate-missing: nobody knows whom line {record.line} is about, and so who is missing."
                    " Nothing was imported."
                )
            keys.add(key)
        return keys

    @property
    def _operation(self) -> str:
        return f"import {self._kind.value}"

    async def run(self, tenant_id: int) -> ImportReport:
        """Import everything and return what became of it; refused rows are printed as they come."""
        principal = Principal.operator(tenant_id)
        leavers = None
        if self._options.deactivates_missing:
            leavers = await find_leavers(
                principal,
                operation=self._operation,
                external_ids=self._keys(),
                confirmed=self._options.confirmed_count,
            )
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
            await self._write_deferred(principal)
            self._judge_identical()
            if leavers is not None:
                await self._deactivate(principal, leavers)
        await refresh_statistics()
        return self.report

    def _rows(self) -> Iterator[_Numbered]:
        """Yield the rows that can be read and are not there twice."""
        for record in self._file.records():
            if isinstance(record, BrokenRecord):
                self._refuse(record.line, "", record.reason)
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
                self._identical.append((record.line, line, self._name(row)))
            else:
                self._refuse(record.line, self._name(row), f"line {line} is about the same and says something else")

    def _judge_identical(self) -> None:
        """Let rows that were there before fare as those did."""
        for line, first, name in self._identical:
            if first in self._refused:
                self._refuse(line, name, f"says the same as line {first}")
            else:
                self.report.outcomes[RowOutcome.UNCHANGED] += 1

    def _name(self, row: Row) -> str:
        """Return what to call a row besides its line."""
        return ", ".join(printable(row[name]) for name in self._fields.needed if row[name].strip())

    def _refuse(self, line: int, name: str, reason: str) -> None:
        self.report.outcomes[RowOutcome.FAILED] += 1
        self._refused.add(line)
        self._progress.say(f"line {line} ({name}) refused: {reason}" if name else f"line {line} refused: {reason}")

    async def _write_deferred(self, principal: Principal) -> None:
        """Try again what was refused because of others, as long as there are fewer of them each time."""
        before = None
        while self._deferred and not self._is_last_try:
            deferred, self._deferred = self._deferred, []
            self._is_last_try = before is not None and len(deferred) >= before
            before = len(deferred)
            for first in range(0, len(deferred), MAX_DEFERRED):
                await self._write(principal, deferred[first : first + MAX_DEFERRED], is_again=True)

    async def _deactivate(self, principal: Principal, leavers: Leavers) -> None:
        gone = await deactivate(principal, leavers.leaving, self._operation)
        for one in leavers.leaving:
            if one.id in gone:
                self._progress.say(f"missing, deactivated: {named(one)}")
        for one in leavers.staying:
            self._progress.say(f"missing, stays as {one.role}: {named(one)}")
        self.report.deactivated = len(gone)

    async def _write(self, principal: Principal, chunk: Sequence[_Numbered], *, is_again: bool = False) -> None:
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
        if not is_again:
            self._progress.advance(chunk[-1].line, len(chunk))

    def _note(self, one: _Numbered, result: RowResult) -> None:
        if result.may_pass_later and not self._is_last_try:
            self._deferred.append(one)
        elif result.outcome is RowOutcome.FAILED:
            self._refuse(one.line, self._name(one.row), "; ".join(result.reasons))
        else:
            self.report.outcomes[result.outcome] += 1

    async def _attempt(self, principal: Principal, rows: Sequence[Row]) -> Written:
        async def action(work: UnitOfWork) -> Written:
            # A file's order decides what rules see, so nothing waits for a job.
            work.evaluates_at_once = True
            await work.sql.plan_each_time()
            return await self._import.write(work, rows)

        return (await with_retry(lambda: perform(principal, clock.now(), self._operation, action))).result
