"""Rules of mandatory tasks: who sees which, what may not be seen does not exist, the report as CSV, the calendar."""

import csv
import io
from urllib.parse import urlsplit

import httpx
import pytest

from domain.content.models import Content
from domain.foundation.access import Principal, Role, Scope
from domain.people.models import PlaceKind
from tests.support import factories
from tests.support.api import ApiClient
from tests.support.assigning import CALENDAR, EDIT, RENEW_CALENDAR, WITHDRAW, Assigning, reminder
from tests.support.company import Company, Json, content_id, learner_id, place_id
from tests.support.passing_time import midnight

DUE = "2026-03-16"
NODE = "query($id: ID!) { node(id: $id) { id } }"
COLUMNS = {
    *("task", "learner", "learnerExternalId", "learnerName", "learnerEmail", "department", "target"),
    *("targetExternalId", "targetTitle", "status", "dueOn", "completedAt", "assignedBy", "note", "everyWeeks"),
    "createdAt",
}


@pytest.fixture
async def course(company: Company, trainer: Principal) -> Content:
    """A course that the trainer trains."""
    return await company.course("A", trainers=[trainer.learner_id], external_id="C-1")


@pytest.fixture
async def pia(assigning: Assigning) -> Principal:
    """A learner."""
    return await assigning.person("Pia", external_id="P-1")


@pytest.fixture
async def task(assigning: Assigning, pia: Principal, course: Content) -> Json:
    """Pia's task, assigned by the administrator."""
    return await assigning.assign(pia, course, DUE, note="=1+1", repeatEveryWeeks=4)


async def test_a_task_is_seen_by_its_learner_its_trainers_its_assigner_and_administrators(
    company: Company, assigning: Assigning, trainer: Principal, read_account: Principal, pia: Principal, task: Json
) -> None:
    """By ID, as a node, in lists and counts, and in the log."""
    for who in (pia, trainer, company.admin, read_account):
        seen = assigning.acting_as(who)
        assert (await seen.look_at(task))["status"] == "ASSIGNED"
        assert await seen.client.value(NODE, id=task["id"]) == {"id": task["id"]}
        assert await seen.names() == ["Pia"]
        assert await seen.counts() == (1, 0, 0, 0)
        actions = [entry["action"] for entry in await seen.log(pia, mandatoryTaskId=task["id"])]
        assert sorted(actions) == ["ENROLLED", "TASK_ASSIGNED"]


async def test_for_everybody_else_it_does_not_exist(
    company: Company, assigning: Assigning, learner: Principal, another_admin: Principal, pia: Principal, task: Json
) -> None:
    """No field tells more than that there is nothing; changing it is NOT_FOUND, or beyond the role."""
    other = await company.person("Other", role=Role.TRAINER)
    for who in (learner, other, another_admin):
        seen = assigning.acting_as(who)
        assert await seen.look_at(task) is None
        assert await seen.client.value(NODE, id=task["id"]) is None
        assert await seen.tasks() == []
        assert await seen.counts() == (0, 0, 0, 0)
        assert await seen.log(pia) == []
    for who in (other, another_admin):
        seen = assigning.acting_as(who)
        assert [fault["code"] for fault in await seen.cannot_edit(task, note="N")] == ["NOT_FOUND"]
        assert [fault["code"] for fault in await seen.cannot_withdraw(task)] == ["NOT_FOUND"]
    as_pia = assigning.acting_as(pia).client
    assert await as_pia.errors(EDIT, input={"id": task["id"], "changes": {"note": "N"}}) == ["FORBIDDEN"]
    assert await as_pia.errors(WITHDRAW, input={"id": task["id"]}) == ["FORBIDDEN"]
    for nonsense in ("nonsense", "mtk_0000000000000", learner_id(pia)):
        assert await assigning.look_at({"id": nonsense}) is None
        assert [fault["code"] for fault in await assigning.cannot_withdraw({"id": nonsense})] == ["NOT_FOUND"]


async def test_who_assigned_it_goes_on_seeing_it(
    company: Company, assigning: Assigning, trainer: Principal, pia: Principal, course: Content
) -> None:
    """Also when they train the course no longer; then they cannot assign it any more."""
    as_trainer = assigning.acting_as(trainer)
    task = await as_trainer.assign(pia, course, DUE)
    await company.do(
        "mutation($input: UpdateCourseInput!) { updateCourse(input: $input) { errors { code path message } } }",
        course={"id": content_id(course)},
        changes={"trainerIds": []},
    )
    assert (await as_trainer.look_at(task))["canUpdate"] is True
    assert await as_trainer.names() == ["Pia"]
    person = await assigning.person("Tom")
    assert [fault["code"] for fault in await as_trainer.cannot_assign(person, course, DUE)] == ["NOT_PERMITTED"]


