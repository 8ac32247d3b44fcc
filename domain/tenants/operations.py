"""Changing the tenant: its settings, the switch of Auto Assignment, and the limits that the operator sets."""

import re
import zoneinfo
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg
from tortoise.exceptions import IntegrityError

from domain.foundation.access import Principal, Role
from domain.foundation.audit.recording import audit, changed_fields
from domain.foundation.database.sessions import across_tenants
from domain.foundation.errors import AlreadyExists, Forbidden, Invalid, ProblemList, TooManyItems, VersionConflict
from domain.foundation.feed.changes import ObjectType, record_changes
from domain.foundation.locks import lock_rules
from domain.foundation.text_validation import name_text
from domain.foundation.unit_of_work import UnitOfWork, perform
from domain.tenants.events import AutoAssignmentSwitched, TenantTimeZoneChanged
from domain.tenants.models import Tenant
from domain.tenants.queries import REF_FIELD_COUNT, ref_label

MAX_LEAD_DAYS = 365
MAX_RULE_LIMIT = 10_000

#: Prefix of a label among the settings, as audit entries name it.
_LABEL = "refFieldLabels."

_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)


@dataclass(frozen=True, slots=True)
class TenantChanges:
    """Settings that an admin changes; None stays as it is. Labels are by number of the field."""

    name: str | None = None
    time_zone: str | None = None
    ref_field_labels: tuple[tuple[int, str], ...] | None = None
    minimum_lead_days: int | None = None
    accepts_learner_progress: bool | None = None


async def create_tenant(
    *,
    now: datetime,
    slug: str,
    name: str,
    time_zone: str,
    and_then: Callable[[UnitOfWork], Awaitable[object]] | None = None,
) -> int:
    """Create a tenant and return its ID. It is the operator's command: nobody of the tenant exists yet.

    `and_then` runs in the same transaction: the tenant comes with what it makes, or not at all. Raises Invalid, or
    AlreadyExists when the slug is taken.
    """
    problems = ProblemList()
    if not _SLUG.fullmatch(slug):
        problems.add(Invalid("From 1 to 63 lower-case letters, digits and hyphens within.", path=["slug"]))
    clean_name = _checked(problems, name_text, name, ["name"])
    _checked(problems, time_zone_name, time_zone, ["timeZone"])
    problems.raise_if_any()
    # Row level security wants the ID before the row exists.
    tenant_id: int = (await across_tenants("SELECT nextval(pg_get_serial_sequence('tenant', 'id'))"))[0][0]

    async def insert(work: UnitOfWork) -> None:
        try:
            tenant = await Tenant.create(id=tenant_id, slug=slug, name=clean_name, time_zone=time_zone, created_at=now)
        except (IntegrityError, asyncpg.UniqueViolationError) as error:
            raise AlreadyExists(path=["slug"]) from error
        await work.sql.execute("INSERT INTO feed_head (tenant_id, position) VALUES ($1, 0)", tenant_id)
        await _note_change(work, tenant, {}, {"name": tenant.name, "timeZone": time_zone})
        if and_then is not None:
            await and_then(work)

    await perform(Principal.operator(tenant_id), now, "createTenant", insert)
    return tenant_id


async def update_tenant(work: UnitOfWork, *, changes: TenantChanges, expected_version: int | None = None) -> int:
    """Change the settings of the tenant and return its ID. Needs ADMIN.

    Raises VersionConflict, Invalid and TooManyItems.
    """
    require_admin(work)
    wanted = _wanted_settings(changes)
    if "timeZone" in wanted:
        # Nobody may give somebody a date by the old zone between its change and the look at who has dates.
        await lock_rules(work)
    tenant = await lock_tenant(work)
    if expected_version is not None and tenant.edited_version > expected_version:
        raise VersionConflict(current_version=tenant.version)
    before = _settings_of(tenant)
    if changed_fields(before, wanted):
        tenant.name = wanted.get("name", tenant.name)
        tenant.time_zone = wanted.get("timeZone", tenant.time_zone)
        tenant.minimum_lead_days = wanted.get("minimumLeadDays", tenant.minimum_lead_days)
        tenant.accepts_learner_progress = wanted.get("acceptsLearnerProgress", tenant.accepts_learner_progress)
        labels = {key.removeprefix(_LABEL): label for key, label in wanted.items() if key.startswith(_LABEL)}
        tenant.ref_labels = {**tenant.ref_labels, **labels}
        await _save_edit(tenant, "name", "time_zone", "minimum_lead_days", "accepts_learner_progress", "ref_labels")
        await _note_change(work, tenant, before, wanted)
        if tenant.time_zone != before["timeZone"]:
            work.record(TenantTimeZoneChanged(tenant.name))
    return work.tenant_id


