"""Enums of enrollments and the log."""

from domain.enrollments.action_log.queries import LogOrder
from domain.enrollments.models import ContentActionKind, EnrollmentStatus
from domain.foundation.access import Source
from gql.contract.enums import publish_enum

publish_enum(
    EnrollmentStatus,
    description="States of an enrollment.",
    values={
        "NOT_STARTED": "Enrolled, nothing done yet.",
        "IN_PROGRESS": "At least one lesson worked on, or a score.",
        "COMPLETED": "Finished with the minimum score.",
    },
)
publish_enum(
    ContentActionKind,
    description="What a log entry tells.",
    values={
        "ENROLLED": "Access was given; by a rule, also where it was there already.",
        "UNENROLLED": "Access was taken away.",
        "STARTED": "The status became IN_PROGRESS.",
        "COMPLETED": "The status became COMPLETED.",
        "RESET": "A recurring task reset the status to NOT_STARTED.",
        "FAILED": "Finished, with a best score under the minimum.",
        "WAITLISTED": "The learner was put on the waitlist.",
        "EXPIRED": "Access days have run out.",
        "RETAINED": "A rule would have taken access away, but a mandatory task needs it.",
        "TASK_ASSIGNED": "A mandatory task was assigned, or a further cycle of it opened.",
        "TASK_CHANGED": "Deadline, note, reminders or repetition of a mandatory task were changed.",
        "TASK_WITHDRAWN": "A mandatory task was withdrawn.",
        "TASK_OVERDUE": "A mandatory task passed its due date.",
    },
)
publish_enum(
    Source,
    name="ContentActionSource",
    description="Causes of log entries and reasons of enrollments.",
    values={
        "AUTO_ENROLLMENT": "A rule enrolled the learner. Never triggers another rule.",
        "AUTO_UNENROLLMENT": "A rule unenrolled the learner. Never triggers another rule.",
        "MANDATORY_TASK": "A mandatory task.",
        "MANAGER": "A trainer or administrator by hand.",
        "LEARNER": "The learner.",
        "PURCHASE": "A purchase.",
        "INTEGRATION": "A partner integration.",
        "IMPORT": "An import by the operator's command.",
        "LEARNING_PATH": "A learning path that contains the course.",
        "SYSTEM": "The system itself, by the passing of time.",
    },
)
publish_enum(
    LogOrder,
    name="ContentActionOrder",
    description="Orders of the Content Actions Log.",
    values={
        "NEWEST_FIRST": "Latest recorded first.",
        "AS_LOGGED": "As entries were committed: after a cursor comes exactly what was logged since, whatever its "
        "`occurredAt` and however late it was committed. Such a cursor never expires; an entry may appear here a "
        "moment later than elsewhere.",
    },
)
