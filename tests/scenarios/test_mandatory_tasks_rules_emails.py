"""Rules of mandatory tasks: emails, templates of the tenant, what is checked when they are saved, and notifications."""

import pytest

from domain.content.models import Content
from domain.foundation.access import Principal, Role, Scope
from tests.support import factories
from tests.support.assigning import (
    CREATE_TEMPLATE,
    DELETE_TEMPLATE,
    MARK_READ,
    UPDATE_TEMPLATE,
    Assigning,
    codes,
    reminder,
)
from tests.support.company import Company
from tests.support.passing_time import html_of, midnight, text_of

DUE = "2026-03-16"
VARIABLES = [
    "learner.name",
    "learner.email",
    "task.title",
    "task.dueOn",
    "task.daysLeft",
    "task.status",
    "task.note",
    "task.url",
    "assigner.name",
    "tenant.name",
]
TEMPLATES = "{ emailTemplates { totalCount nodes { name canUpdate createdBy { name } } } }"
REFUSED = {
    "unknown variable": "{{ task.colour }}",
    "unknown object": "{{ company.name }}",
    "unclosed placeholder": "{{ task.title ",
    "unclosed block": "{% if task.note %}x",
    "unknown tag": "{% nothing %}",
    "class": "{{ task.__class__ }}",
    "class of a string": "{{ ''.__class__.__mro__ }}",
    "globals": "{{ task.__init__.__globals__ }}",
    "import": "{{ cycler.__init__.__globals__.os }}",
    "attribute by filter": "{{ task|attr('__class__') }}",
    "endless in Liquid": "{% for i in (1..1000000000) %}x{% endfor %}",
    "endless in Jinja": "{% for i in range(1000000000) %}x{% endfor %}",
    "endless nesting": "{% for a in (1..9999) %}{% for b in (1..9999) %}{% for c in (1..9999) %}x{% endfor %}"
    "{% endfor %}{% endfor %}",
    "too long": "x" * 10_001,
}


@pytest.fixture
async def course(company: Company) -> Content:
    """A course whose title needs escaping."""
    return await company.course("Fire & <Safety>", lesson_count=4)


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED.keys())
async def test_templates_are_checked_when_they_are_saved(assigning: Assigning, text: str) -> None:
    """At creation and at a change, nothing is saved; the error points to the body."""
    fields = {"name": "Mine", "subject": "S", "body": text}
    assert await assigning.client.user_errors(CREATE_TEMPLATE, input=fields) == [("INVALID", "input.body")]
    assert (await assigning.client.value(TEMPLATES))["totalCount"] == 0
    template = await assigning.template("Mine", "S", "B")
    change = {"id": template["id"], "body": text}
    assert await assigning.client.user_errors(UPDATE_TEMPLATE, input=change) == [("INVALID", "input.body")]


@pytest.mark.parametrize("text", ["{{ task.colour }}", "{{ task.title ", "{{ task.__class__ }}"])
async def test_subjects_are_checked_too(assigning: Assigning, text: str) -> None:
    """The error points to the subject."""
    fields = {"name": "Mine", "subject": text, "body": "B"}
    assert await assigning.client.user_errors(CREATE_TEMPLATE, input=fields) == [("INVALID", "input.subject")]


async def test_ten_thousand_characters_are_accepted(assigning: Assigning) -> None:
    """The limit itself is within it."""
    assert len((await assigning.template("Long", "S", "x" * 10_000))["body"]) == 10_000


async def test_names_of_templates_are_unique(assigning: Assigning) -> None:
    """A second one of the name is refused."""
    await assigning.template("Mine", "S", "B")
    fields = {"name": "Mine", "subject": "S", "body": "B"}
    assert codes(await assigning.client.user_errors(CREATE_TEMPLATE, input=fields)) == ["ALREADY_EXISTS"]


