"""People whom a complete list of the staff no longer names."""

from collections.abc import Collection
from dataclasses import dataclass

from domain.foundation.access import Principal
from domain.foundation.database.sessions import Statements


@dataclass(frozen=True, slots=True)
class MissingLearner:
    """An active person whom nobody named."""

    id: int
    external_id: str | None
    name: str
    role: str


async def find_missing_learners(
    sql: Statements, principal: Principal, *, operation: str, external_ids: Collection[str]
) -> list[MissingLearner]:
    """Return the active people whom an operation has ever made or changed and whose external ID is not named, by name.

    Whom the operation never touched is not its business: administrators made by hand, people of other sources.
    """
    return await sql.rows(
        MissingLearner,
        """
        SELECT l.id, l.external_id, l.name, l.role FROM learner l
         WHERE l.tenant_id = $1 AND l.is_active AND l.erased_at IS NULL
           AND NOT EXISTS (SELECT 1 FROM unnest($2::text[]) AS named (external_id)
                            WHERE named.external_id = l.external_id)
           AND EXISTS (SELECT 1 FROM audit_entry a
                        WHERE a.tenant_id = $1 AND a.object_type = 'LEARNER' AND a.object_id = l.id
                          AND a.operation = $3)
         ORDER BY l.name_key, l.id
        """,
        principal.tenant_id,
        list(external_ids),
        operation,
    )


async def count_active_learners(sql: Statements, principal: Principal) -> int:
    """Return how many people of the tenant are active."""
    count: int = await sql.value("SELECT count(*) FROM learner WHERE tenant_id = $1 AND is_active", principal.tenant_id)
    return count
