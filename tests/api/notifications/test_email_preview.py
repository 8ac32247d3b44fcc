"""What a template would send: stored, on trial, or the default; for a task or an example."""

from datetime import date
from typing import Any

import pytest

from domain.content.models import Content
from domain.foundation.access import Principal, Role
from domain.tenants.models import Tenant
from gql.contract import ids
from tests.api.notifications.documents import PREVIEW
from tests.support import factories
from tests.support.api import ERRORS, Api, ApiClient

ASSIGN = f"""
mutation ($input: AssignMandatoryTaskInput!) {{
  assignMandatoryTask(input: $input) {{ mandatoryTask {{ id }} {ERRORS} }} }}
"""


async def preview(client: ApiClient, **input: Any) -> dict[str, str]:
    """Return what would be sent."""
    email: dict[str, str] = await client.value(PREVIEW, input=input)
    return email


@pytest.fixture
async def course(tenant: Tenant, trainer: Principal) -> Content:
    """A course of the trainer."""
    assert trainer.learner_id is not None
    return await factories.create_course(tenant.id, title="First <aid>", trainers=[trainer.learner_id])


async def test_default_email_for_an_example(as_trainer: ApiClient) -> None:
    """The reminder, due in a week from today."""
    email = await preview(as_trainer)
    assert email["subject"] == "Reminder: Example course is due on 2026-03-09, in 7 days"
    assert email["text"].startswith("Hello Lee Learner,\n")
    assert "https://academy.acme.example/tasks/mtk_" in email["text"]
    assert '<a href="https://academy.acme.example/tasks/mtk_' in email["html"]
    assert email["text"].rstrip().endswith("Acme")


async def test_stored_template_with_a_part_on_trial(tenant: Tenant, as_reader: ApiClient) -> None:
    """What is on trial stands in for the stored part; nothing is written."""
    template = await factories.create_template(tenant.id, subject="{{ task.daysLeft }} days", body="{{ tenant.name }}")
    stored = {"emailTemplateId": ids.encode(ids.EMAIL_TEMPLATE, template.id)}
    email = await preview(as_reader, **stored)
    assert (email["subject"], email["text"]) == ("7 days", "Acme\n")
    email = await preview(as_reader, **stored, body="{{ assigner.name }} <b>")
    assert (email["subject"], email["text"]) == ("7 days", "Alex Assigner <b>\n")
    assert "<p>Alex Assigner &lt;b&gt;</p>" in email["html"]
    email = await preview(as_reader, subject="{{ learner.email }}")
    assert email["subject"] == "lee.learner@example.com"
    assert email["text"].startswith("Hello Lee Learner,\n")


async def test_text_on_trial_is_judged_as_at_saving(as_trainer: ApiClient) -> None:
    """The failure says where, in the words of the arguments."""
    result = await as_trainer.execute(PREVIEW, input={"subject": "{{ nobody }}"})
    [error] = result["errors"]
    assert (error["extensions"]["code"], error["extensions"]["path"]) == ("INVALID", ["input", "subject"])
    assert "unknown variable 'nobody'" in error["message"]
    assert await as_trainer.errors(PREVIEW, input={"body": "{% for i in (1..9) %}{% endfor %}"}) == ["INVALID"]
    assert await as_trainer.errors(PREVIEW, input={"body": ""}) == ["INVALID"]


async def test_a_task_that_the_viewer_sees(
    api: Api, as_trainer: ApiClient, as_admin: ApiClient, tenant: Tenant, learner: Principal, course: Content
) -> None:
    """With its own facts; for those who do not see the task it does not exist."""
    input = {
        "learner": {"id": ids.encode(ids.LEARNER, learner.learner_id or 0)},
        "target": {"id": ids.encode(ids.CONTENT, course.id)},
        "dueOn": date(2026, 3, 12).isoformat(),
        "note": "Bring <gloves>",
    }
    task_id = (await as_trainer.value(ASSIGN, input=input))["mandatoryTask"]["id"]
    body = "{{ learner.name }}|{{ task.title }}|{{ task.dueOn }}|{{ task.status }}|{{ task.note }}|{{ assigner.name }}"
    email = await preview(as_trainer, mandatoryTaskId=task_id, subject="{{ task.daysLeft }}", body=body)
    assert email["subject"] == "10"
    assert email["text"] == "Lea Learner|First <aid>|2026-03-12|ASSIGNED|Bring <gloves>|Tina Trainer\n"
    url = await preview(as_admin, mandatoryTaskId=task_id, body="{{ task.url }}")
    assert url["text"] == f"https://academy.acme.example/tasks/{task_id}\n"
    colleague = api.acting_as(await factories.create_person(tenant.id, role=Role.TRAINER))
    assert await colleague.errors(PREVIEW, input={"mandatoryTaskId": task_id}) == ["NOT_FOUND"]
    assert await as_admin.errors(PREVIEW, input={"mandatoryTaskId": "mtk_nonsense"}) == ["NOT_FOUND"]


async def test_templates_that_are_not_there(as_admin: ApiClient, as_learner: ApiClient, another_tenant: Tenant) -> None:
    """Another tenant's, or of another type; learners have nothing to do here."""
    theirs = await factories.create_template(another_tenant.id)
    for id in (ids.encode(ids.EMAIL_TEMPLATE, theirs.id), ids.encode(ids.CONTENT, theirs.id), "x"):
        result = await as_admin.execute(PREVIEW, input={"emailTemplateId": id})
        [error] = result["errors"]
        assert (error["extensions"]["code"], error["extensions"]["path"]) == ("NOT_FOUND", ["input", "emailTemplateId"])
    assert await as_learner.errors(PREVIEW, input={}) == ["FORBIDDEN"]
