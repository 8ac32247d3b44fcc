"""Creating and changing courses and learning paths; the caller lets the people in a changed path follow.

Streams of trainers begin anew when what they train changes, hence the change rows for accounts.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import asyncpg

from domain.content.events import SeatsFreed
from domain.content.fields import API_NAMES, CourseFields, PathFields
from domain.content.models import ContentKind
from domain.content.queries import ContentKey, resolve_content
from domain.content.state import ContentState, lock_content
from domain.content.validation import Wanted, judged
from domain.foundation.access import Scope
from domain.foundation.audit.recording import audit, changed_fields
from domain.foundation.errors import AlreadyExists, VersionConflict
from domain.foundation.feed.changes import ObjectType, record_changes
from domain.foundation.text_validation import name_key
from domain.foundation.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True)
class PathUpdated:
    """A changed path, and whether its courses are others now."""

    path_id: int
    has_other_items: bool


async def create_course(work: UnitOfWork, *, fields: CourseFields) -> int:
    """Create a course and return its ID."""
    return await _create(work, ContentKind.COURSE, fields)


async def create_learning_path(work: UnitOfWork, *, fields: PathFields) -> int:
    """Create a learning path and return its ID."""
    return await _create(work, ContentKind.LEARNING_PATH, {"items": (), **fields})


async def update_course(
    work: UnitOfWork, *, key: ContentKey, changes: CourseFields, expected_version: int | None
) -> int:
    """Change a course and return its ID; what it asks of learners counts from their next report on."""
    content_id = await _resolve(work, key, ContentKind.COURSE, "course")
    await _update(work, content_id, ContentKind.COURSE, changes, expected_version)
    return content_id


async def update_path(
    work: UnitOfWork, *, key: ContentKey, changes: PathFields, expected_version: int | None
) -> PathUpdated:
    """Change a learning path itself; `enrollments.path_changes` lets the people in it follow."""
    content_id = await _resolve(work, key, ContentKind.LEARNING_PATH, "learningPath")
    has_other_items = await _update(work, content_id, ContentKind.LEARNING_PATH, changes, expected_version)
    return PathUpdated(content_id, has_other_items)


async def _resolve(work: UnitOfWork, key: ContentKey, kind: ContentKind, name: str) -> int:
    work.principal.require_write(Scope.WRITE_CONTENT)
    return await resolve_content(work.sql, work.principal, key, [name], kind=kind)


async def _create(work: UnitOfWork, kind: ContentKind, fields: Mapping[str, Any]) -> int:
    work.principal.require_write(Scope.WRITE_CONTENT)
    wanted = await judged(work, fields, None, [])
    columns = {"title_key": name_key(wanted.columns["title"]), **wanted.columns}
    defaults = {
        "lesson_count": 1,
        "is_self_enrollable": False,
        "has_waitlist": False,
        "version": 1,
        "edited_version": 1,
    }
    row = {"tenant_id": work.tenant_id, "kind": kind.value, **defaults, **columns}
    places = ", ".join(f"${number}" for number in range(1, len(row) + 1))
    try:
        content_id: int = await work.sql.value(
            f"INSERT INTO content ({', '.join(row)}) VALUES ({places}) RETURNING id", *row.values()
        )
    except asyncpg.UniqueViolationError as error:
        raise AlreadyExists(path=["externalId"]) from error
    state = ContentState(content_id, 1, 1, {})
    await _write_links(work, state, wanted)
    await _record(work, kind, state, wanted)
    return content_id


async def _update(
    work: UnitOfWork, content_id: int, kind: ContentKind, changes: Mapping[str, Any], expected_version: int | None
) -> bool:
    """Write what is different and return whether a path has other items now."""
    before = await lock_content(work, content_id)
    if expected_version is not None and before.edited_version > expected_version:
        raise VersionConflict(current_version=before.version)
    wanted = await judged(work, changes, before, ["changes"])
    other = {column: value for column, value in wanted.columns.items() if before.columns[column] != value}
    has_other_items = wanted.items is not None and wanted.items != before.items
    has_other_trainers = wanted.trainers is not None and wanted.trainers != before.trainers
    if not (other or has_other_items or has_other_trainers):
        return False
    if "title" in other:
        other |= {"title_key": name_key(other["title"]), "retitled_at": work.now}
    assignments = "".join(f", {column} = ${number}" for number, column in enumerate(other, start=3))
    try:
        await work.sql.execute(
            f"UPDATE content SET version = version + 1, edited_version = version + 1{assignments}"
            " WHERE tenant_id = $1 AND id = $2",
            work.tenant_id,
            content_id,
            *other.values(),
        )
    except asyncpg.UniqueViolationError as error:
        raise AlreadyExists(path=["changes", "externalId"]) from error
    await _write_links(work, before, wanted)
    before.version += 1
    await _record(work, kind, before, wanted)
    if "seat_limit" in other and _is_raised(before.columns["seat_limit"], other["seat_limit"]):
        work.record(SeatsFreed(content_id))
    return has_other_items


def _is_raised(before: int | None, after: int | None) -> bool:
    return before is not None and (after is None or after > before)


async def _write_links(work: UnitOfWork, before: ContentState, wanted: Wanted) -> None:
    """Write trainers and items, and a change row for each account that trains more or less now."""
    if wanted.trainers is not None and wanted.trainers != before.trainers:
        await work.sql.execute(
            "DELETE FROM content_trainer WHERE tenant_id = $1 AND content_id = $2 AND learner_id <> ALL ($3::bigint[])",
            work.tenant_id,
            before.id,
            list(wanted.trainers),
        )
        await work.sql.execute(
            "INSERT INTO content_trainer (tenant_id, content_id, learner_id)"
            " SELECT $1, $2, id FROM unnest($3::bigint[]) AS id ON CONFLICT DO NOTHING",
            work.tenant_id,
            before.id,
            sorted(wanted.trainers),
        )
        accounts = await work.sql.fetch(
            "SELECT id, version FROM learner WHERE tenant_id = $1 AND id = ANY ($2::bigint[]) ORDER BY id",
            work.tenant_id,
            list(wanted.trainers ^ before.trainers),
        )
        await record_changes(work, ObjectType.ACCOUNT, [(record["id"], record["version"]) for record in accounts])
    if wanted.items is not None and wanted.items != before.items:
        await work.sql.execute(
            "DELETE FROM learning_path_item WHERE tenant_id = $1 AND path_id = $2", work.tenant_id, before.id
        )
        await work.sql.execute(
            """
            INSERT INTO learning_path_item (tenant_id, path_id, course_id, is_mandatory, position)
            SELECT $1, $2, course_id, is_mandatory, position
              FROM unnest($3::bigint[], $4::boolean[]) WITH ORDINALITY AS item (course_id, is_mandatory, position)
            """,
            work.tenant_id,
            before.id,
            [course_id for course_id, _ in wanted.items],
            [is_mandatory for _, is_mandatory in wanted.items],
        )


async def _record(work: UnitOfWork, kind: ContentKind, before: ContentState, wanted: Wanted) -> None:
    """Write the change row and the audit entry of a content that is `wanted` now."""
    old: dict[str, Any] = {API_NAMES[column]: value for column, value in before.columns.items()}
    new: dict[str, Any] = {API_NAMES[column]: value for column, value in wanted.columns.items()}
    if wanted.trainers is not None:
        # People by number: a name would have to be erased here one day.
        old["trainers"], new["trainers"] = sorted(before.trainers), sorted(wanted.trainers)
    if wanted.items is not None:
        titles = dict(wanted.titles)
        gone = [course_id for course_id, _ in before.items if course_id not in titles]
        for record in await work.sql.fetch(
            "SELECT id, title FROM content WHERE tenant_id = $1 AND id = ANY ($2::bigint[])", work.tenant_id, gone
        ):
            titles[record["id"]] = record["title"]
        old["items"], new["items"] = (
            [{"course": titles[course_id], "isMandatory": is_mandatory} for course_id, is_mandatory in items]
            for items in (before.items, wanted.items)
        )
    object_type = ObjectType(kind.value)
    await record_changes(work, object_type, [(before.id, before.version)])
    title: str = wanted.columns["title"] if "title" in wanted.columns else before.columns["title"]
    await audit(work, object_type, before.id, title, changed_fields(old, new))
