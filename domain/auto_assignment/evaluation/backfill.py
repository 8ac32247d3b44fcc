"""Backfill and preparation of one rule: who meets it already is enrolled, or only becomes a member.

Below 100 people it is done in the transaction that asks; from 100 on by a job, in chunks of learner IDs.

A backfill enrolls in every target in which the rule has never enrolled the learner, except where somebody has
unenrolled them by hand since they meet the rule and the content is a target (spec 3.10). So it may run again and again.
"""

from collections.abc import Awaitable, Callable, Sequence

from domain.auto_assignment.evaluation.applying import add_members, enroll_in_contents, enroll_in_targets
from domain.auto_assignment.evaluation.pending import (
    MET_IN_RANGE,
    NEW_IN_RANGE,
    count_due,
    count_new,
    find_due,
    find_new,
    find_some_due,
    find_some_new,
    is_unused,
)
from domain.auto_assignment.models import RuleState
from domain.auto_assignment.rules.versions import touch_rules
from domain.foundation.feed.changes import ObjectType, record_changes
from domain.foundation.jobs.running import BACKGROUND_THRESHOLD, Job, create_job
from domain.foundation.models import JobKind
from domain.foundation.unit_of_work import UnitOfWork
from domain.people.queries import lock_found_learners, lock_learners

#: Learner IDs that one chunk looks at, at first and at most. The first one is small: in a new database the planner
#: knows nothing before it, and statistics are taken after it.
FIRST_CHUNK = 200
CHUNK = 20_000
#: People that a chunk should find. More would keep changes of their facts waiting for their locks, at the same rate.
FOUND = range(1_000, 2_000)


async def begin_backfill(
    work: UnitOfWork,
    rule_id: int,
    rule_name: str,
    *,
    content_ids: Sequence[int] | None = None,
    was_in_force: bool = False,
) -> int:
    """Enroll who meets a rule already, in these targets or all, or have a job do it; return the job.

    The rules have to be locked. `was_in_force` tells that the rule was met and entered before, so that who meets it and
    is no member has yet to enter.
    """
    subject = (ObjectType.RULE, rule_id, rule_name)

    async def find(after: int, until: int) -> list[int]:
        return await find_some_due(work, rule_id, content_ids, after, until, enough=BACKGROUND_THRESHOLD)

    learner_ids = await _first_people(work, find)
    if len(learner_ids) >= BACKGROUND_THRESHOLD:
        progress = {
            "content_ids": None if content_ids is None else list(content_ids),
            "was_in_force": was_in_force,
            "is_unused": await is_unused(work, rule_id),
        }
        return await create_job(work, JobKind.RULE_BACKFILL, subject=subject, progress=progress)
    await lock_learners(work, learner_ids)
    count = await _enroll(work, rule_id, content_ids, learner_ids, was_in_force=was_in_force)
    return await create_job(work, JobKind.RULE_BACKFILL, subject=subject, finished_with=count)


async def begin_preparation(work: UnitOfWork, rule_id: int, rule_name: str) -> int | None:
    """Make members of who meets a rule already without enrolling them; return the job, None when it is done.

    The rules have to be locked.
    """

    async def find(after: int, until: int) -> list[int]:
        return await find_some_new(work, rule_id, after, until, enough=BACKGROUND_THRESHOLD)

    learner_ids = await _first_people(work, find)
    if len(learner_ids) >= BACKGROUND_THRESHOLD:
        await set_state(work, rule_id, RuleState.PREPARING)
        return await create_job(work, JobKind.RULE_PREPARATION, subject=(ObjectType.RULE, rule_id, rule_name))
    await lock_learners(work, learner_ids)
    await add_members(work, learner_ids, [rule_id] * len(learner_ids))
    return None


async def _first_people(work: UnitOfWork, find: Callable[[int, int], Awaitable[list[int]]]) -> list[int]:
    """Return everybody to work on, or 100 of them and more: enough to know that it is a job.

    In growing ranges of learners, as the rules are locked meanwhile and most rules have found enough in the first.
    """
    found: set[int] = set()
    after, size = 0, 5 * FIRST_CHUNK
    while len(found) < BACKGROUND_THRESHOLD:
        until = await _last_of_range(work, after, size)
        if until is None:
            break
        found.update(await find(after, until))
        after, size = until, 4 * size
    return sorted(found)


async def _enroll(
    work: UnitOfWork, rule_id: int, content_ids: Sequence[int] | None, learner_ids: Sequence[int], *, was_in_force: bool
) -> int:
    """Enroll these learners, who are locked, in what they lack; return how many got something."""
    due = await find_due(work, rule_id, content_ids, learner_ids)
    new = sorted({one.learner_id for one in due if not one.is_member})
    await add_members(work, new, [rule_id] * len(new))
    entering = set(new) if was_in_force and new and await _is_active(work, rule_id) else set()
    # Their evaluation or their turn in a backfill is still to come and will find members: so they enter here.
    await enroll_in_targets(work, sorted(entering), [rule_id] * len(entering), unused_rule_ids=[rule_id])
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
    rule_id = job.subject_id
    assert rule_id is not None
    scope: list[int] | None = job.progress.get("content_ids")
    if _is_to_be_counted(job):
        rest = await count_due(
            work, rule_id, scope, job.progress["after"], is_unused=job.progress.get("is_unused", False)
        )
        job.total_count = job.processed_count + rest
    chunk = await _next_range(work, job)
    if chunk is None:
        await touch_rules(work, [rule_id])
        return True
    # Everybody who meets the rule: looking up first what they lack costs more than locking those who lack nothing.
    locked = await lock_found_learners(work, MET_IN_RANGE, rule_id, *chunk)
    count = await _enroll(work, rule_id, scope, locked, was_in_force=job.progress.get("was_in_force", False))
    _advance(job, chunk[1], count, len(locked))
    return False


async def preparation_chunk(work: UnitOfWork, job: Job) -> bool:
    """Make members of the next people of a RULE_PREPARATION; with the last, the rule becomes ACTIVE."""
    rule_id = job.subject_id
    assert rule_id is not None
    if _is_to_be_counted(job):
        job.total_count = job.processed_count + await count_new(work, rule_id, job.progress["after"])
    chunk = await _next_range(work, job)
    if chunk is None:
        await set_state(work, rule_id, RuleState.ACTIVE)
        return True
    locked = await lock_found_learners(work, NEW_IN_RANGE, rule_id, *chunk)
    new = await find_new(work, rule_id, locked)
    await add_members(work, new, [rule_id] * len(new))
    _advance(job, chunk[1], len(new), len(locked))
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


def _is_to_be_counted(job: Job) -> bool:
    """Tell whether it is time to count who is to be worked on: after the first chunk."""
    return job.total_count is None and "after" in job.progress


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
