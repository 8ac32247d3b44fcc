"""Courses and learning paths in one table and one ID space; items and trainers of a content are link tables in SQL."""

from enum import StrEnum

from tortoise import fields
from tortoise.models import Model


class ContentKind(StrEnum):
    """Kinds of content."""

    COURSE = "COURSE"
    LEARNING_PATH = "LEARNING_PATH"


class Content(Model):
    """Something to learn. Of a path, only title and external ID mean anything."""

    id = fields.BigIntField(primary_key=True)
    tenant_id = fields.BigIntField()
    kind = fields.CharEnumField(ContentKind, max_length=32)
    external_id = fields.TextField(null=True)
    title = fields.TextField()
    title_key = fields.TextField()
    #: When it got another title last; null where it never did.
    retitled_at = fields.DatetimeField(null=True)
    minimum_score = fields.IntField(null=True)
    lesson_count = fields.IntField(default=1)
    is_self_enrollable = fields.BooleanField(default=False)
    seat_limit = fields.IntField(null=True)
    has_waitlist = fields.BooleanField(default=False)
    access_days = fields.IntField(null=True)
    version = fields.IntField(default=1)
    edited_version = fields.IntField(default=1)

    class Meta:
        table = "content"
        unique_together = (("tenant_id", "external_id"),)
        indexes = (("tenant_id", "title_key", "id"),)
