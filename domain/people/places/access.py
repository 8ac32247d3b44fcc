"""Who may change which places: admins and WRITE_LEARNERS all of them, trainers the learning groups that they own."""

from collections.abc import Sequence
from dataclasses import dataclass

from domain.foundation.access import Principal, Scope
from domain.foundation.errors import NotFound
from domain.foundation.keys import Reference
from domain.foundation.unit_of_work import UnitOfWork
from domain.people.models import PlaceKind
from domain.people.places.queries import resolve_places


@dataclass(frozen=True, slots=True)
class LockedPlace:
    """A place as it stays until the end of the transaction."""

    id: int
    kind: str
    external_id: str | None
    name: str
    owner_id: int | None
    client_id: int | None
    version: int
    edited_version: int


def require_place_rights(principal: Principal, kind: PlaceKind) -> None:
    """Raise Forbidden unless the caller may change some places of a kind."""
    if not (principal.is_trainer and kind is PlaceKind.LEARNING_GROUP):
        principal.require_write(Scope.WRITE_LEARNERS)


async def hold_place(work: UnitOfWork, kind: PlaceKind, reference: Reference, *, path: Sequence[str | int]) -> int:
    """Return the place that is named and keep it from being deleted; raises NotFound, for what is not theirs too."""
    return (await _lock(work, kind, reference, path, "id = $2", "KEY SHARE"))[0].id


async def lock_place(
    work: UnitOfWork, kind: PlaceKind, reference: Reference, *, path: Sequence[str | int]
) -> LockedPlace:
    """Lock a place for a change of its own fields; raises NotFound, for what is not theirs too."""
    return (await _lock(work, kind, reference, path, "id = $2", "NO KEY UPDATE"))[0]


async def lock_places_to_delete(
    work: UnitOfWork, kind: PlaceKind, reference: Reference, *, path: Sequence[str | int]
) -> list[LockedPlace]:
    """Lock a place and, of a client, its sublicenses, and return them with the one that is named first."""
    # The client before anything else: a sublicense that somebody is just making has to be seen by the next statement.
    await _lock(work, kind, reference, path, "id = $2", "UPDATE")
    return await _lock(work, kind, reference, path, "(id = $2 OR client_id = $2)", "UPDATE")


async def _lock(
    work: UnitOfWork,
    kind: PlaceKind,
    reference: Reference,
    path: Sequence[str | int],
    condition: str,
    strength: str,
) -> list[LockedPlace]:
    try:
        [place_id] = await resolve_places(work.sql, work.tenant_id, kind, [reference], path)
    except NotFound as error:
        raise NotFound(path=path) from error
    places = await work.sql.rows(
        LockedPlace,
        "SELECT id, kind, external_id, name, owner_id, client_id, version, edited_version FROM place"
        f" WHERE tenant_id = $1 AND {condition} ORDER BY id FOR {strength}",
        work.tenant_id,
        place_id,
    )
    places.sort(key=lambda place: place.id != place_id)
    if not places or places[0].id != place_id or not _is_theirs(work.principal, places[0]):
        raise NotFound(path=path)
    return places


def _is_theirs(principal: Principal, place: LockedPlace) -> bool:
    return principal.may_write(Scope.WRITE_LEARNERS) or (
        place.kind == PlaceKind.LEARNING_GROUP and place.owner_id == principal.learner_id
    )
