"""Emails through the queue: real schedulers and workers, which may be killed, and a queue that may lose everything."""

import asyncio
import mailbox
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from redis.asyncio import Redis

from domain.foundation import clock
from domain.foundation.access import Principal
from domain.notifications.deliveries.dispatching import BATCH
from domain.tenants.models import Tenant
from jobs import dispatcher as dispatching
from jobs.broker import NAMESPACE, create_broker
from jobs.dispatcher import BUSY_RESEND_AFTER, Dispatcher
from jobs.rounds import EMAILS
from tests.jobs.conftest import SCHEDULER, WORKER, Processes, StartBackfill
from tests.jobs.messages import deliveries, message_ids, tell, wait_for
from tests.support import factories
from tests.support.catalogue import Connection
from tests.support.mail_server import MailServer, mail_server

#: Seconds within which another worker goes on: the lease of the dead one (5), or until an email is handed out again
#: (8), the next look (1), the way to the worker (1), and some for a machine that has other things to do.
TAKEOVER = 20


@pytest.fixture
async def server() -> AsyncIterator[MailServer]:
    """A mail server."""
    async with mail_server() as server:
        yield server


@pytest.fixture
def sending(processes: Processes, server: MailServer) -> Processes:
    """Processes that send by the mail server."""
    processes.environment |= {"SMTP_URL": server.url(), "MAIL_FROM": "Acme <post@acme.example>"}
    return processes


@pytest.fixture
async def lea(tenant: Tenant) -> Principal:
    """A learner with an email address."""
    return await factories.create_person(tenant.id, name="Lea Learner", email="lea@acme.example")


@pytest.fixture
async def dispatcher(redis_url: str, database: None) -> AsyncIterator[Dispatcher]:
    """A dispatcher into this process's Valkey."""
    dispatcher = Dispatcher(create_broker(redis_url), redis_url)
    yield dispatcher
    await dispatcher.close()


async def queued(redis_url: str) -> list[str]:
    """Return the messages in the queue of emails."""
    async with Redis.from_url(redis_url, decode_responses=True) as redis:
        return [str(message) for message in await redis.hvals(f"{NAMESPACE}:{EMAILS.name}.msgs")]


async def test_messages_hold_ids_only(
    dispatcher: Dispatcher, lea: Principal, now: datetime, redis_url: str, superuser: Connection
) -> None:
    """Of one tenant each, some emails together; what nobody takes is handed out again."""
    await tell(lea, now, *(f"Title {number}" for number in range(BATCH + 1)))
    ids = [row[0] for row in await deliveries(superuser, "id")]
    assert await dispatcher.dispatch(EMAILS, now - timedelta(seconds=1)) == 0
    assert await dispatcher.dispatch(EMAILS, now) == BATCH + 1
    assert await dispatcher.dispatch(EMAILS, now) == 0
    messages = await queued(redis_url)
    assert len(messages) == 2
    assert any(f'"kwargs":{{"tenant_id":{lea.tenant_id},"email_ids":[{ids[-1]}]}}' in one for one in messages)
    assert "Title" not in "".join(messages)
    assert await dispatcher.dispatch(EMAILS, now + BUSY_RESEND_AFTER + timedelta(seconds=1)) == BATCH + 1


async def test_two_dispatchers_hand_out_each_email_once(
    dispatcher: Dispatcher, lea: Principal, now: datetime, redis_url: str
) -> None:
    """Whoever marks a row hands it out."""
    await tell(lea, now, *(f"Title {number}" for number in range(60)))
    other = Dispatcher(create_broker(redis_url), redis_url)
    total = 0
    for _ in range(3):
        total += sum(await asyncio.gather(dispatcher.dispatch(EMAILS, now), other.dispatch(EMAILS, now)))
    await other.close()
    assert total == 60


async def test_queue_that_is_away_leaves_emails_for_later(
    lea: Principal, now: datetime, redis_url: str, superuser: Connection
) -> None:
    """The mark is taken back."""
    await tell(lea, now, "First aid")
    dispatcher = Dispatcher(create_broker("redis://127.0.0.1:1/0"), redis_url)
    with pytest.raises(Exception, match=r"127\.0\.0\.1:1"):
        await dispatcher.dispatch(EMAILS, now)
    await dispatcher.close()
    assert await deliveries(superuser, "dispatched_at") == [(None,)]


