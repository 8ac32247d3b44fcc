"""Everything about one person as JSON: who gets it, what is in it, and what is not."""

import asyncio
import json
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from domain.foundation.access import Principal, Role
from domain.foundation.settings import Settings
from domain.people.models import PlaceKind
from domain.tenants.models import Tenant
from gql.contract import ids
from gql.transport.app import create_app
from tests.api.exports.requests import Download, get, refusal
from tests.api.exports.test_long_reports import answered, until
from tests.api.people.documents import ERASE, UPDATE
from tests.scenarios.conftest import assigning, company
from tests.support import factories
from tests.support.api import Api, ApiClient
from tests.support.assigning import Assigning, reminder
from tests.support.company import learner_id, ref_is

__all__ = ["assigning", "company"]

SECTIONS = [
    *("exportedAt", "learner", "notificationPreferences", "enrollments", "mandatoryTasks", "contentActions"),
    *("notifications", "emails", "auditEntries"),
]


def path_of(person: Principal | str) -> str:
    """Return where a person is exported."""
    return f"/export/learners/{person if isinstance(person, str) else learner_id(person)}.json"


async def exported(client: ApiClient, person: Principal | str) -> dict[str, Any]:
    """Return the export of somebody."""
    response = await get(client, path=path_of(person))
    assert response.status_code == 200, response.text
    document: dict[str, Any] = response.json()
    assert list(document) == SECTIONS
    return document


@pytest.fixture
async def lea(assigning: Assigning, tenant: Tenant, as_admin: ApiClient) -> Principal:
    """Somebody with places, a rule, a completed task that repeats, and one with a reminder that was sent."""
    company = assigning.company
    sales = await company.place(PlaceKind.DEPARTMENT, "Sales", external_id="D-1")
    group = await company.place(PlaceKind.LEARNING_GROUP, "Choir")
    lea = await assigning.person("Lea Learner", places=[sales, group], external_id="L/1", refs={2: "Driver"})
    await company.rule("Secret rule", ref_is(2, "Driver"), gives=[await company.course("Driving")])
    fire = await company.course("Fire", external_id="C-1")
    reminders = [reminder(5, "LEARNER", "ASSIGNER")]
    done = await assigning.assign(
        lea, fire, "2026-03-20", note="Please", repeatEveryWeeks=4, reminders=reminders, idempotencyKey="1"
    )
    assert done["status"] == "ASSIGNED"
    await assigning.pass_time(days=14)
    await assigning.finish(lea, fire, score=90)
    await assigning.withdraw(await assigning.assign(lea, await company.course("Gone"), "2026-04-20"))
    await as_admin.run(UPDATE, input={"learner": {"id": learner_id(lea)}, "changes": {"name": "Lea Leader"}})
    await assigning.acting_as(lea).switch_email(False)
    return lea


