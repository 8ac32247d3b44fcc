"""A running system whose parts are taken away one after another, while people go on working with it.

Everybody repeats what fails, under the same idempotency key. In the end each thing that was asked for has been done
once: tasks, log, notifications, mails. How long it took until it worked again is told.
"""

import asyncio
import email
import resource
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import asyncpg
import httpx
import pytest

from domain.foundation import clock
from domain.notifications.deliveries.mails import message_id
from tests.jobs.hurry import ATTEMPTS
from tests.support.catalogue import Connection
from tests.support.production import SENDER_DOMAIN, Production
from tests.support.telling import seeded, tell

#: Enough tries for an email until the disk has room again.
HURRIED = (
    "from tests.jobs.hurry import hurry; hurry(); from domain.notifications.deliveries import rows;"
    f" from datetime import timedelta; rows.PAUSES = (timedelta(seconds=0.5),) * {ATTEMPTS * 10};"
    f" rows.MAX_ATTEMPTS = {ATTEMPTS * 10 + 1}"
)
CLIENTS = 4
GROUP = 120
#: Seconds until it has to work again, once what was taken away is back. Processes need some to start.
RECOVERY = 5.0
#: Seconds after which what waits should have become less.
STANDSTILL = 20.0
#: What may be said of a request that could not be served. (Two tries at once, or none in time, are told, too.)
CLEAR = {"UNAVAILABLE", "TIMEOUT", "TRY_AGAIN", "IDEMPOTENCY_KEY_IN_USE"}

ASSIGN = """mutation ($input: AssignMandatoryTaskInput!) {
  assignMandatoryTask(input: $input) { mandatoryTask { id } errors { code message } } }"""
BULK = """mutation ($input: BulkAssignMandatoryTasksInput!) {
  bulkAssignMandatoryTasks(input: $input) { bulkAssignment { id } errors { code message } } }"""
UPSERT = """mutation ($input: BulkUpsertLearnersInput!) {
  bulkUpsertLearners(input: $input) { errors { code } results { learner { id } } } }"""
COURSE = """mutation ($input: CreateCourseInput!) { createCourse(input: $input) { course { id } errors { code } } }"""
DEPARTMENT = """mutation ($input: CreateDepartmentInput!) {
  createDepartment(input: $input) { department { id } errors { code } } }"""


@dataclass(frozen=True, slots=True)
class Size:
    """How many people there are to give tasks to, and how long each part of the story takes."""

    people: int
    rounds: int
    pause: float


SMALL = Size(people=800, rounds=1, pause=0.6)
LARGE = Size(people=20_000, rounds=8, pause=5.0)


@dataclass(slots=True)
class Story:
    """What the clients have seen."""

    #: Instants of answers that were good, and of requests that were not served, with why.
    served: list[float] = field(default_factory=list)
    refused: list[tuple[float, str]] = field(default_factory=list)
    #: What was acknowledged: the task of each person; the bulk assignments.
    tasks: dict[int, str] = field(default_factory=dict)
    bulks: list[str] = field(default_factory=list)
    unclear: list[str] = field(default_factory=list)
    outages: dict[str, float] = field(default_factory=dict)


class Clients:
    """People who give tasks, each by one request after another, at any of the web processes."""

    def __init__(self, production: Production, token: str, story: Story) -> None:
        self._urls = [f"http://127.0.0.1:{port}/graphql" for port in production.ports]
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/graphql-response+json"}
        self._http = httpx.AsyncClient(headers=headers, timeout=15, trust_env=False)
        self._turn = count()
        self._story = story
        self.is_over = False

    async def ask(self, document: str, input: dict[str, Any]) -> Any:
        """Ask until it is done, as a careful client does: the same key, another process, a little later."""
        while True:
            try:
                url = self._urls[next(self._turn) % len(self._urls)]
                response = await self._http.post(url, json={"query": document, "variables": {"input": input}})
                body = response.json()
            except (httpx.TransportError, ValueError) as error:
                # A process that was killed says nothing.
                self._story.refused.append((time.monotonic(), type(error).__name__))
            else:
                if not body.get("errors"):
                    self._story.served.append(time.monotonic())
                    (payload,) = body["data"].values()
                    assert not payload["errors"], payload
                    return payload
                code = body["errors"][0]["extensions"]["code"]
                self._story.refused.append((time.monotonic(), f"{response.status_code} {code}"))
                if code not in CLEAR or (code == "UNAVAILABLE") != (response.status_code == 503):
                    self._story.unclear.append(response.text)
            await asyncio.sleep(0.1)

    async def assign(self, people: Iterator[int], course: str) -> None:
        """Give one person after another the task."""
        due = (clock.now() + timedelta(days=30)).date().isoformat()
        for number in people:
            if self.is_over:
                return
            named = {"learner": {"externalId": f"p{number}"}, "target": {"id": course}, "dueOn": due}
            done = await self.ask(ASSIGN, named | {"idempotencyKey": f"assign-{number}"})
            self._story.tasks[number] = done["mandatoryTask"]["id"]
            await asyncio.sleep(0.02)

    async def assign_in_bulk(self, department: str, course: Callable[[], Awaitable[str]]) -> None:
        """Give a whole department tasks by background jobs, again and again."""
        due = (clock.now() + timedelta(days=30)).date().isoformat()
        for number in count():
            if self.is_over:
                return
            asked = {"audience": [{"departmentId": department}], "dueOn": due, "target": {"id": await course()}}
            done = await self.ask(BULK, asked | {"idempotencyKey": f"bulk-{number}"})
            self._story.bulks.append(done["bulkAssignment"]["id"])
            await asyncio.sleep(1.5)

    async def close(self) -> None:
        """Disconnect."""
        await self._http.aclose()


