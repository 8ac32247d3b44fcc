"""The status of a task: what is stored, and what time makes of it.

Overdue is never stored, so it is right at any instant, whether or not anything runs at that instant.
"""

from datetime import datetime
from enum import StrEnum


class TaskStatus(StrEnum):
    """How a task stands at an instant."""

    ASSIGNED = "ASSIGNED"
    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
    OVERDUE = "OVERDUE"


class TaskStage(StrEnum):
    """How far the present cycle of a task is, whatever the time."""

    ASSIGNED = "ASSIGNED"
    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"


def status_at(stage: TaskStage, due_at: datetime, now: datetime) -> TaskStatus:
    """Return the status at an instant; `due_at` is the end of the due date, and overdue already."""
    if stage is not TaskStage.COMPLETED and now >= due_at:
        return TaskStatus.OVERDUE
    return TaskStatus(stage)
