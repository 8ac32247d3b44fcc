"""Audit entries of many objects at once."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from domain.foundation.audit.recording import FieldChange
from domain.foundation.feed.changes import ObjectType
from domain.foundation.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True)
class AuditedChange:
    """What one entry says about one object."""

    object_id: int
    name: str
    changes: list[FieldChange]


async def audit_all(work: UnitOfWork, object_type: ObjectType, entries: Sequence[AuditedChange]) -> None:
    """Write one entry per object, in one statement."""
    if not entries:
        return
    await work.sql.execute(
        """
        INSERT INTO audit_entry (tenant_id, actor_learner_id, actor_service_account_id, operation, object_type,
                                 occurred_at, object_id, object_name, changes)
        SELECT $1, $2, $3, $4, $5, $6, object_id, object_name, changes::jsonb
          FROM unnest($7::bigint[], $8::text[], $9::text[]) AS entry (object_id, object_name, changes)
        """,
        work.tenant_id,
        work.principal.learner_id,
        work.principal.service_account_id,
        work.operation,
        object_type.value,
        work.now,
        [entry.object_id for entry in entries],
        [entry.name for entry in entries],
        [
            json.dumps(
                [{"field": change.field, "before": change.before, "after": change.after} for change in entry.changes]
            )
            for entry in entries
        ],
    )