@contextmanager
def full_disk(production: Production) -> Iterator[None]:
    """Let no worker write a byte: as on a full disk, a file is made and then cannot be filled."""
    if sys.platform != "linux":
        yield
        return
    workers = [service for name, service in production.services.items() if name.startswith("worker")]
    for worker in workers:
        resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    yield
    for worker in workers:
        # One that has ended meanwhile is replaced by one without the limit.
        with suppress(ProcessLookupError):
            resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


@asynccontextmanager
async def fault(story: Story, name: str, seconds: float) -> AsyncIterator[None]:
    """Do without something; then measure how long nothing works although it is back, and have some normal time."""
    yield
    back = time.monotonic()
    while not any(instant > back for instant in story.served[-50:]):
        assert time.monotonic() < back + 30, f"{name}: nothing works any more; {Counter(w for _, w in story.refused)}"
        await asyncio.sleep(0.02)
    recovered = next(instant for instant in story.served if instant > back) - back
    story.outages[name] = max(story.outages.get(name, 0.0), recovered)
    await asyncio.sleep(seconds)


async def supervise(production: Production) -> None:
    """Start again whatever ends, until cancelled."""
    while True:
        await asyncio.sleep(0.2)
        production.restart_what_has_ended()


async def break_everything(production: Production, story: Story, random: Random, size: Size) -> None:
    """Take away one part after another, so often."""
    for turn in range(size.rounds):
        await asyncio.sleep(size.pause)
        async with fault(story, "PostgreSQL restarted", size.pause):
            await asyncio.to_thread(production.restart_postgres, crash=False)
        async with fault(story, "Redis restarted empty", size.pause):
            await asyncio.to_thread(production.restart_valkey)
        async with fault(story, "web killed", size.pause):
            production.services[f"web-{turn % 2}"].kill()
        async with fault(story, "worker killed", size.pause):
            production.services[f"worker-{random.randrange(2)}"].kill()
        async with fault(story, "scheduler killed", size.pause):
            production.services[f"scheduler-{random.randrange(2)}"].kill()
        with full_disk(production):
            await asyncio.sleep(2 * size.pause)
        async with fault(story, "PostgreSQL crashed", size.pause):
            await asyncio.to_thread(production.restart_postgres, crash=True)


@pytest.mark.parametrize(
    "size", [pytest.param(SMALL, id="small"), pytest.param(LARGE, id="large", marks=pytest.mark.soak)]
)
async def test_what_was_acknowledged_is_done_once_whatever_breaks(size: Size, tmp_path: Path) -> None:
    """Requests fail clearly and work again within seconds; nothing is lost and nothing happens twice."""
    random, story = seeded(), Story()
    production = await asyncio.to_thread(Production.started, tmp_path, hurried=HURRIED)
    try:
        token = await asyncio.to_thread(_found_company, production)
        for port in production.ports:
            await asyncio.to_thread(production.wait_until_ready, port)
        clients = Clients(production, token, story)
        department, course = await _fill_company(clients, size.people)
        people = iter(range(size.people))
        work = [asyncio.ensure_future(clients.assign(people, course)) for _ in range(CLIENTS)]
        work.append(asyncio.ensure_future(clients.assign_in_bulk(department, lambda: _make_course(clients))))
        supervising = asyncio.ensure_future(supervise(production))
        try:
            await break_everything(production, story, random, size)
        finally:
            supervising.cancel()
            clients.is_over = True
            await asyncio.wait_for(asyncio.gather(*work), 60)
            await clients.close()
        superuser = await asyncpg.connect(_superuser(production))
        try:
            settled = await _until_nothing_waits(superuser)
            tell(
                f"{len(story.served)} requests served, not served: {dict(Counter(why for _, why in story.refused))};"
                f" seconds until it worked again: { {name: round(s, 2) for name, s in story.outages.items()} };"
                f" {len(story.tasks)} tasks, {len(story.bulks)} bulk assignments, all settled {settled:.1f} s after"
            )
            assert story.unclear == []
            await _require_each_once(superuser, story)
            await _require_mails(superuser, tmp_path / "mails", most_again=20 * size.rounds)
        finally:
            await superuser.close()
        assert max(story.outages.values()) < RECOVERY, story.outages
        assert "INTERNAL_SERVER_ERROR" not in production.output
        assert "unexpected failure" not in production.output, production.output
    finally:
        await asyncio.to_thread(production.stop)


