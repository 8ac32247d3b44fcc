"""Creating and changing departments, learning groups, clients and sublicenses."""

from dataclasses import dataclass

from domain.foundation.audit.recording import FieldChange, audit, changed_fields
from domain.foundation.errors import NotFound, ProblemList, VersionConflict
from domain.foundation.feed.changes import record_changes
from domain.foundation.keys import Reference
from domain.foundation.locks import share_rules
from domain.foundation.text_validation import name_key
from domain.foundation.unit_of_work import UnitOfWork
from domain.people.learners.changes import UNSET, Unset
from domain.people.learners.writing import retried_when_taken
from domain.people.models import PlaceKind
from domain.people.places.access import hold_place, lock_place, require_place_rights
from domain.people.places.recording import OBJECT_TYPES, record_owner_change
from domain.people.places.validation import check_new_owner, check_owner, check_texts


@dataclass(frozen=True, slots=True)
class _Place:
    name: str
    external_id: str | None
    owner_id: int | None = None
    client_id: int | None = None


async def create_place(
    work: UnitOfWork,
    *,
    kind: PlaceKind,
    name: str,
    external_id: str | None = None,
    owner: Reference | None = None,
    client: Reference | None = None,
) -> int:
    """Create a place and return its ID.

    A learning group without `owner` belongs to the caller, who has to be a person; a sublicense needs `client`.
    """
    require_place_rights(work.principal, kind)
    await share_rules(work)
    problems = ProblemList()
    client_id = None
    if kind is PlaceKind.SUBLICENSE:
        if client is None:
            raise ValueError("A sublicense belongs to a client.")
        try:
            client_id = await hold_place(work, PlaceKind.CLIENT, client, path=["clientId"])
        except NotFound as error:
            problems.add(error)
    name, external_id = await check_texts(work, problems, kind, name, external_id, place_id=0)
    owner_id = await check_new_owner(work, problems, owner) if kind is PlaceKind.LEARNING_GROUP else None
    problems.raise_if_any()
    place = _Place(name, external_id, owner_id, client_id)
    place_id = await _insert(work, kind, place)
    await audit(work, OBJECT_TYPES[kind], place_id, name, await _changes(work, _Place("", None), place))
    await record_changes(work, OBJECT_TYPES[kind], [(place_id, 1)])
    if owner_id is not None:
        await record_owner_change(work, owner_id)
    return place_id


async def update_place(
    work: UnitOfWork,
    *,
    kind: PlaceKind,
    place: Reference,
    name: str | Unset = UNSET,
    external_id: str | Unset | None = UNSET,
    owner: Reference | Unset = UNSET,
    expected_version: int | None = None,
) -> int:
    """Change the name, the partner's ID or the owner of a place and return its ID; fields left out stay."""
    require_place_rights(work.principal, kind)
    await share_rules(work)
    locked = await lock_place(work, kind, place, path=["id"])
    if expected_version is not None and locked.edited_version > expected_version:
        raise VersionConflict(current_version=locked.version)
    problems = ProblemList()
    before = _Place(locked.name, locked.external_id, locked.owner_id, locked.client_id)
    new_name, new_external_id = await check_texts(
        work,
        problems,
        kind,
        before.name if isinstance(name, Unset) else name,
        before.external_id if isinstance(external_id, Unset) else external_id,
        place_id=locked.id,
    )
    owner_id = before.owner_id if isinstance(owner, Unset) else await check_owner(work, problems, owner)
    problems.raise_if_any()
    after = _Place(new_name, new_external_id, owner_id, before.client_id)
    if after == before:
        return locked.id
    version = locked.version + 1
    with retried_when_taken():
        await work.sql.execute(
            "UPDATE place SET external_id = $3, name = $4, name_key = $5, owner_id = $6, version = $7,"
            " edited_version = $7 WHERE tenant_id = $1 AND id = $2",
            work.tenant_id,
            locked.id,
            after.external_id,
            after.name,
            name_key(after.name),
            after.owner_id,
            version,
        )
    await audit(work, OBJECT_TYPES[kind], locked.id, after.name, await _changes(work, before, after))
    await record_changes(work, OBJECT_TYPES[kind], [(locked.id, version)])
    if after.owner_id != before.owner_id:
        await record_owner_change(work, before.owner_id, after.owner_id)
    return locked.id


async def _insert(work: UnitOfWork, kind: PlaceKind, place: _Place) -> int:
    with retried_when_taken():
        place_id: int = await work.sql.value(
            """
            INSERT INTO place (tenant_id, kind, external_id, name, name_key, owner_id, client_id, version,
                               edited_version)
            VALUES ($1, $2, $3, $4, $5, $6, $7, 1, 1) RETURNING id
            """,
            work.tenant_id,
            kind.value,
            place.external_id,
            place.name,
            name_key(place.name),
            place.owner_id,
            place.client_id,
        )
    return place_id


async def _changes(work: UnitOfWork, before: _Place, after: _Place) -> list[FieldChange]:
    """Return what an audit entry says: places by their names at the time, people by number."""
    changes = changed_fields(
        {"externalId": before.external_id, "name": before.name or None},
        {"externalId": after.external_id, "name": after.name},
    )
    if before.owner_id != after.owner_id:
        # A name would have to be erased here one day.
        changes.append(FieldChange("owner", before.owner_id, after.owner_id))
    if before.client_id != after.client_id:
        names = await _client_names(work, before.client_id, after.client_id)
        changes.append(FieldChange("client", names.get(before.client_id), names.get(after.client_id)))
    return changes


async def _client_names(work: UnitOfWork, *ids: int | None) -> dict[int | None, str]:
    records = await work.sql.fetch(
        "SELECT id, name FROM place WHERE tenant_id = $1 AND id = ANY ($2::bigint[])",
        work.tenant_id,
        [object_id for object_id in ids if object_id is not None],
    )
    return {record["id"]: record["name"] for record in records}
