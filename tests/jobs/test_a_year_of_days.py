"""A year of repeated tasks, day by day: a real scheduler and worker whose clock is moved, and a server for their mails.

Every mail, cycle, ledger entry and daily status is compared with what `year_oracle` has worked out ahead. In between
nothing runs for three days.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from domain.content.models import Content
from domain.foundation.access import Principal
from domain.tenants.models import Tenant
from gql.contract import ids
from tests.jobs.conftest import SCHEDULER, WORKER, Process, Processes
from tests.jobs.year_oracle import ASSIGNER, DAY, LEARNER, Course, ExpectedMail, Outage, Plan, expect, noon_of
from tests.support.api import Api
from tests.support.assigning import Assigning, reminder
from tests.support.catalogue import Connection
from tests.support.company import Company, Json
from tests.support.mail_server import MailServer, mail_server
from tests.support.passing_time import Mailbox, address_of
from tests.support.shifted_clock import ShiftedClock
from tests.support.telling import tell

START = date(2026, 3, 2)
#: So long before a mail is expected, it must not be there yet; and so long after that instant it has to be.
BEFORE = timedelta(minutes=2)
WITHIN = timedelta(minutes=1)
#: Seconds that processes have for anything wrong that they might do, and for what is right.
BEAT = 0.3
PATIENCE = 90
HURRY = "from tests.jobs.hurry import look_often; look_often(0.1); "
BOTH = (LEARNER, ASSIGNER)

#: Spring begins without a midnight in Havana on March 8 and in Beirut on March 29; New York, Berlin and the Chathams
#: change their clocks too.
BERTA = Plan(
    *("Berta", "Europe/Berlin", "Fire safety", date(2026, 3, 10), 4),
    reminders=(
        (12, (LEARNER,)),
        (7, (LEARNER,)),
        (3, (LEARNER,)),
        (2, (LEARNER,)),
        (1, BOTH),
        (-1, BOTH),
        (-2, (LEARNER,)),
    ),
    begins=(-4, None),
    finishes=(-2, 3, 0),
)
HUGO = Plan(
    *("Hugo", "America/Havana", "Induction", date(2026, 3, 9), 8),
    reminders=((2, (LEARNER,)), (1, (LEARNER,)), (0, (ASSIGNER,)), (-1, (LEARNER,))),
    begins=(-3, 1),
    finishes=(2, -1),
    is_path=True,
)
BASMA = Plan(
    *("Basma", "Asia/Beirut", "Data protection", date(2026, 3, 30), 52),
    reminders=((14, (LEARNER,)), (2, BOTH), (1, (LEARNER,)), (0, (LEARNER,)), (-1, BOTH), (-2, (LEARNER,))),
    finishes=(4,),
)
MOANA = Plan(
    *("Moana", "Pacific/Chatham", "First aid", date(2026, 4, 6), 52),
    reminders=((30, (LEARNER,)), (1, (LEARNER,)), (-1, BOTH)),
    finishes=(3,),
)
NORA = Plan(
    *("Nora", "America/New_York", "Ladders", date(2026, 3, 8), 4),
    reminders=((3, (LEARNER,)), (0, BOTH), (-1, (LEARNER,)), (-2, (LEARNER,)), (-3, (LEARNER,))),
    begins=(None, -2),
    finishes=(-1, 30, 6),
)


@dataclass(frozen=True, slots=True)
class Span:
    """How long, who, and the day at whose noon three days without anything begin."""

    days: int
    plans: tuple[Plan, ...]
    outage_on: date


SMALL = Span(37, (BERTA, HUGO, BASMA, MOANA, NORA), date(2026, 3, 28))
LARGE = Span(380, (BERTA, HUGO, BASMA, MOANA, NORA), date(2026, 10, 25))


@dataclass(slots=True)
class Year:
    """The company, its processes, and what should come of it."""

    assigning: Assigning
    processes: Processes
    clock: ShiftedClock
    server: MailServer
    superuser: Connection
    outage: Outage
    courses: list[Course]
    targets: dict[str, list[Content]] = field(default_factory=dict)
    tasks: dict[str, Json] = field(default_factory=dict)
    people: dict[str, Principal] = field(default_factory=dict)
    running: list[Process] = field(default_factory=list)
    seen: int = 0
    status_count: int = 0

    # Processes and their clock.

    async def start(self) -> None:
        """Start a scheduler and a worker at the instant at which their clock is."""
        for program in (SCHEDULER, WORKER):
            process = await asyncio.to_thread(self.processes.start, self.clock.program + HURRY + program)
            self.running.append(process)

    def kill(self) -> None:
        """End both without a chance to do anything."""
        while self.running:
            self.running.pop().kill()

    async def move_to(self, instant: datetime) -> None:
        """Let it be another instant, and wait until everything is done that is due by then."""
        pids = tuple(process.pid for process in self.running)
        await asyncio.to_thread(self.clock.move_to, instant, pids=pids)
        await self.settle()

    async def settle(self) -> None:
        """Wait until nothing is due or under way."""
        deadline = time.monotonic() + PATIENCE
        while waiting := await self.superuser.fetchval(
            "SELECT (SELECT count(*) FROM tasks_with_due_reminders($1)) + (SELECT count(*) FROM tasks_to_open($1))"
            " + (SELECT count(*) FROM tasks_to_note_overdue($1))"
            " + (SELECT count(*) FROM email_delivery WHERE status = 'PENDING')",
            datetime.fromtimestamp(self.clock.now(), UTC),
        ):
            assert time.monotonic() < deadline, (waiting, [process.output for process in self.running])
            await asyncio.sleep(0.02)

    # What is to be seen.

    def require_mails(self, at: datetime, expected: Iterable[ExpectedMail]) -> None:
        """Require exactly these mails since the last look, sent within a minute of their instant."""
        new = [one.message for one in self.server.received[self.seen :]]
        self.seen = len(self.server.received)
        assert Counter((address_of(mail), str(mail["Subject"])) for mail in new) == Counter(
            (mail.address, mail.subject) for mail in expected
        ), at
        for mail in new:
            # Headers hold whole seconds.
            sent_at: Any = mail["Date"].datetime
            assert at - timedelta(seconds=1) < sent_at < at + WITHIN, (at, mail["Subject"])

    async def require_statuses(self, at: datetime) -> None:
        """Require the status and the dates of every task as one sees them then."""
        self.assigning.company.api.now = at
        # A token lasts as long as a year.
        self.assigning.client = self.assigning.company.api.acting_as(self.assigning.company.admin)
        shown = {task["target"]["title"]: dates_of(task) for task in await self.assigning.tasks()}
        assert shown == {course.plan.title: expected_dates(course, at) for course in self.courses}, at
        self.status_count += len(shown)

    # What people do.

    async def assign(self, at: datetime) -> None:
        """Give everybody their task."""
        self.assigning.company.api.now = at
        for course in self.courses:
            plan = course.plan
            person = await self.assigning.person(plan.name, time_zone=plan.zone)
            titles = [f"{plan.title} 1", f"{plan.title} 2"] if plan.is_path else [plan.title]
            courses = [await self.assigning.company.course(title, lesson_count=2) for title in titles]
            target = await self.assigning.company.path(plan.title, *courses) if plan.is_path else courses[0]
            self.people[plan.name], self.targets[plan.name] = person, courses
            self.tasks[plan.name] = await self.assigning.assign(
                person,
                target,
                plan.due_on.isoformat(),
                repeatEveryWeeks=plan.every_weeks,
                reminders=[reminder(days, *recipients) for days, recipients in plan.reminders],
            )

    async def act(self, at: datetime) -> None:
        """Let people begin and finish what they begin and finish at this noon."""
        for course in self.courses:
            cycle, person = course.cycle(at), self.people[course.plan.name]
            if cycle.begun_at == at:
                await self.assigning.report(person, self.targets[course.plan.name][0], lessonsDone=1)
            if cycle.finished_at == at:
                await self.assigning.finish(person, *self.targets[course.plan.name])


def dates_of(task: Json) -> tuple[Any, ...]:
    """Return what is compared every day."""
    recurrence = task["recurrence"]
    return task["status"], task["dueOn"], recurrence["nextDueOn"], recurrence["nextOpensOn"]


def expected_dates(course: Course, at: datetime) -> tuple[Any, ...]:
    """Return the same as it should be."""
    cycle, status = course.cycle(at), course.status(at)
    following = [str(day) for day in (cycle.next_due_on, cycle.next_opens_on)] if status == "COMPLETED" else [None] * 2
    return status, str(cycle.due_on), *following


@pytest.fixture
def assigning(api: Api, tenant: Tenant, admin: Principal, tmp_path: Path) -> Assigning:
    """The company's administrator at mandatory tasks."""
    client = api.acting_as(admin)
    return Assigning(Company(api, tenant, admin, client), client, Mailbox(tmp_path / "mails"))


