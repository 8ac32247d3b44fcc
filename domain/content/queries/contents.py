"""Contents as viewers see them: whole, or in the short form where they are reached from something visible."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from domain.content.models import ContentKind
from domain.content.queries.keys import ContentKey, find_content_ids
from domain.content.queries.visibility import assignability, visibility
from domain.foundation.access import Principal
from domain.foundation.database.sessions import Statements
from domain.foundation.paging import Order, Page, PageRequest, Query, SortKey, read_page
from domain.foundation.text_validation import NAME_LENGTH, key_text, name_key, storable_text

_ORDER = Order((SortKey("c.title_key", "title_key", "text"), SortKey("c.id", "id")))


@dataclass(frozen=True, slots=True)
class ContentRow:
    """A course or learning path; None where the viewer may not see it."""

    id: int
    kind: str
    external_id: str | None
    title: str
    title_key: str
    minimum_score: int | None
    lesson_count: int
    is_self_enrollable: bool
    seat_limit: int | None
    has_waitlist: bool
    access_days: int | None
    version: int
    can_assign: bool
    #: Whether the viewer may look the content up; what hangs on it is shown only then.
    is_visible: bool


@dataclass(frozen=True, slots=True)
class PathItemRow:
    """Place of a course in a learning path."""

    course_id: int
    is_mandatory: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentFilter:
    """Restriction of a list of contents; fields combine with AND, None restricts nothing."""

    search: str | None = None
    kind: ContentKind | None = None
    is_assignable: bool | None = None
    is_self_enrollable: bool | None = None


def _contents(principal: Principal) -> Query:
    columns = (
        "c.id, c.kind, c.external_id, c.title, c.title_key, c.minimum_score, c.lesson_count, c.is_self_enrollable,"
        " c.seat_limit, c.has_waitlist, c.access_days, c.version,"
        f" {assignability(principal)} AS can_assign, {visibility(principal)} AS is_visible"
    )
    return Query(columns, "content c").where("c.tenant_id = ?", principal.tenant_id)


def _shown(row: ContentRow) -> ContentRow:
    if row.is_visible:
        return row
    return replace(row, external_id=None, minimum_score=None, seat_limit=None, access_days=None)


async def find_content(reads: Statements, principal: Principal, content_id: int) -> ContentRow | None:
    """Return a content that the viewer may look up, or None."""
    query = _contents(principal).where("c.id = ?", content_id)
    row = await reads.row(ContentRow, query.text, *query.args)
    return row if row and row.is_visible else None


async def find_content_by_key(reads: Statements, principal: Principal, key: ContentKey) -> ContentRow | None:
    """Return the content that a key names, or None; raises Forbidden for tools without READ."""
    _require_catalogue(principal)
    if key.id is not None:
        return await find_content(reads, principal, key.id)
    [content_id] = await find_content_ids(reads, principal, [key])
    return None if content_id is None else await find_content(reads, principal, content_id)


async def load_contents_by_id(reads: Statements, principal: Principal, ids: Sequence[int]) -> list[ContentRow | None]:
    """Return contents that are reached from something visible, each as far as the viewer sees it."""
    rows = {row.id: _shown(row) for row in await _load(reads, principal, ids)}
    return [rows.get(content_id) for content_id in ids]


async def load_changed_contents_by_id(
    reads: Statements, principal: Principal, ids: Sequence[int]
) -> list[ContentRow | None]:
    """Return contents that the viewer has just changed: a tool sees their own fields without READ."""
    rows = {row.id: row for row in await _load(reads, principal, ids)}
    return [rows.get(content_id) for content_id in ids]


async def _load(reads: Statements, principal: Principal, ids: Sequence[int]) -> list[ContentRow]:
    query = _contents(principal).where("c.id = ANY (?::bigint[])", list(ids))
    return await reads.rows(ContentRow, query.text, *query.args)


async def load_trainer_ids_by_content(reads: Statements, principal: Principal, ids: Sequence[int]) -> list[list[int]]:
    """Return the trainers of each content, by name."""
    trainers: dict[int, list[int]] = {content_id: [] for content_id in ids}
    for record in await reads.fetch(
        """
        SELECT t.content_id, t.learner_id FROM content_trainer t JOIN learner l ON l.id = t.learner_id
         WHERE t.tenant_id = $1 AND t.content_id = ANY ($2::bigint[]) ORDER BY l.name_key, l.id
        """,
        principal.tenant_id,
        list(ids),
    ):
        trainers[record["content_id"]].append(record["learner_id"])
    return [trainers[content_id] for content_id in ids]


async def load_items_by_path(reads: Statements, principal: Principal, ids: Sequence[int]) -> list[list[PathItemRow]]:
    """Return the courses of each learning path, in order."""
    items: dict[int, list[PathItemRow]] = {path_id: [] for path_id in ids}
    for record in await reads.fetch(
        """
        SELECT path_id, course_id, is_mandatory FROM learning_path_item
         WHERE tenant_id = $1 AND path_id = ANY ($2::bigint[]) ORDER BY path_id, position
        """,
        principal.tenant_id,
        list(ids),
    ):
        items[record["path_id"]].append(PathItemRow(record["course_id"], record["is_mandatory"]))
    return [items[path_id] for path_id in ids]


async def list_contents(
    reads: Statements, principal: Principal, *, restriction: ContentFilter | None = None, request: PageRequest
) -> Page[ContentRow]:
    """Return a page of the contents that the viewer may see, by title. Raises Forbidden for tools without READ."""
    _require_catalogue(principal)
    by = restriction or ContentFilter()
    query = _contents(principal).where(visibility(principal))
    if by.search is not None and key_text(by.search):
        text = storable_text(key_text(by.search), path=["filter", "search"], longest=NAME_LENGTH)
        query.where("strpos(c.title_key, ?) > 0", name_key(text))
    if by.kind is not None:
        query.where("c.kind = ?", by.kind.value)
    if by.is_assignable is not None:
        condition = assignability(principal)
        query.where(condition if by.is_assignable else f"NOT {condition}")
    if by.is_self_enrollable is not None:
        query.where("c.is_self_enrollable = ?", by.is_self_enrollable)
    return await read_page(reads, ContentRow, query, _ORDER, request)


def _require_catalogue(principal: Principal) -> None:
    if not principal.is_person:
        principal.require_reading_all()