async def test_a_trainer_who_did_not_assign_it_sees_it_and_may_not_change_it(
    assigning: Assigning, trainer: Principal, task: Json
) -> None:
    """NOT_PERMITTED, since it can be seen."""
    as_trainer = assigning.acting_as(trainer)
    seen = await as_trainer.look_at(task)
    assert (seen["canUpdate"], seen["canWithdraw"]) == (False, False)
    assert [fault["code"] for fault in await as_trainer.cannot_edit(task, note="N")] == ["NOT_PERMITTED"]
    assert [fault["code"] for fault in await as_trainer.cannot_withdraw(task)] == ["NOT_PERMITTED"]


async def test_a_service_account_changes_any_task_of_its_company(
    company: Company, assigning: Assigning, task: Json
) -> None:
    """With the scope; with reading alone it may never."""
    tool = await factories.create_service_account(company.tenant.id, scopes=[Scope.READ, Scope.WRITE_MANDATORY_TASKS])
    changed = await assigning.acting_as(tool).edit(task, note="New")
    assert (changed["note"], changed["canUpdate"]) == ("New", True)
    reader = await factories.create_service_account(company.tenant.id, scopes=[Scope.READ])
    as_reader = assigning.acting_as(reader).client
    assert await as_reader.errors(WITHDRAW, input={"id": task["id"]}) == ["FORBIDDEN"]


async def test_the_learner_sees_the_ledger_of_their_own_task(assigning: Assigning, pia: Principal, task: Json) -> None:
    """ "I got no reminder" is one query, for them too."""
    await assigning.edit(task, reminders=[reminder(3)])
    await assigning.pass_time(until=midnight("2026-03-14"))
    assert await assigning.acting_as(pia).reminders(task) == ["2026-03-16 3 SENT"]


# The report.


async def report(client: ApiClient, *parameters: tuple[str, str]) -> list[dict[str, str]]:
    """Return the rows of the report by column."""
    response = await get_report(client, *parameters)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].startswith("text/csv")
    return list(csv.DictReader(io.StringIO(response.content.decode(), newline="")))


async def get_report(client: ApiClient, *parameters: tuple[str, str]) -> httpx.Response:
    """Ask for the report."""
    return await client.http.get("/export/mandatory-tasks.csv", params=list(parameters), headers=client.headers)


async def test_each_task_is_a_row_of_the_report(company: Company, assigning: Assigning, task: Json) -> None:
    """IDs as in the API with the partner's own beside them; what a spreadsheet would run is disarmed."""
    (row,) = await report(company.client)
    assert set(row) >= COLUMNS
    expected = {
        "task": task["id"],
        "learner": task["learner"]["id"],
        "learnerExternalId": "P-1",
        "learnerName": "Pia",
        "learnerEmail": "pia@acme.test",
        "department": "",
        "target": task["target"]["id"],
        "targetExternalId": "C-1",
        "targetTitle": "A",
        "status": "ASSIGNED",
        "dueOn": DUE,
        "completedAt": "",
        "assignedBy": learner_id(company.admin),
        "everyWeeks": "4",
    }
    assert {name: row[name] for name in expected} == expected
    assert row["note"] != "=1+1"
    assert row["note"].endswith("=1+1")
    assigning.outage(until=midnight("2026-03-17"))
    assert [row["status"] for row in await report(company.client)] == ["OVERDUE"]


async def test_the_report_has_the_rows_that_its_reader_may_see(
    company: Company, assigning: Assigning, trainer: Principal, learner: Principal, pia: Principal, task: Json
) -> None:
    """The same as in the list: everything, what one trains, one's own, nothing."""
    foreign = await assigning.assign(learner, await company.course("Foreign"), "2026-03-20")
    expected = {
        company.admin: [task["id"], foreign["id"]],
        trainer: [task["id"]],
        pia: [task["id"]],
        learner: [foreign["id"]],
        await company.person("Other", role=Role.TRAINER): [],
    }
    for who, rows in expected.items():
        client = assigning.acting_as(who).client
        assert sorted(row["task"] for row in await report(client)) == sorted(rows)
    response = await get_report(company.api.with_credential(None))
    assert response.status_code == 401


