"""Purchases, as a shop or an administrator reports them: a seat of a course for somebody else."""

from domain.content.models import ContentKind
from domain.content.queries import ContentKey, resolve_content
from domain.content.state import lock_content
from domain.enrollments.errors import LearnerInactive
from domain.enrollments.seats.taking import seat_or_wait
from domain.foundation.access import Scope, Source
from domain.foundation.errors import DomainError, ProblemList
from domain.foundation.locks import share_rules
from domain.foundation.unit_of_work import UnitOfWork
from domain.people.queries import LearnerKey, lock_learners, resolve_learner


async def record_purchase(work: UnitOfWork, *, learner: LearnerKey, course: ContentKey) -> int:
    """Give a learner a bought seat in a course, or a place on its waitlist; returns the ID of the enrollment.

    Whether the course is open to self-enrollment does not matter. A second purchase while the first holds is none.
    """
    principal = work.principal
    principal.require_write(Scope.WRITE_ENROLLMENTS)
    problems = ProblemList()
    learner_id = course_id = 0
    try:
        learner_id = await resolve_learner(work.sql, principal, learner)
    except DomainError as error:
        problems.add(error)
    try:
        course_id = await resolve_content(work.sql, principal, course, ["course"], kind=ContentKind.COURSE)
    except DomainError as error:
        problems.add(error)
    problems.raise_if_any()
    await share_rules(work)
    locked = await lock_content(work, course_id)
    [person] = await lock_learners(work, [learner_id])
    if not person.is_active:
        raise LearnerInactive(path=["learner"])
    return await seat_or_wait(work, locked, learner_id, Source.PURCHASE)
