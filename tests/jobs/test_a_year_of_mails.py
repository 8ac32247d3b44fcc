"""A year of tasks that are given, changed, withdrawn and done, beside a mail server that defers one mail in five.

Two hand over what is due at the same time. In the end, for each person and target, the last mail that was accepted has
to tell how it stands. What is random follows from a seed that is printed; `SEED` repeats it.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from random import Random
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session

from domain.content.models import Content
from domain.foundation.access import Principal
from domain.tenants.models import Tenant
from jobs.emails import deliver_due_emails
from jobs.smtp import SmtpServer, SmtpTransport
from tests.jobs.messages import SENDER
from tests.support.api import Api
from tests.support.assigning import Assigning, reminder
from tests.support.catalogue import Connection
from tests.support.company import Company, Json
from tests.support.mail_server import MailServer, mail_server
from tests.support.passing_time import Mailbox, address_of, text_of
from tests.support.rounds import note_overdue_tasks, open_due_cycles, send_due_reminders
from tests.support.telling import seeded, tell

#: Share of the mails that are not taken at each try.
DEFERRED = 0.2
DAY = timedelta(days=1)
#: Moments of a day, in hours, at which mails are sent: retries come between changes, and changes between retries.
HOURS = (0.1, 6, 9, 9.001, 9.1, 12, 15, 21)


@dataclass(frozen=True, slots=True)
class Size:
    """How long and how many."""

    days: int
    people: int
    #: Actions of each person a day.
    activity: float


SMALL, LARGE = Size(days=40, people=8, activity=0.6), Size(days=365, people=12, activity=0.6)


class DeferringServer(MailServer):
    """Defers mails by chance, some of them for long, and takes its time."""

    def __init__(self, random: Random) -> None:
        super().__init__()
        self.deferred_count = 0
        self._random = random

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Take a mail, or not."""
        await asyncio.sleep(self._random.random() * 0.004)
        if self._random.random() < DEFERRED:
            self.deferred_count += 1
            return "451 4.7.1 Try later"
        return await super().handle_DATA(server, session, envelope)


@dataclass(slots=True)
class Desk:
    """One person and one target, and the task that there is."""

    person: Principal
    target: Content
    task: Json | None = None
    is_completed: bool = False
    #: Mails taken when the task was completed.
    taken_before: int = 0


@dataclass(slots=True)
class Year:
    """The company, its time, and what befalls its tasks."""

    assigning: Assigning
    random: Random
    server: DeferringServer
    superuser: Connection
    transports: list[SmtpTransport]
    desks: list[Desk] = field(default_factory=list)
    actions: Counter[str] = field(default_factory=Counter)

    @property
    def api(self) -> Api:
        """The application and its clock."""
        return self.assigning.company.api

    async def pass_to(self, instant: datetime) -> None:
        """Do what is due at an instant, mails by two at once."""
        self.api.now = instant
        self.assigning.client = self.api.acting_as(self.assigning.company.admin)
        await open_due_cycles(instant)
        await note_overdue_tasks(instant)
        await send_due_reminders(instant)
        await asyncio.gather(*(deliver_due_emails(instant, one, sender=SENDER) for one in self.transports))

    def day_after(self, days: int) -> str:
        """Return a date so many days from now."""
        return (self.api.now.date() + timedelta(days=days)).isoformat()

    async def act(self, desk: Desk) -> None:
        """Let something befall a task, and often the next thing right after it."""
        choices: list[Callable[[Desk], Awaitable[None]]]
        if desk.task is None:
            choices = [self.assign]
        elif desk.is_completed:
            choices = [self.note]
        else:
            choices = [self.note, self.note, self.move, self.move, self.withdraw, self.complete]
        choice = self.random.choice(choices)
        self.actions[choice.__name__] += 1
        await choice(desk)

    async def assign(self, desk: Desk) -> None:
        """Give the task, with reminders that will come due."""
        desk.task = await self.assigning.assign(
            desk.person,
            desk.target,
            self.day_after(self.random.randint(4, 20)),
            note=self._words(),
            reminders=[reminder(days) for days in (7, 3, 1, -1)],
        )

    async def note(self, desk: Desk) -> None:
        """Write another note, several times at once."""
        await asyncio.gather(*(self.assigning.edit(desk.task or {}, note=self._words()) for _ in range(3)))

    async def move(self, desk: Desk) -> None:
        """Move the date."""
        await self.assigning.edit(desk.task or {}, dueOn=self.day_after(self.random.randint(1, 25)))

    async def withdraw(self, desk: Desk) -> None:
        """Take the task back; another one may come."""
        await self.assigning.withdraw(desk.task or {})
        desk.task = None

    async def complete(self, desk: Desk) -> None:
        """Do what is asked for."""
        await self.assigning.finish(desk.person, desk.target)
        desk.is_completed, desk.taken_before = True, len(self.mails_about(desk))

    def _words(self) -> str:
        return f"Note {self.random.getrandbits(40)}."

    def mails_about(self, desk: Desk) -> list[EmailMessage]:
        """Return what the server has taken about a target to a person, in order."""
        address, title = self._address(desk), desk.target.title
        mails: list[EmailMessage] = [one.message for one in self.server.received]
        return [mail for mail in mails if address_of(mail) == address and f'"{title}"' in text_of(mail)]

    def _address(self, desk: Desk) -> str:
        return f"p{self.desks.index(desk) // 2}@acme.test"

    def require_truth(self, desk: Desk, task: Json | None) -> None:
        """Require that the last mail tells how the task stands; who has completed was asked nothing afterwards."""
        mails = self.mails_about(desk)
        if not mails:
            assert desk.is_completed or task is None, desk
            return
        last = text_of(mails[-1])
        if desk.is_completed:
            later = [text_of(mail) for mail in mails[desk.taken_before :]]
            assert all("You have completed it already" in text for text in later), later
        elif task is None:
            assert "has been withdrawn" in last, last
        else:
            assert task["dueOn"] in last, (task, last)
            assert task["note"] in last, (task, last)


