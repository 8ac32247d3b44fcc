"""Backfill and preparation of one rule: who meets it already is enrolled, or only becomes a member.

Below 100 people it is done in the transaction that asks; from 100 on by a job, in chunks of learner IDs. A chunk locks
the people it has found and looks again, so it never works on facts that somebody is just changing.

A backfill enrolls in every target in which the rule has never enrolled the learner, except where somebody has
unenrolled them by hand since they meet the rule and the content is a target (spec 3.10). So it may run again and again.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from domain.auto_assignment.applying import add_members, enroll_in_contents, enroll_in_targets
from domain.auto_assignment.matching import hits_of_rules, matching
from domain.auto_assignment.models import RuleState
from domain.foundation.background import BACKGROUND_THRESHOLD, Job, create_job
from domain.foundation.change_feed import ObjectType, record_changes
from domain.foundation.models import JobKind
from domain.foundation.unit_of_work import UnitOfWork
from domain.people.queries import lock_learners

#: Learner IDs that one chunk looks at, at first and at most. The first one is small: in a new database the planner
#: knows nothing before it, and statistics are taken after it.
FIRST_CHUNK = 200
CHUNK = 20_000
#: People that a chunk should find. More would keep changes of their facts waiting for their locks, at the same rate.
FOUND = range(500, 2_000)


@dataclass(frozen=True, slots=True)
class Due:
    """A learner who meets the rule, a target that they are to be enrolled in, and whether they are a member already.

    No content: there is nothing to enroll them in, but they are no member yet.
    """

    learner_id: int
    content_id: int | None
    is_member: bool


def _due(*, after: str | None = None, until: str | None = None) -> str:
    """Return who meets rule `$2` and what they lack of the targets `$3` (null for all of them)."""
    return f"""
SELECT m.learner_id, g.content_id, k.rule_id IS NOT NULL AS is_member
  FROM ({matching(hits_of_rules("SELECT $2::bigint", after=after, until=until))}) m
  LEFT JOIN rule_member k ON k.learner_id = m.learner_id AND k.rule_id = $2
  LEFT JOIN LATERAL (
    SELECT t.content_id FROM rule_target t
      LEFT JOIN enrollment e ON e.learner_id = m.learner_id AND e.content_id = t.content_id
      -- Looked up one by one: as NOT EXISTS, all that the rule ever gave would be read for every chunk.
      LEFT JOIN LATERAL (
        SELECT r.id FROM enrollment_reason r WHERE r.enrollment_id = e.id AND r.rule_id = $2 LIMIT 1) given ON true
      LEFT JOIN LATERAL (
        SELECT a.id FROM content_action a
         WHERE e.id IS NOT NULL AND k.rule_id IS NOT NULL
           AND a.tenant_id = $1 AND a.learner_id = m.learner_id AND a.content_id = t.content_id
           AND a.action = 'UNENROLLED' AND a.source IN ('MANAGER', 'INTEGRATION', 'LEARNER')
           AND a.recorded_at >= greatest(k.since_at, t.added_at) LIMIT 1) taken ON true
     WHERE t.rule_id = $2 AND ($3::bigint[] IS NULL OR t.content_id = ANY ($3))
       AND given.id IS NULL AND taken.id IS NULL) g ON true
 WHERE g.content_id IS NOT NULL OR k.rule_id IS NULL
