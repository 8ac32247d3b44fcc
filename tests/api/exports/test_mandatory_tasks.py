"""Mandatory tasks as CSV: who gets which rows and cells, filters by URL, and what spreadsheets make of it."""

import csv
import io
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from domain.content.models import Content
from domain.foundation.access import Principal, Scope
from domain.foundation.settings import Settings
from domain.mandatory_tasks.models import MandatoryTask
from domain.mandatory_tasks.overview import export as task_export
from domain.mandatory_tasks.status import TaskStage
from domain.people.models import Place
from domain.tenants.models import Tenant
from gql.contract.ids import CONTENT, DEPARTMENT, LEARNER, MANDATORY_TASK, RULE, SERVICE_ACCOUNT, encode
from tests.api.exports.requests import Download, get, refusal, rows
from tests.api.exports.test_long_reports import answered, until
from tests.support import factories
from tests.support.api import Api, ApiClient
from tests.support.given_tasks import create_task

PATH = "/export/mandatory-tasks.csv"
HEADER = (
    "task,taskExternalId,learner,learnerExternalId,learnerName,learnerEmail,department,departmentExternalId,"
    "departmentName,target,targetExternalId,targetTitle,status,progressPercent,score,cycle,dueOn,completedAt,assignedBy,"
    "assignedByExternalId,assignedByName,note,everyWeeks,createdAt"
)
SOON, LATE = date(2026, 3, 9), date(2026, 3, 1)


@pytest.fixture
async def course(tenant: Tenant, trainer: Principal) -> Content:
    """A course of the trainer."""
    return await factories.create_course(
        tenant.id, title="Fire, smoke", external_id="C-1", trainers=[trainer.learner_id or 0]
    )


@pytest.fixture
async def department(tenant: Tenant) -> Place:
    """A department that the partner knows."""
    return await factories.create_place(tenant.id, name="Sales", external_id="D-1")


@pytest.fixture
async def person(tenant: Tenant, department: Place) -> Principal:
    """A learner whom the partner knows."""
    return await factories.create_person(
        tenant.id, name='Pia "P" Person', external_id="P-1", email="pia@acme.test", places=[department]
    )


async def given(person: Principal, content: Content, by: Principal, **columns: Any) -> MandatoryTask:
    """Make a task, due soon unless told otherwise."""
    return await create_task(person.learner_id or 0, content.id, by=by, **({"due_on": SOON} | columns))


async def test_each_task_is_a_row(
    as_admin: ApiClient,
    tenant: Tenant,
    admin: Principal,
    person: Principal,
    course: Content,
    department: Place,
    sync_account: Principal,
) -> None:
    """By due date; IDs as in the API, the partner's own beside them; empty where there is nothing."""
    other = await factories.create_course(tenant.id, title="Other")
    task = await given(
        person,
        course,
        person,
        note="Please, soon",
        every_weeks=52,
        stage=TaskStage.COMPLETED,
        completed_at=datetime(2026, 2, 1, 10, 30, tzinfo=UTC),
    )
    overdue = await given(admin, other, sync_account, due_on=LATE)
    response = await get(as_admin, path=PATH)
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    assert response.headers["content-disposition"] == 'attachment; filename="mandatory-tasks.csv"'
    assert response.headers["cache-control"] == "no-store"
    assert int(response.headers["content-length"]) == len(response.content)
    first_line, *_ = response.content.decode().split("\r\n")
    assert first_line == HEADER
    first, second = csv.DictReader(io.StringIO(response.content.decode(), newline=""))
    assert second == {
        "task": encode(MANDATORY_TASK, task.id),
        "taskExternalId": "",
        "learner": encode(LEARNER, person.learner_id or 0),
        "learnerExternalId": "P-1",
        "learnerName": 'Pia "P" Person',
        "learnerEmail": "pia@acme.test",
        "department": encode(DEPARTMENT, department.id),
        "departmentExternalId": "D-1",
        "departmentName": department.name,
        "target": encode(CONTENT, course.id),
        "targetExternalId": "C-1",
        "targetTitle": "Fire, smoke",
        "status": "COMPLETED",
        "progressPercent": "0",
        "score": "",
        "cycle": "1",
        "dueOn": "2026-03-09",
        "completedAt": "2026-02-01T10:30:00Z",
        "assignedBy": encode(LEARNER, person.learner_id or 0),
        "assignedByExternalId": "P-1",
        "assignedByName": 'Pia "P" Person',
        "note": "Please, soon",
        "everyWeeks": "52",
        "createdAt": "2026-01-05T08:00:00Z",
    }
    assert (first["task"], first["status"]) == (encode(MANDATORY_TASK, overdue.id), "OVERDUE")
    assert first["assignedBy"] == encode(SERVICE_ACCOUNT, sync_account.service_account_id or 0)
    assert first["assignedByName"] == "HR sync"
    for column in ("department", "completedAt", "assignedByExternalId", "note", "everyWeeks", "learnerExternalId"):
        assert first[column] == "", column