@pytest.mark.parametrize(
    "span", [pytest.param(SMALL, id="small"), pytest.param(LARGE, id="large", marks=pytest.mark.soak)]
)
async def test_every_day_is_as_it_should_be(
    span: Span, assigning: Assigning, processes: Processes, superuser: Connection, tmp_path: Path
) -> None:
    """Mails one by one, statuses at each noon and all along an outage, cycles and ledgers in the end."""
    start, end = noon_of(START), noon_of(START + span.days * DAY)
    outage = Outage(noon_of(span.outage_on), noon_of(span.outage_on + 3 * DAY))
    await superuser.execute("UPDATE learner SET email = 'ada@acme.test' WHERE name = 'Ada Admin'")
    courses = [expect(plan, ("ada@acme.test", "Ada Admin"), start, end, outage) for plan in span.plans]
    async with mail_server() as server:
        processes.environment |= {"SMTP_URL": server.url(), "MAIL_FROM": "Acme <post@acme.test>"}
        clock = ShiftedClock(tmp_path / "clock", start)
        year = Year(assigning, processes, clock, server, superuser, outage, courses)
        await year.start()
        await year.assign(start)
        await play(year, start, end)
    await require_history(year)
    tell(f"{span.days} days, {len(server.received)} mails, {year.status_count} statuses")


