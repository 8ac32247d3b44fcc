"""Deleting rules at any time, and backfilling them later. A deleted rule is gone at once, its work goes on."""

from dataclasses import dataclass

from domain.auto_assignment.evaluation.backfill import begin_backfill, set_state
from domain.auto_assignment.models import RuleState
from domain.auto_assignment.rules.jobs import cancel_jobs_of_rule
from domain.auto_assignment.rules.storage import lock_rule
from domain.auto_assignment.rules.validation import require_feature
from domain.auto_assignment.rules.versions import touch_rules
from domain.enrollments.ending import Selection, end_reasons
from domain.foundation.access import Scope, Source
from domain.foundation.audit.recording import audit
from domain.foundation.feed.changes import ObjectType, record_changes
from domain.foundation.jobs.running import BACKGROUND_THRESHOLD, Job, create_job
from domain.foundation.locks import lock_rules
from domain.foundation.models import JobKind
from domain.foundation.unit_of_work import UnitOfWork
from domain.people.queries import lock_learners

#: People from whom one transaction takes what the rule gave.
CHUNK = 1_000

_HOLDERS = """
SELECT DISTINCT learner_id FROM enrollment_reason
 WHERE tenant_id = $1 AND rule_id = $2 AND until_at IS NULL AND learner_id > $3 ORDER BY learner_id LIMIT $4
"""
_REASONS = """
SELECT r.id AS reason_id, r.enrollment_id, r.learner_id, r.content_id, r.rule_id FROM enrollment_reason r
 WHERE r.tenant_id = $9::bigint AND r.rule_id = $10::bigint AND r.learner_id = ANY ($11::bigint[])
   AND r.until_at IS NULL
"""


@dataclass(frozen=True, slots=True)
class RuleDeleted:
    """IDs of a deleted rule and of the work that takes back what it gave, if that was asked for."""

    rule_id: int
    revocation_id: int | None


async def delete_rule(work: UnitOfWork, *, rule_id: int, revokes_access: bool) -> RuleDeleted:
    """Delete a rule; with `revokes_access` its reasons end everywhere, else they stay for good.

    Possible while the feature is off and while the rule's jobs run, which are cancelled.
    """
    work.principal.require_write(Scope.WRITE_RULES)
    await lock_rules(work)
    rule = await lock_rule(work, rule_id)
    await cancel_jobs_of_rule(work, rule_id)
    # Without its atoms no change of a fact finds the rule; the row stays for the names in the log.
    for table in ("rule_atom", "rule_member"):
        await work.sql.execute(f"DELETE FROM {table} WHERE tenant_id = $1 AND rule_id = $2", work.tenant_id, rule_id)
    version = await work.sql.value(
        "UPDATE rule SET state = $3, version = version + 1, edited_version = version + 1, updated_at = $4"
        " WHERE tenant_id = $1 AND id = $2 RETURNING version",
        work.tenant_id,
        rule_id,
        RuleState.DELETED.value,
        work.now,
    )
    await audit(work, ObjectType.RULE, rule_id, rule.name, [])
    await record_changes(work, ObjectType.RULE, [(rule_id, version)])
    return RuleDeleted(rule_id, await _begin_revocation(work, rule_id, rule.name) if revokes_access else None)


async def _begin_revocation(work: UnitOfWork, rule_id: int, rule_name: str) -> int:
    subject = (ObjectType.RULE, rule_id, rule_name)
    learner_ids = await work.sql.values(_HOLDERS, work.tenant_id, rule_id, 0, BACKGROUND_THRESHOLD)
    if len(learner_ids) >= BACKGROUND_THRESHOLD:
        return await create_job(work, JobKind.RULE_REVOCATION, subject=subject)
    await _revoke(work, rule_id, learner_ids)
    return await create_job(work, JobKind.RULE_REVOCATION, subject=subject, finished_with=len(learner_ids))


async def revocation_chunk(work: UnitOfWork, job: Job) -> bool:
    """Take what a deleted rule gave from the next people of a RULE_REVOCATION."""
    rule_id = job.subject_id
    assert rule_id is not None
    if job.total_count is None:
        job.total_count = await work.sql.value(
            "SELECT count(DISTINCT learner_id) FROM enrollment_reason"
            " WHERE tenant_id = $1 AND rule_id = $2 AND until_at IS NULL",
            work.tenant_id,
            rule_id,
        )
    learner_ids = await work.sql.values(_HOLDERS, work.tenant_id, rule_id, job.progress.get("after", 0), CHUNK)
    if not learner_ids:
        job.total_count = job.processed_count
        return True
    await _revoke(work, rule_id, learner_ids)
    job.progress["after"] = learner_ids[-1]
    job.processed_count += len(learner_ids)
    return False


async def _revoke(work: UnitOfWork, rule_id: int, learner_ids: list[int]) -> None:
    await lock_learners(work, learner_ids)
    await end_reasons(
        work,
        Selection(_REASONS, (work.tenant_id, rule_id, learner_ids)),
        source=Source.AUTO_UNENROLLMENT,
        is_by_rule=True,
    )


async def backfill_rule(work: UnitOfWork, *, rule_id: int) -> int:
    """Enroll whoever meets a rule in what it has never enrolled them in; return the job."""
    work.principal.require_write(Scope.WRITE_RULES)
    await lock_rules(work)
    await require_feature(work.sql, work.tenant_id)
    rule = await lock_rule(work, rule_id)
    if rule.is_preparing:
        # The backfill does what the preparation would have done, and more.
        await cancel_jobs_of_rule(work, rule_id, JobKind.RULE_PREPARATION)
        await set_state(work, rule_id, RuleState.ACTIVE)
    await touch_rules(work, [rule_id])
    return await begin_backfill(
        work, rule_id, rule.name, content_ids=rule.content_ids, was_in_force=not rule.is_preparing
    )