async def test_everybody_gets_what_the_list_shows_them(
    api: Api,
    as_trainer: ApiClient,
    as_reader: ApiClient,
    tenant: Tenant,
    admin: Principal,
    trainer: Principal,
    person: Principal,
    course: Content,
    another_admin: Principal,
) -> None:
    """All of the tenant, what one trains or has assigned, or one's own; nothing of another company."""
    other = await factories.create_course(tenant.id, title="Other", external_id="C-2")
    stranger = await factories.create_person(tenant.id, name="Sam", external_id="S-1", email="sam@acme.test")
    await given(person, course, admin)
    await given(person, other, trainer)
    await given(stranger, other, admin)
    await given(stranger, course, admin, withdrawn_at=factories.LONG_AGO)

    async def shown(client: ApiClient) -> list[tuple[str, ...]]:
        columns = ("learnerName", "learnerExternalId", "learnerEmail", "targetTitle", "assignedBy")
        return [tuple(row[column] for column in columns) for row in await rows(client, path=PATH)]

    pia, ada, tina = 'Pia "P" Person', encode(LEARNER, admin.learner_id or 0), encode(LEARNER, trainer.learner_id or 0)
    assert await shown(as_reader) == [
        (pia, "P-1", "pia@acme.test", "Fire, smoke", ada),
        (pia, "P-1", "pia@acme.test", "Other", tina),
        ("Sam", "S-1", "sam@acme.test", "Other", ada),
    ]
    # A partner's ID is no part of the directory.
    assert await shown(as_trainer) == [
        (pia, "", "pia@acme.test", "Fire, smoke", ada),
        (pia, "", "pia@acme.test", "Other", tina),
    ]
    assert await shown(api.acting_as(stranger)) == [("Sam", "S-1", "sam@acme.test", "Other", ada)]
    assert await shown(api.acting_as(another_admin)) == []


async def test_who_may_not_ask_is_told_why(api: Api, tenant: Tenant) -> None:
    """Without a valid credential 401, tools without READ 403, as JSON."""
    response = await get(api.with_credential(None), path=PATH)
    assert (response.status_code, response.headers["www-authenticate"]) == (401, "Bearer")
    for scope in set(Scope) - {Scope.READ}:
        tool = await factories.create_service_account(tenant.id, scopes=[scope])
        assert await refusal(api.acting_as(tool), path=PATH) == (403, [("FORBIDDEN", [])])


