"""Places as viewers see them: admins and READ all, trainers departments and own groups, people where they belong."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from domain.foundation.access import Principal
from domain.foundation.database.row_shapes import keyed_rows_of
from domain.foundation.database.sessions import Statements
from domain.foundation.errors import Forbidden, NotFound, ProblemList
from domain.foundation.keys import ExternalId, Reference
from domain.foundation.paging import Order, Page, PageRequest, Query, SortKey, read_page
from domain.foundation.text_validation import NAME_LENGTH, key_text, storable_text
from domain.people.learners.keys import storable
from domain.people.models import PlaceKind
from domain.people.search_patterns import contains_pattern

_COLUMNS = "p.id, p.kind, p.external_id, p.name, p.name_key, p.owner_id, p.client_id, p.version"
_ORDER = Order((SortKey("p.name_key", "name_key", "text"), SortKey("p.id", "id")))


@dataclass(frozen=True, slots=True)
class PlaceRow:
    """Department, learning group, client or sublicense; `external_id` is None where the viewer may not see it."""

    id: int
    kind: str
    external_id: str | None
    name: str
    name_key: str
    owner_id: int | None
    client_id: int | None
    version: int


def _is_visible(principal: Principal, place: PlaceRow) -> bool:
    """Tell whether the viewer sees the whole place, whoever belongs to it."""
    if principal.sees_all:
        return True
    return principal.is_trainer and (
        place.kind == PlaceKind.DEPARTMENT
        or (place.kind == PlaceKind.LEARNING_GROUP and place.owner_id == principal.learner_id)
    )


def _shown(place: PlaceRow, principal: Principal) -> PlaceRow:
    return place if _is_visible(principal, place) else replace(place, external_id=None)


def _places(principal: Principal) -> Query:
    return Query(_COLUMNS, "place p").where("p.tenant_id = ?", principal.tenant_id)


async def find_place(reads: Statements, principal: Principal, kind: PlaceKind, place_id: int) -> PlaceRow | None:
    """Return a place that the viewer may look up, or None; people may look up where they belong."""
    query = _places(principal).where("p.id = ? AND p.kind = ?", place_id, kind.value)
    row = await reads.row(PlaceRow, query.text, *query.args)
    if row is None or _is_visible(principal, row):
        return row
    belongs = await reads.value(
        "SELECT true FROM learner_place WHERE tenant_id = $1 AND learner_id = $2 AND place_id = $3",
        principal.tenant_id,
        principal.learner_id,
        place_id,
    )
    return _shown(row, principal) if belongs else None


async def load_places_by_id(reads: Statements, principal: Principal, ids: Sequence[int]) -> list[PlaceRow | None]:
    """Return places that are reached from something visible, each as far as the viewer sees it."""
    rows = {row.id: _shown(row, principal) for row in await _load(reads, principal, ids)}
    return [rows.get(place_id) for place_id in ids]


async def load_changed_places_by_id(
    reads: Statements, principal: Principal, ids: Sequence[int]
) -> list[PlaceRow | None]:
    """Return places that the viewer has just changed, with all their own fields."""
    rows = {row.id: row for row in await _load(reads, principal, ids)}
    return [rows.get(place_id) for place_id in ids]


async def _load(reads: Statements, principal: Principal, ids: Sequence[int]) -> list[PlaceRow]:
    query = _places(principal).where("p.id = ANY (?::bigint[])", list(ids))
    return await reads.rows(PlaceRow, query.text, *query.args)


async def load_places_by_learner(reads: Statements, principal: Principal, ids: Sequence[int]) -> list[list[PlaceRow]]:
    """Return each person's places that the viewer may see, by name; own ones all."""
    places: dict[int, list[PlaceRow]] = {learner_id: [] for learner_id in ids}
    visible = [learner_id for learner_id in ids if _sees_places_of(principal, learner_id)]
    if visible:
        records = await reads.fetch(
            f"""
            SELECT lp.learner_id, {_COLUMNS} FROM learner_place lp JOIN place p ON p.id = lp.place_id
             WHERE lp.tenant_id = $1 AND lp.learner_id = ANY ($2::bigint[]) ORDER BY p.name_key, p.id
            """,
            principal.tenant_id,
            visible,
        )
        for learner_id, place in keyed_rows_of(PlaceRow, records):
            if learner_id == principal.learner_id or _is_visible(principal, place):
                places[learner_id].append(_shown(place, principal))
    return [places[learner_id] for learner_id in ids]


def _sees_places_of(principal: Principal, learner_id: int) -> bool:
    return principal.sees_all or principal.is_trainer or learner_id == principal.learner_id


