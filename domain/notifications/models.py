"""Tables of what people are told, of the emails that carry it, and of what these say."""

from enum import StrEnum

from tortoise import fields
from tortoise.models import Model


class NotificationKind(StrEnum):
    """What a notification tells."""

    TASK_ASSIGNED = "TASK_ASSIGNED"
    TASK_CHANGED = "TASK_CHANGED"
    TASK_WITHDRAWN = "TASK_WITHDRAWN"
    TASK_REOPENED = "TASK_REOPENED"
    TASK_REMINDER = "TASK_REMINDER"


class NotificationCategory(StrEnum):
    """What emails can be switched off for."""

    MANDATORY_TASKS = "MANDATORY_TASKS"


class DeliveryStatus(StrEnum):
    """What became of an email."""

    PENDING = "PENDING"
    ACCEPTED = "ACCEPTED"
    SUPPRESSED = "SUPPRESSED"
    FAILED = "FAILED"


class Notification(Model):
    """What one person is told in the platform."""

    id = fields.BigIntField(primary_key=True)
    tenant_id = fields.BigIntField()
    learner_id = fields.BigIntField()
    category = fields.CharEnumField(NotificationCategory, max_length=32)
    kind = fields.CharEnumField(NotificationKind, max_length=32)
    title = fields.TextField()
    task_id = fields.BigIntField(null=True)
    content_id = fields.BigIntField(null=True)
    read_at = fields.DatetimeField(null=True)
    created_at = fields.DatetimeField()
    version = fields.IntField(default=1)

    class Meta:
        table = "notification"
        indexes = (("tenant_id", "learner_id", "id"),)


class NotificationPreference(Model):
    """Whether somebody wants emails of a category; without a row they do."""

    id = fields.BigIntField(primary_key=True)
    tenant_id = fields.BigIntField()
    learner_id = fields.BigIntField()
    category = fields.CharEnumField(NotificationCategory, max_length=32)
    is_email_enabled = fields.BooleanField()

    class Meta:
        table = "notification_preference"
        unique_together = (("learner_id", "category"),)


class EmailTemplate(Model):
    """Text of reminder emails that the tenant has written."""

    id = fields.BigIntField(primary_key=True)
    tenant_id = fields.BigIntField()
    name = fields.TextField()
    name_key = fields.TextField()
    subject = fields.TextField()
    body = fields.TextField()
    created_by_learner_id = fields.BigIntField(null=True)
    created_by_service_account_id = fields.BigIntField(null=True)
    created_at = fields.DatetimeField()
    #: A deleted template stays as a row: reminders that name it use the default email.
    deleted_at = fields.DatetimeField(null=True)
    version = fields.IntField(default=1)
    edited_version = fields.IntField(default=1)

    class Meta:
        table = "email_template"
        indexes = (("tenant_id", "name_key", "id"),)


class EmailDelivery(Model):
    """One email to one person. The row is the outbox: it says what is still to be sent and what became of it."""

    id = fields.BigIntField(primary_key=True)
    tenant_id = fields.BigIntField()
    #: Names the message: there is one of each key, and the Message-ID is made from it.
    key = fields.CharField(max_length=200)
    recipient_id = fields.BigIntField()
    category = fields.CharEnumField(NotificationCategory, max_length=32)
    kind = fields.CharEnumField(NotificationKind, max_length=32)
    task_id = fields.BigIntField(null=True)
    #: Entry of the ledger of reminders that the email belongs to, and in which part the recipient gets it.
    reminder_id = fields.BigIntField(null=True)
    recipient_part = fields.CharField(max_length=32, null=True)
    #: Names what the email is about, for `Message.thread`; null where the order does not matter.
    thread = fields.CharField(max_length=100, null=True)
    template_id = fields.BigIntField(null=True)
    #: What the text says about the task, as it was when the message was given out.
    facts = fields.JSONField()  # type: ignore[var-annotated]
    status = fields.CharEnumField(DeliveryStatus, max_length=32, default=DeliveryStatus.PENDING)
    #: Address of the latest attempt.
    email = fields.TextField(null=True)
    attempt_count = fields.IntField(default=0)
    attempted_at = fields.DatetimeField(null=True)
    next_attempt_at = fields.DatetimeField()
    dispatched_at = fields.DatetimeField(null=True)
    leased_until = fields.DatetimeField(null=True)
    #: Whether an attempt has begun whose end nobody has noted; it may have one only while the lease lasts.
    is_under_way = fields.BooleanField(default=False, db_default=False)
    failure_reason = fields.TextField(null=True)
    created_at = fields.DatetimeField()

    class Meta:
        table = "email_delivery"
        unique_together = (("tenant_id", "key"),)
        indexes = (("tenant_id", "id"), ("reminder_id",))