def _superuser(production: Production) -> str:
    return production.postgres.superuser_url.rpartition("/")[0] + "/mandate"


def _found_company(production: Production) -> str:
    command = production.command()
    command.output("tenant", "create", "Acme", "--slug", "acme", "--time-zone", "Europe/Berlin")
    return command.output("token", "--tenant", "acme", "--email", "ada@acme.example", "--role", "ADMIN").strip()


async def _make_course(clients: Clients) -> str:
    made = await clients.ask(COURSE, {"title": "Fire safety", "lessonCount": 1})
    return str(made["course"]["id"])


async def _fill_company(clients: Clients, people: int) -> tuple[str, str]:
    """Hire people, some of them into one department, and make a course; return the IDs of both."""
    made = await clients.ask(DEPARTMENT, {"name": "Logistics", "externalId": "logistics"})
    department = str(made["department"]["id"])
    rows = [
        {"externalId": f"p{number}", "name": f"Person {number}", "email": f"p{number}@acme.example"}
        for number in range(people)
    ]
    rows += [
        {
            "externalId": f"g{number}",
            "name": f"G {number}",
            "email": f"g{number}@acme.example",
            "departmentId": department,
        }
        for number in range(GROUP)
    ]
    for begin in range(0, len(rows), 1_000):
        await clients.ask(UPSERT, {"rows": rows[begin : begin + 1_000]})
    return department, await _make_course(clients)


async def _until_nothing_waits(superuser: Connection) -> float:
    """Wait until all jobs and emails are settled, as long as there is progress; return how long that took."""
    begun = progressed = time.monotonic()
    query = """
    SELECT (SELECT count(*) FROM background_job WHERE status IN ('QUEUED', 'RUNNING')) AS jobs,
           (SELECT count(*) FROM email_delivery WHERE status = 'PENDING') AS emails
    """
    fewest: tuple[int, ...] | None = None
    while (waiting := tuple(await superuser.fetchrow(query) or ())) != (0, 0):
        if fewest is None or waiting < fewest:
            fewest, progressed = waiting, time.monotonic()
        # Schedulers in a hurry hand out a few at a time, so a long list takes its time.
        assert time.monotonic() < progressed + STANDSTILL, waiting
        await asyncio.sleep(0.1)
    return time.monotonic() - begun


async def _require_each_once(superuser: Connection, story: Story) -> None:
    """Require of everybody who was given a task, and of each bulk assignment, one of everything and no more."""
    rows = await superuser.fetch(
        """
        SELECT l.external_id, t.target_id,
               (SELECT count(*) FROM mandatory_task o WHERE o.learner_id = l.id AND o.target_id = t.target_id) AS tasks,
               (SELECT count(*) FROM content_action a WHERE a.learner_id = l.id AND a.content_id = t.target_id
                                                        AND a.action = 'ENROLLED') AS enrolled,
               (SELECT count(*) FROM enrollment e WHERE e.learner_id = l.id AND e.content_id = t.target_id) AS places,
               (SELECT count(*) FROM notification n WHERE n.task_id = t.id) AS notifications,
               (SELECT count(*) FROM email_delivery d WHERE d.task_id = t.id) AS emails
          FROM mandatory_task t JOIN learner l ON l.id = t.learner_id
        """
    )
    wrong = [tuple(row) for row in rows if tuple(row)[2:] != (1, 1, 1, 1, 1)]
    assert wrong == []
    single = sorted(row["external_id"] for row in rows if row["external_id"].startswith("p"))
    assert single == sorted(f"p{number}" for number in story.tasks)
    assert len(set(story.tasks.values())) == len(story.tasks)
    bulk = Counter(row["target_id"] for row in rows if row["external_id"].startswith("g"))
    assert list(bulk.values()) == [GROUP] * len(story.bulks)
    assert len(set(story.bulks)) == len(story.bulks)
    assert await superuser.fetchval("SELECT count(*) FROM background_job WHERE status <> 'SUCCEEDED'") == 0


async def _require_mails(superuser: Connection, maildir: Path, *, most_again: int) -> None:
    """Require each mail to be there, and whole; one that came twice, as its worker was killed, under the same name."""
    records = await superuser.fetch("SELECT tenant_id, key, status FROM email_delivery")
    assert {record["status"] for record in records} == {"ACCEPTED"}
    expected = {message_id(record["tenant_id"], record["key"], SENDER_DOMAIN) for record in records}
    mails = [email.message_from_bytes(path.read_bytes()) for path in (maildir / "new").iterdir()]
    found = Counter(str(mail["Message-ID"]) for mail in mails)
    assert set(found) == expected
    # Of those that found no room nothing is left; who was killed may have left one for each connection.
    assert len(list((maildir / "tmp").iterdir())) <= 8
    assert all(mail.get_payload() for mail in mails)
    again = sum(found.values()) - len(found)
    tell(f"{len(found)} mails, {again} of them handed over once more by who came after a killed worker")
    assert again <= most_again
