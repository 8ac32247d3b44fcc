"""Enums of mandatory tasks and their reminders."""

from domain.mandatory_tasks.overview.counts import TaskGrouping
from domain.mandatory_tasks.overview.queries import TaskOrderField
from domain.mandatory_tasks.reminders.schedule import ReminderReason, ReminderRecipient, ReminderStatus
from domain.mandatory_tasks.status import TaskStatus
from domain.notifications.models import DeliveryStatus
from gql.contract.enums import publish_enum

publish_enum(
    TaskStatus,
    name="MandatoryTaskStatus",
    description="Status of a mandatory task. COMPLETED wins over OVERDUE, OVERDUE over the others.",
    values={
        "ASSIGNED": "Enrolled, nothing done yet.",
        "IN_PROGRESS": "At least one lesson worked on, or a score.",
        "COMPLETED": "Finished, minimum score reached.",
        "OVERDUE": "Deadline passed and not completed.",
    },
)
publish_enum(
    ReminderRecipient,
    description="Recipients of a reminder.",
    values={
        "LEARNER": "The learner.",
        "ASSIGNER": "The person who assigned the task; INVALID where a service account assigns.",
    },
)
publish_enum(
    ReminderStatus,
    description="States of a reminder.",
    values={
        "SCHEDULED": "Waiting for its time.",
        "SENT": "Given out: as a notification, and by email as `deliveries` tells.",
        "CANCELLED": "Not sent: the task was completed, withdrawn or rescheduled first, or the reminder was taken out "
        "of it.",
        "SKIPPED": "Not sent: its time had passed, a later reminder took its place, the learner was inactive, or no "
        "recipient is an active person; see `reason`.",
    },
)
publish_enum(
    ReminderReason,
    description="Why a reminder was not given out. New reasons can be added.",
    values={
        "TIME_PASSED": "Its time had passed when the task was assigned or moved.",
        "SUPERSEDED": "A later reminder took its place after an outage.",
        "TASK_COMPLETED": "The task was completed before.",
        "TASK_WITHDRAWN": "The task was withdrawn before.",
        "TASK_RESCHEDULED": "The task was moved to another date before.",
        "TASK_SUSPENDED": "The learner was inactive at the time.",
        "SETTING_REMOVED": "The reminder was taken out of the task before.",
        "NO_RECIPIENT": "No recipient is an active person.",
    },
)
publish_enum(
    DeliveryStatus,
    description="What became of an email.",
    values={
        "PENDING": "Waiting to be sent or tried again.",
        "ACCEPTED": "Accepted by the mail server.",
        "SUPPRESSED": "Not sent: switched off by the recipient, no address, or the task ended or rested first; see "
        "`failureReason`.",
        "FAILED": "Given up.",
    },
)
publish_enum(
    TaskOrderField,
    name="MandatoryTaskOrderField",
    description="Fields that mandatory tasks can be sorted by.",
    values={
        "DUE_ON": "Due date.",
        "CREATED_AT": "Timestamp of the assignment.",
        "UPDATED_AT": "Timestamp of the latest change.",
    },
)
publish_enum(
    TaskGrouping,
    name="MandatoryTaskGrouping",
    description="Ways to group mandatory tasks.",
    values={
        "DEPARTMENT": "By department of the learner.",
        "TARGET": "By course or learning path.",
        "ASSIGNER": "By account that assigned.",
    },
)
