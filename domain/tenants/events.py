"""What happens to a tenant."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AutoAssignmentSwitched:
    """Auto Assignment was switched on or off."""

    is_enabled: bool


@dataclass(frozen=True, slots=True)
class TenantTimeZoneChanged:
    """Everybody without a time zone of their own lives by another one than before; `name` is the tenant's."""

    name: str
