"""Seats that are free go to who waits: after the commit that freed them, each time in a transaction of its own.

Whatever gets lost between the two commits is found by `contents_with_seats_to_give`, which a sweep asks for.
"""

from collections.abc import Callable, Sequence
from datetime import datetime

from domain.content.events import SeatsFreed
from domain.content.state import lock_content
from domain.enrollments.seats.taking import count_free_seats, take_seats
from domain.foundation.access import Principal, Source
from domain.foundation.database.sessions import ReadScope
from domain.foundation.locks import share_rules
from domain.foundation.unit_of_work import UnitOfWork, perform, with_retry
from domain.people.events import LearnerBecameActive
from domain.people.queries import lock_learners

#: People whom one transaction promotes.
CHUNK = 500

_FIRST_WAITING = """
SELECT e.learner_id FROM enrollment e JOIN learner l ON l.id = e.learner_id AND l.is_active
 WHERE e.tenant_id = $1 AND e.content_id = $2 AND e.is_waitlisted ORDER BY e.waiting_number, e.id LIMIT $3
"""
_STILL_WAITING = """
SELECT learner_id, waiting_source FROM enrollment
 WHERE tenant_id = $1 AND content_id = $2 AND is_waitlisted AND learner_id = ANY ($3::bigint[])
 ORDER BY waiting_number, id
"""


async def offer_seats_to_reactivated(work: UnitOfWork, events: Sequence[LearnerBecameActive]) -> None:
    """Let who is active again and waits have what is free: nobody is promoted while inactive."""
    for content_id in await work.sql.values(
        "SELECT DISTINCT content_id FROM enrollment"
        " WHERE tenant_id = $1 AND learner_id = ANY ($2::bigint[]) AND is_waitlisted ORDER BY content_id",
        work.tenant_id,
        [event.learner_id for event in events],
    ):
        work.record(SeatsFreed(content_id))


async def promote_after_commit(tenant_id: int, now: datetime, events: Sequence[SeatsFreed]) -> None:
    """Give away the seats of these courses; most have nobody who waits, which one look for all of them tells."""
    async with ReadScope(tenant_id) as reads:
        awaited = await reads.values(
            "SELECT DISTINCT content_id FROM enrollment"
            " WHERE tenant_id = $1 AND content_id = ANY ($2::bigint[]) AND is_waitlisted ORDER BY content_id",
            tenant_id,
            list({event.content_id for event in events}),
        )
    for content_id in awaited:
        await promote_waiting(tenant_id, now, content_id)


async def promote_waiting(
    tenant_id: int, now: datetime, content_id: int, *, should_stop: Callable[[], bool] = lambda: False
) -> int:
    """Give the free seats of a course to the first active people who wait, and return to how many at most.

    Safe to do twice and at once. Once `should_stop` says yes, the present chunk is the last one here; the next look
    finds the rest.
    """
    principal = Principal.operator(tenant_id)

    async def promote(work: UnitOfWork) -> int:
        return await _promote_chunk(work, content_id)

    total = 0
    while count := (await with_retry(lambda: perform(principal, now, "promoteWaiting", promote))).result:
        total += count
        if should_stop():
            break
    return total


async def _promote_chunk(work: UnitOfWork, content_id: int) -> int:
    """Promote the first who wait, and return how many were looked at: 0 when there is nothing left to do."""
    await share_rules(work)
    course = await lock_content(work, content_id)
    free = await count_free_seats(work, course)
    limit = CHUNK if free is None else min(free, CHUNK)
    first = await work.sql.values(_FIRST_WAITING, work.tenant_id, content_id, limit)
    people = await lock_learners(work, first)
    # Read after the lock: somebody may have got access in another way, or left, or been deactivated.
    active = [person.id for person in people if person.is_active]
    waiting = await work.sql.fetch(_STILL_WAITING, work.tenant_id, content_id, active)
    await take_seats(work, course, {record["learner_id"]: Source(record["waiting_source"]) for record in waiting})
    return len(first)
