"""People with everything that rules see of them, content statuses aside: as they are, and as they are to be."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from domain.foundation.access import Role
from domain.foundation.unit_of_work import UnitOfWork
from domain.people.locks import lock_learners
from domain.people.models import PlaceKind


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnerState:
    """A person with their reference values and placements."""

    id: int
    external_id: str | None = None
    email: str | None = None
    name: str = ""
    role: Role = Role.LEARNER
    is_active: bool = True
    is_erased: bool = False
    time_zone: str | None = None
    version: int = 0
    edited_version: int = 0
    refs: dict[int, str] = field(default_factory=dict)
    places: dict[PlaceKind, frozenset[int]] = field(default_factory=dict)

    @property
    def is_active_admin(self) -> bool:
        """Whether they are one of those of whom at least one has to stay."""
        return self.is_active and self.role is Role.ADMIN

    def belongs_to(self, kind: PlaceKind) -> frozenset[int]:
        """Return the places of one kind."""
        return self.places.get(kind, frozenset())


async def lock_states(work: UnitOfWork, ids: Collection[int]) -> dict[int, LearnerState]:
    """Lock people and return them with their facts, in four statements however many they are."""
    locked = await lock_learners(work, ids)
    found = [learner.id for learner in locked]
    refs: dict[int, dict[int, str]] = {learner_id: {} for learner_id in found}
    places: dict[int, dict[PlaceKind, set[int]]] = {learner_id: {} for learner_id in found}
    # Statements of their own, after the locks: only then are the facts the latest ones.
    for record in await _of_learners(work, "learner_id, number, value", "learner_ref", found):
        refs[record["learner_id"]][record["number"]] = record["value"]
    for record in await _of_learners(work, "learner_id, kind, place_id", "learner_place", found):
        places[record["learner_id"]].setdefault(PlaceKind(record["kind"]), set()).add(record["place_id"])
    return {
        learner.id: LearnerState(
            id=learner.id,
            external_id=learner.external_id,
            email=learner.email,
            name=learner.name,
            role=Role(learner.role),
            is_active=learner.is_active,
            is_erased=learner.is_erased,
            time_zone=learner.time_zone,
            version=learner.version,
            edited_version=learner.edited_version,
            refs=refs[learner.id],
            places={kind: frozenset(ids) for kind, ids in places[learner.id].items()},
        )
        for learner in locked
    }


async def _of_learners(work: UnitOfWork, columns: str, table: str, ids: list[int]) -> list[Any]:
    return await work.sql.fetch(
        f"SELECT {columns} FROM {table} WHERE tenant_id = $1 AND learner_id = ANY ($2::bigint[])", work.tenant_id, ids
    )