"""


_DUE = _due()
_DUE_IN_RANGE = _due(after="$4", until="$5")
_COUNT_DUE = f"SELECT count(DISTINCT learner_id) FROM ({_DUE}) due WHERE content_id IS NOT NULL"
_COUNT_NEW_MEMBERS = f"SELECT count(DISTINCT learner_id) FROM ({_DUE}) due WHERE NOT is_member"


async def begin_backfill(
    work: UnitOfWork,
    rule_id: int,
    rule_name: str,
    *,
    content_ids: Sequence[int] | None = None,
    are_added: bool = False,
) -> int:
    """Enroll who meets a rule already, in these targets or all, or have a job do it; return the job.

    The rules have to be locked. `are_added` tells that the rule gave other contents before.
    """
    subject = (ObjectType.RULE, rule_id, rule_name)
    learner_ids = await _first_due(work, rule_id, content_ids, "content_id IS NOT NULL OR NOT is_member")
    if len(learner_ids) >= BACKGROUND_THRESHOLD:
        scope = None if content_ids is None else list(content_ids)
        progress = {"content_ids": scope, "are_added": are_added}
        return await create_job(work, JobKind.RULE_BACKFILL, subject=subject, progress=progress)
    count = await _enroll(work, rule_id, content_ids, learner_ids, are_added=are_added)
    return await create_job(work, JobKind.RULE_BACKFILL, subject=subject, finished_with=count)


async def begin_preparation(work: UnitOfWork, rule_id: int, rule_name: str) -> int | None:
    """Make members of who meets a rule already without enrolling them; return the job, None when it is done.

    The rules have to be locked.
    """
    learner_ids = await _first_due(work, rule_id, None, "NOT is_member")
    if len(learner_ids) >= BACKGROUND_THRESHOLD:
        await set_state(work, rule_id, RuleState.PREPARING)
        return await create_job(work, JobKind.RULE_PREPARATION, subject=(ObjectType.RULE, rule_id, rule_name))
    await lock_learners(work, learner_ids)
    await add_members(work, learner_ids, [rule_id] * len(learner_ids))
    return None


async def _first_due(work: UnitOfWork, rule_id: int, content_ids: Sequence[int] | None, what: str) -> list[int]:
    """Return everybody to work on, or 100 of them and more: enough to know that it is a job.

    In growing ranges of learners, as the rules are locked meanwhile and most rules have found enough in the first.
    """
    found: set[int] = set()
    after, size = 0, 5 * FIRST_CHUNK
    while len(found) < BACKGROUND_THRESHOLD:
        until = await _last_of_range(work, after, size)
        if until is None:
            break
        found.update(
            await work.sql.values(
                f"SELECT DISTINCT learner_id FROM (SELECT * FROM ({_DUE_IN_RANGE}) due WHERE {what} LIMIT $6) enough",
                work.tenant_id,
                rule_id,
                None if content_ids is None else list(content_ids),
                after,
                until,
                # A learner comes once for every target, of which there are 100 at most.
                BACKGROUND_THRESHOLD * 100,
            )
        )
        after, size = until, 4 * size
    return sorted(found)


async def _enroll(
    work: UnitOfWork, rule_id: int, content_ids: Sequence[int] | None, learner_ids: Sequence[int], *, are_added: bool
) -> int:
    """Enroll these learners in what they lack; return how many got something."""
    if not learner_ids:
        return 0
    due = await _locked_due(work, rule_id, content_ids, learner_ids, min(learner_ids) - 1, max(learner_ids))
    new = sorted({one.learner_id for one in due if not one.is_member})
    await add_members(work, new, [rule_id] * len(new))
    entering = set(new) if are_added and new and await _is_active(work, rule_id) else set()
    # Their evaluation or their turn in a backfill is still to come and will find members: so they enter here.
    await enroll_in_targets(work, sorted(entering), [rule_id] * len(entering), [rule_id])
    missing = [
        (one.learner_id, one.content_id) for one in due if one.content_id is not None and one.learner_id not in entering
    ]
    await enroll_in_contents(work, rule_id, missing)
    return len(entering | {learner_id for learner_id, _ in missing})


async def _is_active(work: UnitOfWork, rule_id: int) -> bool:
    """Tell whether a rule is not being prepared: then whoever meets it and is no member has yet to enter."""
    state: str = await work.sql.value(
        "SELECT state FROM rule WHERE tenant_id = $1 AND id = $2", work.tenant_id, rule_id
    )
    return state == RuleState.ACTIVE


async def backfill_chunk(work: UnitOfWork, job: Job) -> bool:
    """Enroll the next people of a RULE_BACKFILL."""
    scope: list[int] | None = job.progress.get("content_ids")
    assert job.subject_id is not None
    await _count(work, job, _COUNT_DUE, scope)
    chunk = await _next_range(work, job)
    if chunk is None:
        return True
    due = await work.sql.rows(Due, _DUE_IN_RANGE, work.tenant_id, job.subject_id, scope, *chunk)
    found = sorted({one.learner_id for one in due})
    count = await _enroll(work, job.subject_id, scope, found, are_added=job.progress.get("are_added", False))
    _advance(job, chunk[1], count, len(found))
    return False


async def preparation_chunk(work: UnitOfWork, job: Job) -> bool:
    """Make members of the next people of a RULE_PREPARATION; with the last, the rule becomes ACTIVE."""
    rule_id = job.subject_id
    assert rule_id is not None
    await _count(work, job, _COUNT_NEW_MEMBERS, None)
    chunk = await _next_range(work, job)
    if chunk is None:
        await set_state(work, rule_id, RuleState.ACTIVE)
        return True
    due = await work.sql.rows(Due, _DUE_IN_RANGE, work.tenant_id, rule_id, None, *chunk)
    found = sorted({one.learner_id for one in due if not one.is_member})
    new = {one.learner_id for one in await _locked_due(work, rule_id, None, found, *chunk) if not one.is_member}
    await add_members(work, sorted(new), [rule_id] * len(new))
    _advance(job, chunk[1], len(new), len(found))
    return False


async def set_state(work: UnitOfWork, rule_id: int, state: RuleState) -> None:
    """Let a rule be ACTIVE or PREPARING; one that is deleted stays so."""
    changed = await work.sql.fetch(
        "UPDATE rule SET state = $3, version = version + 1"
        " WHERE tenant_id = $1 AND id = $2 AND state NOT IN ('DELETED', $3) RETURNING id, version",
        work.tenant_id,
        rule_id,
        state.value,
    )
    await record_changes(work, ObjectType.RULE, [(row["id"], row["version"]) for row in changed])


async def _count(work: UnitOfWork, job: Job, count: str, scope: list[int] | None) -> None:
    """Count who is to be worked on, after the first chunk."""
    if job.total_count is None and "after" in job.progress:
        rest: int = await work.sql.value(count, work.tenant_id, job.subject_id, scope)
        job.total_count = job.processed_count + rest


async def _next_range(work: UnitOfWork, job: Job) -> tuple[int, int] | None:
    """Return the next learner IDs, after … until; None behind the last."""
    after: int = job.progress.get("after", 0)
    until = await _last_of_range(work, after, min(CHUNK, job.progress.get("size", FIRST_CHUNK)))
    if until is None:
        # Who entered the rule by a change meanwhile was not this job's work.
        job.total_count = job.processed_count
        return None
    return after, until


async def _last_of_range(work: UnitOfWork, after: int, size: int) -> int | None:
    """Return the last of the next learner IDs; None where there are none."""
    until: int | None = await work.sql.value(
        "SELECT max(id) FROM (SELECT id FROM learner WHERE tenant_id = $1 AND id > $2 ORDER BY id LIMIT $3) next_ids",
        work.tenant_id,
        after,
        size,
    )
    return until


def _advance(job: Job, until: int, count: int, found: int) -> None:
    job.progress["after"] = until
    size: int = job.progress.get("size", FIRST_CHUNK)
    if found < FOUND.start:
        size = min(CHUNK, size * 2)
    elif found >= FOUND.stop:
        size = max(FIRST_CHUNK, size // 2)
    job.progress["size"] = size
    job.processed_count += count
    if job.total_count is not None:
        job.total_count = max(job.total_count, job.processed_count)


async def _locked_due(
    work: UnitOfWork,
    rule_id: int,
    content_ids: Sequence[int] | None,
    learner_ids: Sequence[int],
    after: int,
    until: int,
) -> list[Due]:
    """Lock these learners and return what they lack, on a fresh snapshot: what changed meanwhile counts."""
    if not learner_ids:
        return []
    await lock_learners(work, learner_ids)
    scope = None if content_ids is None else list(content_ids)
    again = await work.sql.rows(Due, _DUE_IN_RANGE, work.tenant_id, rule_id, scope, after, until)
    locked = set(learner_ids)
    return [one for one in again if one.learner_id in locked]