async def play(year: Year, start: datetime, end: datetime) -> None:
    """Let one day follow another."""
    mails = Counter(mail.at for course in year.courses for mail in course.mails)
    now = start
    await year.settle()
    year.require_mails(start, mails_at(year, start))
    await year.act(start)
    for at in moments(year, start, end):
        if year.outage.begin < at < year.outage.end:
            await year.require_statuses(at)
        else:
            if at == year.outage.end:
                await restart(year, at)
            elif at in mails and at - BEFORE > now:
                await year.move_to(at - BEFORE)
                await asyncio.sleep(BEAT)
                year.require_mails(at - BEFORE, [])
            await year.move_to(at)
            year.require_mails(at, mails_at(year, at))
            await year.require_statuses(at)
        if at == noon_of(at.date()):
            await year.act(at)
        if at == year.outage.begin:
            year.kill()
        now = at


async def restart(year: Year, at: datetime) -> None:
    """Start again after the outage."""
    year.clock.move_to(at, pids=())
    await year.start()


def moments(year: Year, start: datetime, end: datetime) -> Iterator[datetime]:
    """Yield each noon, each instant at which something is due, and many more during the outage."""
    found = {start + number * DAY for number in range(1, (end - start) // DAY + 1)}
    for course in year.courses:
        found |= {mail.at for mail in course.mails}
        found |= {at for cycle in course.cycles for at in (cycle.opened_at, cycle.due_at)}
    during = {year.outage.begin + number * timedelta(hours=1) for number in range(72)}
    for at in [at for at in found if year.outage.begin < at < year.outage.end]:
        during |= {at - timedelta(seconds=1), at}
    yield from sorted(at for at in found | during if start < at < end)


def mails_at(year: Year, at: datetime) -> list[ExpectedMail]:
    """Return what should go out at an instant."""
    return [mail for course in year.courses for mail in course.mails if mail.at == at]


async def require_history(year: Year) -> None:
    """Require all cycles and the whole ledger, and that the outage was one that mattered."""
    end = year.assigning.company.api.now
    for course in year.courses:
        task_id = ids.get_own_key(ids.MANDATORY_TASK, year.tasks[course.plan.name]["id"], path=())
        cycles = await year.superuser.fetch(
            "SELECT number, opened_on, due_on, completed_at IS NOT NULL FROM task_cycle WHERE task_id = $1 ORDER BY 1",
            task_id,
        )
        assert [tuple(cycle) for cycle in cycles] == [
            (cycle.number, cycle.opened_on, cycle.due_on, cycle.finished_at <= end) for cycle in course.cycles
        ]
        ledger = await year.superuser.fetch(
            "SELECT r.cycle_number, concat_ws(' ', r.due_on, s.days_before_due, r.status, r.reason)"
            " FROM task_reminder r JOIN task_reminder_setting s ON s.id = r.setting_id WHERE r.task_id = $1",
            task_id,
        )
        assert sorted(tuple(entry) for entry in ledger) == sorted(
            (cycle.number, entry) for cycle in course.cycles for entry in cycle.ledger
        )
    names = [str(one.message["Message-ID"]) for one in year.server.received]
    assert len(set(names)) == len(names) == sum(len(course.mails) for course in year.courses)
    outcomes = Counter(line.split(maxsplit=2)[2] for c in year.courses for y in c.cycles for line in y.ledger)
    assert outcomes["SKIPPED SUPERSEDED"] > 0
    tell(str(dict(outcomes)))
