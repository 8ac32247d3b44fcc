"""Mails about one task: the last that somebody gets tells how it stands, whatever is late, under way or killed."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from domain.content.models import Content
from domain.foundation.access import Principal
from domain.foundation.database.sessions import writing
from domain.notifications.deliveries.rows import LEASE, PAUSES, WAIT, begin_attempt, lease_emails, note_accepted
from domain.notifications.deliveries.sending import deliver_emails
from domain.notifications.messages import OVERTAKEN, QUIET
from domain.tenants.models import Tenant
from jobs.emails import deliver_due_emails
from jobs.smtp import SmtpServer, SmtpTransport
from tests.jobs.messages import SENDER, deliveries, wait_for
from tests.support.api import Api
from tests.support.assigning import Assigning, reminder
from tests.support.catalogue import Connection
from tests.support.company import Company
from tests.support.mail_server import MailServer, mail_server
from tests.support.passing_time import Mailbox, text_of
from tests.support.rounds import send_due_reminders

DUE, LATER, LATEST = "2026-03-20", "2026-04-20", "2026-05-20"


@pytest.fixture
async def server() -> AsyncIterator[MailServer]:
    """A mail server."""
    async with mail_server() as server:
        yield server


@pytest.fixture
async def transport(server: MailServer) -> AsyncIterator[SmtpTransport]:
    """The way to the mail server."""
    transport = SmtpTransport(SmtpServer.from_url(server.url()), local_hostname="acme.example")
    yield transport
    await transport.close()


@pytest.fixture
def assigning(api: Api, tenant: Tenant, admin: Principal, tmp_path: Path) -> Assigning:
    """The company's administrator at mandatory tasks."""
    client = api.acting_as(admin)
    return Assigning(Company(api, tenant, admin, client), client, Mailbox(tmp_path / "mails"))


@pytest.fixture
async def pia(assigning: Assigning) -> Principal:
    """Who is to learn."""
    return await assigning.person("Pia")


@pytest.fixture
async def course(assigning: Assigning) -> Content:
    """What is to be learned."""
    return await assigning.company.course("Fire")


async def deliver(now: datetime, transport: SmtpTransport) -> int:
    """Hand over what is due."""
    return await deliver_due_emails(now, transport, sender=SENDER)


async def test_a_retry_never_comes_after_what_is_newer(
    assigning: Assigning,
    pia: Principal,
    course: Content,
    server: MailServer,
    transport: SmtpTransport,
    superuser: Connection,
) -> None:
    """The server is busy once, and meanwhile the task is withdrawn: nobody is asked to complete it afterwards."""
    api = assigning.company.api
    server.answers["DATA"] = "451 Try later"
    task = await assigning.assign(pia, course, DUE)
    await deliver(api.now, transport)
    server.answers.clear()
    api.advance(seconds=5)
    await assigning.withdraw(task)
    await deliver(api.now, transport)
    await deliver(api.now + PAUSES[0] + QUIET, transport)
    assert server.subjects == ["Fire: no longer needed"]
    assert await deliveries(superuser, "status", "failure_reason") == [("SUPPRESSED", OVERTAKEN), ("ACCEPTED", None)]


async def test_a_task_that_comes_again_takes_the_place_of_one_that_was_withdrawn(
    assigning: Assigning, pia: Principal, course: Content, server: MailServer, transport: SmtpTransport
) -> None:
    """It is another task, and about the same: "no longer needed" would say the contrary of how it stands."""
    api = assigning.company.api
    await assigning.assign(pia, await assigning.company.course("Ladders"), DUE)
    task = await assigning.assign(pia, course, DUE)
    await deliver(api.now, transport)
    server.answers["DATA"] = "451 Try later"
    await assigning.withdraw(task)
    await deliver(api.now, transport)
    server.answers.clear()
    api.advance(seconds=1)
    await assigning.assign(pia, course, LATER)
    await deliver(api.now, transport)
    await deliver(api.now + timedelta(days=2), transport)
    assert server.subjects[2:] == [f"Fire: to be completed by {LATER}"]


async def test_forty_changes_are_told_together(
    assigning: Assigning, pia: Principal, course: Content, server: MailServer, transport: SmtpTransport
) -> None:
    """However fast they are sent: the first at once, the others a little later, as it is then."""
    api = assigning.company.api
    task = await assigning.assign(pia, course, DUE)
    await deliver(api.now, transport)
    for number in range(40):
        api.advance(seconds=0.05)
        await assigning.edit(task, note=f"Note {number}")
        await deliver(api.now, transport)
    assert len(server.received) == 2
    await deliver(api.now + QUIET, transport)
    assert [subject.split(":")[1] for subject in server.subjects] == [" to be completed by 2026-03-20"] + [
        " changed, to be completed by 2026-03-20"
    ] * 2
    texts = [text_of(one.message) for one in server.received]
    assert ["Note 0" in texts[1], "Note 39" in texts[2]] == [True, True]


