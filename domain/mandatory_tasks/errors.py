"""Expected failures of mandatory tasks."""

from collections.abc import Sequence
from datetime import date

from domain.foundation.errors import DomainError


class DueDateTooSoon(DomainError):
    """The due date is too early: before the minimum lead time at assignment, before today at a change."""

    code = "DUE_DATE_TOO_SOON"

    def __init__(self, *, earliest: date, path: Sequence[str | int] = ("dueOn",)) -> None:
        super().__init__(path=path)
        self.earliest = earliest


class TaskAlreadyAssigned(DomainError):
    """The learner already has a mandatory task for this target."""

    code = "TASK_ALREADY_ASSIGNED"

    def __init__(self, *, task_id: int) -> None:
        super().__init__(path=["learner"])
        self.task_id = task_id


class TaskAlreadyCompleted(DomainError):
    """The mandatory task is completed; its completion stays in the learning history."""

    code = "TASK_ALREADY_COMPLETED"
