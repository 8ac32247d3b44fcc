"""Ending reasons to be enrolled: one path for one learner and for ten thousand.

An enrollment ends with its last reason. Where a path ends, the "path" reasons that it gave its courses end with it.
What an open task needs, no rule ends (`binding`); where a place would have ended without it, RETAINED is logged.
Whoever has left a seat is known after the commit, when somebody who waits may have it.
"""

from dataclasses import dataclass

from domain.content.events import SeatsFreed
from domain.enrollments.binding import is_bound
from domain.enrollments.models import ContentActionKind
from domain.enrollments.progress.status_facts import StatusFactChange, record_status_facts
from domain.enrollments.seats.access_period import VOLUNTARY, refresh_expiry
from domain.foundation.access import Source
from domain.foundation.unit_of_work import LISTED_RULE_ACTIONS, UnitOfWork


@dataclass(frozen=True, slots=True)
class Selection:
    """Open reasons to end, as SQL: rows (reason_id, enrollment_id, learner_id, content_id, rule_id).

    `rule_id` is the rule that ends the reason, for the log, or null. A reason may come several times with different
    rules: the oldest is logged. Arguments are numbered from `$9`, because the statement's own come first.
    """

    sql: str
    args: tuple[object, ...]


FIRST_ARGUMENT = 9


@dataclass(frozen=True, slots=True)
class EndedReason:
    """A reason that has just ended, with what is needed to give it back."""

    learner_id: int
    content_id: int
    source: str
    rule_id: int | None
    path_id: int | None


