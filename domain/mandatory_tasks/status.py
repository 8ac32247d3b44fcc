"""Placeholder until the pure functions are merged."""

from enum import StrEnum


class TaskStage(StrEnum):
    """What is stored of the status: everything but what time makes of it."""

    ASSIGNED = "ASSIGNED"
    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
