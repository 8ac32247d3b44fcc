"""What happens to a tenant."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AutoAssignmentSwitched:
    """Auto Assignment was switched on or off."""

    is_enabled: bool
