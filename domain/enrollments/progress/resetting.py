"""New attempts: a further cycle of a mandatory task has its content begun anew.

Of a path, its mandatory courses are. What was done before stays in the log; reports from before the new attempt change
nothing any more (spec 2.8).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from domain.enrollments.events import ProgressChanged
from domain.enrollments.path_status import refresh_path_status
from domain.enrollments.progress.status_facts import StatusFactChange, record_status_facts
from domain.foundation.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True)
class Reset:
    """A place at which a new attempt begins, and the task whose cycle asks for it."""

    learner_id: int
    content_id: int
    task_id: int


_RESET = """
WITH wanted AS (
  SELECT * FROM unnest($2::bigint[], $3::bigint[], $4::bigint[]) AS w (learner_id, content_id, task_id)),
place AS MATERIALIZED (
  -- A course that several tasks reset at once has one new attempt.
  SELECT DISTINCT ON (learner_id, content_id) * FROM (
    SELECT learner_id, content_id, task_id, NULL::bigint AS path_id FROM wanted
    UNION ALL
    SELECT w.learner_id, i.course_id, w.task_id, i.path_id FROM wanted w
      JOIN learning_path_item i ON i.tenant_id = $1 AND i.path_id = w.content_id AND i.is_mandatory) p
   ORDER BY learner_id, content_id, path_id NULLS FIRST),
before AS MATERIALIZED (
  SELECT e.id, e.fact_status, p.* FROM place p
    JOIN enrollment e ON e.tenant_id = $1 AND e.learner_id = p.learner_id AND e.content_id = p.content_id),
reset AS (
  UPDATE enrollment e
     SET status = 'NOT_STARTED', fact_status = 'NOT_STARTED', progress_percent = 0, lessons_done = 0, score = NULL,
         scored_at = NULL, finished_at = NULL, completed_at = NULL, attempt = e.attempt + 1, attempt_began_at = $5,
         version = e.version + 1
    FROM before b WHERE e.id = b.id
  RETURNING e.id, e.version),
logged AS (
  INSERT INTO content_action (tenant_id, learner_id, content_id, action, source, task_id, path_id, actor_learner_id,
                              actor_service_account_id, resulting_status, occurred_at, recorded_at)
  SELECT $1, learner_id, content_id, 'RESET', 'MANDATORY_TASK', task_id, path_id, $6, $7, 'NOT_STARTED', $5, $5
    FROM before ORDER BY learner_id, path_id NULLS FIRST, content_id
  RETURNING id),
fed AS (
  INSERT INTO change_pending (tenant_id, object_type, object_id, version, at)
  SELECT $1, 'ENROLLMENT', id, version, $5::timestamptz FROM reset
  UNION ALL SELECT $1, 'CONTENT_ACTION', id, 1, $5 FROM logged)
SELECT learner_id, content_id, fact_status AS before, 'NOT_STARTED' AS after FROM before
 ORDER BY learner_id, content_id
"""


async def reset_attempts(work: UnitOfWork, resets: Sequence[Reset]) -> None:
    """Begin a new attempt at these places; the learners have to be locked and enrolled there."""
    if not resets:
        return
    changes = await work.sql.rows(
        StatusFactChange,
        _RESET,
        work.tenant_id,
        [one.learner_id for one in resets],
        [one.content_id for one in resets],
        [one.task_id for one in resets],
        work.now,
        work.principal.learner_id,
        work.principal.service_account_id,
    )
    record_status_facts(work, changes)
    for change in changes:
        work.record(ProgressChanged(change.learner_id, change.content_id))
    await _refresh_other_paths(work, changes)


async def _refresh_other_paths(work: UnitOfWork, changes: Sequence[StatusFactChange]) -> None:
    """Bring the progress of other paths with these courses in line; only their own resets lower their status."""
    paths = await work.sql.fetch(
        """
        SELECT DISTINCT e.learner_id, e.content_id FROM unnest($2::bigint[], $3::bigint[]) AS p (learner_id, course_id)
          JOIN learning_path_item i ON i.tenant_id = $1 AND i.course_id = p.course_id AND i.is_mandatory
          JOIN enrollment e ON e.tenant_id = $1 AND e.learner_id = p.learner_id AND e.content_id = i.path_id
                           AND e.is_active
         ORDER BY 1, 2
        """,
        work.tenant_id,
        [change.learner_id for change in changes],
        [change.content_id for change in changes],
    )
    await refresh_path_status(work, [(path[0], path[1]) for path in paths], writes_facts=True)