async def load_member_counts(reads: Statements, principal: Principal, ids: Sequence[int]) -> list[int]:
    """Return how many active people belong to each place."""
    counts = {
        record["place_id"]: record["count"]
        for record in await reads.fetch(
            """
            SELECT lp.place_id, count(*) FROM learner_place lp JOIN learner l ON l.id = lp.learner_id
             WHERE lp.tenant_id = $1 AND lp.place_id = ANY ($2::bigint[]) AND l.tenant_id = $1 AND l.is_active
             GROUP BY lp.place_id
            """,
            principal.tenant_id,
            list(ids),
        )
    }
    return [counts.get(place_id, 0) for place_id in ids]


async def list_places(
    reads: Statements,
    principal: Principal,
    kind: PlaceKind,
    *,
    search: str | None = None,
    client: Reference | None = None,
    request: PageRequest,
) -> Page[PlaceRow]:
    """Return a page of the places of one kind, by name. Raises Forbidden where the viewer's role sees none at all."""
    is_for_trainers = kind in (PlaceKind.DEPARTMENT, PlaceKind.LEARNING_GROUP)
    if not principal.sees_all and not (principal.is_trainer and is_for_trainers):
        raise Forbidden
    query = _places(principal).where("p.kind = ?", kind.value)
    if kind is PlaceKind.LEARNING_GROUP and not principal.sees_all:
        query.where("p.owner_id = ?", principal.learner_id)
    if search is not None and key_text(search):
        text = storable_text(key_text(search), path=["search"], longest=NAME_LENGTH)
        query.where("p.name_key LIKE ?", contains_pattern(text))
    if client is not None:
        query.where(
            "p.client_id = ANY (?::bigint[])", await find_place_ids(reads, principal, PlaceKind.CLIENT, [client])
        )
    return await read_page(reads, PlaceRow, query, _ORDER, request)


async def find_named_places(
    sql: Statements, principal: Principal, kind: PlaceKind, references: Sequence[Reference]
) -> list[int | None]:
    """Return the place that each reference names, or None, in the order of the references.

    Of learning groups trainers name their own; tools need no READ for naming where they write.
    """
    found = await _find_ids(sql, principal.tenant_id, kind, references)
    if kind is PlaceKind.LEARNING_GROUP and principal.is_trainer:
        own = set(await _own(sql, principal, found.values()))
        found = {reference: place_id for reference, place_id in found.items() if place_id in own}
    return [found.get(reference) for reference in references]


async def _own(sql: Statements, principal: Principal, place_ids: Iterable[int]) -> list[int]:
    own: list[int] = await sql.values(
        "SELECT id FROM place WHERE tenant_id = $1 AND id = ANY ($2::bigint[]) AND owner_id = $3",
        principal.tenant_id,
        list(place_ids),
        principal.learner_id,
    )
    return own


async def find_place_ids(
    sql: Statements, principal: Principal, kind: PlaceKind, references: Sequence[Reference]
) -> list[int]:
    """Return the places of a filter that the viewer may see; the others match nothing."""
    found = await _find_ids(sql, principal.tenant_id, kind, references)
    if kind is PlaceKind.LEARNING_GROUP and not principal.sees_all:
        return await _own(sql, principal, found.values())
    return list(found.values())


async def resolve_places(
    sql: Statements,
    tenant_id: int,
    kind: PlaceKind,
    references: Sequence[Reference],
    path: Sequence[str | int],
) -> list[int]:
    """Return the ID of each place named; raises NotFound for each that is none of the kind, at `path` and its index."""
    found = await _find_ids(sql, tenant_id, kind, references)
    problems = ProblemList()
    for index, reference in enumerate(references):
        if reference not in found:
            problems.add(NotFound(path=[*path, index]))
    problems.raise_if_any()
    return [found[reference] for reference in references]


async def _find_ids(
    sql: Statements, tenant_id: int, kind: PlaceKind, references: Sequence[Reference]
) -> dict[Reference, int]:
    found: dict[Reference, int] = {}
    for record in await sql.fetch(
        """
        SELECT id, NULL AS external_id FROM place WHERE tenant_id = $1 AND kind = $2 AND id = ANY ($3::bigint[])
        UNION ALL
        SELECT id, external_id FROM place WHERE tenant_id = $1 AND kind = $2 AND external_id = ANY ($4::text[])
        """,
        tenant_id,
        kind.value,
        [reference for reference in references if not isinstance(reference, ExternalId)],
        storable(reference for reference in references if isinstance(reference, ExternalId)),
    ):
        external_id: str | None = record["external_id"]
        found[record["id"] if external_id is None else ExternalId(external_id)] = record["id"]
    return found
