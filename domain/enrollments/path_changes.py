"""Changing a learning path, and letting the people enrolled in it follow (spec 2.4).

Following compares what somebody holds with what the path is now, so it may be done twice, and after several changes at
once. It gives only what the change has made mandatory: a course that somebody was taken out of before stays ended. The
facts of those whom only rules hold in the path stay: rules never trigger rules.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from domain.content.fields import PathFields
from domain.content.models import ContentKind
from domain.content.operations import update_path
from domain.content.queries import ContentKey, resolve_content
from domain.enrollments.ending import Selection, end_reasons
from domain.enrollments.granting import Grant, grant
from domain.enrollments.path_status import refresh_path_status
from domain.foundation.access import Scope, Source
from domain.foundation.feed.changes import ObjectType
from domain.foundation.jobs.running import BACKGROUND_THRESHOLD, Job, create_job
from domain.foundation.locks import lock_rules
from domain.foundation.models import JobKind
from domain.foundation.unit_of_work import UnitOfWork
from domain.people.queries import lock_learners

#: Learners that one transaction lets follow.
CHUNK = 500

_FOLLOWERS = """
SELECT learner_id FROM enrollment
 WHERE tenant_id = $1 AND content_id = $2 AND is_active AND learner_id > $3 ORDER BY learner_id LIMIT $4
"""

#: Reasons that the path gave to courses that are not mandatory in it any more.
_OBSOLETE = """
SELECT r.id AS reason_id, r.enrollment_id, r.learner_id, r.content_id, NULL::bigint AS rule_id
  FROM enrollment_reason r
 WHERE r.tenant_id = $9::bigint AND r.path_id = $10::bigint AND r.learner_id = ANY ($11::bigint[])
   AND r.source = 'LEARNING_PATH' AND r.until_at IS NULL
   AND NOT EXISTS (SELECT 1 FROM learning_path_item i
                    WHERE i.path_id = r.path_id AND i.course_id = r.content_id AND i.is_mandatory)
"""

_MISSING = """
SELECT l.learner_id, i.course_id
  FROM unnest($3::bigint[]) AS l (learner_id)
  JOIN learning_path_item i ON i.tenant_id = $1 AND i.path_id = $2 AND i.is_mandatory
 WHERE i.course_id = ANY ($4::bigint[])
   AND NOT EXISTS (SELECT 1 FROM enrollment_reason r
                    WHERE r.tenant_id = $1 AND r.path_id = $2 AND r.learner_id = l.learner_id
                      AND r.content_id = i.course_id AND r.source = 'LEARNING_PATH' AND r.until_at IS NULL)
 ORDER BY l.learner_id, i.position
