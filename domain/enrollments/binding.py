"""What an open mandatory task needs: its own reason, and the "path" reasons that its path gave to mandatory courses.

Whoever assigns tasks says when their reasons bind and when no longer; neither rules nor people end a bound one.
"""

from collections.abc import Sequence

from domain.enrollments.errors import EnrollmentIsMandatory
from domain.foundation.feed.changes import ObjectType, record_changes
from domain.foundation.unit_of_work import UnitOfWork


def is_bound(reason: str) -> str:
    """Return the SQL condition that an open task needs an open reason, a row of `enrollment_reason` named so."""
    return (
        f"({reason}.is_binding OR ({reason}.source = 'LEARNING_PATH' AND EXISTS (SELECT 1 FROM enrollment_reason b"
        f" WHERE b.learner_id = {reason}.learner_id AND b.content_id = {reason}.path_id"
        f" AND b.is_binding AND b.until_at IS NULL)))"
    )


async def set_binding(work: UnitOfWork, task_ids: Sequence[int], *, is_binding: bool) -> None:
    """Let the open reasons of these tasks bind, or bind nobody any more; the learners have to be locked."""
    if not task_ids:
        return
    changed = await work.sql.fetch(
        """
        WITH turned AS (
          UPDATE enrollment_reason SET is_binding = $3
           WHERE tenant_id = $1 AND task_id = ANY ($2::bigint[]) AND source = 'MANDATORY_TASK' AND until_at IS NULL
             AND is_binding <> $3
          RETURNING enrollment_id)
        UPDATE enrollment e SET version = e.version + 1 FROM (SELECT DISTINCT enrollment_id FROM turned) t
         WHERE e.tenant_id = $1 AND e.id = t.enrollment_id RETURNING e.id, e.version
        """,
        work.tenant_id,
        list(task_ids),
        is_binding,
    )
    await record_changes(work, ObjectType.ENROLLMENT, [(row["id"], row["version"]) for row in changed])


async def require_unbound(work: UnitOfWork, *, learner_id: int, content_id: int) -> None:
    """Raise EnrollmentIsMandatory while an open task needs this place; the learner has to be locked."""
    if await work.sql.value(
        f"""
        SELECT EXISTS (SELECT 1 FROM enrollment e JOIN enrollment_reason r ON r.enrollment_id = e.id
                        WHERE e.tenant_id = $1 AND e.learner_id = $2 AND e.content_id = $3 AND r.until_at IS NULL
                          AND {is_bound("r")})
        """,
        work.tenant_id,
        learner_id,
        content_id,
    ):
        raise EnrollmentIsMandatory(path=["content"])
