"""Status and progress of learning paths, worked out from the learner's courses.

A path moves up with its mandatory courses and never down by them: a completion stays, and so does a beginning. Later
evidence that the course which dates a completion was completed earlier dates the path back with it.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from domain.enrollments.events import ProgressChanged
from domain.enrollments.progress.status_facts import StatusFactChange, record_status_facts
from domain.foundation.unit_of_work import UnitOfWork

# One statement from judging to the change rows, so that one path costs what ten thousand do per path. `occurred_at`
# dates a beginning; a completion has the date of the course completed last.
_REFRESH = """
WITH wanted AS (
  SELECT DISTINCT ON (learner_id, path_id) *
    FROM unnest($2::bigint[], $3::bigint[], $4::timestamptz[], $6::bigint[], $7::text[], $11::timestamptz[])
         AS pair (learner_id, path_id, occurred_at, rule_id, rule_name, dated_back_from)
   ORDER BY learner_id, path_id, rule_id),
held AS MATERIALIZED (
  SELECT e.id, e.learner_id, e.content_id AS path_id, e.status, e.fact_status, e.progress_percent, e.completed_at,
         w.occurred_at,
         w.rule_id, w.rule_name, w.dated_back_from
    FROM wanted w
    JOIN enrollment e ON e.tenant_id = $1 AND e.learner_id = w.learner_id AND e.content_id = w.path_id
                     AND e.is_active),
courses AS (
  SELECT h.id, bool_and(coalesce(c.status, 'NOT_STARTED') = 'COMPLETED') AS is_completed,
         bool_or(coalesce(c.status, 'NOT_STARTED') <> 'NOT_STARTED') AS is_begun,
         floor(avg(coalesce(c.progress_percent, 0)))::smallint AS progress_percent,
         max(c.completed_at) AS completed_at
    FROM held h
    JOIN learning_path_item i ON i.tenant_id = $1 AND i.path_id = h.path_id AND i.is_mandatory
    LEFT JOIN enrollment c ON c.tenant_id = $1 AND c.learner_id = h.learner_id AND c.content_id = i.course_id
   GROUP BY h.id),
judged AS (
  SELECT h.*, CASE WHEN is_completed OR (h.status = 'COMPLETED') THEN 'COMPLETED'
                   WHEN is_begun OR (h.status = 'IN_PROGRESS') THEN 'IN_PROGRESS'
                   ELSE 'NOT_STARTED' END AS next_status,
         c.is_completed, c.progress_percent AS courses_percent, c.completed_at AS courses_completed_at
    FROM held h JOIN courses c USING (id)),
dated AS (
  SELECT j.*, CASE WHEN next_status = 'COMPLETED' THEN 100 ELSE courses_percent END AS next_percent,
         CASE WHEN next_status <> 'COMPLETED' THEN NULL
              -- The course that dated the completion was completed earlier, as is known now.
              WHEN is_completed AND completed_at = dated_back_from THEN courses_completed_at
              WHEN status = 'COMPLETED' THEN completed_at
              ELSE courses_completed_at END AS next_completed_at
    FROM judged j),
compared AS (
  SELECT d.*, (status, progress_percent, completed_at)
              IS DISTINCT FROM (next_status, next_percent, next_completed_at) AS is_changed
    FROM dated d),
changed AS (
  UPDATE enrollment e
     SET status = c.next_status, progress_percent = c.next_percent, completed_at = c.next_completed_at,
         fact_status = CASE WHEN $5 THEN c.next_status ELSE e.fact_status END,
         version = e.version + c.is_changed::int
    FROM compared c
   WHERE e.tenant_id = $1 AND e.id = c.id
     AND (c.is_changed OR ($5 AND e.fact_status IS DISTINCT FROM c.next_status))
  RETURNING e.id, e.version, c.is_changed),
logged AS (
  INSERT INTO content_action (tenant_id, learner_id, content_id, action, source, rule_id, rule_name, path_id,
                              actor_learner_id, actor_service_account_id, resulting_status, occurred_at, recorded_at)
  SELECT $1, learner_id, path_id, CASE WHEN next_status = 'COMPLETED' THEN 'COMPLETED' ELSE 'STARTED' END,
         'LEARNING_PATH', rule_id, rule_name, path_id, $8, $9, next_status,
         CASE WHEN next_status = 'COMPLETED' THEN next_completed_at ELSE occurred_at END, $10
    FROM compared
   -- A completion that is dated back is logged once more, with its new date.
   WHERE (next_status <> 'NOT_STARTED' AND status <> next_status AND status <> 'COMPLETED')
      OR (status = 'COMPLETED' AND completed_at <> next_completed_at)
   ORDER BY learner_id, path_id
  RETURNING id, rule_id),
fed AS (
  INSERT INTO change_pending (tenant_id, object_type, object_id, version, at)
  SELECT $1, 'ENROLLMENT', id, version, $10::timestamptz FROM changed WHERE is_changed
  UNION ALL
  SELECT $1, 'CONTENT_ACTION', id, 1, $10 FROM logged
  UNION ALL
  -- Their log entries are counted.
  SELECT DISTINCT $1, 'RULE', rule_id, 0, $10 FROM logged WHERE rule_id IS NOT NULL)
SELECT learner_id, path_id AS content_id, is_changed, fact_status AS before,
       CASE WHEN $5 THEN next_status ELSE fact_status END AS after
  FROM compared WHERE is_changed OR ($5 AND fact_status IS DISTINCT FROM next_status)
 ORDER BY learner_id, path_id
"""


async def refresh_path_status(
    work: UnitOfWork,
    pairs: Sequence[tuple[int, int]],
    *,
    writes_facts: bool,
    occurred_at: Mapping[tuple[int, int], datetime] | None = None,
    rules: Mapping[tuple[int, int], tuple[int | None, str | None]] | None = None,
    dated_back_from: Mapping[tuple[int, int], datetime] | None = None,
) -> None:
    """Bring active path enrollments, given as (learner, path), up to the state of their mandatory courses.

    The learners have to be locked. With `writes_facts` (whatever others than rules do) the status fact becomes the
    status after it, and rules hear of it. By pair, `occurred_at` dates a beginning (now by default), `rules` gives
    ID and name of the rule for the log, and `dated_back_from` is the latest date that a course had which is dated back.
    """
    if not pairs:
        return
    dates, causes, dated_back = occurred_at or {}, rules or {}, dated_back_from or {}
    records = await work.sql.fetch(
        _REFRESH,
        work.tenant_id,
        [learner_id for learner_id, _ in pairs],
        [path_id for _, path_id in pairs],
        [dates.get(pair, work.now) for pair in pairs],
        writes_facts,
        [causes.get(pair, (None, None))[0] for pair in pairs],
        [causes.get(pair, (None, None))[1] for pair in pairs],
        work.principal.learner_id,
        work.principal.service_account_id,
        work.now,
        [dated_back.get(pair) for pair in pairs],
    )
    record_status_facts(work, [StatusFactChange(one[0], one[1], one["before"], one["after"]) for one in records])
    for one in records:
        if one["is_changed"]:
            work.record(ProgressChanged(one["learner_id"], one["content_id"]))