async def test_changes_before_the_first_mail_are_part_of_it(
    assigning: Assigning, pia: Principal, course: Content, server: MailServer, transport: SmtpTransport
) -> None:
    """Who knows of no task is told that there is one, as it stands now; the platform tells each step."""
    task = await assigning.assign(pia, course, DUE)
    for due_on in (LATER, LATEST):
        await assigning.edit(task, dueOn=due_on)
    assert await deliver(assigning.company.api.now, transport) == 1
    assert server.subjects == [f"Fire: to be completed by {LATEST}"]
    [mail] = server.received
    assert "has assigned" in text_of(mail.message)


@pytest.mark.parametrize("answer", [None, "451 Try later"])
async def test_what_is_newer_waits_for_what_the_server_has_in_hand(
    assigning: Assigning,
    pia: Principal,
    course: Content,
    server: MailServer,
    transport: SmtpTransport,
    superuser: Connection,
    answer: str | None,
) -> None:
    """Whether it is taken or not, it does not come after the newer one; also where the lease has to be renewed."""
    api = assigning.company.api
    task = await assigning.assign(pia, course, DUE)
    await superuser.execute("UPDATE email_delivery SET attempt_count = 1")
    server.hangs_at.add("DATA")
    server.answers["DATA"] = answer
    first = asyncio.ensure_future(deliver(api.now, transport))
    await wait_for(superuser, "is_under_way")
    await assigning.edit(task, dueOn=LATER)
    assert await deliver(api.now, transport) == 0
    assert await deliveries(superuser, "status", "is_under_way") == [("SUPPRESSED", True), ("PENDING", False)]
    server.go_on.set()
    await first
    server.answers.clear()
    assert await deliver(api.now + WAIT, transport) == 1
    assert server.subjects[-1] == f"Fire: changed, to be completed by {LATER}"
    assert len(server.received) == 1 + (answer is None)
    old = ("ACCEPTED", None) if answer is None else ("SUPPRESSED", OVERTAKEN)
    assert await deliveries(superuser, "status", "failure_reason") == [old, ("ACCEPTED", None)]


async def test_what_a_killed_worker_had_does_not_come_again_after_what_is_newer(
    assigning: Assigning,
    tenant: Tenant,
    pia: Principal,
    course: Content,
    server: MailServer,
    transport: SmtpTransport,
    superuser: Connection,
) -> None:
    """Nobody knows whether it was taken: the newer one waits as long as it may still come, and no longer."""
    api = assigning.company.api
    task = await assigning.assign(pia, course, DUE)
    [[email_id]] = await deliveries(superuser, "id")
    [email] = await lease_emails(tenant.id, [email_id], api.now)
    assert await begin_attempt(tenant.id, email, api.now) == 1
    await assigning.edit(task, dueOn=LATER)
    assert await deliver(api.now, transport) == 0
    assert await deliver(api.now + LEASE, transport) == 1
    assert await deliver(api.now + timedelta(days=2), transport) == 0
    assert server.subjects == [f"Fire: changed, to be completed by {LATER}"]
    # The worker was only asleep: what it says of its attempt stands, and nothing else changes.
    await note_accepted(tenant.id, email_id, 1)
    assert await deliveries(superuser, "status", "is_under_way") == [("ACCEPTED", False), ("ACCEPTED", False)]


async def test_five_changes_at_once_end_with_the_last(
    assigning: Assigning,
    tenant: Tenant,
    pia: Principal,
    course: Content,
    server: MailServer,
    transport: SmtpTransport,
    superuser: Connection,
) -> None:
    """While several hand over what there is, one of them after the other."""
    api = assigning.company.api
    task = await assigning.assign(pia, course, DUE)
    is_over, begun = False, time.monotonic()

    def hurried() -> datetime:
        """The clock that all of them have."""
        return api.now + 10 * timedelta(seconds=time.monotonic() - begun)

    async def keep_sending() -> None:
        while not is_over:
            async with writing(tenant.id) as sql:
                ids = await sql.values("SELECT id FROM email_delivery WHERE status = 'PENDING'")
            await deliver_emails(tenant.id, ids, hurried, transport, SENDER)
            await asyncio.sleep(0.01)

    senders = [asyncio.ensure_future(keep_sending()) for _ in range(3)]
    for round_number in range(4):
        await asyncio.gather(*(assigning.edit(task, note=f"Note {round_number} {number}") for number in range(5)))
    await wait_for(superuser, "status <> 'PENDING'", count=21)
    is_over = True
    await asyncio.gather(*senders)
    note = await superuser.fetchval("SELECT note FROM mandatory_task")
    assert note in text_of(server.received[-1].message)
    statuses = await deliveries(superuser, "status")
    assert {status for (status,) in statuses} <= {"ACCEPTED", "SUPPRESSED"}
    assert statuses[-1] == ("ACCEPTED",)


