"""Enums of notifications."""

from domain.notifications.models import NotificationCategory, NotificationKind
from gql.contract.enums import publish_enum

publish_enum(
    NotificationKind,
    description="What notifications tell. New kinds can be added: show `title` for an unknown one.",
    values={
        "TASK_ASSIGNED": "A mandatory task was assigned.",
        "TASK_CHANGED": "Deadline or note of a mandatory task was changed.",
        "TASK_WITHDRAWN": "A mandatory task was withdrawn.",
        "TASK_REOPENED": "A further cycle of a mandatory task has opened.",
        "TASK_REMINDER": "A reminder of a mandatory task.",
    },
)

publish_enum(
    NotificationCategory,
    description="Categories of notifications.",
    values={
        "MANDATORY_TASKS": "Assignment, change, withdrawal and reopening of mandatory tasks, and their reminders.",
    },
)

__all__ = ["NotificationCategory", "NotificationKind"]
