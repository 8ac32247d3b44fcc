"""Tables of people and places. Reference values and placements are rows of their own: facts that rules join."""

from enum import StrEnum

from tortoise import fields
from tortoise.models import Model

from domain.foundation.access import Role


class PlaceKind(StrEnum):
    """Kinds of places. The value is also the kind of the fact that belonging there is (`FactKind`)."""

    DEPARTMENT = "D"
    LEARNING_GROUP = "G"
    CLIENT = "C"
    SUBLICENSE = "S"


#: What somebody is called whose personal data was erased.
ERASED_NAME = "Erased learner"


class Learner(Model):
    """Person with an account."""

    id = fields.BigIntField(primary_key=True)
    tenant_id = fields.BigIntField()
    external_id = fields.TextField(null=True)
    email = fields.TextField(null=True)
    #: The email in lower case: what is unique and looked up.
    email_key = fields.TextField(null=True)
    name = fields.TextField()
    #: What names are sorted and searched by, see `domain.foundation.text_validation.name_key`.
    name_key = fields.TextField()
    role = fields.CharEnumField(Role, max_length=32, default=Role.LEARNER)
    is_active = fields.BooleanField(default=True)
    time_zone = fields.CharField(max_length=64, null=True)
    created_at = fields.DatetimeField()
    version = fields.IntField(default=1)
    #: Version of the last edit by a mutation: what `expectedVersion` conflicts with.
    edited_version = fields.IntField(default=1)
    #: When their personal data was erased: nothing brings them back.
    erased_at = fields.DatetimeField(null=True)

    class Meta:
        table = "learner"
        unique_together = (("tenant_id", "external_id"), ("tenant_id", "email_key"))
        indexes = (("tenant_id", "id"), ("tenant_id", "name_key", "id"), ("tenant_id", "created_at", "id"))


class Place(Model):
    """Department, learning group, client or sublicense."""

    id = fields.BigIntField(primary_key=True)
    tenant_id = fields.BigIntField()
    kind = fields.CharEnumField(PlaceKind, max_length=1)
    external_id = fields.TextField(null=True)
    name = fields.TextField()
    name_key = fields.TextField()
    #: Trainer who owns a learning group.
    owner_id = fields.BigIntField(null=True)
    #: Client of a sublicense.
    client_id = fields.BigIntField(null=True)
    version = fields.IntField(default=1)
    edited_version = fields.IntField(default=1)

    class Meta:
        table = "place"
        unique_together = (("tenant_id", "kind", "external_id"),)
        indexes = (("tenant_id", "kind", "name_key", "id"),)