async def test_a_reminder_overtakes_news_only_where_it_is_faster(
    assigning: Assigning, pia: Principal, course: Content, server: MailServer, transport: SmtpTransport
) -> None:
    """Both wait: the older one comes first. The older one is late: it does not come after the reminder."""
    api = assigning.company.api
    ladders = await assigning.company.course("Ladders")
    for target in (course, ladders):
        await assigning.assign(pia, target, DUE, reminders=[reminder(10), reminder(5)])
    await assigning.pass_time(until=datetime.fromisoformat("2026-03-09T22:59:00+00:00"))
    api.advance(minutes=2)
    tasks = await assigning.tasks()
    server.answers["DATA"] = "451 Try later"
    await assigning.edit(tasks[0], note="For the first one")
    await deliver(api.now, transport)
    await assigning.edit(tasks[1], note="For the second one")
    api.advance(seconds=1)
    await send_due_reminders(api.now)
    server.answers.clear()
    await deliver(api.now + timedelta(seconds=1), transport)
    await deliver(api.now + timedelta(days=2), transport)
    first, second = (task["target"]["title"] for task in tasks)
    told = [subject for subject in server.subjects if "changed" in subject or "Reminder" in subject]
    assert [subject for subject in told if first in subject] == [f"Reminder: {first} is due on {DUE}, in 10 days"]
    assert [subject for subject in told if second in subject] == [
        f"{second}: changed, to be completed by {DUE}",
        f"Reminder: {second} is due on {DUE}, in 10 days",
    ]


async def test_a_reminder_of_a_date_that_was_moved_is_not_sent(
    assigning: Assigning, pia: Principal, course: Content, server: MailServer, transport: SmtpTransport
) -> None:
    """It was given out, and the mail server was away: the news of the other date is what there is to say."""
    api = assigning.company.api
    task = await assigning.assign(pia, course, DUE, reminders=[reminder(10)])
    await deliver(api.now, transport)
    api.now = datetime.fromisoformat("2026-03-10T00:00:00+00:00")
    await send_due_reminders(api.now)
    await assigning.edit(task, dueOn=LATER)
    await deliver(api.now, transport)
    assert server.subjects[1:] == [f"Fire: changed, to be completed by {LATER}"]
    [entry] = [one for one in await assigning.ledger(task) if one["status"] == "SENT"]
    assert [(one["status"], one["failureReason"]) for one in entry["deliveries"]] == [("SUPPRESSED", OVERTAKEN)]


async def test_who_completes_while_a_mail_waits_is_not_asked_to(
    assigning: Assigning,
    pia: Principal,
    course: Content,
    server: MailServer,
    transport: SmtpTransport,
    superuser: Connection,
) -> None:
    """Nor is anybody whose completed task is changed."""
    api = assigning.company.api
    server.answers["DATA"] = "451 Try later"
    task = await assigning.assign(pia, course, DUE)
    await deliver(api.now, transport)
    await assigning.finish(pia, course)
    server.answers.clear()
    assert await deliver(api.now + timedelta(days=2), transport) == 0
    assert await deliveries(superuser, "status", "failure_reason") == [("SUPPRESSED", "The task was completed before.")]
    await assigning.edit(task, note="Well done")
    assert await deliver(api.now, transport) == 1
    assert server.subjects == ["Fire: changed, completed already"]
    require_nothing_asked(server)


async def test_who_has_completed_before_is_assigned_without_being_asked(
    assigning: Assigning, pia: Principal, course: Content, server: MailServer, transport: SmtpTransport
) -> None:
    """One has a task then, and has done what it asks for; the platform says so as well."""
    pias = assigning.acting_as(pia)
    task = await assigning.assign(pia, course, DUE)
    await assigning.withdraw(task)
    await assigning.finish(pia, course)
    await assigning.assign(pia, course, LATER)
    assert await deliver(assigning.company.api.now, transport) == 1
    assert server.subjects == ["Fire: completed already"]
    require_nothing_asked(server)
    told = await pias.client.value("{ viewer { notifications(first: 9) { nodes { title } } } }")
    titles = [node["title"] for node in told["notifications"]["nodes"]]
    assert "Mandatory task, completed already: Fire" in titles


def require_nothing_asked(server: MailServer) -> None:
    """Require that no mail asks anybody to complete anything."""
    for one in server.received:
        text = text_of(one.message)
        assert "You have completed it already" in text
        assert "lease complete" not in text
        assert "to be completed" not in text + one.message["Subject"]
