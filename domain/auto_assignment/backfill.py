"""Backfill and preparation of one rule: who meets it already becomes a member, and is enrolled or not.

Below 100 people it is done in the transaction that asks; from 100 on by a job, in chunks of learner IDs. A chunk locks
the people it has found and matches them again, so it never works on facts that somebody is just changing.
"""

from collections.abc import Sequence

from domain.auto_assignment.applying import add_members, enroll_in_targets
from domain.auto_assignment.matching import hits_of_rules, matching
from domain.auto_assignment.models import RuleState
from domain.foundation.background import BACKGROUND_THRESHOLD, Job, create_job
from domain.foundation.change_feed import ObjectType, record_changes
from domain.foundation.models import JobKind
from domain.foundation.unit_of_work import UnitOfWork
from domain.people.queries import lock_learners

#: Learner IDs that one chunk looks at: small chunks keep others waiting less, at the same rate.
CHUNK = 5_000

_NEW_MEMBERS = f"""
SELECT m.learner_id FROM ({matching(hits_of_rules("SELECT $2::bigint"))}) m
 WHERE NOT EXISTS (SELECT 1 FROM rule_member k WHERE k.learner_id = m.learner_id AND k.rule_id = $2)
"""
_NEW_MEMBERS_IN_RANGE = f"""
SELECT m.learner_id FROM ({matching(hits_of_rules("SELECT $2::bigint", after="$3", until="$4"))}) m
 WHERE NOT EXISTS (SELECT 1 FROM rule_member k WHERE k.learner_id = m.learner_id AND k.rule_id = $2)
 ORDER BY m.learner_id
"""


async def find_new_members(work: UnitOfWork, rule_id: int, *, limit: int) -> list[int]:
    """Return up to `limit` learners who meet the rule and are no members yet."""
    learner_ids: list[int] = await work.sql.values(f"{_NEW_MEMBERS} LIMIT $3", work.tenant_id, rule_id, limit)
    return sorted(learner_ids)


async def begin_backfill(work: UnitOfWork, rule_id: int, rule_name: str) -> int:
    """Enroll who meets a new rule already, or have a job do it; return the job. The rules have to be locked."""
    subject = (ObjectType.RULE, rule_id, rule_name)
    learner_ids = await find_new_members(work, rule_id, limit=BACKGROUND_THRESHOLD)
    if len(learner_ids) >= BACKGROUND_THRESHOLD:
        return await create_job(work, JobKind.RULE_BACKFILL, subject=subject)
    await lock_learners(work, learner_ids)
    await add_members(work, learner_ids, [rule_id] * len(learner_ids))
    await enroll_in_targets(work, learner_ids, [rule_id] * len(learner_ids), [rule_id])
    return await create_job(work, JobKind.RULE_BACKFILL, subject=subject, finished_with=len(learner_ids))


async def begin_preparation(work: UnitOfWork, rule_id: int, rule_name: str) -> int | None:
    """Make members of who meets a new rule already without enrolling them; return the job, None when it is done."""
    learner_ids = await find_new_members(work, rule_id, limit=BACKGROUND_THRESHOLD)
    if len(learner_ids) >= BACKGROUND_THRESHOLD:
        await work.sql.execute(
            "UPDATE rule SET state = $3 WHERE tenant_id = $1 AND id = $2",
            work.tenant_id,
            rule_id,
            RuleState.PREPARING.value,
        )
        return await create_job(work, JobKind.RULE_PREPARATION, subject=(ObjectType.RULE, rule_id, rule_name))
    await lock_learners(work, learner_ids)
    await add_members(work, learner_ids, [rule_id] * len(learner_ids))
    return None


async def backfill_chunk(work: UnitOfWork, job: Job) -> bool:
    """Enroll the next people of a RULE_BACKFILL."""
    return await _chunk(work, job, enrolls=True)


async def preparation_chunk(work: UnitOfWork, job: Job) -> bool:
    """Make members of the next people of a RULE_PREPARATION; with the last, the rule becomes ACTIVE."""
    is_finished = await _chunk(work, job, enrolls=False)
    if is_finished:
        row = await work.sql.fetch(
            "UPDATE rule SET state = $3, version = version + 1 WHERE tenant_id = $1 AND id = $2 AND state = $4"
            " RETURNING id, version",
            work.tenant_id,
            job.subject_id,
            RuleState.ACTIVE.value,
            RuleState.PREPARING.value,
        )
        await record_changes(work, ObjectType.RULE, [(one["id"], one["version"]) for one in row])
    return is_finished


async def _chunk(work: UnitOfWork, job: Job, *, enrolls: bool) -> bool:
    rule_id = job.subject_id
    assert rule_id is not None
    if job.total_count is None:
        job.total_count = await work.sql.value(f"SELECT count(*) FROM ({_NEW_MEMBERS}) m", work.tenant_id, rule_id)
    after: int = job.progress.get("after", 0)
    until: int | None = await work.sql.value(
        "SELECT max(id) FROM (SELECT id FROM learner WHERE tenant_id = $1 AND id > $2 ORDER BY id LIMIT $3) next_ids",
        work.tenant_id,
        after,
        CHUNK,
    )
    if until is None:
        job.total_count = job.processed_count
        return True
    learner_ids = await _locked_new_members(work, rule_id, after, until)
    await add_members(work, learner_ids, [rule_id] * len(learner_ids))
    if enrolls:
        await enroll_in_targets(work, learner_ids, [rule_id] * len(learner_ids), [rule_id])
    job.progress["after"] = until
    job.processed_count += len(learner_ids)
    # Who entered the rule by a change meanwhile was not this job's work.
    job.total_count = max(job.total_count or 0, job.processed_count)
    return False


async def _locked_new_members(work: UnitOfWork, rule_id: int, after: int, until: int) -> Sequence[int]:
    found = await work.sql.values(_NEW_MEMBERS_IN_RANGE, work.tenant_id, rule_id, after, until)
    if not found:
        return []
    await lock_learners(work, found)
    # A fresh snapshot after the locks: what changed while waiting for them counts.
    locked = set(found)
    again = await work.sql.values(_NEW_MEMBERS_IN_RANGE, work.tenant_id, rule_id, after, until)
    return [learner_id for learner_id in again if learner_id in locked]
