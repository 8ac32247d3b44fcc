"""Learners enroll themselves in what is open to it, and end what they have begun of their own will."""

from domain.content.models import ContentKind
from domain.content.queries import ContentKey, resolve_content
from domain.content.state import lock_content
from domain.enrollments.binding import require_unbound
from domain.enrollments.ending import Selection, end_reasons
from domain.enrollments.errors import LearnerInactive, NotSelfEnrollable
from domain.enrollments.operations import find_enrollment
from domain.enrollments.seats.taking import seat_or_wait
from domain.enrollments.seats.waitlist import leave_waitlist
from domain.foundation.access import Principal, Source
from domain.foundation.errors import Forbidden, NotPermitted
from domain.foundation.locks import share_rules
from domain.foundation.unit_of_work import UnitOfWork
from domain.people.queries import lock_learners

_VOLUNTARY_REASONS = """
SELECT r.id AS reason_id, r.enrollment_id, r.learner_id, r.content_id, NULL::bigint AS rule_id
  FROM enrollment_reason r
 WHERE r.tenant_id = $9::bigint AND r.enrollment_id = $10::bigint AND r.until_at IS NULL
   AND r.source IN ('LEARNER', 'PURCHASE')
"""


async def enroll_self(work: UnitOfWork, *, course: ContentKey) -> int:
    """Give the account a seat in a course, or a place on its waitlist; returns the ID of the enrollment."""
    own_id = _own_id(work.principal)
    course_id = await resolve_content(work.sql, work.principal, course, ["course"], kind=ContentKind.COURSE)
    await share_rules(work)
    locked = await lock_content(work, course_id)
    if not locked.columns["is_self_enrollable"]:
        raise NotSelfEnrollable(path=["course"])
    [person] = await lock_learners(work, [own_id])
    if not person.is_active:
        raise LearnerInactive
    return await seat_or_wait(work, locked, own_id, Source.LEARNER)


async def unenroll_self(work: UnitOfWork, *, content: ContentKey) -> int:
    """End what the account holds of its own will, or its waiting; returns the ID of the enrollment.

    What others have given stays, and so does access as long as any of it is left. Raises EnrollmentIsMandatory while an
    open task needs it, also where there would be nothing else to end.
    """
    own_id = _own_id(work.principal)
    content_id = await resolve_content(work.sql, work.principal, content)
    await lock_learners(work, [own_id])
    await require_unbound(work, learner_id=own_id, content_id=content_id)
    enrollment_id = await find_enrollment(work, own_id, content_id)
    selection = Selection(_VOLUNTARY_REASONS, (work.tenant_id, enrollment_id))
    ended = await end_reasons(work, selection, source=Source.LEARNER, is_by_rule=False)
    has_left = await leave_waitlist(work, content_id, own_id)
    if enrollment_id is None or not (ended or has_left):
        raise NotPermitted("Only an enrollment of one's own will can be ended so.", path=["content"])
    return enrollment_id


def _own_id(principal: Principal) -> int:
    """Return the person who acts; raises Forbidden for accounts that are nobody."""
    if principal.learner_id is None:
        raise Forbidden
    return principal.learner_id
