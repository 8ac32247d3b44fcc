"""Joining and leaving the waitlist of a course. Who waits has no access, no reason, and no fact for any rule.

Whoever comes later has a higher number, given under the lock on the course; numbers are not used again while somebody
with a lower one waits.
"""

from domain.foundation.access import Source
from domain.foundation.unit_of_work import UnitOfWork

# An enrollment of before keeps its status, its fact and its date.
_JOIN = """
WITH joined AS (
  INSERT INTO enrollment AS e (tenant_id, learner_id, content_id, status, is_active, is_waitlisted, waiting_source,
                               waiting_number, progress_percent, lessons_done, attempt, enrolled_at, version)
  VALUES ($1, $2, $3, 'NOT_STARTED', false, true, $4,
          (SELECT coalesce(max(waiting_number), 0) + 1 FROM enrollment
            WHERE tenant_id = $1 AND content_id = $3 AND is_waitlisted), 0, 0, 1, $5, 1)
  ON CONFLICT (learner_id, content_id)
    DO UPDATE SET is_waitlisted = true, waiting_source = excluded.waiting_source,
                  waiting_number = coalesce(e.waiting_number, excluded.waiting_number), version = e.version + 1
     WHERE NOT e.is_active
  RETURNING e.id, e.version, e.status),
logged AS (
  INSERT INTO content_action (tenant_id, learner_id, content_id, action, source, actor_learner_id,
                              actor_service_account_id, resulting_status, occurred_at, recorded_at)
  SELECT $1, $2, $3, 'WAITLISTED', $4, $6::bigint, $7::bigint, status, $5, $5 FROM joined
  RETURNING id),
changed AS (
  INSERT INTO change_pending (tenant_id, object_type, object_id, version, at)
  SELECT $1, 'ENROLLMENT', id, version, $5::timestamptz FROM joined
  UNION ALL SELECT $1, 'CONTENT_ACTION', id, 1, $5 FROM logged)
SELECT id FROM joined
"""

_LEAVE = """
WITH gone AS (
  UPDATE enrollment SET is_waitlisted = false, waiting_source = NULL, waiting_number = NULL, version = version + 1
   WHERE tenant_id = $1 AND learner_id = $2 AND content_id = $3 AND is_waitlisted
  RETURNING id, version),
changed AS (
  INSERT INTO change_pending (tenant_id, object_type, object_id, version, at)
  SELECT $1, 'ENROLLMENT', id, version, $4::timestamptz FROM gone)
SELECT id FROM gone
"""


async def join_waitlist(work: UnitOfWork, content_id: int, learner_id: int, source: Source) -> int:
    """Put a learner without access at the end of the waitlist and return the ID of the enrollment.

    Who waits already keeps their place, and waits for `source` from now on. Content and learner have to be locked.
    """
    enrollment_id: int = await work.sql.value(
        _JOIN,
        work.tenant_id,
        learner_id,
        content_id,
        source.value,
        work.now,
        work.principal.learner_id,
        work.principal.service_account_id,
    )
    return enrollment_id


async def leave_waitlist(work: UnitOfWork, content_id: int, learner_id: int) -> bool:
    """Let a learner wait no longer and tell whether they did; the learner has to be locked.

    The log has no entry for it: no access was taken away.
    """
    gone = await work.sql.value(_LEAVE, work.tenant_id, learner_id, content_id, work.now)
    return gone is not None
