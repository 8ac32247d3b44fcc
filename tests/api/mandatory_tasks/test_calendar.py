"""The calendar of one's own open tasks: what is in it, who may read it, and how its address is renewed."""

from datetime import UTC, date, datetime
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from icalendar import Calendar

from domain.content.models import Content
from domain.foundation.access import Principal, Scope
from domain.mandatory_tasks.status import TaskStage
from domain.tenants.models import Tenant
from gql.contract.ids import CONTENT, LEARNER, MANDATORY_TASK, encode
from tests.support import factories
from tests.support.api import ERRORS, Api, ApiClient
from tests.support.catalogue import Connection
from tests.support.company import learner_id, mutation
from tests.support.given_tasks import create_task
from tests.support.rounds import note_overdue_tasks

ADDRESS = "{ viewer { calendarUrl } }"
RENEW = mutation("renewCalendarUrl", "calendarUrl")
AUDIT = "{ auditEntries { nodes { operation objectName actor { name } changes { field before after } } } }"
DUE = date(2026, 3, 16)


@pytest.fixture
async def course(tenant: Tenant) -> Content:
    """A course."""
    return await factories.create_course(tenant.id, title="Fire")


async def address(client: ApiClient) -> str:
    """Return the address of somebody's calendar."""
    url: str = (await client.value(ADDRESS))["calendarUrl"]
    return url


async def get(api: Api, url: str) -> httpx.Response:
    """Ask for a calendar without any credential."""
    return await api.http.get(urlsplit(url).path)


async def events(api: Api, url: str) -> list[Any]:
    """Return what is in a calendar."""
    response = await get(api, url)
    assert response.status_code == 200, response.text
    return list(Calendar.from_ical(response.content).walk("VEVENT"))


async def test_a_task_is_a_day_in_the_calendar(
    api: Api, as_learner: ApiClient, learner: Principal, admin: Principal, course: Content
) -> None:
    """Its title, note and link; UID and number of the change tell programs what it is and whether it is new."""
    changed_at = datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)
    task = await create_task(
        learner.learner_id or 0,
        course.id,
        by=admin,
        due_on=DUE,
        note="In the yard",
        updated_at=changed_at,
        version=7,
        cycle_number=2,
    )
    url = await address(as_learner)
    assert url.startswith("http://127.0.0.1:8000/calendar/")
    assert url.endswith(".ics")
    response = await get(api, url)
    assert response.headers["content-type"] == "text/calendar; charset=utf-8"
    assert response.headers["cache-control"] == "private, no-store"
    assert response.headers["referrer-policy"] == "no-referrer"
    assert response.text.startswith("BEGIN:VCALENDAR\r\n")
    [event] = await events(api, url)
    task_id = encode(MANDATORY_TASK, task.id)
    assert event["uid"] == f"{task_id}.2@mandate"
    assert (event.decoded("dtstart"), event.decoded("dtend")) == (DUE, date(2026, 3, 17))
    assert event["dtstart"].params["VALUE"] == "DATE"
    assert (event.decoded("dtstamp"), event.decoded("last-modified")) == (changed_at, changed_at)
    assert event["sequence"] == 2 * (7 + course.version)
    assert (str(event["summary"]), str(event["description"])) == ("Fire", "In the yard")
    assert event["url"] == f"https://academy.acme.example/tasks/{task_id}"
    assert event["transp"] == "TRANSPARENT"
    # Nothing of it depends on when it is read.
    api.advance(days=1)
    assert (await get(api, url)).text == response.text


async def test_only_own_open_tasks_are_in_it(
    api: Api, as_learner: ApiClient, tenant: Tenant, learner: Principal, admin: Principal, course: Content
) -> None:
    """None that is completed, withdrawn or rests, and nobody else's; by due date, overdue ones marked."""
    columns: dict[str, dict[str, Any]] = {
        "Open": {},
        "Begun": {"stage": TaskStage.IN_PROGRESS, "due_on": date(2026, 3, 10)},
        "Late": {"due_on": date(2026, 3, 1)},
        "Done": {"stage": TaskStage.COMPLETED},
        "Gone": {"withdrawn_at": api.now},
        "Resting": {"is_suspended": True},
    }
    for title, values in columns.items():
        content = await factories.create_course(tenant.id, title=title)
        await create_task(learner.learner_id or 0, content.id, by=admin, **({"due_on": DUE} | values))
    await create_task(admin.learner_id or 0, course.id, by=admin, due_on=DUE)
    found = await events(api, await address(as_learner))
    assert [str(event["summary"]) for event in found] == ["Overdue: Late", "Begun", "Open"]
    assert [event.get("categories") is not None for event in found] == [True, False, False]
    assert "description" not in found[0]


