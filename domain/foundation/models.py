"""Tables that belong to no feature: background jobs, idempotency keys, the audit log. The change feed is SQL only."""

from enum import StrEnum

from tortoise import fields
from tortoise.models import Model


class JobKind(StrEnum):
    """Kinds of background jobs."""

    BULK_ASSIGNMENT = "BULK_ASSIGNMENT"
    RULE_BACKFILL = "RULE_BACKFILL"
    RULE_REVOCATION = "RULE_REVOCATION"
    RULE_REEVALUATION = "RULE_REEVALUATION"
    LEARNING_PATH_CHANGE = "LEARNING_PATH_CHANGE"
    RULE_PREPARATION = "RULE_PREPARATION"
    TIME_ZONE_CHANGE = "TIME_ZONE_CHANGE"


class JobStatus(StrEnum):
    """States of a background job."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


class BackgroundJob(Model):
    """Work outside the request. The row says how far it is, so any worker can go on with it."""

    id = fields.BigIntField(primary_key=True)
    tenant_id = fields.BigIntField()
    kind = fields.CharEnumField(JobKind, max_length=32)
    status = fields.CharEnumField(JobStatus, max_length=32, default=JobStatus.QUEUED)
    total_count = fields.IntField(null=True)
    processed_count = fields.IntField(default=0)
    failed_count = fields.IntField(default=0)
    #: Kind of the subject as in the change feed (`RULE`, `LEARNING_PATH`), and its ID; none for a re-evaluation.
    subject_type = fields.CharField(max_length=32, null=True)
    subject_id = fields.BigIntField(null=True)
    subject_name = fields.TextField(null=True)
    started_by_learner_id = fields.BigIntField(null=True)
    started_by_service_account_id = fields.BigIntField(null=True)
    #: Where the job stands: the last learner ID that is done, and what else its kind needs.
    progress = fields.JSONField(default=dict)  # type: ignore[var-annotated]
    attempt_count = fields.IntField(default=0)
    failure_reason = fields.TextField(null=True)
    created_at = fields.DatetimeField()
    #: When the job was last handed to the broker, and until when a worker has it.
    dispatched_at = fields.DatetimeField(null=True)
    leased_until = fields.DatetimeField(null=True)
    finished_at = fields.DatetimeField(null=True)
    version = fields.IntField(default=1)

    class Meta:
        table = "background_job"
        indexes = (("tenant_id", "id"), ("tenant_id", "subject_type", "subject_id"))


class IdempotencyKey(Model):
    """Key of a mutation that was committed, with the IDs and counts of its result. Kept 24 hours."""

    id = fields.BigIntField(primary_key=True)
    tenant_id = fields.BigIntField()
    #: `learner:5` or `service:7`: whose key it is.
    account = fields.CharField(max_length=40)
    operation = fields.CharField(max_length=60)
    key = fields.CharField(max_length=255)
    #: SHA-256 of the canonical input without the key.
    input_hash = fields.BinaryField()
    result = fields.JSONField(null=True)  # type: ignore[var-annotated]
    created_at = fields.DatetimeField()

    class Meta:
        table = "idempotency_key"
        unique_together = (("tenant_id", "account", "operation", "key"),)
        indexes = (("created_at",),)


class AuditEntry(Model):
    """Who changed which object, field by field. Append-only."""

    id = fields.BigIntField(primary_key=True)
    tenant_id = fields.BigIntField()
    actor_learner_id = fields.BigIntField(null=True)
    actor_service_account_id = fields.BigIntField(null=True)
    operation = fields.CharField(max_length=60)
    object_type = fields.CharField(max_length=32)
    object_id = fields.BigIntField()
    object_name = fields.TextField()
    #: `[{"field": …, "before": …, "after": …}]`
    changes = fields.JSONField()  # type: ignore[var-annotated]
    occurred_at = fields.DatetimeField()

    class Meta:
        table = "audit_entry"
        indexes = (("tenant_id", "id"), ("tenant_id", "object_type", "object_id", "id"))
