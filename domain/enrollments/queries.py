"""Enrollments as viewers see them: own ones, those of contents that a trainer trains, all for admins and READ."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from domain.content.queries import ContentKey, find_content_ids
from domain.enrollments.models import EnrollmentStatus
from domain.foundation.access import Principal, Source
from domain.foundation.database.sessions import Statements
from domain.foundation.errors import TooManyItems
from domain.foundation.keys import ExternalId, Reference
from domain.foundation.pages_of_many import read_alike, read_pages
from domain.foundation.paging import Order, Page, PageRequest, Query, SortKey, read_page
from domain.people.learners.keys import find_learner_ids
from domain.people.queries import LearnerKey

LONGEST_LIST = 100

_COLUMNS = (
    "e.id, e.learner_id, e.content_id, e.status, e.progress_percent, e.score, e.is_active, e.is_waitlisted,"
    " e.expires_at, e.enrolled_at, e.completed_at, e.version,"
    " CASE WHEN c.kind = 'COURSE' THEN e.lessons_done END AS lessons_done"
)
_SOURCE = "enrollment e JOIN content c ON c.id = e.content_id"
_ORDER = Order((SortKey("e.enrolled_at", "enrolled_at", "timestamptz"), SortKey("e.id", "id")), is_descending=True)


@dataclass(frozen=True, slots=True)
class EnrollmentRow:
    """A learner's place in a content."""

    id: int
    learner_id: int
    content_id: int
    status: str
    progress_percent: int
    score: int | None
    is_active: bool
    is_waitlisted: bool
    expires_at: dt.datetime | None
    enrolled_at: dt.datetime
    completed_at: dt.datetime | None
    version: int
    #: None for a path.
    lessons_done: int | None
    #: Whether the viewer may look the enrollment up; what hangs on it is shown only then.
    is_visible: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrollmentFilter:
    """Restriction of a list of enrollments: fields combine with AND, items with OR; None restricts nothing."""

    learners: tuple[Reference, ...] | None = None
    contents: tuple[Reference, ...] | None = None
    statuses: tuple[EnrollmentStatus, ...] | None = None
    is_active: bool | None = None
    sources: tuple[Source, ...] | None = None
    rule_id: int | None = None
    learning_path: Reference | None = None


@dataclass(frozen=True, slots=True)
class EnrollmentsOfLearner:
    """Key of one page of one learner's enrollments."""

    learner_id: int
    restriction: EnrollmentFilter
    request: PageRequest


def visibility(principal: Principal, row: str) -> str:
    """Return the SQL condition for what the viewer sees of rows with a learner and a content, named `row`."""
    if principal.sees_all:
        return "true"
    if principal.learner_id is None:
        return "false"
    own = f"{row}.learner_id = {principal.learner_id:d}"
    if not principal.is_trainer:
        return own
    # Starts from the few contents that somebody trains, not from all rows.
    trained = f"SELECT t.content_id FROM content_trainer t WHERE t.learner_id = {principal.learner_id:d}"
    return f"({own} OR {row}.content_id IN ({trained}))"


def query_enrollments(principal: Principal) -> Query:
    """Return the query of the tenant's enrollments, visible or not."""
    columns = f"{_COLUMNS}, {visibility(principal, 'e')} AS is_visible"
    return Query(columns, _SOURCE).where("e.tenant_id = ?", principal.tenant_id)


def _visible(principal: Principal) -> Query:
    return query_enrollments(principal).where(visibility(principal, "e"))


def query_enrollments_of(principal: Principal, learner_id: int) -> Query:
    """Return the query of one person's enrollments that the viewer may see, in no order."""
    return _visible(principal).where("e.learner_id = ?", learner_id)


async def find_enrollment(reads: Statements, principal: Principal, enrollment_id: int) -> EnrollmentRow | None:
    """Return an enrollment that the viewer may see, or None."""
    query = _visible(principal).where("e.id = ?", enrollment_id)
    return await reads.row(EnrollmentRow, query.text, *query.args)


async def load_enrollments_by_id(
    reads: Statements, principal: Principal, ids: Sequence[int]
) -> list[EnrollmentRow | None]:
    """Return enrollments that are reached from something visible or were just changed, with their own fields."""
    query = query_enrollments(principal).where("e.id = ANY (?::bigint[])", list(ids))
    rows = {row.id: row for row in await reads.rows(EnrollmentRow, query.text, *query.args)}
    return [rows.get(enrollment_id) for enrollment_id in ids]


async def load_own_enrollments_by_content(
    reads: Statements, principal: Principal, content_ids: Sequence[int]
) -> list[EnrollmentRow | None]:
    """Return the viewer's own enrollment in each content; None where there never was one."""
    if principal.learner_id is None:
        return [None for _ in content_ids]
    query = query_enrollments(principal)
    query.where("e.learner_id = ? AND e.content_id = ANY (?::bigint[])", principal.learner_id, list(content_ids))
    rows = {row.content_id: row for row in await reads.rows(EnrollmentRow, query.text, *query.args)}
    return [rows.get(content_id) for content_id in content_ids]


