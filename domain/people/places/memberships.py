"""Who belongs to a learning group, a client or a sublicense. People and tools change it; rules never do."""

from collections.abc import Sequence
from dataclasses import replace

from domain.foundation.access import Role
from domain.foundation.errors import Invalid, NotPermitted, ProblemList, TooManyItems
from domain.foundation.keys import Reference
from domain.foundation.locks import share_rules
from domain.foundation.unit_of_work import UnitOfWork
from domain.people.errors import LearnerIsErased
from domain.people.learners.keys import LearnerKey, resolve_learners
from domain.people.learners.recording import LearnerWrite
from domain.people.learners.state import LearnerState, lock_states
from domain.people.learners.writing import write_learners
from domain.people.models import PlaceKind
from domain.people.places.access import hold_place, require_place_rights

MOST_LEARNERS = 100
_PATHS = {
    PlaceKind.LEARNING_GROUP: "learningGroupId",
    PlaceKind.CLIENT: "clientId",
    PlaceKind.SUBLICENSE: "sublicenseId",
}


async def add_members(
    work: UnitOfWork, *, kind: PlaceKind, place: Reference, learners: Sequence[LearnerKey]
) -> list[int]:
    """Have people belong to a place and return their IDs in the order of the keys."""
    return await _change_members(work, kind, place, learners, belongs=True)


async def remove_members(
    work: UnitOfWork, *, kind: PlaceKind, place: Reference, learners: Sequence[LearnerKey]
) -> list[int]:
    """Have people no longer belong to a place and return their IDs in the order of the keys."""
    return await _change_members(work, kind, place, learners, belongs=False)


async def _change_members(
    work: UnitOfWork, kind: PlaceKind, place: Reference, keys: Sequence[LearnerKey], *, belongs: bool
) -> list[int]:
    require_place_rights(work.principal, PlaceKind.LEARNING_GROUP)
    if not keys:
        raise Invalid("At least one learner.", path=["learners"])
    if len(keys) > MOST_LEARNERS:
        raise TooManyItems(limit=MOST_LEARNERS, path=["learners"])
    await share_rules(work)
    place_id = await hold_place(work, kind, place, path=["target", _PATHS[kind]])
    ids = await resolve_learners(work.sql, work.principal, keys)
    states = await lock_states(work, ids)
    if work.principal.service_account_id is not None:
        _refuse_other_roles([states[learner_id] for learner_id in ids])
    if belongs:
        _refuse_erased([states[learner_id] for learner_id in ids])
    writes = []
    for before in states.values():
        present = before.belongs_to(kind)
        wanted = present | {place_id} if belongs else present - {place_id}
        places = {**before.places, kind: wanted}
        after = replace(before, places={other: members for other, members in places.items() if members})
        writes.append(LearnerWrite(before, after))
    await write_learners(work, writes)
    return ids


def _refuse_erased(learners: Sequence[LearnerState]) -> None:
    problems = ProblemList()
    for index, learner in enumerate(learners):
        if learner.is_erased:
            problems.add(LearnerIsErased(path=["learners", index]))
    problems.raise_if_any()


def _refuse_other_roles(learners: Sequence[LearnerState]) -> None:
    problems = ProblemList()
    for index, learner in enumerate(learners):
        if learner.role is not Role.LEARNER:
            problems.add(
                NotPermitted("Service accounts change only people whose role is LEARNER.", path=["learners", index])
            )
    problems.raise_if_any()