async def set_auto_assignment(work: UnitOfWork, *, is_enabled: bool) -> int:
    """Switch Auto Assignment on or off and return the tenant's ID. Needs ADMIN."""
    require_admin(work)
    # While the switch is turned, no change may be judged by its old position.
    await lock_rules(work)
    tenant = await lock_tenant(work)
    if tenant.is_auto_assignment_enabled != is_enabled:
        tenant.is_auto_assignment_enabled = is_enabled
        await _save_edit(tenant, "is_auto_assignment_enabled")
        await _note_change(
            work, tenant, {"isAutoAssignmentEnabled": not is_enabled}, {"isAutoAssignmentEnabled": is_enabled}
        )
        work.record(AutoAssignmentSwitched(is_enabled))
    return work.tenant_id


async def set_rule_limit(work: UnitOfWork, *, rule_limit: int) -> int:
    """Set how many rules the tenant may have and return the tenant's ID. The operator alone does it."""
    if not work.principal.is_operator:
        raise Forbidden
    if not 0 <= rule_limit <= MAX_RULE_LIMIT:
        raise Invalid(f"From 0 to {MAX_RULE_LIMIT}.", path=["ruleLimit"])
    tenant = await lock_tenant(work)
    if tenant.rule_limit != rule_limit:
        before = {"ruleLimit": tenant.rule_limit}
        tenant.rule_limit = rule_limit
        await _save_edit(tenant, "rule_limit")
        await _note_change(work, tenant, before, {"ruleLimit": rule_limit})
    return work.tenant_id


def require_admin(work: UnitOfWork) -> None:
    """Raise Forbidden unless the operator asks, or a person who is an admin: no scope stands in for it."""
    if not (work.principal.is_operator or work.principal.role is Role.ADMIN):
        raise Forbidden


async def lock_tenant(work: UnitOfWork) -> Tenant:
    """Lock the tenant's row; comes after the lock on its rules, where that is taken too."""
    tenant: Tenant = await Tenant.select_for_update(no_key=True).get(id=work.tenant_id)
    return tenant


def time_zone_name(value: str, *, path: Sequence[str | int]) -> str:
    """Return the name of an IANA time zone; raises Invalid for any other text."""
    if value not in zoneinfo.available_timezones() or value in ("localtime", "posixrules"):
        raise Invalid("Is no IANA time zone, such as Europe/Berlin.", path=path)
    return value


def _checked(problems: ProblemList, check: Callable[..., str], value: str, path: list[str | int]) -> str | None:
    try:
        return check(value, path=path)
    except Invalid as error:
        problems.add(error)
        return None


def _wanted_settings(changes: TenantChanges) -> dict[str, Any]:
    """Return the settings to be, by the API's names; raises everything that is wrong with them."""
    problems = ProblemList()
    wanted: dict[str, Any] = {}
    name, time_zone, lead_days = changes.name, changes.time_zone, changes.minimum_lead_days
    if name is not None:
        wanted["name"] = _checked(problems, name_text, name, ["changes", "name"])
    if time_zone is not None:
        wanted["timeZone"] = _checked(problems, time_zone_name, time_zone, ["changes", "timeZone"])
    if lead_days is not None:
        if not 0 <= lead_days <= MAX_LEAD_DAYS:
            problems.add(Invalid(f"From 0 to {MAX_LEAD_DAYS}.", path=["changes", "minimumLeadDays"]))
        wanted["minimumLeadDays"] = lead_days
    if changes.accepts_learner_progress is not None:
        wanted["acceptsLearnerProgress"] = changes.accepts_learner_progress
    wanted |= _wanted_labels(changes.ref_field_labels or (), problems)
    problems.raise_if_any()
    return wanted


def _wanted_labels(labels: tuple[tuple[int, str], ...], problems: ProblemList) -> dict[str, str | None]:
    place: list[str | int] = ["changes", "refFieldLabels"]
    if len(labels) > REF_FIELD_COUNT:
        problems.add(TooManyItems(limit=REF_FIELD_COUNT, path=place))
        return {}
    wanted: dict[str, str | None] = {}
    for index, (number, label) in enumerate(labels):
        key = f"{_LABEL}{number}"
        if not 1 <= number <= REF_FIELD_COUNT:
            problems.add(Invalid(f"From 1 to {REF_FIELD_COUNT}.", path=[*place, index, "number"]))
        elif key in wanted:
            problems.add(Invalid("Is named twice.", path=[*place, index, "number"]))
        else:
            wanted[key] = _checked(problems, name_text, label, [*place, index, "label"])
    return wanted


def _settings_of(tenant: Tenant) -> dict[str, Any]:
    return {
        "name": tenant.name,
        "timeZone": tenant.time_zone,
        "minimumLeadDays": tenant.minimum_lead_days,
        "acceptsLearnerProgress": tenant.accepts_learner_progress,
        **{f"{_LABEL}{number}": ref_label(tenant.ref_labels, number) for number in range(1, REF_FIELD_COUNT + 1)},
    }


async def _save_edit(tenant: Tenant, *columns: str) -> None:
    tenant.version += 1
    tenant.edited_version = tenant.version
    await tenant.save(update_fields=[*columns, "version", "edited_version"])


async def _note_change(work: UnitOfWork, tenant: Tenant, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    await audit(work, ObjectType.TENANT, tenant.id, tenant.name, changed_fields(before, after))
    await record_changes(work, ObjectType.TENANT, [(tenant.id, tenant.version)])