async def test_everything_is_in_it(assigning: Assigning, as_admin: ApiClient, lea: Principal) -> None:
    """Profile, enrollments with reasons, tasks with cycles and ledger, log, messages, preferences and audit entries."""
    document = await exported(as_admin, lea)
    assert document["exportedAt"] == "2026-03-16T09:00:00Z"
    person = document["learner"]
    department, [group] = person.pop("department"), person.pop("learningGroups")
    assert (department["externalId"], department["name"], group["name"]) == ("D-1", "Sales", "Choir")
    assert department["id"].startswith("dep_")
    assert person == {
        "id": learner_id(lea),
        "externalId": "L/1",
        "name": "Lea Leader",
        "email": "lea.learner@acme.test",
        "role": "LEARNER",
        "timeZone": "Europe/Berlin",
        "isActive": True,
        "createdAt": "2026-01-05T08:00:00Z",
        "version": 2,
        "clients": [],
        "sublicenses": [],
        "refValues": [{"number": 2, "label": "Ref#2", "value": "Driver"}],
    }
    assert document["notificationPreferences"] == [{"category": "MANDATORY_TASKS", "isEmailEnabled": False}]
    enrollments = {one["content"]["title"]: one for one in document["enrollments"]}
    assert set(enrollments) == {"Driving", "Fire", "Gone"}
    assert [(one["source"], one["ruleName"]) for one in enrollments["Driving"]["reasons"]] == [
        ("AUTO_ENROLLMENT", "Secret rule")
    ]
    assert (enrollments["Fire"]["status"], enrollments["Fire"]["score"]) == ("COMPLETED", 90)
    assert enrollments["Gone"]["reasons"][0]["untilAt"] == "2026-03-16T09:00:00Z"
    fire, gone = document["mandatoryTasks"]
    assert (fire["target"]["externalId"], fire["status"], fire["note"], fire["everyWeeks"]) == (
        *("C-1", "COMPLETED", "Please"),
        4,
    )
    assert fire["assignedBy"]["name"] == "Ada Admin"
    [cycle] = fire["cycles"]
    [sent] = cycle["reminders"]
    assert (cycle["number"], cycle["dueOn"], sent["status"]) == (1, "2026-03-20", "SENT")
    assert {(one["recipient"], one["status"], one["email"]) for one in sent["deliveries"]} == {
        ("LEARNER", "ACCEPTED", "lea.learner@acme.test"),
        ("ASSIGNER", "SUPPRESSED", None),
    }
    assert gone["withdrawnAt"] == "2026-03-16T09:00:00Z"
    steps = [(one["action"], one["content"]["title"], one["ruleName"]) for one in document["contentActions"]]
    assert steps[0] == ("ENROLLED", "Driving", "Secret rule")
    assert ("TASK_WITHDRAWN", "Gone", None) in steps
    assert [one["kind"] for one in document["notifications"]] == [
        *("TASK_ASSIGNED", "TASK_REMINDER", "TASK_ASSIGNED", "TASK_WITHDRAWN"),
    ]
    assert [(one["kind"], one["email"]) for one in document["emails"]][:2] == [
        *(("TASK_ASSIGNED", "lea.learner@acme.test"), ("TASK_REMINDER", "lea.learner@acme.test")),
    ]
    assert [one["operation"] for one in document["auditEntries"]] == ["updateLearner", "setNotificationPreference"]
    assert document["auditEntries"][0]["changes"] == [
        {"field": "name", "before": "Lea Learner", "after": "Lea Leader"},
    ]


async def test_one_gets_it_about_oneself_without_what_is_internal(
    api: Api, as_admin: ApiClient, lea: Principal
) -> None:
    """The same, but rules have no name and no ID, and addresses of others are not told."""
    own, full = await exported(api.acting_as(lea), lea), await exported(as_admin, lea)
    assert "Secret rule" not in json.dumps(own)
    assert "rul_" not in json.dumps(own)
    for name in ("learner", "notificationPreferences", "notifications", "emails", "auditEntries"):
        own[name] = own[name] | {"department": full[name]["department"]} if name == "learner" else own[name]
        assert own[name] == full[name], name
    for name in ("enrollments", "mandatoryTasks", "contentActions"):
        assert [one["id"] for one in own[name]] == [one["id"] for one in full[name]], name


async def test_a_trainer_gets_only_their_own(
    api: Api, as_trainer: ApiClient, trainer: Principal, lea: Principal
) -> None:
    """Of others there is none, also where the directory shows them; their own log is not that of their contents."""
    assert (await exported(as_trainer, trainer))["contentActions"] == []
    assert await refusal(as_trainer, path=path_of(lea)) == (404, [("NOT_FOUND", [])])


async def test_who_gets_none(
    api: Api,
    tenant: Tenant,
    as_learner: ApiClient,
    as_reader: ApiClient,
    as_sync: ApiClient,
    another_admin: Principal,
    lea: Principal,
) -> None:
    """Other people and other tenants find nobody; tools never; nobody without a credential, and only by GET."""
    elsewhere = api.acting_as(another_admin)
    for client in (as_learner, elsewhere):
        assert await refusal(client, path=path_of(lea)) == (404, [("NOT_FOUND", [])])
    for client in (as_reader, as_sync):
        assert await refusal(client, path=path_of(lea)) == (403, [("FORBIDDEN", [])])
        assert (await refusal(client, path=path_of("lrn_nobody")))[0] in (403, 404)
    assert (await refusal(api.with_credential(None), path=path_of(lea)))[0] == 401
    response = await as_learner.http.post(path_of(lea), headers=as_learner.headers)
    assert response.status_code == 405


