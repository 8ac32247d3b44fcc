"""Deactivating and reactivating people. What follows (rules are left and entered) is in `domain.reactions`."""

from collections.abc import Collection
from dataclasses import replace

from domain.foundation.access import Role, Scope
from domain.foundation.errors import NotPermitted
from domain.foundation.unit_of_work import UnitOfWork
from domain.people.errors import LastAdmin, LearnerIsErased
from domain.people.learners.admins import AdminWatch
from domain.people.learners.keys import LearnerKey, resolve_learner
from domain.people.learners.recording import LearnerWrite
from domain.people.learners.state import lock_states
from domain.people.learners.writing import write_learners


async def deactivate_learner(work: UnitOfWork, *, key: LearnerKey) -> int:
    """End a person's access and return their ID; who is inactive already stays so."""
    return await _set_active(work, key, is_active=False)


async def reactivate_learner(work: UnitOfWork, *, key: LearnerKey) -> int:
    """Let a person in again and return their ID; who is active already stays so."""
    return await _set_active(work, key, is_active=True)


async def deactivate_learners(work: UnitOfWork, *, ids: Collection[int]) -> list[int]:
    """End the access of many people and return the IDs of those whom it concerned.

    Whoever is inactive by now, or has another role than LEARNER, stays as they are.
    """
    work.principal.require_write(Scope.WRITE_LEARNERS)
    present = await lock_states(work, ids)
    leaving = [one for one in present.values() if one.is_active and one.role is Role.LEARNER]
    return await write_learners(work, [LearnerWrite(one, replace(one, is_active=False)) for one in leaving])


async def _set_active(work: UnitOfWork, key: LearnerKey, *, is_active: bool) -> int:
    work.principal.require_write(Scope.WRITE_LEARNERS)
    learner_id = await resolve_learner(work.sql, work.principal, key)
    before = (await lock_states(work, [learner_id]))[learner_id]
    if work.principal.service_account_id is not None and before.role is not Role.LEARNER:
        raise NotPermitted("Service accounts change only people whose role is LEARNER.", path=["learner"])
    if is_active and before.is_erased:
        raise LearnerIsErased(path=["learner"])
    after = replace(before, is_active=is_active)
    if not await AdminWatch(work).allows(before, after):
        raise LastAdmin(path=["learner"])
    await write_learners(work, [LearnerWrite(before, after)])
    return learner_id
