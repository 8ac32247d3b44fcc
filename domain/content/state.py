"""A content as it stands, locked for a change."""

from dataclasses import dataclass
from typing import Any

from domain.content.fields import API_NAMES
from domain.foundation.unit_of_work import UnitOfWork

#: Courses of a path in order, each with whether it is mandatory.
Items = tuple[tuple[int, bool], ...]


@dataclass(slots=True)
class ContentState:
    """A content with everything that a change compares."""

    id: int
    version: int
    edited_version: int
    columns: dict[str, Any]
    trainers: frozenset[int] = frozenset()
    items: Items = ()


async def lock_content(work: UnitOfWork, content_id: int) -> ContentState:
    """Lock a content and return it as it stays until the end of the transaction."""
    [record] = await work.sql.fetch(
        f"SELECT id, version, edited_version, {', '.join(API_NAMES)} FROM content"
        " WHERE tenant_id = $1 AND id = $2 FOR NO KEY UPDATE",
        work.tenant_id,
        content_id,
    )
    trainers = await work.sql.values(
        "SELECT learner_id FROM content_trainer WHERE tenant_id = $1 AND content_id = $2", work.tenant_id, content_id
    )
    items = await work.sql.fetch(
        "SELECT course_id, is_mandatory FROM learning_path_item"
        " WHERE tenant_id = $1 AND path_id = $2 ORDER BY position",
        work.tenant_id,
        content_id,
    )
    return ContentState(
        id=record["id"],
        version=record["version"],
        edited_version=record["edited_version"],
        columns={column: record[column] for column in API_NAMES},
        trainers=frozenset(trainers),
        items=tuple((item["course_id"], item["is_mandatory"]) for item in items),
    )