async def test_queue_without_workers_does_not_grow_for_ever(
    dispatcher: Dispatcher, lea: Principal, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Emails are handed out again while nobody takes them, up to a bound."""
    monkeypatch.setattr(dispatching, "MAX_WAITING", 2)
    await tell(lea, now, "First aid")
    counts = [await dispatcher.dispatch(EMAILS, now + timedelta(seconds=31 * number)) for number in range(4)]
    assert counts == [1, 1, 0, 0]


async def test_emails_go_out_as_soon_as_they_exist(
    sending: Processes, server: MailServer, lea: Principal, superuser: Connection
) -> None:
    """Many of them, each once."""
    sending.start(WORKER)
    sending.start(SCHEDULER)
    await tell(lea, clock.now(), *(f"Title {number}" for number in range(120)))
    await wait_for(superuser, "status = 'ACCEPTED'", count=120)
    assert len(set(message_ids(server.received))) == len(server.received) == 120
    assert server.received[0].message["From"] == "Acme <post@acme.example>"
    assert server.connection_count <= 8


async def test_killed_worker_is_replaced_within_seconds(
    sending: Processes, server: MailServer, lea: Principal, superuser: Connection
) -> None:
    """Killed while the server has the mail: somebody else sends it, under the same Message-ID."""
    server.hangs_at.add("DATA")
    sending.start(SCHEDULER)
    killed = sending.start(WORKER)
    await tell(lea, clock.now(), "First aid")
    await wait_for(superuser, "attempt_count = 1")
    killed.kill()
    server.hangs_at.clear()
    server.go_on.set()
    sending.start(WORKER)
    assert await wait_for(superuser, "status = 'ACCEPTED'") < TAKEOVER
    assert await deliveries(superuser, "attempt_count", "email") == [(2, "lea@acme.example")]
    assert len(set(message_ids(server.received))) == 1


async def test_queue_may_lose_everything(
    sending: Processes, server: MailServer, lea: Principal, superuser: Connection, redis_url: str
) -> None:
    """Emails are handed out again from their rows."""
    sending.start(SCHEDULER)
    await tell(lea, clock.now(), "First aid")
    await wait_for(superuser, "dispatched_at IS NOT NULL")
    async with Redis.from_url(redis_url) as redis:
        await redis.flushall()
    sending.start(WORKER)
    assert await wait_for(superuser, "status = 'ACCEPTED'") < TAKEOVER
    assert len(server.received) == 1


async def test_server_that_hangs_holds_up_no_job_and_no_stop(
    sending: Processes, server: MailServer, lea: Principal, superuser: Connection, start_backfill: StartBackfill
) -> None:
    """Emails have threads of their own, and what is under way is left to others."""
    server.hangs_at.add("connect")
    sending.start(SCHEDULER)
    worker = sending.start(WORKER)
    await tell(lea, clock.now(), *(f"Title {number}" for number in range(200)))
    await wait_for(superuser, "attempt_count = 1", count=4)
    job = await start_backfill()
    await job.wait_for("status = 'SUCCEEDED'")
    code, seconds = worker.stop()
    assert code == 0, worker.output
    assert seconds < 5
    assert "Traceback" not in worker.output, worker.output


async def test_without_a_mail_server_emails_are_kept_in_a_directory(
    processes: Processes, lea: Principal, superuser: Connection, tmp_path: Path
) -> None:
    """Where it is named; otherwise they wait, and the worker says so."""
    processes.start(SCHEDULER)
    worker = processes.start(WORKER)
    assert "emails wait" in worker.output
    await tell(lea, clock.now(), "First aid")
    await wait_for(superuser, "dispatched_at IS NOT NULL")
    worker.stop()
    assert await deliveries(superuser, "status", "attempt_count") == [("PENDING", 0)]
    processes.environment["MAIL_DIRECTORY"] = str(tmp_path / "mails")
    processes.start(WORKER)
    await wait_for(superuser, "status = 'ACCEPTED'")
    [kept] = list(mailbox.Maildir(tmp_path / "mails", create=False))
    assert kept["Subject"] == "First aid: to be completed by 2026-03-12"
