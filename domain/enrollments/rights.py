"""Who may enroll and report: admins and tools with the scope anywhere, trainers in what they train."""

from collections.abc import Collection, Sequence

from domain.content.queries import trained_by
from domain.foundation.access import Principal, Scope
from domain.foundation.database.sessions import Statements
from domain.foundation.errors import Forbidden


def require_enrolling_role(principal: Principal) -> None:
    """Raise Forbidden for who may never enroll others: learners, and tools without the scope."""
    if not principal.may_write(Scope.WRITE_ENROLLMENTS) and not principal.is_trainer:
        raise Forbidden


async def trained_among(sql: Statements, principal: Principal, content_ids: Collection[int]) -> set[int]:
    """Return the contents among these for which the account may enroll and report."""
    if principal.may_write(Scope.WRITE_ENROLLMENTS):
        return set(content_ids)
    ids: Sequence[int] = await sql.values(
        f"SELECT c.id FROM content c WHERE c.tenant_id = $1 AND c.id = ANY ($2::bigint[]) AND {trained_by(principal)}",
        principal.tenant_id,
        list(content_ids),
    )
    return set(ids)