"""


@dataclass(frozen=True, slots=True)
class LearningPathUpdated:
    """IDs of a changed path and of the work that lets people follow, if there is any."""

    path_id: int
    propagation_id: int | None


async def update_learning_path(
    work: UnitOfWork, *, key: ContentKey, changes: PathFields, expected_version: int | None
) -> LearningPathUpdated:
    """Change a learning path; fewer than 100 people in it follow at once, more in a background job."""
    work.principal.require_write(Scope.WRITE_CONTENT)
    if "items" in changes:
        # Nobody may come into the path between its change and the count of who is in it.
        await lock_rules(work)
    path_id = await resolve_content(work.sql, work.principal, key, ["learningPath"], kind=ContentKind.LEARNING_PATH)
    before = await _mandatory_courses(work, path_id)
    updated = await update_path(work, key=key, changes=changes, expected_version=expected_version)
    if not updated.has_other_items:
        return LearningPathUpdated(path_id, None)
    added = await _mandatory_courses(work, path_id) - before
    return LearningPathUpdated(path_id, await _propagate(work, path_id, sorted(added)))


async def _mandatory_courses(work: UnitOfWork, path_id: int) -> set[int]:
    return set(
        await work.sql.values(
            "SELECT course_id FROM learning_path_item WHERE tenant_id = $1 AND path_id = $2 AND is_mandatory",
            work.tenant_id,
            path_id,
        )
    )


async def follow_path_chunk(work: UnitOfWork, job: Job) -> bool:
    """Let the next people in a changed path follow; the chunk of a LEARNING_PATH_CHANGE job."""
    assert job.subject_id is not None
    done_until = int(job.progress.get("done_until", 0))
    learner_ids = await _followers(work, job.subject_id, after=done_until, limit=CHUNK)
    if learner_ids:
        # The job is in the background already: another one for its rules would only come later.
        work.evaluates_at_once = True
        await _follow(work, job.subject_id, learner_ids, job.progress["added"])
        job.processed_count += len(learner_ids)
        job.total_count = max(job.total_count or 0, job.processed_count)
        job.progress["done_until"] = learner_ids[-1]
    is_finished = len(learner_ids) < CHUNK
    if is_finished:
        # Who has left the path meanwhile does not follow it.
        job.total_count = job.processed_count
    return is_finished


async def _propagate(work: UnitOfWork, path_id: int, added: list[int]) -> int | None:
    title = await work.sql.value("SELECT title FROM content WHERE tenant_id = $1 AND id = $2", work.tenant_id, path_id)
    subject = (ObjectType.LEARNING_PATH, path_id, str(title))
    learner_ids = await _followers(work, path_id, after=0, limit=BACKGROUND_THRESHOLD)
    if not learner_ids:
        return None
    if len(learner_ids) < BACKGROUND_THRESHOLD:
        await _follow(work, path_id, learner_ids, added)
        return await create_job(work, JobKind.LEARNING_PATH_CHANGE, subject=subject, finished_with=len(learner_ids))
    total = await work.sql.value(
        "SELECT count(*) FROM enrollment WHERE tenant_id = $1 AND content_id = $2 AND is_active",
        work.tenant_id,
        path_id,
    )
    return await create_job(
        work, JobKind.LEARNING_PATH_CHANGE, subject=subject, total_count=total, progress={"added": added}
    )


async def _followers(work: UnitOfWork, path_id: int, *, after: int, limit: int) -> list[int]:
    learner_ids: list[int] = await work.sql.values(_FOLLOWERS, work.tenant_id, path_id, after, limit)
    return learner_ids


async def _follow(work: UnitOfWork, path_id: int, learner_ids: Sequence[int], added: Sequence[int]) -> None:
    await lock_learners(work, learner_ids)
    # Read after the lock: who has left the path meanwhile does not follow it.
    held = await work.sql.fetch(
        """
        SELECT learner_id, bool_or(source <> 'AUTO_ENROLLMENT') AS is_held_by_others FROM enrollment_reason
         WHERE tenant_id = $1 AND content_id = $2 AND learner_id = ANY ($3::bigint[]) AND until_at IS NULL
         GROUP BY learner_id ORDER BY learner_id
        """,
        work.tenant_id,
        path_id,
        list(learner_ids),
    )
    for is_held_by_others in (True, False):
        people = [record["learner_id"] for record in held if record["is_held_by_others"] is is_held_by_others]
        if people:
            await _follow_alike(work, path_id, people, added, writes_facts=is_held_by_others)


async def _follow_alike(
    work: UnitOfWork, path_id: int, learner_ids: list[int], added: Sequence[int], *, writes_facts: bool
) -> None:
    obsolete = Selection(_OBSOLETE, (work.tenant_id, path_id, learner_ids))
    await end_reasons(work, obsolete, source=Source.LEARNING_PATH, is_by_rule=not writes_facts, path_id=path_id)
    missing = await work.sql.fetch(_MISSING, work.tenant_id, path_id, learner_ids, list(added))
    grants = [Grant(learner_id, course_id, Source.LEARNING_PATH, path_id=path_id) for learner_id, course_id in missing]
    await grant(work, grants, writes_facts=writes_facts)
    await refresh_path_status(work, [(learner_id, path_id) for learner_id in learner_ids], writes_facts=writes_facts)
