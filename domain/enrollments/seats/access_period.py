"""What holds voluntary enrollments, "learner" and "purchase": such a reason takes a seat and ends with access days.

When it ends is laid down as it begins: a course that changes its access days changes them for those who come later.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from domain.foundation.access import Source
from domain.foundation.unit_of_work import UnitOfWork

VOLUNTARY = frozenset({Source.LEARNER, Source.PURCHASE})


async def limit_access(work: UnitOfWork, content_id: int, sources: Mapping[int, Source], *, days: int) -> None:
    """Have the reasons end that learners have just been given, each by the source beside it."""
    enrollment_ids = await work.sql.values(
        """
        UPDATE enrollment_reason r SET ends_at = $5
          FROM unnest($3::bigint[], $4::text[]) AS given (learner_id, source)
          JOIN enrollment e ON e.tenant_id = $1 AND e.learner_id = given.learner_id AND e.content_id = $2
         WHERE r.tenant_id = $1 AND r.enrollment_id = e.id AND r.source = given.source AND r.until_at IS NULL
        RETURNING r.enrollment_id
        """,
        work.tenant_id,
        content_id,
        list(sources),
        [source.value for source in sources.values()],
        work.now + timedelta(days=days),
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
