"""People as viewers see them: themselves, the directory (trainers), everything (admins and READ), or the short form."""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from domain.foundation.access import Principal, Role
from domain.foundation.database.sessions import Statements
from domain.foundation.errors import NotPermitted, ProblemList
from domain.foundation.keys import Reference
from domain.foundation.paging import Order, Page, PageRequest, Query, SortKey, read_page
from domain.foundation.text_validation import EMAIL_LENGTH, key_text, storable_text
from domain.people.learners.keys import LearnerKey, find_learner_ids
from domain.people.models import PlaceKind
from domain.people.places.queries import find_place_ids
from domain.people.search_patterns import contains_pattern

_COLUMNS = (
    "l.id, l.external_id, l.name, l.name_key, l.email, l.role, l.is_active,"
    " coalesce(l.time_zone, t.time_zone) AS time_zone, l.created_at, l.version"
)
_SOURCE = "learner l JOIN tenant t ON t.id = l.tenant_id"


@dataclass(frozen=True, slots=True)
class LearnerRow:
    """A person; None where the viewer may not see it."""

    id: int
    external_id: str | None
    name: str
    name_key: str
    email: str | None
    role: str | None
    is_active: bool | None
    #: The tenant's unless they have one of their own.
    time_zone: str | None
    created_at: dt.datetime
    version: int


@dataclass(frozen=True, slots=True)
class RefRow:
    """A reference value with the tenant's label of its field."""

    number: int
    label: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnerFilter:
    """Restriction of a list of people: fields combine with AND, items with OR; None restricts nothing."""

    search: str | None = None
    department_ids: Sequence[Reference] | None = None
    learning_group_ids: Sequence[Reference] | None = None
    client_ids: Sequence[Reference] | None = None
    sublicense_ids: Sequence[Reference] | None = None
    roles: Sequence[Role] | None = None
    is_active: bool | None = None


def sees_everything_of(principal: Principal, learner_id: int) -> bool:
    """Tell whether the viewer sees all about a person: it is themselves, or they read the whole tenant."""
    return principal.sees_all or learner_id == principal.learner_id


def visible_to(query: Query, principal: Principal) -> Query:
    """Restrict a query over `learner l` to the people whom the viewer may look up."""
    if principal.sees_all or principal.is_trainer:
        return query
    # A tool without READ sees nobody: no person has this ID.
    return query.where("l.id = ?", principal.learner_id or 0)


def _shown(row: LearnerRow, principal: Principal) -> LearnerRow:
    if sees_everything_of(principal, row.id):
        return row
    if principal.is_trainer:
        return replace(row, external_id=None, time_zone=None)
    return replace(row, external_id=None, email=None, role=None, is_active=None, time_zone=None)


def _people(principal: Principal) -> Query:
    return Query(_COLUMNS, _SOURCE).where("l.tenant_id = ?", principal.tenant_id)


async def find_learner(reads: Statements, principal: Principal, learner_id: int) -> LearnerRow | None:
    """Return a person whom the viewer may look up, or None."""
    query = visible_to(_people(principal).where("l.id = ?", learner_id), principal)
    row = await reads.row(LearnerRow, query.text, *query.args)
    return _shown(row, principal) if row else None


async def find_learner_by_key(reads: Statements, principal: Principal, key: LearnerKey) -> LearnerRow | None:
    """Return the person whom a key names, or None; raises Forbidden for tools without READ."""
    _require_directory(principal)
    if key.id is not None:
        return await find_learner(reads, principal, key.id)
    [learner_id] = await find_learner_ids(reads, principal, [key])
    return None if learner_id is None else await find_learner(reads, principal, learner_id)


async def load_learners_by_id(reads: Statements, principal: Principal, ids: Sequence[int]) -> list[LearnerRow | None]:
    """Return people who are reached from something visible, each as far as the viewer sees them."""
    rows = {row.id: _shown(row, principal) for row in await _load(reads, principal, ids)}
    return [rows.get(learner_id) for learner_id in ids]


async def load_changed_learners_by_id(
    reads: Statements, principal: Principal, ids: Sequence[int]
) -> list[LearnerRow | None]:
    """Return people whom the viewer has just changed: a tool sees their own fields without READ."""
    is_tool = principal.service_account_id is not None
    rows = {row.id: row if is_tool else _shown(row, principal) for row in await _load(reads, principal, ids)}
    return [rows.get(learner_id) for learner_id in ids]


