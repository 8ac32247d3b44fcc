"""Locks on people and places. Places come before people, and each before anything that is enrolled."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

from domain.foundation.jobs.running import BACKGROUND_THRESHOLD
from domain.foundation.locks import share_rules
from domain.foundation.unit_of_work import UnitOfWork

_LAST_ADMIN = 7_263_403
#: How far a transaction can be behind those that it has waited for. What is further ahead was written by another clock.
MAX_BEHIND = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class LockedLearner:
    """A person as they stay until the end of the transaction."""

    id: int
    external_id: str | None
    email: str | None
    name: str
    role: str
    is_active: bool
    #: Whether their personal data was erased.
    is_erased: bool
    #: Their own time zone; None for the tenant's.
    time_zone: str | None
    version: int
    edited_version: int


async def lock_learners(work: UnitOfWork, ids: Collection[int]) -> list[LockedLearner]:
    """Lock people and return them by ID; whoever is not of the tenant is left out.

    Shares the rules first: a change under way has to be seen by every rule that is created meanwhile.
    """
    await share_rules(work)
    if len(ids) >= BACKGROUND_THRESHOLD:
        # What is done about many people is planned for that many, whatever plans are kept for one.
        await work.sql.plan_each_time()
    # In the order of IDs, or two transactions that lock the same people wait for each other for ever.
    locked = await work.sql.rows(
        LockedLearner,
        """
        SELECT id, external_id, email, name, role, is_active, erased_at IS NOT NULL AS is_erased, time_zone, version,
               edited_version FROM learner
         WHERE tenant_id = $1 AND id = ANY ($2::bigint[]) ORDER BY id FOR NO KEY UPDATE
        """,
        work.tenant_id,
        list(ids),
    )
    await _take_over(work, [learner.id for learner in locked])
    return locked


async def _take_over(work: UnitOfWork, ids: Collection[int]) -> None:
    """Go on about people who are locked now, at the earliest when the last change of their access was made.

    Time was taken before the lock: whoever had it first may have begun later, and nothing ends before it began.
    """
    work.locked_learner_ids.update(ids)
    if not ids:
        return
    last = await work.sql.value(
        """
        SELECT max(greatest(r.since_at, r.until_at))
          FROM enrollment e JOIN enrollment_reason r ON r.enrollment_id = e.id
         WHERE e.tenant_id = $1 AND e.learner_id = ANY ($2::bigint[])
        """,
        work.tenant_id,
        list(ids),
    )
    if last is not None and work.now < last <= work.now + MAX_BEHIND:
        work.now = last


async def lock_learner_alone(work: UnitOfWork, learner_id: int) -> None:
    """Lock a person against being referred to as well: whoever has made them an owner or trainer has ended before."""
    await share_rules(work)
    await work.sql.fetch("SELECT FROM learner WHERE tenant_id = $1 AND id = $2 FOR UPDATE", work.tenant_id, learner_id)
    await _take_over(work, [learner_id])


async def lock_learners_left(work: UnitOfWork, ids: Collection[int]) -> None:
    """Lock those of these people whom the transaction has not locked already: usually nobody, which costs nothing."""
    left = [learner_id for learner_id in ids if learner_id not in work.locked_learner_ids]
    if left:
        await lock_learners(work, left)


async def lock_found_learners(work: UnitOfWork, found: str, *args: object) -> list[int]:
    """Lock the people whom a query finds, as `learner_id`, and return their IDs in order.

    `found` has the tenant as `$1`. What it saw may be otherwise once they are locked: whoever acts on it looks again.
    """
    await share_rules(work)
    locked: list[int] = await work.sql.values(
        f"SELECT id FROM learner WHERE tenant_id = $1 AND id = ANY (ARRAY(SELECT learner_id FROM ({found}) found))"
        " ORDER BY id FOR NO KEY UPDATE",
        work.tenant_id,
        *args,
    )
    await _take_over(work, locked)
    return locked


async def lock_idle_learners(work: UnitOfWork, ids: Collection[int]) -> list[int]:
    """Lock those of these people whom nobody else has locked, and return their IDs; waits for nobody."""
    await share_rules(work)
    locked: list[int] = await work.sql.values(
        "SELECT id FROM learner WHERE tenant_id = $1 AND id = ANY ($2::bigint[])"
        " ORDER BY id FOR NO KEY UPDATE SKIP LOCKED",
        work.tenant_id,
        list(ids),
    )
    await _take_over(work, locked)
    return locked


async def lock_last_admin(work: UnitOfWork) -> None:
    """Let only one transaction at a time take an administrator away: two could each count the other one.

    Nothing is locked after it but what hangs on people who are locked already.
    """
    await work.sql.fetch("SELECT pg_advisory_xact_lock($1, $2)", _LAST_ADMIN, work.tenant_id % 2_147_483_647)
