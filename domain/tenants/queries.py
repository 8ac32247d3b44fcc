"""Reading the tenant and its service accounts. Everybody sees the tenant; service accounts are for admins."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from domain.foundation.access import Principal, Role
from domain.foundation.database.sessions import Statements
from domain.foundation.errors import Forbidden
from domain.foundation.paging import Order, Page, PageRequest, Query, SortKey, read_page

REF_FIELD_COUNT = 10


def ref_label(labels: Mapping[str, str], number: int) -> str:
    """Return what a reference field is called, given the labels that the tenant has chosen."""
    return labels.get(str(number)) or f"Ref#{number}"


@dataclass(frozen=True, slots=True)
class TenantRow:
    """The tenant with its settings."""

    id: int
    slug: str
    name: str
    time_zone: str
    ref_labels: dict[str, str]
    is_auto_assignment_enabled: bool
    rule_limit: int
    minimum_lead_days: int
    accepts_learner_progress: bool
    version: int

    def ref_label(self, number: int) -> str:
        """Return what the tenant calls a reference field."""
        return ref_label(self.ref_labels, number)


@dataclass(frozen=True, slots=True)
class ServiceAccountRow:
    """Partner tool; all but ID and name is blank for those who may not see service accounts."""

    id: int
    name: str
    name_key: str
    scopes: Sequence[str]
    created_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None


_SERVICE_ACCOUNT_COLUMNS = "id, name, name_key, scopes, created_at, last_used_at, revoked_at"


async def get_tenant(sql: Statements, tenant_id: int) -> TenantRow:
    """Return the tenant."""
    row = await sql.row(
        TenantRow,
        """
        SELECT id, slug, name, time_zone, ref_labels, is_auto_assignment_enabled, rule_limit, minimum_lead_days,
               accepts_learner_progress, version
          FROM tenant WHERE id = $1
        """,
        tenant_id,
    )
    assert row is not None, "a principal belongs to a tenant, and tenants are never deleted"
    return row


async def load_tenants_by_id(reads: Statements, principal: Principal, ids: Sequence[int]) -> list[TenantRow | None]:
    """Return the tenants with these IDs; others than the viewer's own do not exist for them."""
    own = await get_tenant(reads, principal.tenant_id) if principal.tenant_id in ids else None
    return [own if id == principal.tenant_id else None for id in ids]


def sees_service_accounts(principal: Principal) -> bool:
    """Tell whether the account may see service accounts: admins only, no service account."""
    return principal.role is Role.ADMIN or principal.is_operator


async def load_service_accounts_by_id(
    reads: Statements, principal: Principal, ids: Sequence[int]
) -> list[ServiceAccountRow | None]:
    """Return service accounts aligned with their IDs, in short form for those who may not see them."""
    rows = await reads.rows(
        ServiceAccountRow,
        f"SELECT {_SERVICE_ACCOUNT_COLUMNS} FROM service_account WHERE tenant_id = $1 AND id = ANY($2)",
        principal.tenant_id,
        list(ids),
    )
    by_id = {row.id: _visible_part(row, principal) for row in rows}
    return [by_id.get(id) for id in ids]


def _visible_part(row: ServiceAccountRow, principal: Principal) -> ServiceAccountRow:
    if sees_service_accounts(principal) or row.id == principal.service_account_id:
        return row
    return replace(row, scopes=(), created_at=None, last_used_at=None, revoked_at=None)


async def list_service_accounts(
    reads: Statements, principal: Principal, request: PageRequest
) -> Page[ServiceAccountRow]:
    """Return the tenant's service accounts, revoked ones too, by name. Needs ADMIN."""
    if not sees_service_accounts(principal):
        raise Forbidden
    query = Query(_SERVICE_ACCOUNT_COLUMNS, "service_account").where("tenant_id = ?", principal.tenant_id)
    order = Order((SortKey("name_key", "name_key", "text"), SortKey("id", "id")))
    return await read_page(reads, ServiceAccountRow, query, order, request)