async def test_people_are_named_as_in_the_api(as_admin: ApiClient, lea: Principal) -> None:
    """By our ID or the partner's; what can name nobody is not found, and there are no parameters."""
    assert (await exported(as_admin, "ext:L/1"))["learner"]["id"] == learner_id(lea)
    for text in ("ext:L", "lrn_", "cnt_1", ids.encode(ids.CONTENT, 1), "x%00y"):
        assert await refusal(as_admin, path=path_of(text)) == (404, [("NOT_FOUND", [])]), text
    assert await refusal(as_admin, ("format", "csv"), path=path_of(lea)) == (400, [("INVALID", ["format"])])


async def test_it_is_a_download_that_nobody_keeps(as_admin: ApiClient, lea: Principal) -> None:
    """With the headers of the other reports; the name of the file tells nobody whom it is about."""
    response = await get(as_admin, path=path_of(lea))
    assert response.headers["content-type"] == "application/json"
    assert response.headers["content-disposition"] == 'attachment; filename="learner.json"'
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert int(response.headers["content-length"]) == len(response.content)


async def test_long_lists_come_in_batches(
    api: Api, tenant: Tenant, as_admin: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many batches there are, it is one document with each row once, in order; so it is with none."""
    for module in ("domain.enrollments.person_export", "domain.notifications.person_export"):
        monkeypatch.setattr(f"{module}.BATCH", 2)
    person = await factories.create_person(tenant.id, name="Pia")
    empty = await exported(as_admin, person)
    assert [empty[name] for name in SECTIONS[3:]] == [[]] * 6
    for number in range(5):
        course = await factories.create_course(tenant.id, title=f"C{number}")
        await factories.create_enrollment(
            tenant.id, person.learner_id or 0, course.id, enrolled_at=factories.LONG_AGO + timedelta(days=number)
        )
        await factories.create_notification(tenant.id, person.learner_id or 0, title=f"N{number}")
    document = await exported(as_admin, person)
    assert [one["content"]["title"] for one in document["enrollments"]] == [f"C{n}" for n in range(5)]
    assert [one["title"] for one in document["notifications"]] == [f"N{n}" for n in range(5)]


async def test_of_an_erased_person_there_is_what_is_left(as_admin: ApiClient, lea: Principal) -> None:
    """Enrollments, tasks and the log, under a name that is nobody's."""
    await as_admin.run(ERASE, input={"learner": {"id": learner_id(lea)}})
    document = await exported(as_admin, lea)
    assert (document["learner"]["name"], document["learner"]["refValues"]) == ("Erased learner", [])
    assert (document["notifications"], document["emails"][0]["email"]) == ([], None)
    assert len(document["mandatoryTasks"]) == 2
    assert "Lea L" not in json.dumps(document)
    assert "acme.test" not in json.dumps(document)


async def test_it_counts_as_one_of_two_reports_at_once(
    api: Api, settings: Settings, as_admin: ApiClient, lea: Principal
) -> None:
    """With those of lists."""
    app = create_app(settings, clock=lambda: api.now)
    slow = [Download(app, as_admin, path=path_of(lea)), Download(app, as_admin)]
    for download in slow:
        download.reads.clear()
    for download in slow:
        await until(partial(answered, download))
    third = Download(app, as_admin, path=path_of(lea))
    await third.task
    assert third.status == 429
    for download in slow:
        download.reads.set()
    await asyncio.gather(*(download.task for download in slow))
    fourth = Download(app, as_admin, path=path_of(lea))
    await fourth.task
    assert fourth.status == 200


async def test_roles_of_the_past_do_not_count(api: Api, tenant: Tenant, lea: Principal) -> None:
    """A token of somebody who was an admin when it was issued exports nobody but themselves now."""
    former = await factories.create_person(tenant.id, role=Role.LEARNER, name="Former")
    assert (await refusal(api.acting_as(former), path=path_of(lea)))[0] == 404
    assert (await exported(api.acting_as(former), former))["learner"]["name"] == "Former"
