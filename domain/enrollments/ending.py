"""Ending reasons to be enrolled: one path for one learner and for ten thousand.

An enrollment ends with its last reason. Where a path ends, the "path" reasons that it gave its courses end with it.
Whoever has left a seat is known after the commit, when somebody who waits may have it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from domain.content.events import SeatsFreed
from domain.enrollments.models import ContentActionKind
from domain.enrollments.status_facts import StatusFactChange, record_status_facts
from domain.enrollments.voluntary import VOLUNTARY, refresh_expiry
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
WITH selected AS MATERIALIZED ({selection}),
ending AS MATERIALIZED (SELECT DISTINCT reason_id, enrollment_id FROM selected),
ended AS (
  UPDATE enrollment_reason r SET until_at = $2 FROM ending d WHERE r.id = d.reason_id
  RETURNING r.learner_id, r.content_id, r.source, r.rule_id, r.path_id),
closing AS MATERIALIZED (
  SELECT s.enrollment_id, s.learner_id, s.content_id, min(s.rule_id) AS rule_id FROM selected s
   WHERE NOT EXISTS (SELECT 1 FROM enrollment_reason r WHERE r.enrollment_id = s.enrollment_id AND r.until_at IS NULL
                        AND NOT EXISTS (SELECT 1 FROM ending d WHERE d.reason_id = r.id))
   GROUP BY s.enrollment_id, s.learner_id, s.content_id),
before AS MATERIALIZED (
  SELECT e.id, e.learner_id, e.content_id, e.fact_status FROM enrollment e JOIN closing c ON c.enrollment_id = e.id
   WHERE e.is_active),
closed AS (
  UPDATE enrollment e SET is_active = false, expires_at = NULL, version = e.version + 1,
         -- Rules never change facts; whoever else ends a place that nobody has begun takes the fact with it.
         fact_status = CASE WHEN $6 AND e.status = 'NOT_STARTED' THEN NULL ELSE e.fact_status END
    FROM before b WHERE e.id = b.id
  RETURNING e.id, e.version, e.learner_id, e.content_id, e.fact_status),
thinned AS (
  UPDATE enrollment e SET version = e.version + 1
   WHERE e.id IN (SELECT enrollment_id FROM ending EXCEPT SELECT enrollment_id FROM closing)
  RETURNING e.id, e.version),
logged AS (
  INSERT INTO content_action (tenant_id, learner_id, content_id, action, source, rule_id, rule_name, path_id,
         actor_learner_id, actor_service_account_id, occurred_at, recorded_at)
  SELECT $1, c.learner_id, c.content_id, '{action}', $5, c.rule_id, u.name, $7, $3::bigint, $4::bigint, $2, $2
    FROM closing c JOIN before b ON b.id = c.enrollment_id LEFT JOIN rule u ON u.id = c.rule_id
   ORDER BY c.learner_id, c.rule_id, c.content_id
  RETURNING id),
changed AS (
  INSERT INTO change_pending (tenant_id, object_type, object_id, version, at)
  SELECT $1, 'ENROLLMENT', id, version, $2 FROM closed
  UNION ALL SELECT $1, 'ENROLLMENT', id, version, $2 FROM thinned
  UNION ALL SELECT $1, 'CONTENT_ACTION', id, 1, $2 FROM logged)
SELECT (SELECT count(*) FROM logged) AS logged_count,
       (SELECT (array_agg(id ORDER BY id))[1:$8::int] FROM logged) AS logged_ids,
       (SELECT coalesce(jsonb_agg(jsonb_build_array(learner_id, content_id, source, rule_id, path_id)), '[]')
          FROM ended) AS ended,
       (SELECT array_agg(t.id) FROM thinned t
         WHERE EXISTS (SELECT 1 FROM enrollment_reason r
                        WHERE r.enrollment_id = t.id AND r.until_at IS NULL AND r.ends_at IS NOT NULL)) AS expiring_ids,
       (SELECT coalesce(jsonb_agg(jsonb_build_array(
                 c.learner_id, c.content_id, g.rule_id, b.fact_status, c.fact_status)), '[]')
          FROM closed c JOIN before b ON b.id = c.id JOIN closing g ON g.enrollment_id = c.id) AS closed
"""