@pytest.mark.parametrize(
    "size", [pytest.param(SMALL, id="small"), pytest.param(LARGE, id="large", marks=pytest.mark.soak)]
)
async def test_the_last_mail_about_each_task_tells_how_it_stands(
    size: Size, api: Api, tenant: Tenant, admin: Principal, superuser: Connection, tmp_path: Path
) -> None:
    """Whatever was deferred, for however long, and whatever befell the task meanwhile."""
    random = seeded()
    client = api.acting_as(admin)
    assigning = Assigning(Company(api, tenant, admin, client), client, Mailbox(tmp_path / "mails"))
    async with mail_server(DeferringServer(random)) as server:
        assert isinstance(server, DeferringServer)
        transports = [
            SmtpTransport(SmtpServer.from_url(server.url()), local_hostname="acme.example", connections=4)
            for _ in range(2)
        ]
        year = Year(assigning, random, server, superuser, transports)
        for number in range(size.people):
            person = await assigning.person(f"P{number}")
            for title in ("A", "B"):
                target = await assigning.company.course(f"Course {title} of P{number}")
                year.desks.append(Desk(person, target))
        midnight = datetime.combine(date(2026, 3, 2), datetime.min.time(), api.now.tzinfo)
        for day in range(size.days):
            for hour in HOURS:
                await year.pass_to(midnight + day * DAY + timedelta(hours=hour))
                for desk in year.desks:
                    if random.random() < size.activity / len(HOURS):
                        await year.act(desk)
        # Nothing befalls anything any more, and every try that is left is made.
        end = midnight + size.days * DAY
        while await superuser.fetchval("SELECT count(*) FROM email_delivery WHERE status = 'PENDING'"):
            assert end < midnight + (size.days + 5) * DAY
            end += timedelta(minutes=10)
            await asyncio.gather(*(deliver_due_emails(end, one, sender=SENDER) for one in transports))
        for transport in transports:
            await transport.close()
    await require_order(year)


async def require_order(year: Year) -> None:
    """Require the truth about each task, that no mail came twice, and that the rows say what the server knows."""
    tasks: dict[tuple[str, str], Json] = {}
    for record in await year.superuser.fetch(
        "SELECT l.email, c.title, t.due_on, t.note FROM mandatory_task t JOIN learner l ON l.id = t.learner_id"
        " JOIN content c ON c.id = t.target_id WHERE t.withdrawn_at IS NULL"
    ):
        tasks[record["email"], record["title"]] = {"dueOn": str(record["due_on"]), "note": record["note"]}
    for desk in year.desks:
        year.require_truth(desk, tasks.get((year._address(desk), desk.target.title)))
    names = [str(one.message["Message-ID"]) for one in year.server.received]
    assert len(set(names)) == len(names)
    rows: Any = await year.superuser.fetch(
        "SELECT status, failure_reason, count(*) FROM email_delivery GROUP BY 1, 2 ORDER BY 1, 2"
    )
    accepted = sum(row["count"] for row in rows if row["status"] == "ACCEPTED")
    assert accepted == len(names)
    assert year.server.deferred_count > len(names) / 10
    tell(f"{dict(year.actions)}, {year.server.deferred_count} deferred; {[tuple(row) for row in rows]}")
