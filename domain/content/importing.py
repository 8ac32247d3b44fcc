"""Importing courses from a file: rows of text, each named by the partner's ID, created or updated set-based."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from domain.content.fields import API_NAMES, judged_columns
from domain.content.models import ContentKind
from domain.foundation.access import Scope
from domain.foundation.audit.entries import AuditedChange, audit_all
from domain.foundation.audit.recording import changed_fields
from domain.foundation.errors import DomainError, Invalid, ProblemList
from domain.foundation.feed.changes import ObjectType, record_changes
from domain.foundation.row_outcomes import RowError, RowOutcome, row_errors
from domain.foundation.text_validation import EXTERNAL_ID_LENGTH, NAME_LENGTH, key_text, name_key
from domain.foundation.unit_of_work import UnitOfWork
from domain.people.learners.keys import storable
from domain.people.learners.writing import retried_when_taken

#: Files call columns by their own names.
_FILE_NAMES = {column: column for column in API_NAMES}


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentImportRow:
    """A row as the file has it; None where the file has no such column."""

    external_id: str
    title: str | None = None
    lesson_count: str | None = None
    minimum_score: str | None = None

    def __post_init__(self) -> None:
        # Courses are found by it before it is judged.
        object.__setattr__(self, "external_id", key_text(self.external_id))


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What became of a row."""

    outcome: RowOutcome
    errors: list[RowError]


@dataclass(slots=True)
class _Write:
    before: dict[str, Any] | None
    columns: dict[str, Any]


def whole_number(text: str | None, name: str) -> int | None:
    """Return the number in a cell, None for an empty one; raises Invalid for anything else."""
    if text is None or not text.strip():
        return None
    try:
        value = float(text)
        if value.is_integer():
            return int(value)
    except (ValueError, OverflowError):
        pass
    raise Invalid("Is no whole number.", path=[name])


async def import_content(work: UnitOfWork, rows: Sequence[ContentImportRow]) -> list[ImportResult]:
    """Create or update the course of each row and return what became of the rows, in a fixed number of statements.

    A new course without a title is called by its external ID. Empty cells change no title and no lesson count, and
    remove a minimum score.
    """
    work.principal.require_write(Scope.WRITE_CONTENT)
    present = await _lock_present(work, rows)
    results: list[ImportResult] = []
    writes: dict[str, _Write] = {}
    for row in rows:
        before = present.get(row.external_id)
        try:
            if row.external_id in writes:
                raise Invalid("Another row has the same external ID.", path=["external_id"])
            if before is not None and before["kind"] != ContentKind.COURSE:
                raise Invalid("Is the external ID of a learning path.", path=["external_id"])
            columns = _columns(row, is_new=before is None)
        except DomainError as error:
            results.append(ImportResult(RowOutcome.FAILED, row_errors(error)))
            continue
        if before is None:
            writes[row.external_id] = _Write(None, columns)
            results.append(ImportResult(RowOutcome.CREATED, []))
            continue
        different = {name: value for name, value in columns.items() if before[name] != value}
        writes[row.external_id] = _Write(before, {**{name: before[name] for name in API_NAMES}, **different})
        results.append(ImportResult(RowOutcome.UPDATED if different else RowOutcome.UNCHANGED, []))
        if not different:
            writes[row.external_id].columns = {}
    await _insert(work, [write for write in writes.values() if write.before is None])
    await _update(work, [write for write in writes.values() if write.before is not None and write.columns])
    return results


def _columns(row: ContentImportRow, *, is_new: bool) -> dict[str, Any]:
    problems = ProblemList()
    fields: dict[str, Any] = {"external_id": row.external_id}
    if row.title is not None and row.title.strip():
        fields["title"] = row.title
    elif is_new and row.external_id.strip():
        fields["title"] = row.external_id[:NAME_LENGTH]
    for name, text in (("lesson_count", row.lesson_count), ("minimum_score", row.minimum_score)):
        try:
            number = whole_number(text, name)
        except DomainError as error:
            problems.add(error)
            continue
        if number is not None or (name == "minimum_score" and text is not None):
            fields[name] = number
    columns = judged_columns(fields, problems, [], names=_FILE_NAMES)
    problems.raise_if_any()
    return columns


async def _lock_present(work: UnitOfWork, rows: Sequence[ContentImportRow]) -> dict[str, dict[str, Any]]:
    records = await work.sql.fetch(
        f"SELECT id, kind, version, {', '.join(API_NAMES)} FROM content"
        " WHERE tenant_id = $1 AND external_id = ANY ($2::text[]) ORDER BY id FOR NO KEY UPDATE",
        work.tenant_id,
        storable(row.external_id[: EXTERNAL_ID_LENGTH + 1] for row in rows),
    )
    return {record["external_id"]: dict(record) for record in records}


async def _insert(work: UnitOfWork, writes: Sequence[_Write]) -> None:
    if not writes:
        return
    columns = [write.columns for write in writes]
    with retried_when_taken():
        ids = await work.sql.values(
            """
            INSERT INTO content (tenant_id, kind, external_id, title, title_key, lesson_count, minimum_score,
                                 is_self_enrollable, has_waitlist, version, edited_version)
            SELECT $1, 'COURSE', external_id, title, title_key, lesson_count, minimum_score, false, false, 1, 1
              FROM unnest($2::text[], $3::text[], $4::text[], $5::int[], $6::int[])
                   AS course (external_id, title, title_key, lesson_count, minimum_score)
            RETURNING id
            """,
            work.tenant_id,
            [one["external_id"] for one in columns],
            [one["title"] for one in columns],
            [name_key(one["title"]) for one in columns],
            [one.get("lesson_count", 1) for one in columns],
            [one.get("minimum_score") for one in columns],
        )
    await _record(work, [(content_id, 1, write) for content_id, write in zip(ids, writes, strict=True)])


async def _update(work: UnitOfWork, writes: Sequence[_Write]) -> None:
    if not writes:
        return
    known = [(write.before or {}, write.columns) for write in writes]
    await work.sql.execute(
        """
        UPDATE content c
           SET title = course.title, title_key = course.title_key,
               retitled_at = CASE WHEN c.title <> course.title THEN $7 ELSE c.retitled_at END,
               lesson_count = course.lesson_count, minimum_score = course.minimum_score,
               version = c.version + 1, edited_version = c.version + 1
          FROM unnest($2::bigint[], $3::text[], $4::text[], $5::int[], $6::int[])
               AS course (id, title, title_key, lesson_count, minimum_score)
         WHERE c.tenant_id = $1 AND c.id = course.id
        """,
        work.tenant_id,
        [before["id"] for before, _ in known],
        [columns["title"] for _, columns in known],
        [name_key(columns["title"]) for _, columns in known],
        [columns["lesson_count"] for _, columns in known],
        [columns["minimum_score"] for _, columns in known],
        work.now,
    )
    await _record(
        work, [(before["id"], before["version"] + 1, write) for (before, _), write in zip(known, writes, strict=True)]
    )


async def _record(work: UnitOfWork, written: Sequence[tuple[int, int, _Write]]) -> None:
    await audit_all(
        work,
        ObjectType.COURSE,
        [
            AuditedChange(
                content_id,
                write.columns["title"],
                changed_fields(
                    {API_NAMES[name]: value for name, value in (write.before or {}).items() if name in API_NAMES},
                    {API_NAMES[name]: value for name, value in write.columns.items()},
                ),
            )
            for content_id, _, write in written
        ],
    )
    await record_changes(work, ObjectType.COURSE, [(content_id, version) for content_id, version, _ in written])