async def list_enrollments(
    reads: Statements,
    principal: Principal,
    *,
    restriction: EnrollmentFilter | None = None,
    request: PageRequest,
) -> Page[EnrollmentRow]:
    """Return a page of the enrollments that the viewer may see, latest first.

    Raises Forbidden for tools without READ.
    """
    require_enrollments(principal)
    query = await _restricted(reads, principal, restriction or EnrollmentFilter())
    return await read_page(reads, EnrollmentRow, query, _ORDER, request)


def require_enrollments(principal: Principal) -> None:
    """Raise Forbidden for tools without READ."""
    if not principal.is_person:
        principal.require_reading_all()


async def list_own_access(reads: Statements, principal: Principal, *, request: PageRequest) -> Page[EnrollmentRow]:
    """Return a page of what the viewer has access to now, latest first; empty for tools."""
    query = query_enrollments(principal).where("e.learner_id = ? AND e.is_active", principal.learner_id or 0)
    return await read_page(reads, EnrollmentRow, query, _ORDER, request)


async def load_enrollments_of_learners(
    reads: Statements, principal: Principal, keys: Sequence[EnrollmentsOfLearner]
) -> list[Page[EnrollmentRow]]:
    """Return a page of each learner's enrollments that the viewer may see, latest first."""

    async def read(alike: list[EnrollmentsOfLearner]) -> list[Page[EnrollmentRow]]:
        query = await _restricted(reads, principal, alike[0].restriction)
        parents = [(key.learner_id,) for key in alike]
        return await read_pages(
            reads, EnrollmentRow, query, _ORDER, alike[0].request, columns=["e.learner_id"], parents=parents
        )

    return await read_alike(keys, lambda key: (key.restriction, key.request), read)


async def _restricted(reads: Statements, principal: Principal, by: EnrollmentFilter) -> Query:
    query = _visible(principal)
    if by.learners is not None:
        query.where("e.learner_id = ANY (?::bigint[])", await learner_ids(reads, principal, by.learners))
    if by.contents is not None:
        query.where("e.content_id = ANY (?::bigint[])", await content_ids(reads, principal, by.contents))
    if by.statuses is not None:
        query.where("e.status = ANY (?::text[])", [status.value for status in by.statuses])
    if by.is_active is not None:
        query.where("e.is_active = ?", by.is_active)
    if by.sources is not None:
        query.where(
            "EXISTS (SELECT 1 FROM enrollment_reason r WHERE r.enrollment_id = e.id AND r.until_at IS NULL"
            " AND r.source = ANY (?::text[]))",
            [source.value for source in by.sources],
        )
    if by.rule_id is not None:
        # Who sees no rules finds nothing by one: whether it matches would tell of it.
        query.where("true" if principal.sees_all else "false")
        query.where(
            "EXISTS (SELECT 1 FROM enrollment_reason r WHERE r.enrollment_id = e.id AND r.until_at IS NULL"
            " AND r.rule_id = ?)",
            by.rule_id,
        )
    if by.learning_path is not None:
        paths = await content_ids(reads, principal, [by.learning_path], name="learningPathId")
        query.where(
            "EXISTS (SELECT 1 FROM enrollment_reason r WHERE r.enrollment_id = e.id AND r.until_at IS NULL"
            " AND r.path_id = ANY (?::bigint[]))",
            paths,
        )
    return query


async def learner_ids(
    reads: Statements, principal: Principal, references: Sequence[Reference], *, name: str = "learnerIds"
) -> list[int]:
    """Return the people whom a filter names; who may not be named matches nothing."""
    if len(references) > LONGEST_LIST:
        raise TooManyItems(limit=LONGEST_LIST, path=["filter", name])
    named = [LearnerKey.of(one) for one in references if isinstance(one, ExternalId)]
    found = await find_learner_ids(reads, principal, named) if named else []
    own = [one for one in references if not isinstance(one, ExternalId)]
    return [*own, *(one for one in found if one is not None)]


async def content_ids(
    reads: Statements, principal: Principal, references: Sequence[Reference], *, name: str = "contentIds"
) -> list[int]:
    """Return the contents that a filter names; what may not be named matches nothing."""
    if len(references) > LONGEST_LIST:
        raise TooManyItems(limit=LONGEST_LIST, path=["filter", name])
    named = [ContentKey(external_id=one) for one in references if isinstance(one, ExternalId)]
    found = await find_content_ids(reads, principal, named) if named else []
    own = [one for one in references if not isinstance(one, ExternalId)]
    return [*own, *(one for one in found if one is not None)]
