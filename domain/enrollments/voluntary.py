"""What holds voluntary enrollments, "learner" and "purchase": such a reason takes a seat and ends with access days.

When it ends is laid down as it begins: a course that changes its access days changes them for those who come later.
"""

from collections.abc import Sequence
from datetime import timedelta

from domain.foundation.access import Source
from domain.foundation.unit_of_work import UnitOfWork

VOLUNTARY = frozenset({Source.LEARNER, Source.PURCHASE})


async def limit_access(work: UnitOfWork, content_id: int, learner_ids: Sequence[int], *, days: int) -> None:
    """Have the voluntary reasons end that these learners have just been given."""
    enrollment_ids = await work.sql.values(
        """
        UPDATE enrollment_reason SET ends_at = $4
         WHERE tenant_id = $1 AND content_id = $2 AND learner_id = ANY ($3::bigint[]) AND until_at IS NULL
           AND source IN ('LEARNER', 'PURCHASE') AND since_at = $5 AND ends_at IS NULL
        RETURNING enrollment_id
        """,
        work.tenant_id,
        content_id,
        list(learner_ids),
        work.now + timedelta(days=days),
        work.now,
    )
    await refresh_expiry(work, enrollment_ids)


async def refresh_expiry(work: UnitOfWork, enrollment_ids: Sequence[int]) -> None:
    """Bring `expires_at` in line with what holds active enrollments: the latest end, none while anything has none.

    Whoever has changed the reasons has written new versions already.
    """
    await work.sql.execute(
        """
        UPDATE enrollment e SET expires_at = held.expires_at
          FROM (SELECT enrollment_id, CASE WHEN bool_and(ends_at IS NOT NULL) THEN max(ends_at) END AS expires_at
                  FROM enrollment_reason
                 WHERE tenant_id = $1 AND enrollment_id = ANY ($2::bigint[]) AND until_at IS NULL
                 GROUP BY enrollment_id) held
         WHERE e.tenant_id = $1 AND e.id = held.enrollment_id AND e.is_active
           AND e.expires_at IS DISTINCT FROM held.expires_at
        """,
        work.tenant_id,
        list(enrollment_ids),
    )
