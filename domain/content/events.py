"""What happens to contents."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SeatsFreed:
    """A course may have a seat to give: one was left or added, or somebody has just begun to wait for one."""

    content_id: int
