"""Tables of the tenant itself and of the partner tools that call in its name."""

from tortoise import fields
from tortoise.models import Model


class Tenant(Model):
    """Company: its people, content, rules and tasks never meet another's."""

    id = fields.BigIntField(primary_key=True)
    slug = fields.CharField(max_length=63, unique=True)
    name = fields.TextField()
    time_zone = fields.CharField(max_length=64)
    #: Labels of the reference fields by number as text, `{"1": "Job role"}`; a missing one is called `Ref#1`.
    ref_labels = fields.JSONField(default=dict)  # type: ignore[var-annotated]
    is_auto_assignment_enabled = fields.BooleanField(default=False)
    rule_limit = fields.IntField(default=50)
    minimum_lead_days = fields.IntField(default=3)
    accepts_learner_progress = fields.BooleanField(default=True)
    version = fields.IntField(default=1)
    edited_version = fields.IntField(default=1)
    created_at = fields.DatetimeField()

    class Meta:
        table = "tenant"


class ServiceAccount(Model):
    """Partner tool with an API key of its own."""

    id = fields.BigIntField(primary_key=True)
    tenant_id = fields.BigIntField()
    name = fields.TextField()
    name_key = fields.TextField()
    scopes = fields.JSONField()  # type: ignore[var-annotated]
    #: SHA-256 of the key; the key itself has 256 random bits, so no slow hash is needed.
    key_hash = fields.BinaryField()
    created_at = fields.DatetimeField()
    last_used_at = fields.DatetimeField(null=True)
    revoked_at = fields.DatetimeField(null=True)

    class Meta:
        table = "service_account"
        indexes = (("tenant_id", "name_key", "id"),)
        unique_together = (("tenant_id", "name"),)
