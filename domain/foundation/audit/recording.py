"""The audit log: who changed which object, field by field, written in the transaction of the change."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from domain.foundation.feed.changes import ObjectType
from domain.foundation.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True)
class FieldChange:
    """A field before and after; values are JSON, never a secret."""

    field: str
    before: Any
    after: Any


def changed_fields(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[FieldChange]:
    """Return the fields of `after` whose value is another than `before`: what was so already is no change."""
    return [FieldChange(name, before.get(name), value) for name, value in after.items() if before.get(name) != value]


async def audit(
    work: UnitOfWork, object_type: ObjectType, object_id: int, name: str, changes: list[FieldChange]
) -> None:
    """Write one entry; `changes` is empty for a deletion."""
    await work.sql.execute(
        """
        INSERT INTO audit_entry (tenant_id, actor_learner_id, actor_service_account_id, operation, object_type,
                                 object_id, object_name, changes, occurred_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        """,
        work.tenant_id,
        work.principal.learner_id,
        work.principal.service_account_id,
        work.operation,
        object_type.value,
        object_id,
        name,
        [{"field": change.field, "before": change.before, "after": change.after} for change in changes],
        work.now,
    )