async def test_any_text_survives(
    api: Api, as_learner: ApiClient, tenant: Tenant, learner: Principal, admin: Principal
) -> None:
    """Ends of lines, commas, backslashes and emoji; only control characters, which are forbidden, are left out."""
    titles = [
        'a, b; c: d\\n "e" BEGIN:VEVENT',
        "🔥" * 100 + "ä" * 100,
        "👩‍🚒 x" * 50,
        "ACME\\Norway \\n \\\\N",
        "word " * 40,
    ]
    note = "One,\ntwo;\r\nthree \\ four\tfive\x07\x1b\x85 END:VCALENDAR\n\n🧯"
    for title in titles:
        content = await factories.create_course(tenant.id, title=title)
        await create_task(learner.learner_id or 0, content.id, by=admin, due_on=DUE, note=note)
    url = await address(as_learner)
    found = await events(api, url)
    assert [str(event["summary"]) for event in found] == titles
    assert {str(event["description"]) for event in found} == {"One,\ntwo;\nthree \\ four\tfive END:VCALENDAR\n\n🧯"}
    lines = (await get(api, url)).content.split(b"\r\n")
    # No line is longer than 75 bytes, and none ends within a character.
    assert max(map(len, lines)) <= 75
    for line in lines:
        line.decode()


async def test_a_wrong_address_is_not_found(
    api: Api, as_learner: ApiClient, as_admin: ApiClient, learner: Principal, admin: Principal, course: Content
) -> None:
    """Neither a guess, nor one that is put together from the addresses of two people."""
    await create_task(learner.learner_id or 0, course.id, by=admin, due_on=DUE)
    path, other = urlsplit(await address(as_learner)).path, urlsplit(await address(as_admin)).path
    begin = len("/calendar/") + 13
    for wrong in (
        path[:begin] + other[begin:],
        path.replace(".ics", "0.ics"),
        path[:-5] + ("0" if path[-5] != "0" else "1") + ".ics",
        path[:begin] + path[begin:].upper().replace(".ICS", ".ics"),
        f"/calendar/{encode(LEARNER, learner.learner_id or 0)}.ics",
        "/calendar/guess.ics",
        "/calendar/%00.ics",
        "/calendar/.ics",
    ):
        response = await api.http.get(wrong)
        assert response.status_code == 404, wrong
        assert "VCALENDAR" not in response.text
    assert (await api.http.get(path)).status_code == 200
    assert (await api.http.post(path)).status_code == 405
    assert (await api.http.head(path)).status_code == 200


async def test_an_inactive_persons_calendar_is_not_found(
    api: Api, as_learner: ApiClient, learner: Principal, superuser: Connection
) -> None:
    """Until they are active again."""
    url = await address(as_learner)
    for is_active, status in ((False, 404), (True, 200)):
        await superuser.execute("UPDATE learner SET is_active = $1 WHERE id = $2", is_active, learner.learner_id)
        assert (await get(api, url)).status_code == status


async def test_a_renewed_address_ends_the_old_one(api: Api, as_learner: ApiClient, as_admin: ApiClient) -> None:
    """Nobody else's changes. The audit log tells that it was done, and neither address."""
    old, others = await address(as_learner), await address(as_admin)
    new = (await as_learner.value(RENEW, input={}))["calendarUrl"]
    assert new != old
    assert await address(as_learner) == new
    assert (await get(api, old)).status_code == 404
    assert (await get(api, new)).status_code == 200
    assert await address(as_admin) == others
    assert (await as_admin.value(AUDIT))["nodes"] == [
        {
            "operation": "renewCalendarUrl",
            "objectName": "Lea Learner",
            "actor": {"name": "Lea Learner"},
            "changes": [{"field": "calendarUrl", "before": None, "after": None}],
        }
    ]