async def test_the_report_takes_the_filter_of_the_list(
    company: Company, assigning: Assigning, learner: Principal, task: Json
) -> None:
    """Parameters are named like its fields, lists are repeated, a bad one is 400."""
    sales = await company.place(PlaceKind.DEPARTMENT, "Sales")
    seller = await assigning.person("Seller", places=[sales])
    other = await company.course("Other")
    for person in (seller, learner):
        await assigning.assign(person, other, "2026-03-20")

    async def names(*parameters: tuple[str, str]) -> list[str]:
        return sorted(row["learnerName"] for row in await report(company.client, *parameters))

    assert await names() == ["Lea Learner", "Pia", "Seller"]
    assert await names(("targetIds", content_id(other))) == ["Lea Learner", "Seller"]
    assert await names(("departmentIds", place_id(sales))) == ["Seller"]
    assert await names(("learnerIds", learner_id(seller)), ("learnerIds", learner_id(learner))) == [
        "Lea Learner",
        "Seller",
    ]
    assert await names(("dueUntil", DUE)) == ["Pia"]
    assert await names(("statuses", "COMPLETED")) == []
    for bad in (("statuses", "NOTHING"), ("dueFrom", "tomorrow"), ("colour", "red"), ("learnerIds", "nonsense")):
        assert (await get_report(company.client, bad)).status_code == 400, bad


# The calendar.


async def feed(assigning: Assigning, person: Principal) -> tuple[str, str]:
    """Return path and text of somebody's calendar, its folded lines put together."""
    url = (await assigning.acting_as(person).client.value(CALENDAR))["calendarUrl"]
    return urlsplit(url).path, await read(assigning, urlsplit(url).path)


async def read(assigning: Assigning, path: str) -> str:
    """Return the text of a calendar, read without any credential."""
    response = await assigning.client.http.get(path)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].startswith("text/calendar")
    text = response.text
    assert text.startswith("BEGIN:VCALENDAR\r\n")
    return text.replace("\r\n ", "")


async def test_the_calendar_has_ones_own_open_tasks(company: Company, assigning: Assigning, learner: Principal) -> None:
    """With their due dates; completed and withdrawn ones, and those of others, are not in it."""
    courses = {title: await company.course(title) for title in ("Open", "Late", "Done", "Gone", "Foreign")}
    tasks = {
        title: await assigning.assign(learner, courses[title], "2026-03-09" if title == "Late" else DUE)
        for title in ("Open", "Late", "Done", "Gone")
    }
    await assigning.assign(company.admin, courses["Foreign"], DUE)
    await assigning.finish(learner, courses["Done"])
    await assigning.withdraw(tasks["Gone"])
    assigning.outage(until=midnight("2026-03-10"))
    path, text = await feed(assigning, learner)
    assert path.startswith("/calendar/")
    assert path.endswith(".ics")
    assert {title: title in text for title in courses} == {
        "Open": True,
        "Late": True,
        "Done": False,
        "Gone": False,
        "Foreign": False,
    }
    assert "20260316" in text
    assert "20260309" in text
    await assigning.edit(tasks["Open"], dueOn="2026-03-25")
    assert "20260325" in await read(assigning, path)


async def test_tasks_that_rest_are_not_in_the_calendar(assigning: Assigning, pia: Principal, task: Json) -> None:
    """Until their learner is active again."""
    path, text = await feed(assigning, pia)
    assert "20260316" in text
    await assigning.deactivate(pia)
    assert "20260316" not in (await assigning.client.http.get(path)).text
    await assigning.reactivate(pia)
    assert "20260316" in await read(assigning, path)
    assert task["learner"]["id"] == learner_id(pia)


async def test_a_renewed_link_ends_the_old_one(assigning: Assigning, pia: Principal, task: Json) -> None:
    """The old one answers 404, as a guessed one does; others' links stay."""
    old, text = await feed(assigning, pia)
    others, _ = await feed(assigning, assigning.company.admin)
    renewed = (await assigning.acting_as(pia).client.value(RENEW_CALENDAR, input={}))["calendarUrl"]
    new = urlsplit(renewed).path
    assert new != old
    assert (await assigning.client.http.get(old)).status_code == 404
    assert (await assigning.client.http.get("/calendar/guessed.ics")).status_code == 404
    assert await read(assigning, new) == text
    assert (await feed(assigning, pia))[0] == new
    assert (await assigning.client.http.get(others)).status_code == 200
    assert task["status"] == "ASSIGNED"


async def test_a_service_account_has_no_calendar(assigning: Assigning, sync_account: Principal) -> None:
    """It is null, and cannot be renewed."""
    client = assigning.acting_as(sync_account).client
    assert await client.value(CALENDAR) == {"calendarUrl": None}
    assert await client.errors(RENEW_CALENDAR, input={}) == ["FORBIDDEN"]
