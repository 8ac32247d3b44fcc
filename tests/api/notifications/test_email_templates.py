"""Email templates: who writes, changes, sees and deletes them, and what is told of it."""

import asyncio
from typing import Any

import pytest

from domain.foundation.access import Role, Scope
from domain.tenants.models import Tenant
from tests.api.notifications.documents import AUDIT, CREATE, DELETE, NODE, TEMPLATES, UPDATE
from tests.support import factories
from tests.support.api import Api, ApiClient
from tests.support.catalogue import Connection

FRIENDLY = {"name": "Friendly", "subject": "{{ task.title }}", "body": "Hello {{ learner.name }}"}


async def create(client: ApiClient, **fields: Any) -> dict[str, Any]:
    """Create a template and return it."""
    template: dict[str, Any] = (await client.value(CREATE, input={**FRIENDLY, **fields}))["emailTemplate"]
    return template


async def update(client: ApiClient, template: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Change a template and return it."""
    changed: dict[str, Any] = (await client.value(UPDATE, input={"id": template["id"], **fields}))["emailTemplate"]
    return changed


async def test_a_template_is_created_changed_and_deleted(as_trainer: ApiClient, as_admin: ApiClient) -> None:
    """By the trainer who wrote it; each change is a version, and an entry of the audit log with the texts."""
    made = await create(as_trainer)
    assert made == {
        **FRIENDLY,
        "id": made["id"],
        "createdBy": {"name": "Tina Trainer"},
        "canUpdate": True,
        "version": 1,
    }
    assert (await update(as_trainer, made, subject="Soon: {{ task.title }}"))["version"] == 2
    assert await as_trainer.value(DELETE, input={"id": made["id"]}) == {
        "deletedEmailTemplateId": made["id"],
        "errors": [],
    }
    assert await as_admin.value(NODE, id=made["id"]) is None
    entries = (await as_admin.value(AUDIT, filter={"objectIds": [made["id"]]}))["nodes"]
    assert [(entry["operation"], entry["objectName"], entry["object"], entry["changes"]) for entry in entries] == [
        ("deleteEmailTemplate", "Friendly", None, []),
        (
            "updateEmailTemplate",
            "Friendly",
            None,
            [{"field": "subject", "before": '"{{ task.title }}"', "after": '"Soon: {{ task.title }}"'}],
        ),
        (
            "createEmailTemplate",
            "Friendly",
            None,
            [{"field": name, "before": None, "after": f'"{value}"'} for name, value in FRIENDLY.items()],
        ),
    ]


async def test_what_is_so_already_is_no_change(as_trainer: ApiClient, superuser: Connection) -> None:
    """No version, no audit entry, no change row."""
    made = await create(as_trainer)
    assert (await update(as_trainer, made, **FRIENDLY))["version"] == 1
    assert (await update(as_trainer, made))["version"] == 1
    counts = await superuser.fetchrow(
        "SELECT (SELECT count(*) FROM audit_entry),"
        " (SELECT count(*) FROM change_pending WHERE object_type = 'EMAIL_TEMPLATE')"
    )
    assert tuple(counts or ()) == (1, 1)


async def test_the_same_key_creates_one(as_trainer: ApiClient) -> None:
    """And answers with it again; with another input it is refused."""
    made = await create(as_trainer, idempotencyKey="k")
    assert await create(as_trainer, idempotencyKey="k") == made
    reused = await as_trainer.user_errors(CREATE, input={**FRIENDLY, "name": "Other", "idempotencyKey": "k"})
    assert reused == [("IDEMPOTENCY_KEY_REUSED", "input.idempotencyKey")]
    assert (await as_trainer.value(TEMPLATES))["totalCount"] == 1


async def test_names_are_unique_until_deleted(as_trainer: ApiClient, as_admin: ApiClient) -> None:
    """In the whole tenant, whoever wrote the other one; a deleted one gives its name back."""
    first = await create(as_trainer)
    other = await create(as_admin, name="Other")
    assert await as_admin.user_errors(CREATE, input=FRIENDLY) == [("ALREADY_EXISTS", "input.name")]
    taken = await as_admin.user_errors(UPDATE, input={"id": other["id"], "name": " Friendly "})
    assert taken == [("ALREADY_EXISTS", "input.name")]
    await as_admin.run(DELETE, input={"id": first["id"]})
    assert (await create(as_admin))["name"] == "Friendly"
    assert await as_admin.user_errors(DELETE, input={"id": first["id"]}) == [("NOT_FOUND", "input.id")]


async def test_everything_that_is_wrong_is_told_together(as_trainer: ApiClient) -> None:
    """Each with its place, at creation and at a change."""
    await create(as_trainer)
    wrong = {"name": "Friendly", "subject": "a\nb", "body": "{{ nobody }}"}
    expected = [("ALREADY_EXISTS", "input.name"), ("INVALID", "input.body"), ("INVALID", "input.subject")]
    assert sorted(await as_trainer.user_errors(CREATE, input=wrong)) == expected
    other = await create(as_trainer, name="Other")
    assert sorted(await as_trainer.user_errors(UPDATE, input={"id": other["id"], **wrong})) == expected


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("name", " "),
        ("name", "x" * 201),
        ("name", "a\nb"),
        ("subject", ""),
        ("subject", "x" * 501),
        ("subject", "{{ task.title"),
        ("subject", "{{ 'a\r\nBcc: b' }}"),
        ("body", " \n"),
        ("body", "x" * 10_001),
        ("body", "a\x00b"),
        ("body", "{% for i in (1..1000000000) %}x{% endfor %}"),
        ("body", "{{ learner.__class__.__mro__ }}"),
        ("body", "{{ task.title | shout }}"),
        ("body", "{{ task.note }}" * 600),
    ],
)
async def test_texts_are_judged_when_they_are_saved(as_trainer: ApiClient, field: str, text: str) -> None:
    """Blank, too long, impossible to store, or not harmless."""
    assert await as_trainer.user_errors(CREATE, input={**FRIENDLY, field: text}) == [("INVALID", f"input.{field}")]


async def test_trainers_change_their_own_admins_and_tools_all(
    api: Api, tenant: Tenant, as_trainer: ApiClient, as_admin: ApiClient, as_learner: ApiClient
) -> None:
    """Whoever may change a template is told so by it."""
    colleague = api.acting_as(await factories.create_person(tenant.id, role=Role.TRAINER))
    tool = api.acting_as(await factories.create_service_account(tenant.id, scopes=[Scope.WRITE_MANDATORY_TASKS]))
    made = await create(as_trainer)
    seen = {
        client: (await client.value(NODE, id=made["id"]))["canUpdate"] for client in (as_trainer, colleague, as_admin)
    }
    assert list(seen.values()) == [True, False, True]
    for document in (UPDATE, DELETE):
        assert await colleague.user_errors(document, input={"id": made["id"]}) == [("NOT_PERMITTED", "input.id")]
        assert await as_learner.errors(document, input={"id": made["id"]}) == ["FORBIDDEN"]
    assert (await update(as_admin, made, name="By the admin"))["version"] == 2
    # A tool without READ sees the fields of what it writes, and not who made it.
    changed = await update(tool, made, name="By the tool")
    assert (changed["version"], changed["createdBy"], changed["canUpdate"]) == (3, None, True)
    its_own = await create(tool, name="Of the tool")
    assert (await as_admin.value(NODE, id=its_own["id"]))["createdBy"]["name"].startswith("Tool")
    await tool.run(DELETE, input={"id": made["id"]})


async def test_only_an_edit_since_then_is_a_conflict(as_trainer: ApiClient, as_admin: ApiClient) -> None:
    """With the version that it has now."""
    made = await create(as_trainer)
    await update(as_admin, made, name="Edited")
    result = await as_trainer.execute(UPDATE, input={"id": made["id"], "expectedVersion": 1, "name": "Late"})
    [error] = result["data"]["updateEmailTemplate"]["errors"]
    assert (error["code"], error["path"], error["currentVersion"]) == (
        "VERSION_CONFLICT",
        ["input", "expectedVersion"],
        2,
    )
    assert (await update(as_trainer, made, expectedVersion=2, name="In time"))["name"] == "In time"


async def test_templates_are_listed_by_name(
    tenant: Tenant, another_tenant: Tenant, as_trainer: ApiClient, as_reader: ApiClient, as_learner: ApiClient
) -> None:
    """As people compare names; searched by a part of it; the tenant's only, deleted ones not."""
    for name in ("beta", "Alpha", "Ümlaut", "gamma"):
        await factories.create_template(tenant.id, name=name)
    await factories.create_template(tenant.id, name="Gone", deleted_at=factories.LONG_AGO)
    await factories.create_template(another_tenant.id, name="Theirs")
    first = await as_reader.value(TEMPLATES, first=3)
    assert [node["name"] for node in first["nodes"]] == ["Alpha", "beta", "gamma"]
    assert (first["totalCount"], first["pageInfo"]["hasNextPage"]) == (4, True)
    rest = await as_reader.value(TEMPLATES, first=3, after=first["pageInfo"]["endCursor"])
    assert [node["name"] for node in rest["nodes"]] == ["Ümlaut"]
    found = await as_trainer.value(TEMPLATES, search=" UML")
    assert [(node["name"], node["canUpdate"]) for node in found["nodes"]] == [("Ümlaut", False)]
    assert await as_learner.errors(TEMPLATES) == ["FORBIDDEN"]


async def test_two_of_one_name_at_once_are_one(as_admin: ApiClient, superuser: Connection) -> None:
    """The database itself keeps names unique."""
    results = await asyncio.gather(*(as_admin.execute(CREATE, input=FRIENDLY) for _ in range(5)))
    errors = [result["data"]["createEmailTemplate"]["errors"] for result in results]
    assert sorted(len(of_one) for of_one in errors) == [0, 1, 1, 1, 1]
    assert {error["code"] for of_one in errors for error in of_one} == {"ALREADY_EXISTS"}
    assert await superuser.fetchval("SELECT count(*) FROM email_template") == 1
