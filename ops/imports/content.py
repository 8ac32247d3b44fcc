"""Rows about courses, and about who is enrolled in them: thin, as the domain takes texts here."""

from collections.abc import Mapping, Sequence

from domain.content.importing import ContentImportRow, ImportResult, import_content
from domain.enrollments.importing import EnrollmentImportRow, import_enrollments
from domain.foundation.errors import DomainError, ProblemList
from domain.foundation.row_outcomes import RowOutcome, row_errors
from domain.foundation.text_validation import key_text
from domain.foundation.unit_of_work import UnitOfWork
from ops.imports.column_mapping import FieldSet
from ops.imports.dates import DateOrder, When, parse_when
from ops.imports.rows import Row, RowResult, Written

#: Fields of enrollments that hold a date or an instant.
DATES = ("enrolled_at", "completed_at")


class ContentImport:
    """Creates and changes courses by external ID."""

    fields = FieldSet(known=("external_id", "title", "lesson_count", "minimum_score"), needed=("external_id",))
    has_unique_rows = True

    def key(self, row: Row) -> str:
        """Return what names a row within its file."""
        return key_text(row["external_id"])

    async def write(self, work: UnitOfWork, rows: Sequence[Row]) -> Written:
        """Create or change the courses of these rows."""
        return _written(await import_content(work, [ContentImportRow(**row) for row in rows]))


class EnrollmentImport:
    """Enrolls people in courses, with the status that they have reached, and when."""

    fields = FieldSet(known=("learner", "content", "status", "score", *DATES), needed=("learner", "content"))
    #: Somebody may be in a course several times; what they have reached is what counts.
    has_unique_rows = False

    def __init__(self, orders: Mapping[str, DateOrder | None], *, trusts_status: bool) -> None:
        self._orders = orders
        self._trusts_status = trusts_status

    def key(self, row: Row) -> str:
        """Return what names a row within its file: no text can hold the character between."""
        return f"{key_text(row['learner'])}\0{key_text(row['content'])}"

    async def write(self, work: UnitOfWork, rows: Sequence[Row]) -> Written:
        """Enroll the people of these rows."""
        results: dict[int, RowResult] = {}
        readable: dict[int, EnrollmentImportRow] = {}
        for index, row in enumerate(rows):
            problems = ProblemList()
            dates: dict[str, When | None] = {}
            for field in DATES:
                try:
                    dates[field] = parse_when(row.get(field, ""), self._orders.get(field), path=[field])
                except DomainError as error:
                    problems.add(error)
            try:
                problems.raise_if_any()
            except DomainError as error:
                results[index] = RowResult.of(RowOutcome.FAILED, row_errors(error), {})
                continue
            readable[index] = EnrollmentImportRow(
                learner=row["learner"],
                content=row["content"],
                status=row.get("status"),
                score=row.get("score"),
                enrolled_at=dates["enrolled_at"],
                completed_at=dates["completed_at"],
            )
        written = await import_enrollments(work, list(readable.values()), trusts_status=self._trusts_status)
        results |= {
            index: RowResult.of(result.outcome, result.errors, {})
            for index, result in zip(readable, written, strict=True)
        }
        return Written([results[index] for index in range(len(rows))])


def _written(results: Sequence[ImportResult]) -> Written:
    return Written([RowResult.of(result.outcome, result.errors, {}) for result in results])