_END = """
WITH chosen AS MATERIALIZED ({selection}),
selected AS MATERIALIZED (
  SELECT s.* FROM chosen s JOIN enrollment_reason r ON r.id = s.reason_id WHERE $6 OR NOT {is_bound}),
-- Paths that end with this: none of their reasons stays. (NOT IN is looked up in a hash; a second NOT EXISTS would be
-- read whole for every reason.)
ended_path AS MATERIALIZED (
  SELECT s.learner_id, s.content_id AS path_id, min(s.rule_id) AS rule_id
    FROM selected s JOIN content c ON c.id = s.content_id AND c.kind = 'LEARNING_PATH'
   WHERE NOT EXISTS (SELECT 1 FROM enrollment_reason r WHERE r.enrollment_id = s.enrollment_id AND r.until_at IS NULL
                        AND r.id NOT IN (SELECT reason_id FROM selected))
   GROUP BY s.learner_id, s.content_id),
-- What is ended for its own sake, and the "path" reasons that ended paths had given to their courses.
ending AS MATERIALIZED (
  SELECT reason_id, enrollment_id, learner_id, content_id, rule_id, NULL::bigint AS path_id, true AS is_direct
    FROM selected
  UNION ALL
  SELECT r.id, r.enrollment_id, r.learner_id, r.content_id, p.rule_id, p.path_id, false
    FROM ended_path p JOIN enrollment_reason r ON r.path_id = p.path_id AND r.learner_id = p.learner_id
     AND r.until_at IS NULL AND r.source = 'LEARNING_PATH'),
-- Places that a rule would have ended if no open task needed them. (What a path gives up, no rule ends.)
retained AS MATERIALIZED (
  SELECT s.enrollment_id, min(s.rule_id) AS rule_id FROM chosen s
   WHERE NOT $6 AND s.rule_id IS NOT NULL
     AND EXISTS (SELECT 1 FROM enrollment_reason r
                  WHERE r.enrollment_id = s.enrollment_id AND r.until_at IS NULL AND {is_bound})
     AND NOT EXISTS (SELECT 1 FROM enrollment_reason r
                      WHERE r.enrollment_id = s.enrollment_id AND r.until_at IS NULL AND NOT {is_bound}
                        AND r.id NOT IN (SELECT reason_id FROM ending))
   GROUP BY s.enrollment_id),
ended AS (
  -- Never before it began, whatever the clocks of two processes say.
  UPDATE enrollment_reason r SET until_at = greatest($2, r.since_at)
    FROM (SELECT DISTINCT reason_id FROM ending) d WHERE r.id = d.reason_id
  RETURNING r.learner_id, r.content_id, r.source, r.rule_id, r.path_id),
-- Who is ended both ways is logged for its own sake; the oldest of several rules is named.
closing AS MATERIALIZED (
  SELECT d.enrollment_id, d.learner_id, d.content_id, bool_or(d.is_direct) AS is_direct,
         CASE WHEN bool_or(d.is_direct) THEN min(d.rule_id) FILTER (WHERE d.is_direct)
              ELSE min(d.rule_id) END AS rule_id,
         (array_agg(d.path_id ORDER BY d.rule_id, d.path_id) FILTER (WHERE NOT d.is_direct))[1] AS path_id
    FROM ending d
   WHERE NOT EXISTS (SELECT 1 FROM enrollment_reason r WHERE r.enrollment_id = d.enrollment_id AND r.until_at IS NULL
                        AND r.id NOT IN (SELECT reason_id FROM ending))
   GROUP BY d.enrollment_id, d.learner_id, d.content_id),
before AS MATERIALIZED (
  SELECT e.id, e.learner_id, e.content_id, e.fact_status, c.is_direct, c.rule_id, c.path_id
    FROM closing c JOIN enrollment e ON e.id = c.enrollment_id WHERE e.is_active),
closed AS (
  UPDATE enrollment e SET is_active = false, expires_at = NULL, version = e.version + 1,
         -- Rules never change facts; whoever else ends a place that nobody has begun takes the fact with it.
         fact_status = CASE WHEN $6 AND e.status = 'NOT_STARTED' THEN NULL ELSE e.fact_status END
    FROM before b WHERE e.id = b.id
  RETURNING e.id, e.version, e.learner_id, e.content_id, b.fact_status AS fact_before, e.fact_status AS fact_after),
thinned AS (
  UPDATE enrollment e SET version = e.version + 1
   WHERE e.id IN (SELECT enrollment_id FROM ending EXCEPT SELECT enrollment_id FROM closing)
  RETURNING e.id, e.version),
entry AS (
  SELECT learner_id, content_id, CASE WHEN is_direct THEN '{action}' ELSE 'UNENROLLED' END AS action,
         CASE WHEN is_direct THEN $5 ELSE 'LEARNING_PATH' END AS source, rule_id,
         CASE WHEN is_direct THEN $7 ELSE path_id END AS path_id, NULL AS status, is_direct
    FROM before
  UNION ALL
  SELECT e.learner_id, e.content_id, 'RETAINED', $5, k.rule_id, NULL, e.status, true
    FROM retained k JOIN enrollment e ON e.id = k.enrollment_id),
logged AS (
  INSERT INTO content_action (tenant_id, learner_id, content_id, action, source, rule_id, rule_name, path_id, task_id,
         actor_learner_id, actor_service_account_id, resulting_status, occurred_at, recorded_at)
  SELECT $1, n.learner_id, n.content_id, n.action, n.source, n.rule_id, u.name, n.path_id, $8::bigint,
         $3::bigint, $4::bigint, n.status, $2, $2
    FROM entry n LEFT JOIN rule u ON u.id = n.rule_id
   ORDER BY n.is_direct DESC, n.learner_id, n.rule_id, n.content_id
  RETURNING id),
-- Rules whose counts this moves: whose log entries these are, and who held one of these places before.
counting AS (
  SELECT rule_id FROM entry WHERE rule_id IS NOT NULL
  UNION
  SELECT r.rule_id FROM ending d JOIN enrollment_reason r ON r.enrollment_id = d.enrollment_id AND r.until_at IS NULL
   WHERE r.rule_id IS NOT NULL),
changed AS (
  INSERT INTO change_pending (tenant_id, object_type, object_id, version, at)
  SELECT $1, 'ENROLLMENT', id, version, $2 FROM closed
  UNION ALL SELECT $1, 'ENROLLMENT', id, version, $2 FROM thinned
  UNION ALL SELECT $1, 'CONTENT_ACTION', id, 1, $2 FROM logged
  UNION ALL SELECT $1, 'RULE', rule_id, 0, $2 FROM counting)
SELECT (SELECT count(*) FROM logged) AS logged_count,
       (SELECT (array_agg(id ORDER BY id))[1:{listed}] FROM logged) AS logged_ids,
       (SELECT coalesce(jsonb_agg(jsonb_build_array(learner_id, content_id, source, rule_id, path_id)), '[]')
          FROM ended) AS ended,
       (SELECT array_agg(t.id) FROM thinned t
         WHERE EXISTS (SELECT 1 FROM enrollment_reason r
                        WHERE r.enrollment_id = t.id AND r.until_at IS NULL AND r.ends_at IS NOT NULL)) AS expiring_ids,
       (SELECT coalesce(jsonb_agg(jsonb_build_array(learner_id, content_id, fact_before, fact_after)), '[]')
          FROM closed) AS closed
"""


async def end_reasons(
    work: UnitOfWork,
    selection: Selection,
    *,
    source: Source,
    is_by_rule: bool,
    path_id: int | None = None,
    task_id: int | None = None,
    action: ContentActionKind = ContentActionKind.UNENROLLED,
) -> list[EndedReason]:
    """End reasons, the enrollments that have none left, and the courses of ended paths.

    The learners have to be locked. `source`, `path_id`, `task_id` and `action` are what the log says. Not by a rule,
    the facts of enrollments that nobody has begun go too, and rules hear of it. Returns every reason that ended.
    """
    record = (
        await work.sql.fetch(
            _END.format(
                selection=selection.sql, action=action.value, listed=LISTED_RULE_ACTIONS, is_bound=is_bound("r")
            ),
            work.tenant_id,
            work.now,
            work.principal.learner_id,
            work.principal.service_account_id,
            source.value,
            not is_by_rule,
            path_id,
            task_id,
            *selection.args,
        )
    )[0]
    if record["expiring_ids"]:
        await refresh_expiry(work, record["expiring_ids"])
    if work.collects_rule_actions:
        work.add_rule_actions(record["logged_ids"] or [], record["logged_count"])
    record_status_facts(work, [StatusFactChange(*change) for change in record["closed"]])
    ended = [EndedReason(*reason) for reason in record["ended"]]
    for content_id in sorted({one.content_id for one in ended if one.source in VOLUNTARY}):
        work.record(SeatsFreed(content_id))
    return ended