async def test_every_variable_has_its_value(company: Company, assigning: Assigning, course: Content) -> None:
    """For a task that is shown as an email."""
    person = await assigning.person("Pia")
    task = await assigning.assign(person, course, DUE, note="Soon")
    body = "\n".join(f"{name}={{{{ {name} }}}}" for name in VARIABLES)
    preview = await assigning.email_preview(subject="S", body=body, mandatoryTaskId=task["id"])
    values = dict(line.split("=", 1) for line in preview["text"].strip().splitlines())
    url = values.pop("task.url")
    assert url.startswith("http")
    assert values == {
        "learner.name": "Pia",
        "learner.email": "pia@acme.test",
        "task.title": "Fire & <Safety>",
        "task.dueOn": DUE,
        "task.daysLeft": "14",
        "task.status": "ASSIGNED",
        "task.note": "Soon",
        "assigner.name": "Ada Admin",
        "tenant.name": "Acme",
    }
    assigning.outage(until=midnight("2026-03-18"))
    late = await assigning.email_preview(subject="S", body="{{ task.daysLeft }}", mandatoryTaskId=task["id"])
    assert late["text"].strip() == "-2"


async def test_html_is_made_from_the_text_with_everything_escaped(
    company: Company, assigning: Assigning, course: Content
) -> None:
    """Marks in the template and in the values are text, in HTML as in plain text."""
    person = await assigning.person("<i>Pia</i>", email="pia@acme.test")
    task = await assigning.assign(person, course, DUE, note="<script>alert(1)</script>")
    body = "<b>{{ learner.name }}</b>: {{ task.title }} {{ task.note }}"
    preview = await assigning.email_preview(subject="{{ task.title }}", body=body, mandatoryTaskId=task["id"])
    assert preview["subject"] == "Fire & <Safety>"
    assert preview["text"].strip() == "<b><i>Pia</i></b>: Fire & <Safety> <script>alert(1)</script>"
    for tag in ("<b><i>", "<i>Pia", "<script", "<Safety>"):
        assert tag not in preview["html"]
    assert "&lt;i&gt;Pia&lt;/i&gt;" in preview["html"]
    assert "Fire &amp; &lt;Safety&gt;" in preview["html"]


async def test_the_subject_is_one_line_without_control_characters(
    company: Company, assigning: Assigning, course: Content
) -> None:
    """Whatever the values have in them; no further header comes of it."""
    person = await assigning.person("Pia")
    template = await assigning.template("T", "Note: {{ task.note }}", "B")
    reminders = [reminder(3, template=template)]
    task = await assigning.assign(person, course, DUE, note="one\r\nBcc: all@acme.test\ttwo", reminders=reminders)
    preview = await assigning.email_preview(emailTemplateId=template["id"], mandatoryTaskId=task["id"])
    assert preview["subject"].isprintable()
    await assigning.pass_time(until=midnight("2026-03-12"))
    assigning.mailbox.new()
    await assigning.pass_time(until=midnight("2026-03-14"))
    (mail,) = assigning.mailbox.new()
    assert mail["Bcc"] is None
    assert str(mail["Subject"]) == preview["subject"]


async def test_a_mail_has_text_and_html_of_its_template(
    company: Company, assigning: Assigning, course: Content
) -> None:
    """As in the preview, of the day on which it is sent."""
    person = await assigning.person("Pia")
    template = await assigning.template("T", "{{ task.daysLeft }} days", "Dear {{ learner.name }}: {{ task.title }}")
    await assigning.assign(person, course, DUE, reminders=[reminder(3, template=template)])
    await assigning.pass_time(until=midnight("2026-03-12"))
    assigning.mailbox.new()
    await assigning.pass_time(until=midnight("2026-03-14"))
    (mail,) = assigning.mailbox.new()
    assert mail["Subject"] == "3 days"
    assert text_of(mail).strip() == "Dear Pia: Fire & <Safety>"
    assert "Dear Pia: Fire &amp; &lt;Safety&gt;" in html_of(mail)


async def test_an_example_is_shown_without_a_task(assigning: Assigning) -> None:
    """For a stored template, for one being written, and for the default email."""
    template = await assigning.template("T", "Mind {{ task.title }}", "{{ learner.name }}")
    for fields in ({"emailTemplateId": template["id"]}, {"subject": "Mind {{ task.title }}", "body": "x"}, {}):
        preview = await assigning.email_preview(**fields)
        assert preview["subject"].strip()
        assert preview["text"].strip()
        assert preview["html"].strip()
        assert "{{" not in preview["subject"] + preview["text"] + preview["html"]


