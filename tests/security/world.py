"""A tenant in which there is one of everything that an ID can name, so that each field has something to do.

Everything in it is named after its tenant's slug, in external IDs and addresses too: what shows up elsewhere gives
itself away.
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from domain.content.models import Content
from domain.foundation.access import Principal, Role, Scope, Source
from domain.foundation.database.sessions import writing
from domain.foundation.models import BackgroundJob, JobKind, JobStatus
from domain.people.models import Place, PlaceKind
from domain.tenants.models import Tenant
from gql.contract import ids
from tests.support import factories
from tests.support.api import ERRORS, Api, ApiClient

#: Kinds of callers: roles of people, tools with one scope each, and a tool that may do nothing.
CALLERS = (*(role.value for role in Role), *(scope.value for scope in Scope), "NO_SCOPE")

CREATE_RULE = f"""
mutation ($input: CreateAutoAssignmentRuleInput!) {{
  createAutoAssignmentRule(input: $input) {{ rule {{ id }} {ERRORS} }} }}
"""
ASSIGN = f"""
mutation ($input: AssignMandatoryTaskInput!) {{
  assignMandatoryTask(input: $input) {{ mandatoryTask {{ id }} {ERRORS} }} }}
"""
BULK_ASSIGN = f"""
mutation ($input: BulkAssignMandatoryTasksInput!) {{
  bulkAssignMandatoryTasks(input: $input) {{
    bulkAssignment {{ id results {{ nodes {{ mandatoryTask {{ id }} }} }} }} {ERRORS} }} }}