async def test_parameters_are_those_of_the_filter(
    as_admin: ApiClient, tenant: Tenant, admin: Principal, person: Principal, course: Content, trainer: Principal
) -> None:
    """Named like its fields, lists by repeating, combined with AND."""
    other = await factories.create_course(tenant.id, title="Other", external_id="C-2")
    await given(person, course, admin, due_on=LATE)
    await given(person, other, trainer, stage=TaskStage.IN_PROGRESS)
    await given(admin, other, admin, due_on=SOON + timedelta(days=1), is_suspended=True)
    await given(trainer, other, admin, due_on=SOON + timedelta(days=2))

    async def found(*parameters: tuple[str, str]) -> list[str]:
        return [f"{row['learnerName']}: {row['targetTitle']}" for row in await rows(as_admin, *parameters, path=PATH)]

    late, begun, resting, new = (
        'Pia "P" Person: Fire, smoke',
        'Pia "P" Person: Other',
        "Ada Admin: Other",
        "Tina Trainer: Other",
    )
    assert await found() == [late, begun, new]
    assert await found(("includesSuspended", "true")) == [late, begun, resting, new]
    assert await found(("statuses", "OVERDUE"), ("statuses", "ASSIGNED")) == [late, new]
    assert await found(("departmentIds", "ext:D-1"), ("targetIds", "ext:C-2")) == [begun]
    assert await found(("hasDepartment", "false")) == [new]
    assert await found(("dueFrom", "2026-03-02"), ("dueUntil", "2026-03-09")) == [begun]
    assert await found(("assignerIds", encode(LEARNER, trainer.learner_id or 0))) == [begun]
    assert await found(("isAssignedByViewer", "true"), ("search", "pia")) == [late]


async def test_bad_parameters_are_refused(as_admin: ApiClient) -> None:
    """By name: a slip must not export everything."""

    async def told(*parameters: tuple[str, str]) -> list[tuple[str, str]]:
        status, errors = await refusal(as_admin, *parameters, path=PATH)
        assert status == 400
        return [(code, ".".join(path)) for code, path in errors]

    assert await told(("colour", "red")) == [("INVALID", "colour")]
    assert await told(("statuses", "LATE"), ("dueFrom", "soon")) == [("INVALID", "statuses"), ("INVALID", "dueFrom")]
    assert await told(("learnerIds", encode(RULE, 1))) == [("INVALID", "learnerIds.0")]
    assert await told(("bulkAssignmentId", "x")) == [("INVALID", "bulkAssignmentId")]
    assert await told(("includesSuspended", "yes")) == [("INVALID", "includesSuspended")]
    many = [("targetIds", encode(CONTENT, number)) for number in range(1, 102)]
    assert await told(*many) == [("TOO_MANY_ITEMS", "targetIds")]


async def test_no_cell_is_a_formula(as_admin: ApiClient, admin: Principal, tenant: Tenant, person: Principal) -> None:
    """What begins like one gets an apostrophe in front; everything else stands as it is."""
    course = await factories.create_course(tenant.id, title="=1+1")
    await given(person, course, admin, note="@SUM(A1)\nand more")
    [row] = await rows(as_admin, path=PATH)
    assert (row["targetTitle"], row["note"]) == ("'=1+1", "'@SUM(A1)\nand more")


async def test_batches_follow_each_other(
    as_admin: ApiClient, tenant: Tenant, admin: Principal, course: Content, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every task once, however many batches it takes."""
    monkeypatch.setattr(task_export, "BATCH", 2)
    people = await factories.create_learners(tenant.id, 5)
    tasks = [await create_task(person, course.id, by=admin, due_on=SOON) for person in people]
    shown = await rows(as_admin, path=PATH)
    assert [row["task"] for row in shown] == [encode(MANDATORY_TASK, task.id) for task in tasks]


async def test_an_account_has_two_reports_at_once_whatever_they_are_about(
    api: Api, settings: Settings, as_admin: ApiClient, admin: Principal, person: Principal, course: Content
) -> None:
    """The third one has to wait."""
    from gql.transport.app import create_app

    await given(person, course, admin)
    app = create_app(settings, clock=lambda: api.now)
    slow = [Download(app, as_admin), Download(app, as_admin, path=PATH)]
    for download in slow:
        download.reads.clear()
    for download in slow:
        await until(partial(answered, download))
    third = Download(app, as_admin, path=PATH)
    await third.task
    assert (third.status, third.headers["retry-after"]) == (429, "10")
    for download in slow:
        download.leave()
        await download.task