async def test_a_repeated_renewal_renews_once(
    api: Api, as_learner: ApiClient, learner: Principal, superuser: Connection
) -> None:
    """It answers with the address that works by then; the key is remembered without any secret."""
    first = (await as_learner.value(RENEW, input={"idempotencyKey": "k"}))["calendarUrl"]
    assert (await as_learner.value(RENEW, input={"idempotencyKey": "k"}))["calendarUrl"] == first
    another = (await as_learner.value(RENEW, input={}))["calendarUrl"]
    assert (await as_learner.value(RENEW, input={"idempotencyKey": "k"}))["calendarUrl"] == another
    key = await superuser.fetchval("SELECT calendar_key FROM learner WHERE id = $1", learner.learner_id)
    stored = str(await superuser.fetch("SELECT * FROM idempotency_key"))
    logged = str(await superuser.fetch("SELECT * FROM audit_entry"))
    for secret in (first, another):
        hidden = urlsplit(secret).path.removeprefix("/calendar/")[13:45]
        assert hidden not in stored + logged
    assert str(key) not in stored + logged


async def test_tools_have_no_calendar(api: Api, as_reader: ApiClient, as_sync: ApiClient, tenant: Tenant) -> None:
    """Whatever they may do."""
    tool = await factories.create_service_account(tenant.id, scopes=[Scope.WRITE_LEARNERS])
    for client in (as_reader, as_sync, api.acting_as(tool)):
        assert await client.value(ADDRESS) == {"calendarUrl": None}
        assert await client.errors(RENEW, input={}) == ["FORBIDDEN"]


async def test_an_address_is_of_one_company(
    api: Api, as_learner: ApiClient, another_admin: Principal, another_tenant: Tenant
) -> None:
    """Tasks of people elsewhere are in their own calendars only."""
    course = await factories.create_course(another_tenant.id, title="Theirs")
    await create_task(another_admin.learner_id or 0, course.id, by=another_admin, due_on=DUE)
    assert await events(api, await address(as_learner)) == []
    [event] = await events(api, await address(api.acting_as(another_admin)))
    assert str(event["summary"]) == "Theirs"
    assert learner_id(another_admin) not in urlsplit(await address(as_learner)).path


async def test_whatever_is_shown_otherwise_has_a_higher_revision(
    api: Api, as_admin: ApiClient, as_learner: ApiClient, learner: Principal, admin: Principal, course: Content
) -> None:
    """Programs keep what they have unless the revision rises: by another title or date, and by time alone."""
    task = await create_task(learner.learner_id or 0, course.id, by=admin, due_on=DUE)
    url = await address(as_learner)
    seen: list[tuple[Any, ...]] = []

    async def look() -> None:
        [event] = await events(api, url)
        seen.append((event["sequence"], event.decoded("last-modified"), event.decoded("dtstamp")))

    async def edit(**changes: Any) -> None:
        document = (
            f"mutation ($input: UpdateMandatoryTaskInput!) {{ updateMandatoryTask(input: $input) {{ {ERRORS} }} }}"
        )
        await as_admin.value(document, input={"id": encode(MANDATORY_TASK, task.id), "changes": changes})

    await look()
    api.advance(seconds=1)
    rename = f"mutation ($input: UpdateCourseInput!) {{ updateCourse(input: $input) {{ {ERRORS} }} }}"
    await as_admin.value(rename, input={"course": {"id": encode(CONTENT, course.id)}, "changes": {"title": "Water"}})
    await look()
    api.advance(seconds=1)
    await edit(note="In the yard")
    await look()
    api.now = datetime(2026, 3, 17, 12, tzinfo=UTC)
    url = await address(api.acting_as(learner))
    await look()
    # Noting it changes nothing that is shown; another date does, although less time is left then.
    assert await note_overdue_tasks(api.now) == 1
    await look()
    api.advance(seconds=1)
    as_admin = api.acting_as(admin)
    await edit(dueOn="2026-03-20")
    await look()
    for before, after in pairwise(seen):
        assert all(new > old for old, new in zip(before, after, strict=True)), seen
