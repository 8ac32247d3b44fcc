"""Changing the tenant: its settings and the switch of Auto Assignment."""

from domain.foundation.access import Role
from domain.foundation.audit import FieldChange, audit
from domain.foundation.change_feed import ObjectType, record_changes
from domain.foundation.errors import Forbidden
from domain.foundation.locks import lock_rules
from domain.foundation.unit_of_work import UnitOfWork
from domain.tenants.events import AutoAssignmentSwitched
from domain.tenants.models import Tenant


def require_admin(work: UnitOfWork) -> None:
    """Raise Forbidden unless a person who is an admin, or the operator, asks."""
    if not (work.principal.is_operator or work.principal.role is Role.ADMIN):
        raise Forbidden


async def set_auto_assignment(work: UnitOfWork, *, is_enabled: bool) -> int:
    """Switch Auto Assignment on or off and return the tenant's ID. Needs ADMIN."""
    require_admin(work)
    # Before the row lock. While rules are switched, no change may be evaluated by the old state of the switch.
    await lock_rules(work)
    tenant = await lock_tenant(work)
    if tenant.is_auto_assignment_enabled == is_enabled:
        return tenant.id
    tenant.is_auto_assignment_enabled = is_enabled
    tenant.version += 1
    await tenant.save(update_fields=["is_auto_assignment_enabled", "version"])
    await audit(
        work, ObjectType.TENANT, tenant.id, tenant.name, [FieldChange("isAutoAssignmentEnabled", not is_enabled, is_enabled)]
    )
    await record_changes(work, ObjectType.TENANT, [(tenant.id, tenant.version)])
    work.record(AutoAssignmentSwitched(is_enabled))
    return tenant.id


async def lock_tenant(work: UnitOfWork) -> Tenant:
    """Lock the tenant's row."""
    return await Tenant.select_for_update(no_key=True).get(id=work.tenant_id)
