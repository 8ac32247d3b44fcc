"""What one person has been told in the platform. Nobody else sees it, whatever they may see otherwise."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from domain.foundation.access import Principal
from domain.foundation.database.sessions import Statements
from domain.foundation.errors import Forbidden, Invalid, NotFound, ProblemList, TooManyItems
from domain.foundation.feed.changes import ObjectType, record_changes
from domain.foundation.paging import Order, Page, PageRequest, Query, SortKey, read_page
from domain.foundation.unit_of_work import UnitOfWork

MAX_IDS = 100
#: Of the notifications up to one, so many are in the answer.
LISTED = 100

#: Columns of a `NotificationRow`.
COLUMNS = "id, category, kind, title, task_id, content_id, read_at, created_at, version"
_NEWEST_FIRST = Order((SortKey("id", "id"),), is_descending=True)


@dataclass(frozen=True, slots=True)
class NotificationRow:
    """A notification of the viewer."""

    id: int
    category: str
    kind: str
    title: str
    task_id: int | None
    content_id: int | None
    read_at: datetime | None
    created_at: datetime
    version: int


def _own(principal: Principal) -> Query:
    # A service account has none: no person has this ID.
    return Query(COLUMNS, "notification").where(
        "tenant_id = ? AND learner_id = ?", principal.tenant_id, principal.learner_id or 0
    )


async def list_notifications(
    reads: Statements, principal: Principal, request: PageRequest, *, is_read: bool | None = None
) -> Page[NotificationRow]:
    """Return a page of the viewer's notifications, newest first; empty for service accounts."""
    query = _own(principal)
    if is_read is not None:
        query.where("read_at IS NOT NULL" if is_read else "read_at IS NULL")
    return await read_page(reads, NotificationRow, query, _NEWEST_FIRST, request)


async def load_notifications_by_id(
    reads: Statements, principal: Principal, ids: Sequence[int]
) -> list[NotificationRow | None]:
    """Return the viewer's notifications aligned with their IDs; those of others do not exist."""
    query = _own(principal).where("id = ANY (?::bigint[])", list(ids))
    rows = {row.id: row for row in await reads.rows(NotificationRow, query.text, *query.args)}
    return [rows.get(id) for id in ids]


async def mark_notifications_read(
    work: UnitOfWork, *, ids: Sequence[int] | None = None, until_id: int | None = None
) -> list[int]:
    """Mark notifications of the caller as read: those named, and the one named with all older ones.

    Returns those named, in order, then the newest of the others that were marked, 100 at most. Needs a person. Raises
    NotFound, TooManyItems, and Invalid when nothing is named.
    """
    principal = work.principal
    if not principal.is_person:
        raise Forbidden
    if ids is None and until_id is None:
        raise Invalid("Name notifications by `ids`, by `untilId`, or both.")
    if ids is not None and len(ids) > MAX_IDS:
        raise TooManyItems(limit=MAX_IDS, path=["ids"])
    named = list(dict.fromkeys(ids or ()))
    await _require_own(work, ids or (), until_id)
    marked = await work.sql.fetch(
        """
        WITH unread AS (
          SELECT id FROM notification
           WHERE tenant_id = $1 AND learner_id = $2 AND read_at IS NULL AND (id = ANY ($3::bigint[]) OR id <= $4)
           ORDER BY id FOR NO KEY UPDATE)
        UPDATE notification n SET read_at = $5, version = n.version + 1 FROM unread
         WHERE n.id = unread.id AND n.tenant_id = $1 RETURNING n.id, n.version
        """,
        principal.tenant_id,
        principal.learner_id,
        named,
        until_id,
        work.now,
    )
    await record_changes(work, ObjectType.NOTIFICATION, sorted((record["id"], record["version"]) for record in marked))
    if until_id is not None and until_id not in named:
        named.append(until_id)
    others = {record["id"] for record in marked} - set(named)
    return named + sorted(others, reverse=True)[:LISTED]


async def _require_own(work: UnitOfWork, ids: Sequence[int], until_id: int | None) -> None:
    query = _own(work.principal).where("id = ANY (?::bigint[])", [*ids, until_id or 0])
    own = {row.id for row in await work.sql.rows(NotificationRow, query.text, *query.args)}
    problems = ProblemList()
    for index, id in enumerate(ids):
        if id not in own:
            problems.add(NotFound(path=["ids", index]))
    if until_id is not None and until_id not in own:
        problems.add(NotFound(path=["untilId"]))
    problems.raise_if_any()
