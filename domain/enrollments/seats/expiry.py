"""Access days run out: the reasons that end by now end, and access with the last of them."""

from collections.abc import Sequence

from domain.enrollments.ending import Selection, end_reasons
from domain.enrollments.models import ContentActionKind
from domain.foundation.access import Source
from domain.foundation.unit_of_work import UnitOfWork
from domain.people.queries import lock_idle_learners

_EXPIRED = """
SELECT r.id AS reason_id, r.enrollment_id, r.learner_id, r.content_id, NULL::bigint AS rule_id
  FROM enrollment_reason r
 WHERE r.tenant_id = $9::bigint AND r.id = ANY ($10::bigint[]) AND r.learner_id = ANY ($11::bigint[])
   AND r.until_at IS NULL AND r.ends_at <= $12::timestamptz
"""


async def end_expired_access(work: UnitOfWork, *, reason_ids: Sequence[int]) -> int:
    """End those of these reasons whose time is over, and return how many that were.

    People whom somebody else has locked are left for the next time, so two that do this share the work.
    """
    learner_ids = await work.sql.values(
        "SELECT DISTINCT learner_id FROM enrollment_reason WHERE tenant_id = $1 AND id = ANY ($2::bigint[])",
        work.tenant_id,
        list(reason_ids),
    )
    locked = await lock_idle_learners(work, learner_ids)
    # Nobody waits for the answer, so there is no need for another job to look at the rules.
    work.evaluates_at_once = True
    expired = Selection(_EXPIRED, (work.tenant_id, list(reason_ids), locked, work.now))
    ended = await end_reasons(work, expired, source=Source.SYSTEM, is_by_rule=False, action=ContentActionKind.EXPIRED)
    return len(ended)
