"""Reading the audit log. Only people who are admins do; no scope of a service account reaches it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain.foundation.access import Principal, Role
from domain.foundation.database.sessions import Statements
from domain.foundation.errors import Forbidden
from domain.foundation.feed.changes import ObjectType
from domain.foundation.paging import Order, Page, PageRequest, Query, SortKey, read_page


@dataclass(frozen=True, slots=True)
class AuditEntryRow:
    """Entry of the audit log."""

    id: int
    actor_learner_id: int | None
    actor_service_account_id: int | None
    operation: str
    object_type: str
    object_id: int
    object_name: str
    changes: list[dict[str, Any]]
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which entries are wanted; None is no restriction, an empty list matches nothing."""

    objects: Sequence[tuple[ObjectType, int]] | None = None
    learner_ids: Sequence[int] | None = None
    service_account_ids: Sequence[int] | None = None
    occurred_from: datetime | None = None
    occurred_before: datetime | None = None


#: Columns of an `AuditEntryRow`.
COLUMNS = (
    "id, actor_learner_id, actor_service_account_id, operation, object_type, object_id, object_name, changes,"
    " occurred_at"
)


def sees_audit_log(principal: Principal) -> bool:
    """Tell whether the account reads the audit log."""
    return principal.role is Role.ADMIN or principal.is_operator


async def load_visible_entries_by_id(
    reads: Statements, principal: Principal, ids: Sequence[int]
) -> list[AuditEntryRow | None]:
    """Return entries aligned with their IDs, none of them to those who do not read the audit log."""
    if not sees_audit_log(principal):
        return [None for _ in ids]
    rows = await reads.rows(
        AuditEntryRow,
        f"SELECT {COLUMNS} FROM audit_entry WHERE tenant_id = $1 AND id = ANY($2)",
        principal.tenant_id,
        list(ids),
    )
    by_id = {row.id: row for row in rows}
    return [by_id.get(id) for id in ids]


async def list_audit_entries(
    reads: Statements, principal: Principal, request: PageRequest, wanted: AuditFilter
) -> Page[AuditEntryRow]:
    """Return the entries, newest first. Needs ADMIN."""
    if not sees_audit_log(principal):
        raise Forbidden
    query = Query(COLUMNS, "audit_entry").where("tenant_id = ?", principal.tenant_id)
    if wanted.objects is not None:
        query.where(
            "(object_type, object_id) IN (SELECT * FROM unnest(?::text[], ?::bigint[]))",
            [object_type.value for object_type, _ in wanted.objects],
            [object_id for _, object_id in wanted.objects],
        )
    if wanted.learner_ids is not None or wanted.service_account_ids is not None:
        query.where(
            "actor_learner_id = ANY(?::bigint[]) OR actor_service_account_id = ANY(?::bigint[])",
            list(wanted.learner_ids or ()),
            list(wanted.service_account_ids or ()),
        )
    if wanted.occurred_from is not None:
        query.where("occurred_at >= ?", wanted.occurred_from)
    if wanted.occurred_before is not None:
        query.where("occurred_at < ?", wanted.occurred_before)
    order = Order((SortKey("id", "id"),), is_descending=True)
    return await read_page(reads, AuditEntryRow, query, order, request)
