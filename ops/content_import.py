"""Rows about courses, and about who is enrolled in them: thin, as the domain takes texts here."""

from collections.abc import Sequence

from domain.content.importing import ContentImportRow, ImportResult, import_content
from domain.enrollments.importing import EnrollmentImportRow, import_enrollments
from domain.foundation.unit_of_work import UnitOfWork
from ops.column_mapping import FieldSet
from ops.import_rows import Row, RowResult, Written


class ContentImport:
    """Creates and changes courses by external ID."""

    fields = FieldSet(known=("external_id", "title", "lesson_count", "minimum_score"), needed=("external_id",))
    has_unique_rows = True

    def key(self, row: Row) -> str:
        """Return what names a row within its file."""
        return row["external_id"]

    async def write(self, work: UnitOfWork, rows: Sequence[Row]) -> Written:
        """Create or change the courses of these rows."""
        return _written(await import_content(work, [ContentImportRow(**row) for row in rows]))


class EnrollmentImport:
    """Enrolls people in courses, with the status that they have reached."""

    fields = FieldSet(known=("learner", "content", "status", "score"), needed=("learner", "content"))
    #: Somebody may be in a course several times; what they have reached is what counts.
    has_unique_rows = False

    def key(self, row: Row) -> str:
        """Return what names a row within its file: no text can hold the character between."""
        return f"{row['learner']}\0{row['content']}"

    async def write(self, work: UnitOfWork, rows: Sequence[Row]) -> Written:
        """Enroll the people of these rows."""
        return _written(await import_enrollments(work, [EnrollmentImportRow(**row) for row in rows]))


def _written(results: Sequence[ImportResult]) -> Written:
    return Written([RowResult.of(result.outcome, result.errors, {}) for result in results])