#: The "path" reasons that ended paths gave to courses; a path comes with the rule that ended it.
_PATH_REASONS = """
SELECT r.id AS reason_id, r.enrollment_id, r.learner_id, r.content_id, p.rule_id
  FROM unnest($9::bigint[], $10::bigint[], $11::bigint[]) AS p (learner_id, path_id, rule_id)
  JOIN enrollment_reason r ON r.path_id = p.path_id AND r.learner_id = p.learner_id
   AND r.until_at IS NULL AND r.source = 'LEARNING_PATH'
"""


async def end_reasons(
    work: UnitOfWork,
    selection: Selection,
    *,
    source: Source,
    is_by_rule: bool,
    path_id: int | None = None,
    action: ContentActionKind = ContentActionKind.UNENROLLED,
) -> list[EndedReason]:
    """End reasons, the enrollments that have none left, and the courses of ended paths.

    The learners have to be locked. `source`, `path_id` and `action` are what the log says. Not by a rule, the facts of
    enrollments that nobody has begun go too, and rules hear of it. Returns every reason that ended.
    """
    ended, closed = await _end(work, selection, source, action, is_by_rule=is_by_rule, path_id=path_id)
    paths = await _closed_paths(work, closed)
    # One statement per path: the log names it. Few paths end at once, many people may leave them.
    for path_id, people in paths.items():
        more, _ = await _end(
            work,
            Selection(
                _PATH_REASONS,
                ([learner for learner, _ in people], [path_id] * len(people), [rule for _, rule in people]),
            ),
            Source.LEARNING_PATH,
            ContentActionKind.UNENROLLED,
            is_by_rule=is_by_rule,
            path_id=path_id,
        )
        ended += more
    for content_id in sorted({one.content_id for one in ended if one.source in VOLUNTARY}):
        work.record(SeatsFreed(content_id))
    return ended


async def _end(
    work: UnitOfWork,
    selection: Selection,
    source: Source,
    action: ContentActionKind,
    *,
    is_by_rule: bool,
    path_id: int | None,
) -> tuple[list[EndedReason], list[tuple[int, int, int | None]]]:
    record = (
        await work.sql.fetch(
            _END.format(selection=selection.sql, action=action.value),
            work.tenant_id,
            work.now,
            work.principal.learner_id,
            work.principal.service_account_id,
            source.value,
            not is_by_rule,
            path_id,
            LISTED_RULE_ACTIONS,
            *selection.args,
        )
    )[0]
    if record["expiring_ids"]:
        await refresh_expiry(work, record["expiring_ids"])
    if work.collects_rule_actions:
        work.add_rule_actions(record["logged_ids"] or [], record["logged_count"])
    record_status_facts(
        work,
        [
            StatusFactChange(learner_id, content_id, before, after)
            for learner_id, content_id, _, before, after in record["closed"]
        ],
    )
    closed = [(learner_id, content_id, rule_id) for learner_id, content_id, rule_id, _, _ in record["closed"]]
    return [EndedReason(*reason) for reason in record["ended"]], closed


async def _closed_paths(
    work: UnitOfWork, closed: Sequence[tuple[int, int, int | None]]
) -> dict[int, list[tuple[int, int | None]]]:
    """Return the paths among the ended enrollments, with their people and the rules that ended them."""
    paths: dict[int, list[tuple[int, int | None]]] = {}
    if closed:
        ids = await work.sql.values(
            "SELECT id FROM content WHERE tenant_id = $1 AND kind = 'LEARNING_PATH' AND id = ANY ($2::bigint[])",
            work.tenant_id,
            list({content_id for _, content_id, _ in closed}),
        )
        for learner_id, content_id, rule_id in closed:
            if content_id in ids:
                paths.setdefault(content_id, []).append((learner_id, rule_id))
    return paths
