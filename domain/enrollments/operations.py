"""Enrolling and unenrolling by hand: by trainers of the content, admins and partner tools."""

from domain.content.queries import ContentKey, resolve_content
from domain.enrollments.binding import require_unbound
from domain.enrollments.ending import Selection, end_reasons
from domain.enrollments.errors import LearnerInactive
from domain.enrollments.granting import Grant, grant
from domain.enrollments.rights import require_enrolling_role, trained_among
from domain.enrollments.seats.waitlist import leave_waitlist
from domain.foundation.errors import DomainError, NotFound, NotPermitted, ProblemList
from domain.foundation.unit_of_work import UnitOfWork
from domain.people.queries import LearnerKey, LockedLearner, lock_learners, resolve_learner

#: Whatever holds the enrollment: a manager's word ends it all (spec 2.9).
_EVERY_REASON = """
SELECT r.id AS reason_id, r.enrollment_id, r.learner_id, r.content_id, NULL::bigint AS rule_id
  FROM enrollment_reason r
 WHERE r.tenant_id = $9::bigint AND r.enrollment_id = $10::bigint AND r.until_at IS NULL
"""


async def enroll_learner(work: UnitOfWork, *, learner: LearnerKey, content: ContentKey) -> int:
    """Give a learner access by hand, on top of whatever gives it already; returns the ID of the enrollment."""
    person, content_id = await _resolve(work, learner, content)
    if not person.is_active:
        raise LearnerInactive(path=["learner"])
    await grant(work, [Grant(person.id, content_id, work.principal.source)], writes_facts=True)
    enrollment_id = await find_enrollment(work, person.id, content_id)
    assert enrollment_id is not None
    return enrollment_id


async def unenroll_learner(work: UnitOfWork, *, learner: LearnerKey, content: ContentKey) -> int:
    """End every reason that a learner has to be enrolled, and their waiting for a seat.

    Returns the ID of the enrollment, whose progress stays. Raises EnrollmentIsMandatory while an open task needs it.
    """
    person, content_id = await _resolve(work, learner, content)
    enrollment_id = await find_enrollment(work, person.id, content_id)
    if enrollment_id is None:
        raise NotFound("The learner has never been enrolled.")
    await require_unbound(work, learner_id=person.id, content_id=content_id)
    every_reason = Selection(_EVERY_REASON, (work.tenant_id, enrollment_id))
    await end_reasons(work, every_reason, source=work.principal.source, is_by_rule=False)
    await leave_waitlist(work, content_id, person.id)
    return enrollment_id


async def _resolve(work: UnitOfWork, learner: LearnerKey, content: ContentKey) -> tuple[LockedLearner, int]:
    """Return the learner, locked, and the content; raises what keeps the account from changing the enrollment."""
    principal = work.principal
    require_enrolling_role(principal)
    problems = ProblemList()
    learner_id = content_id = 0
    try:
        learner_id = await resolve_learner(work.sql, principal, learner)
    except DomainError as error:
        problems.add(error)
    try:
        content_id = await resolve_content(work.sql, principal, content)
    except DomainError as error:
        problems.add(error)
    else:
        if not await trained_among(work.sql, principal, [content_id]):
            problems.add(NotPermitted("Only trainers of the content do this.", path=["content"]))
    problems.raise_if_any()
    [person] = await lock_learners(work, [learner_id])
    return person, content_id


async def find_enrollment(work: UnitOfWork, learner_id: int, content_id: int) -> int | None:
    """Return the ID of the place that a learner has or had in a content, also of one where they only wait."""
    enrollment_id: int | None = await work.sql.value(
        "SELECT id FROM enrollment WHERE tenant_id = $1 AND learner_id = $2 AND content_id = $3",
        work.tenant_id,
        learner_id,
        content_id,
    )
    return enrollment_id
