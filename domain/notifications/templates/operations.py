"""Writing email templates. What is saved here is known to be harmless: see `template_language`."""

from collections.abc import Mapping
from typing import Any

import asyncpg
from tortoise.exceptions import IntegrityError

from domain.foundation.audit.recording import audit, changed_fields
from domain.foundation.errors import AlreadyExists, Invalid, NotFound, NotPermitted, ProblemList, VersionConflict
from domain.foundation.feed.changes import ObjectType, record_changes
from domain.foundation.text_validation import name_key, name_text, storable_text
from domain.foundation.unit_of_work import UnitOfWork
from domain.notifications.models import EmailTemplate
from domain.notifications.templates.access import may_change, require_writing_templates
from domain.notifications.templates.language import LONGEST_TEMPLATE, BadTemplate, read_template
from domain.notifications.templates.rendering import SUBJECT_LENGTH


async def create_template(work: UnitOfWork, *, name: str, subject: str, body: str) -> int:
    """Create a template and return its ID. Needs TRAINER, or the scope. Raises AlreadyExists for the name, Invalid."""
    require_writing_templates(work.principal)
    fields = await _checked_fields(work, {"name": name, "subject": subject, "body": body}, template_id=0)
    try:
        template = await EmailTemplate.create(
            tenant_id=work.tenant_id,
            name_key=name_key(fields["name"]),
            created_by_learner_id=work.principal.learner_id,
            created_by_service_account_id=work.principal.service_account_id,
            created_at=work.now,
            **fields,
        )
    except (IntegrityError, asyncpg.UniqueViolationError) as error:
        raise AlreadyExists(path=["name"]) from error
    await audit(work, ObjectType.EMAIL_TEMPLATE, template.id, template.name, changed_fields({}, fields))
    await record_changes(work, ObjectType.EMAIL_TEMPLATE, [(template.id, 1)])
    template_id: int = template.id
    return template_id


async def update_template(
    work: UnitOfWork,
    *,
    template_id: int,
    name: str | None = None,
    subject: str | None = None,
    body: str | None = None,
    expected_version: int | None = None,
) -> int:
    """Change a template and return its ID; None stays as it is. Needs its author, ADMIN, or the scope.

    Raises NotFound, NotPermitted, VersionConflict, AlreadyExists and Invalid.
    """
    template = await _lock_for_change(work, template_id)
    if expected_version is not None and template.edited_version > expected_version:
        raise VersionConflict(current_version=template.version)
    given = {"name": name, "subject": subject, "body": body}
    before = {field: getattr(template, field) for field in given}
    fields = await _checked_fields(
        work, {field: text for field, text in given.items() if text is not None}, template_id=template_id
    )
    changes = changed_fields(before, fields)
    if not changes:
        return template_id
    for change in changes:
        setattr(template, change.field, change.after)
    template.name_key = name_key(template.name)
    template.version += 1
    template.edited_version = template.version
    try:
        await template.save(update_fields=["name", "name_key", "subject", "body", "version", "edited_version"])
    except (IntegrityError, asyncpg.UniqueViolationError) as error:
        raise AlreadyExists(path=["name"]) from error
    await audit(work, ObjectType.EMAIL_TEMPLATE, template_id, template.name, changes)
    await record_changes(work, ObjectType.EMAIL_TEMPLATE, [(template_id, template.version)])
    return template_id


async def delete_template(work: UnitOfWork, *, template_id: int) -> int:
    """Delete a template and return its ID; what uses it falls back to the default email. Rights as for changing."""
    template = await _lock_for_change(work, template_id)
    template.deleted_at = work.now
    template.version += 1
    await template.save(update_fields=["deleted_at", "version"])
    await audit(work, ObjectType.EMAIL_TEMPLATE, template_id, template.name, [])
    await record_changes(work, ObjectType.EMAIL_TEMPLATE, [(template_id, template.version)])
    return template_id


async def lock_template(work: UnitOfWork, template_id: int) -> EmailTemplate | None:
    """Lock the row of a template that is not deleted."""
    query = EmailTemplate.select_for_update(no_key=True)
    template: EmailTemplate | None = await query.get_or_none(
        tenant_id=work.tenant_id, id=template_id, deleted_at__isnull=True
    )
    return template


def subject_text(value: str, *, path: list[str | int]) -> str:
    """Return a subject with placeholders; raises Invalid for one that is not harmless."""
    return _judged(storable_text(value, path=path, longest=SUBJECT_LENGTH), path=path, is_one_line=True)


def body_text(value: str, *, path: list[str | int]) -> str:
    """Return a body with placeholders; raises Invalid for one that is not harmless."""
    return _judged(storable_text(value, path=path, longest=LONGEST_TEMPLATE), path=path)


async def _lock_for_change(work: UnitOfWork, template_id: int) -> EmailTemplate:
    require_writing_templates(work.principal)
    template = await lock_template(work, template_id)
    if template is None:
        raise NotFound(path=["id"])
    if not may_change(work.principal, template.created_by_learner_id):
        raise NotPermitted(path=["id"])
    return template


async def _checked_fields(work: UnitOfWork, given: Mapping[str, str], *, template_id: int) -> dict[str, Any]:
    problems = ProblemList()
    fields: dict[str, Any] = {}
    for field, check in (("name", name_text), ("subject", subject_text), ("body", body_text)):
        if field in given:
            try:
                fields[field] = check(given[field], path=[field])
            except Invalid as error:
                problems.add(error)
    if "name" in fields:
        same = EmailTemplate.filter(tenant_id=work.tenant_id, name=fields["name"], deleted_at__isnull=True)
        if await same.exclude(id=template_id).exists():
            problems.add(AlreadyExists(path=["name"]))
    problems.raise_if_any()
    return fields


def _judged(value: str, *, path: list[str | int], is_one_line: bool = False) -> str:
    try:
        read_template(value, is_one_line=is_one_line)
    except BadTemplate as error:
        raise Invalid(str(error), path=path) from error
    return value
