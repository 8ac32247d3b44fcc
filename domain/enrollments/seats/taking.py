"""Seats of a course: self-enrollment and purchase take one, or a place on the waitlist; everything else ignores them.

A seat is taken by an active enrollment with a voluntary reason. Whoever gives seats away has the course locked, before
any learner; whoever leaves one needs no lock on it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from domain.content.events import SeatsFreed
from domain.content.state import ContentState
from domain.enrollments.errors import SeatsExhausted
from domain.enrollments.granting import Grant, grant
from domain.enrollments.seats.access_period import limit_access
from domain.enrollments.seats.waitlist import join_waitlist
from domain.foundation.access import Source
from domain.foundation.unit_of_work import UnitOfWork

_TAKEN = """
SELECT count(DISTINCT enrollment_id) FROM enrollment_reason
 WHERE tenant_id = $1 AND content_id = $2 AND until_at IS NULL AND source IN ('LEARNER', 'PURCHASE')
"""
_AWAITED = """
SELECT count(*) FROM enrollment e JOIN learner l ON l.id = e.learner_id AND l.is_active
 WHERE e.tenant_id = $1 AND e.content_id = $2 AND e.is_waitlisted
"""
_PLACE = """
SELECT e.id, e.is_active, e.is_waitlisted, e.waiting_source,
       ARRAY(SELECT r.source FROM enrollment_reason r WHERE r.enrollment_id = e.id AND r.until_at IS NULL
                AND r.source IN ('LEARNER', 'PURCHASE')) AS seat_sources
  FROM enrollment e WHERE e.tenant_id = $1 AND e.learner_id = $2 AND e.content_id = $3
"""


@dataclass(frozen=True, slots=True)
class _Place:
    id: int
    is_active: bool
    is_waitlisted: bool
    waiting_source: str | None
    #: Voluntary reasons that hold it; with any, it has a seat.
    seat_sources: list[str]


async def count_free_seats(work: UnitOfWork, course: ContentState) -> int | None:
    """Return how many seats nobody has, those promised to who waits among them; None without a limit."""
    limit: int | None = course.columns["seat_limit"]
    if limit is None:
        return None
    taken: int = await work.sql.value(_TAKEN, work.tenant_id, course.id)
    return max(0, limit - taken)


async def take_seats(work: UnitOfWork, course: ContentState, sources: Mapping[int, Source]) -> None:
    """Give learners, each with what they take it by, a seat and access for the course's access days."""
    grants = [Grant(learner_id, course.id, source) for learner_id, source in sources.items()]
    await grant(work, grants, writes_facts=True)
    days: int | None = course.columns["access_days"]
    if days is not None:
        await limit_access(work, course.id, sources, days=days)


async def seat_or_wait(work: UnitOfWork, course: ContentState, learner_id: int, source: Source) -> int:
    """Give a learner a seat or a place on the waitlist and return the ID of the enrollment.

    Course and learner have to be locked. Raises SeatsExhausted where there is no seat and the learner cannot wait.
    """
    place = await work.sql.row(_Place, _PLACE, work.tenant_id, learner_id, course.id)
    if place is not None and source in place.seat_sources:
        return place.id
    if place is not None and place.is_waitlisted:
        return await _wait_on(work, course, learner_id, place, source)
    if (place is not None and place.seat_sources) or await _has_seat_for_newcomers(work, course):
        await take_seats(work, course, {learner_id: source})
        seated = await work.sql.row(_Place, _PLACE, work.tenant_id, learner_id, course.id)
        assert seated is not None
        return seated.id
    if (place is not None and place.is_active) or not course.columns["has_waitlist"]:
        raise SeatsExhausted(path=["course"])
    # A seat may be left while this is not committed: whoever leaves it cannot see yet that somebody waits.
    work.record(SeatsFreed(course.id))
    return await join_waitlist(work, course.id, learner_id, source)


async def _wait_on(work: UnitOfWork, course: ContentState, learner_id: int, place: _Place, source: Source) -> int:
    work.record(SeatsFreed(course.id))
    if source is Source.PURCHASE and place.waiting_source != source:
        # What was bought shall not be forgotten when its turn comes.
        return await join_waitlist(work, course.id, learner_id, source)
    return place.id


async def _has_seat_for_newcomers(work: UnitOfWork, course: ContentState) -> bool:
    """Tell whether there is a seat that nobody waits for: one just left belongs to the first who waits."""
    free = await count_free_seats(work, course)
    if not free:
        return free is None
    awaited: int = await work.sql.value(_AWAITED, work.tenant_id, course.id)
    return free > awaited
