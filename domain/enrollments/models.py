"""Enrollments, why they hold, and the Content Actions Log."""

from enum import StrEnum

from tortoise import fields
from tortoise.models import Model

from domain.foundation.access import Source


class EnrollmentStatus(StrEnum):
    """How far a learner is."""

    NOT_STARTED = "NOT_STARTED"
    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"


class ContentActionKind(StrEnum):
    """What an entry of the log tells."""

    ENROLLED = "ENROLLED"
    UNENROLLED = "UNENROLLED"
    STARTED = "STARTED"
    COMPLETED = "COMPLETED"
    RESET = "RESET"
    FAILED = "FAILED"
    WAITLISTED = "WAITLISTED"
    EXPIRED = "EXPIRED"
    RETAINED = "RETAINED"
    TASK_ASSIGNED = "TASK_ASSIGNED"
    TASK_CHANGED = "TASK_CHANGED"
    TASK_WITHDRAWN = "TASK_WITHDRAWN"
    TASK_OVERDUE = "TASK_OVERDUE"


class Enrollment(Model):
    """A learner's place in a content: one row per learner and content, ever."""

    id = fields.BigIntField(primary_key=True)
    tenant_id = fields.BigIntField()
    learner_id = fields.BigIntField()
    content_id = fields.BigIntField()
    status = fields.CharEnumField(EnrollmentStatus, max_length=32, default=EnrollmentStatus.NOT_STARTED)
    #: The status that rules see: written by everything except rules (spec 3.5).
    fact_status = fields.CharEnumField(EnrollmentStatus, max_length=32, null=True)
    is_active = fields.BooleanField()
    is_waitlisted = fields.BooleanField(default=False)
    progress_percent = fields.SmallIntField(default=0)
    #: Of the current attempt: lessons done, best score and when it was reached, when it was finished.
    lessons_done = fields.IntField(default=0)
    score = fields.SmallIntField(null=True)
    scored_at = fields.DatetimeField(null=True)
    finished_at = fields.DatetimeField(null=True)
    attempt = fields.IntField(default=1)
    #: Start of the current attempt; null for the first, which has no beginning.
    attempt_began_at = fields.DatetimeField(null=True)
    completed_at = fields.DatetimeField(null=True)
    enrolled_at = fields.DatetimeField()
    expires_at = fields.DatetimeField(null=True)
    #: Of who waits for a seat: what it would be taken by, and the place in the queue of the content.
    waiting_source = fields.CharEnumField(Source, max_length=32, null=True)
    waiting_number = fields.IntField(null=True)
    version = fields.IntField(default=1)

    class Meta:
        table = "enrollment"
        unique_together = (("learner_id", "content_id"),)


class EnrollmentReason(Model):
    """Why an enrollment is active, since when and until when."""

    id = fields.BigIntField(primary_key=True)
    tenant_id = fields.BigIntField()
    enrollment_id = fields.BigIntField()
    learner_id = fields.BigIntField()
    content_id = fields.BigIntField()
    source = fields.CharEnumField(Source, max_length=32)
    rule_id = fields.BigIntField(null=True)
    rule_name = fields.TextField(null=True)
    task_id = fields.BigIntField(null=True)
    path_id = fields.BigIntField(null=True)
    actor_learner_id = fields.BigIntField(null=True)
    actor_service_account_id = fields.BigIntField(null=True)
    #: Of a rule that the learner has left with KEEP, or that was deleted: nothing of the rule ends it any more.
    is_permanent = fields.BooleanField(default=False)
    #: Of an open mandatory task: neither rules nor people end it, nor what comes with its path (`binding`).
    is_binding = fields.BooleanField(default=False)
    since_at = fields.DatetimeField()
    #: When access days run out, laid down when the reason begins; None for a reason without such an end.
    ends_at = fields.DatetimeField(null=True)
    until_at = fields.DatetimeField(null=True)

    class Meta:
        table = "enrollment_reason"
        indexes = (("enrollment_id",),)


class ContentAction(Model):
    """Entry of the Content Actions Log. Append-only: the application's role has no right to change or delete it."""

    id = fields.BigIntField(primary_key=True)
    tenant_id = fields.BigIntField()
    learner_id = fields.BigIntField()
    content_id = fields.BigIntField()
    action = fields.CharEnumField(ContentActionKind, max_length=32)
    source = fields.CharEnumField(Source, max_length=32)
    rule_id = fields.BigIntField(null=True)
    rule_name = fields.TextField(null=True)
    task_id = fields.BigIntField(null=True)
    path_id = fields.BigIntField(null=True)
    actor_learner_id = fields.BigIntField(null=True)
    actor_service_account_id = fields.BigIntField(null=True)
    resulting_status = fields.CharEnumField(EnrollmentStatus, max_length=32, null=True)
    occurred_at = fields.DatetimeField()
    recorded_at = fields.DatetimeField()

    class Meta:
        table = "content_action"
        indexes = (("tenant_id", "id"), ("tenant_id", "learner_id", "id"), ("tenant_id", "content_id", "id"))
