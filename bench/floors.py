"""The rows of a change written plainly: one statement in one transaction, all IDs known before, nothing decided."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bench.database import Connection
from bench.world import Company
from domain.foundation.database.sessions import writing

#: What a change of one reference value writes when one rule takes a course away and another one gives one.
_CHANGE = """
WITH learner_changed AS (
  UPDATE learner SET version = version + 1, edited_version = version + 1 WHERE id = $2 RETURNING version),
ref_changed AS (UPDATE learner_ref SET value = $3 WHERE learner_id = $2 AND number = 1),
audited AS (
  INSERT INTO audit_entry (tenant_id, actor_learner_id, operation, object_type, object_id, object_name, changes,
                           occurred_at)
  VALUES ($1, $4, 'updateLearner', 'LEARNER', $2, $5, $6, $7)),
left_rule AS (DELETE FROM rule_member WHERE learner_id = $2 AND rule_id = $8),
entered_rule AS (INSERT INTO rule_member (learner_id, rule_id, tenant_id, since_at) VALUES ($2, $9, $1, $7)),
reason_ended AS (UPDATE enrollment_reason SET until_at = $7 WHERE id = $10),
place_closed AS (UPDATE enrollment SET is_active = false, version = version + 1 WHERE id = $11),
place_opened AS (
  INSERT INTO enrollment (tenant_id, learner_id, content_id, status, is_active, is_waitlisted, progress_percent,
                          lessons_done, attempt, enrolled_at, version)
  VALUES ($1, $2, $13, 'NOT_STARTED', true, false, 0, 0, 1, $7, 1) RETURNING id),
reason_given AS (
  INSERT INTO enrollment_reason (tenant_id, enrollment_id, learner_id, content_id, source, rule_id, rule_name,
                                 actor_learner_id, is_permanent, since_at)
  SELECT $1, id, $2, $13, 'AUTO_ENROLLMENT', $9, 'Rule', $4, false, $7 FROM place_opened),
logged AS (
  INSERT INTO content_action (tenant_id, learner_id, content_id, action, source, rule_id, rule_name, actor_learner_id,
                              resulting_status, occurred_at, recorded_at)
  VALUES ($1, $2, $12, 'UNENROLLED', 'AUTO_UNENROLLMENT', $8, 'Rule', $4, NULL, $7, $7),
         ($1, $2, $13, 'ENROLLED', 'AUTO_ENROLLMENT', $9, 'Rule', $4, 'NOT_STARTED', $7, $7) RETURNING id)
INSERT INTO change_pending (tenant_id, object_type, object_id, version, at)
VALUES ($1, 'LEARNER', $2, 2, $7), ($1, 'ENROLLMENT', $11, 2, $7), ($1, 'ENROLLMENT', $11, 1, $7),
       ($1, 'CONTENT_ACTION', $11, 1, $7), ($1, 'CONTENT_ACTION', $11, 1, $7)
"""

_AUDITED = [{"field": "refValues.1", "before": "v1", "after": "v2"}]


@dataclass(frozen=True, slots=True)
class PlainChange:
    """IDs that a change of one reference value touches."""

    learner_id: int
    value: str
    rule_left: int
    rule_entered: int
    reason_id: int
    enrollment_id: int
    course_left: int
    course_entered: int


async def prepare_changes(owner: Connection, company: Company, changes: Sequence[tuple[int, str]]) -> list[PlainChange]:
    """Look up what setting ref 1 of each learner to the value beside them is going to touch."""
    return [
        PlainChange(**record)
        for record in await owner.fetch(
            """
            SELECT t.learner_id, t.value, r.rule_id AS rule_left, n.rule_id AS rule_entered, r.id AS reason_id,
                   r.enrollment_id, r.content_id AS course_left, g.content_id AS course_entered
              FROM unnest($2::bigint[], $3::text[]) WITH ORDINALITY AS t (learner_id, value, position)
              JOIN learner_ref f ON f.learner_id = t.learner_id AND f.number = 1
              JOIN rule_atom o ON o.tenant_id = $1 AND o.kind = 'R' AND o.key = 1 AND o.value = f.value
              JOIN rule_atom n ON n.tenant_id = $1 AND n.kind = 'R' AND n.key = 1 AND n.value = t.value COLLATE "C"
              JOIN enrollment_reason r ON r.rule_id = o.rule_id AND r.learner_id = t.learner_id AND r.until_at IS NULL
              JOIN rule_target g ON g.rule_id = n.rule_id
             ORDER BY t.position
            """,
            company.tenant_id,
            [learner_id for learner_id, _ in changes],
            [value for _, value in changes],
        )
    ]


async def write_change(company: Company, change: PlainChange, now: datetime) -> None:
    """Write a change in a transaction of the application's role."""
    async with writing(company.tenant_id) as sql:
        await sql.execute(
            _CHANGE,
            company.tenant_id,
            change.learner_id,
            change.value,
            company.admin.learner_id,
            "Learner",
            _AUDITED,
            now,
            change.rule_left,
            change.rule_entered,
            change.reason_id,
            change.enrollment_id,
            change.course_left,
            change.course_entered,
        )