"""
ENROLL = f"mutation ($input: EnrollLearnerInput!) {{ enrollLearner(input: $input) {{ {ERRORS} }} }}"

PLACES = {
    "department": (PlaceKind.DEPARTMENT, ids.DEPARTMENT),
    "group": (PlaceKind.LEARNING_GROUP, ids.LEARNING_GROUP),
    "client": (PlaceKind.CLIENT, ids.CLIENT),
    "sublicense": (PlaceKind.SUBLICENSE, ids.SUBLICENSE),
}


_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Named:
    """What an object can be named by."""

    id: str
    external_id: str | None = None
    email: str | None = None

    @property
    def key(self) -> int:
        """The key of its row."""
        decoded = ids.decode(self.id)
        assert decoded is not None
        return decoded[1]


@dataclass(frozen=True, slots=True)
class World:
    """One tenant: its callers by kind, and an object of each kind."""

    api: Api
    tenant: Tenant
    callers: Mapping[str, Principal]
    objects: Mapping[str, Named]

    def client(self, caller: str) -> ApiClient:
        """Return a client of a kind of caller."""
        return self.api.acting_as(self.callers[caller])

    async def with_spare(self, kind: str) -> "World":
        """Return the same world with another object of a kind, which nothing hangs on: it can be deleted."""
        if kind == "tool":
            tool = await factories.create_service_account(self.tenant.id)
            spare = Named(ids.encode(ids.SERVICE_ACCOUNT, tool.service_account_id or 0))
        elif kind == "learner":
            spare = await self._make_learner()
        elif kind == "task":
            spare = await _assign(self.client("TRAINER"), await self._make_learner(), self.objects)
        elif kind == "rule":
            spare = await _create_rule(self.client("ADMIN"), self.objects, f"spare of {self.tenant.slug}")
        elif kind == "template":
            template = await factories.create_template(self.tenant.id, author=self.callers["TRAINER"])
            spare = Named(ids.encode(ids.EMAIL_TEMPLATE, template.id))
        else:
            place_kind, prefix = PLACES[kind]
            place = await factories.create_place(
                self.tenant.id,
                kind=place_kind,
                owner_id=self.callers["TRAINER"].learner_id if kind == "group" else None,
                client_id=self.objects["client"].key if kind == "sublicense" else None,
            )
            spare = Named(ids.encode(prefix, place.id))
        return replace(self, objects={**self.objects, kind: spare})

    async def _make_learner(self) -> Named:
        name = f"spare-{next(_numbers)}"
        return _person(await factories.create_person(self.tenant.id, **_names(self.tenant, name)), self.tenant, name)


async def populate(api: Api, tenant: Tenant) -> World:
    """Fill an empty tenant."""
    callers = await _make_callers(tenant)
    objects = {name: _person(callers[name.upper()], tenant, name) for name in ("trainer", "admin")}
    objects["tool"] = Named(ids.encode(ids.SERVICE_ACCOUNT, callers["NO_SCOPE"].service_account_id or 0))
    objects["tenant"] = Named(ids.encode(ids.TENANT, tenant.id))
    await _make_places_and_a_member(tenant, objects)
    await _make_contents(tenant, objects, callers)
    admin = api.acting_as(callers["ADMIN"])
    objects["rule"] = await _create_rule(admin, objects, f"{tenant.slug} rule")
    await admin.run(ENROLL, input={"learner": {"id": objects["learner"].id}, "content": {"id": objects["path"].id}})
    await _bulk_assign(api.acting_as(callers["TRAINER"]), objects)
    await _make_messages(tenant, objects, callers)
    async with writing(tenant.id) as sql:
        job = await BackgroundJob.create(
            tenant_id=tenant.id,
            kind=JobKind.RULE_BACKFILL,
            status=JobStatus.FAILED,
            subject_type="RULE",
            subject_id=objects["rule"].key,
            subject_name=f"{tenant.slug} rule",
            started_by_learner_id=callers["ADMIN"].learner_id,
            created_at=factories.LONG_AGO,
        )
        objects["job"] = Named(ids.encode(ids.BACKGROUND_JOB, job.id))
        for kind, prefix, table in (
            ("enrollment", ids.ENROLLMENT, "enrollment"),
            ("action", ids.CONTENT_ACTION, "content_action"),
            ("audit entry", ids.AUDIT_ENTRY, "audit_entry"),
            ("reminder", ids.REMINDER, "task_reminder"),
        ):
            key = await sql.value(f"SELECT max(id) FROM {table} WHERE tenant_id = $1", tenant.id)
            objects[kind] = Named(ids.encode(prefix, key))
    return World(api, tenant, callers, objects)


async def _make_messages(tenant: Tenant, objects: dict[str, Named], callers: Mapping[str, Principal]) -> None:
    """Make a template of the trainer, and a notification of the admin: nobody else sees that."""
    template = await factories.create_template(
        tenant.id, name=f"{tenant.slug} template", subject=f"{tenant.slug} subject", author=callers["TRAINER"]
    )
    objects["template"] = Named(ids.encode(ids.EMAIL_TEMPLATE, template.id))
    notification = await factories.create_notification(
        tenant.id, callers["ADMIN"].learner_id or 0, title=f"{tenant.slug} notification"
    )
    objects["notification"] = Named(ids.encode(ids.NOTIFICATION, notification.id))


async def _make_callers(tenant: Tenant) -> dict[str, Principal]:
    people = {
        role.value: await factories.create_person(tenant.id, role=role, **_names(tenant, role.value.lower()))
        for role in Role
    }
    tools = {
        name: await factories.create_service_account(
            tenant.id,
            scopes=[Scope(name)] if name in Scope.__members__ else [],
            name=f"{tenant.slug} {name}",
            key=f"mk_{tenant.slug}_{name}",
        )
        for name in CALLERS
        if name not in people
    }
    return people | tools


def _names(tenant: Tenant, name: str) -> dict[str, Any]:
    named = _name(tenant, name)
    return {"name": f"{tenant.slug} {name}", "external_id": named[0], "email": named[1]}


def _name(tenant: Tenant, name: str) -> tuple[str, str]:
    return f"{tenant.slug}-{name}", f"{name}@{tenant.slug}.test"


def _person(principal: Principal, tenant: Tenant, name: str) -> Named:
    return Named(ids.encode(ids.LEARNER, principal.learner_id or 0), *_name(tenant, name))


async def _make_places_and_a_member(tenant: Tenant, objects: dict[str, Named]) -> None:
    places: dict[str, Place] = {}
    for name, (kind, prefix) in PLACES.items():
        external_id = f"{tenant.slug}-{name}"
        places[name] = await factories.create_place(
            tenant.id,
            kind=kind,
            name=f"{tenant.slug} {name}",
            external_id=external_id,
            owner_id=objects["trainer"].key if name == "group" else None,
            client_id=places["client"].id if name == "sublicense" else None,
        )
        objects[name] = Named(ids.encode(prefix, places[name].id), external_id)
    member = await factories.create_person(tenant.id, places=places.values(), **_names(tenant, "member"))
    objects["learner"] = _person(member, tenant, "member")


async def _make_contents(tenant: Tenant, objects: dict[str, Named], callers: Mapping[str, Principal]) -> None:
    """Make two courses and a path of the trainer; everybody is in the first course of their own will."""

    def names(name: str) -> dict[str, Any]:
        return {"title": f"{tenant.slug} {name}", "external_id": f"{tenant.slug}-{name}"}

    trainers = [objects["trainer"].key]
    course = await factories.create_course(tenant.id, trainers=trainers, is_self_enrollable=True, **names("course"))
    item = await factories.create_course(tenant.id, **names("item"))
    path = await factories.create_path(tenant.id, courses=[item], **names("path"))
    async with writing(tenant.id) as sql:
        await sql.execute(
            "INSERT INTO content_trainer (content_id, learner_id, tenant_id) VALUES ($1, $2, $3)",
            path.id,
            trainers[0],
            tenant.id,
        )
    for name, content in (("course", course), ("path", path)):
        objects[name] = _content(content)
    for principal in callers.values():
        if principal.learner_id is not None:
            await factories.create_enrollment(tenant.id, principal.learner_id, course.id, source=Source.LEARNER)


def _content(content: Content) -> Named:
    return Named(ids.encode(ids.CONTENT, content.id), content.external_id)


async def _assign(trainer: ApiClient, learner: Named, objects: Mapping[str, Named]) -> Named:
    """Give somebody the path as a task."""
    target = {"id": objects["path"].id}
    assigned = await trainer.value(
        ASSIGN, input={"target": target, "learner": {"id": learner.id}, "dueOn": "2026-06-30"}
    )
    return Named(assigned["mandatoryTask"]["id"])


async def _bulk_assign(trainer: ApiClient, objects: dict[str, Named]) -> None:
    """Give the path to the trainer's group, which has one member, as a task."""
    audience = [{"learningGroupId": objects["group"].id}]
    assigned = await trainer.value(
        BULK_ASSIGN, input={"target": {"id": objects["path"].id}, "audience": audience, "dueOn": "2026-06-30"}
    )
    [result] = assigned["bulkAssignment"]["results"]["nodes"]
    objects["bulk assignment"] = Named(assigned["bulkAssignment"]["id"])
    objects["task"] = Named(result["mandatoryTask"]["id"])


async def _create_rule(admin: ApiClient, objects: Mapping[str, Named], name: str) -> Named:
    """Make a rule that enrolls the member of the department in the course."""
    created = await admin.value(
        CREATE_RULE,
        input={
            "name": name,
            "match": "ALL",
            "conditions": [{"departmentIds": [objects["department"].id]}],
            "contents": [{"id": objects["course"].id}],
        },
    )
    return Named(created["rule"]["id"])
