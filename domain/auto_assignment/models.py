"""Rules as data. Conditions, atoms, targets and members of a rule are link tables in SQL."""

from enum import StrEnum

from tortoise import fields
from tortoise.models import Model


class ConditionMatch(StrEnum):
    """How the conditions of a rule combine."""

    ALL = "ALL"
    ANY = "ANY"


class UnmetPolicy(StrEnum):
    """What a rule does to learners who no longer meet its conditions."""

    KEEP = "KEEP"
    UNENROLL = "UNENROLL"
    RELEASE = "RELEASE"


class RuleState(StrEnum):
    """PREPARING: it is still being counted who meets the rule, and nobody who does is enrolled."""

    PREPARING = "PREPARING"
    ACTIVE = "ACTIVE"
    DELETED = "DELETED"


class Rule(Model):
    """Auto Assignment rule. The masks say how the bits of its conditions decide, see `matching`."""

    id = fields.BigIntField(primary_key=True)
    tenant_id = fields.BigIntField()
    name = fields.TextField()
    name_key = fields.TextField()
    match = fields.CharEnumField(ConditionMatch, max_length=32)
    when_unmet = fields.CharEnumField(UnmetPolicy, max_length=32)
    state = fields.CharEnumField(RuleState, max_length=32, default=RuleState.ACTIVE)
    #: One bit per condition; `negative_mask` has those of the NOT_EQUALS conditions.
    full_mask = fields.BigIntField()
    negative_mask = fields.BigIntField()
    #: Whether somebody without any fact that the rule names meets it.
    is_met_by_default = fields.BooleanField()
    has_enrolled = fields.BooleanField(default=False)
    created_by_learner_id = fields.BigIntField(null=True)
    created_by_service_account_id = fields.BigIntField(null=True)
    created_at = fields.DatetimeField()
    updated_at = fields.DatetimeField()
    version = fields.IntField(default=1)
    edited_version = fields.IntField(default=1)

    class Meta:
        table = "rule"
        indexes = (("tenant_id", "name_key", "id"),)