async def _load(reads: Statements, principal: Principal, ids: Iterable[int]) -> list[LearnerRow]:
    query = _people(principal).where("l.id = ANY (?::bigint[])", list(ids))
    return await reads.rows(LearnerRow, query.text, *query.args)


async def load_learner_refs_by_learner(
    reads: Statements, principal: Principal, ids: Sequence[int]
) -> list[list[RefRow]]:
    """Return each person's reference values by number; empty where the viewer may not see them."""
    visible = [learner_id for learner_id in ids if sees_everything_of(principal, learner_id)]
    refs: dict[int, list[RefRow]] = {learner_id: [] for learner_id in ids}
    if visible:
        for record in await reads.fetch(
            """
            SELECT r.learner_id, r.number, r.value,
                   coalesce(t.ref_labels ->> r.number::text, 'Ref#' || r.number) AS label
              FROM learner_ref r JOIN tenant t ON t.id = r.tenant_id
             WHERE r.tenant_id = $1 AND r.learner_id = ANY ($2::bigint[]) ORDER BY r.learner_id, r.number
            """,
            principal.tenant_id,
            visible,
        ):
            refs[record["learner_id"]].append(RefRow(record["number"], record["label"], record["value"]))
    return [refs[learner_id] for learner_id in ids]


def learner_order(*, by_creation: bool = False, is_descending: bool = False) -> Order:
    """Return the order of a list of people: by name, or by when they were created."""
    by_name = SortKey("l.name_key", "name_key", "text")
    created = SortKey("l.created_at", "created_at", "timestamptz")
    return Order((created if by_creation else by_name, SortKey("l.id", "id")), is_descending)


async def list_learners(
    reads: Statements,
    principal: Principal,
    *,
    restriction: LearnerFilter | None = None,
    order: Order | None = None,
    request: PageRequest,
) -> Page[LearnerRow]:
    """Return a page of the people whom the viewer may see. Raises Forbidden for tools without READ."""
    _require_directory(principal)
    query = visible_to(_people(principal), principal)
    await _restrict(reads, principal, query, restriction or LearnerFilter())
    page = await read_page(reads, LearnerRow, query, order or learner_order(), request)
    return replace(page, rows=[_shown(row, principal) for row in page.rows])


async def list_learners_among(
    reads: Statements, principal: Principal, people: str, args: Sequence[object], request: PageRequest
) -> Page[LearnerRow]:
    """Return a page, by name, of the people whom SQL tells as rows of `learner_id`, as far as the viewer sees them."""
    source = f"({people}) among JOIN learner l ON l.id = among.learner_id JOIN tenant t ON t.id = l.tenant_id"
    page = await read_page(reads, LearnerRow, Query(_COLUMNS, source, args), learner_order(), request)
    return replace(page, rows=[_shown(row, principal) for row in page.rows])


async def _restrict(reads: Statements, principal: Principal, query: Query, by: LearnerFilter) -> None:
    problems = ProblemList()
    if principal.is_trainer and by.client_ids is not None:
        problems.add(NotPermitted(path=["filter", "clientIds"]))
    if principal.is_trainer and by.sublicense_ids is not None:
        problems.add(NotPermitted(path=["filter", "sublicenseIds"]))
    problems.raise_if_any()
    if by.search is not None and key_text(by.search):
        text = storable_text(key_text(by.search), path=["filter", "search"], longest=EMAIL_LENGTH)
        query.where("l.id IN (SELECT search_learners(?))", contains_pattern(text))
    for kind, references in (
        (PlaceKind.DEPARTMENT, by.department_ids),
        (PlaceKind.LEARNING_GROUP, by.learning_group_ids),
        (PlaceKind.CLIENT, by.client_ids),
        (PlaceKind.SUBLICENSE, by.sublicense_ids),
    ):
        if references is not None:
            place_ids = await find_place_ids(reads, principal, kind, references)
            query.where(
                "l.id IN (SELECT p.learner_id FROM learner_place p"
                " WHERE p.tenant_id = ? AND p.kind = ? AND p.place_id = ANY (?::bigint[]))",
                principal.tenant_id,
                kind.value,
                place_ids,
            )
    if by.roles is not None:
        query.where("l.role = ANY (?::text[])", [role.value for role in by.roles])
    if by.is_active is not None:
        query.where("l.is_active = ?", by.is_active)


def _require_directory(principal: Principal) -> None:
    if not principal.is_person:
        principal.require_reading_all()