async def test_reminders_of_a_deleted_template_use_the_default_email(
    company: Company, assigning: Assigning, course: Content
) -> None:
    """It is sent, and the ledger names no template any more."""
    person = await assigning.person("Pia")
    template = await assigning.template("T", "Very special", "B")
    task = await assigning.assign(person, course, DUE, reminders=[reminder(3, template=template)])
    assert (await assigning.ledger(task))[0]["template"] == {"name": "T"}
    await assigning.client.value(DELETE_TEMPLATE, input={"id": template["id"]})
    await assigning.pass_time(until=midnight("2026-03-12"))
    assigning.mailbox.new()
    await assigning.pass_time(until=midnight("2026-03-14"))
    (mail,) = assigning.mailbox.new()
    assert mail["Subject"] != "Very special"
    (entry,) = await assigning.ledger(task)
    assert (entry["status"], entry["template"]) == ("SENT", None)


async def test_trainers_create_templates_and_change_their_own(
    company: Company, assigning: Assigning, trainer: Principal, learner: Principal
) -> None:
    """They see and use all of them; an administrator changes any; a learner has none."""
    as_trainer = assigning.acting_as(trainer)
    foreign, own = await assigning.template("Admin's", "S", "B"), await as_trainer.template("Mine", "S", "B")
    nodes = (await as_trainer.client.value(TEMPLATES))["nodes"]
    assert [(node["name"], node["canUpdate"]) for node in nodes] == [("Admin's", False), ("Mine", True)]
    for document in (UPDATE_TEMPLATE, DELETE_TEMPLATE):
        refusal = await as_trainer.client.user_errors(document, input={"id": foreign["id"]})
        assert codes(refusal) == ["NOT_PERMITTED"]
    changed = await as_trainer.client.value(UPDATE_TEMPLATE, input={"id": own["id"], "subject": "Better"})
    assert changed["emailTemplate"]["subject"] == "Better"
    await assigning.client.value(UPDATE_TEMPLATE, input={"id": own["id"], "subject": "Best"})
    as_learner = assigning.acting_as(learner).client
    assert await as_learner.errors(TEMPLATES) == ["FORBIDDEN"]
    assert await as_learner.errors(CREATE_TEMPLATE, input={"name": "N", "subject": "S", "body": "B"}) == ["FORBIDDEN"]


async def test_a_service_account_writes_templates_with_the_scope(company: Company, assigning: Assigning) -> None:
    """And without it does not."""
    fields = {"name": "N", "subject": "S", "body": "B"}
    with_scope, without = [
        await factories.create_service_account(company.tenant.id, scopes=scopes)
        for scopes in ([Scope.WRITE_MANDATORY_TASKS], [Scope.READ, Scope.WRITE_LEARNERS])
    ]
    assert await assigning.acting_as(without).client.errors(CREATE_TEMPLATE, input=fields) == ["FORBIDDEN"]
    created = await assigning.acting_as(with_scope).template("N", "S", "B")
    assert created["name"] == "N"


async def test_a_template_that_does_not_exist_is_not_found(assigning: Assigning, course: Content) -> None:
    """A reminder that names it is refused at its place."""
    person = await assigning.person("Pia", role=Role.TRAINER)
    template = await assigning.template("T", "S", "B")
    await assigning.client.value(DELETE_TEMPLATE, input={"id": template["id"]})
    (fault,) = await assigning.cannot_assign(person, course, DUE, reminders=[reminder(3, template=template)])
    assert (fault["code"], fault["path"]) == ("NOT_FOUND", ["input", "reminders", "0", "emailTemplateId"])


async def test_notifications_are_marked_as_read(assigning: Assigning, learner: Principal, course: Content) -> None:
    """One by one, or with all older ones; others cannot read or mark them."""
    task = await assigning.assign(learner, course, DUE)
    await assigning.edit(task, note="N")
    await assigning.withdraw(task)
    first, second, third = await assigning.received(learner)
    kinds = [entry["kind"] for entry in (first, second, third)]
    assert kinds == ["TASK_ASSIGNED", "TASK_CHANGED", "TASK_WITHDRAWN"]
    as_learner = assigning.acting_as(learner)
    await as_learner.client.value(MARK_READ, input={"ids": [third["id"]]})
    assert [entry["isRead"] for entry in await assigning.received(learner)] == [False, False, True]
    await as_learner.client.value(MARK_READ, input={"untilId": second["id"]})
    assert [entry["isRead"] for entry in await assigning.received(learner)] == [True, True, True]
    assert await assigning.notifications(assigning.company.admin) == []
    assert third["mandatoryTask"] is None
