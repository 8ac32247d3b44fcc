"""Reminders go out exactly once: schedulers and workers that are killed, a queue that forgets, a bad mail server.

Meanwhile tasks are completed and withdrawn, and people become inactive. In the end every entry of the ledger and every
message is accounted for, one by one. What is random follows from a seed that is printed; `SEED` repeats it.
"""

import asyncio
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from domain.foundation.access import Principal
from domain.notifications.deliveries.mails import message_id
from domain.notifications.deliveries.rows import LOST
from domain.tenants.models import Tenant
from jobs.smtp import ANSWERS
from ops.servers.embedded import EmbeddedValkey
from tests.jobs.chaos import Chaos
from tests.jobs.conftest import SCHEDULER, WORKER, Processes
from tests.jobs.hurry import ATTEMPTS
from tests.jobs.reminded import RemindedPeople
from tests.support.catalogue import Connection
from tests.support.mail_server import mail_server
from tests.support.telling import seeded, tell
from tests.support.unreliable_mail_server import Taken, UnreliableMailServer

HURRIED = "from tests.jobs.hurry import hurry; hurry(); "
PROGRAMS = [HURRIED + SCHEDULER] * 3 + [HURRIED + WORKER] * 4
DOMAIN = "acme.example"
#: What the ledger may say where something befell a task, besides that the reminder was sent before.
NOT_SENT = {
    "completed": ("CANCELLED", "TASK_COMPLETED"),
    "withdrawn": ("CANCELLED", "TASK_WITHDRAWN"),
    "suspended": ("SKIPPED", "TASK_SUSPENDED"),
}


@dataclass(frozen=True, slots=True)
class Size:
    """How much, and for how long in seconds."""

    tasks: int
    #: Within this time reminders come due; processes are killed as long, with so much between.
    seconds: float
    between_kills: tuple[float, float]
    #: What the clients of the mail server have.
    patience: float
    deadline: float


SMALL = Size(tasks=300, seconds=8, between_kills=(0.5, 1.5), patience=0.8, deadline=120)
LARGE = Size(tasks=10_000, seconds=180, between_kills=(1.0, 6.0), patience=2.0, deadline=3_600)


@pytest.mark.parametrize(
    "size", [pytest.param(SMALL, id="small"), pytest.param(LARGE, id="large", marks=pytest.mark.soak)]
)
async def test_every_reminder_goes_out_once_whatever_breaks(
    size: Size, processes: Processes, tenant: Tenant, admin: Principal, superuser: Connection, tmp_path: Path
) -> None:
    """Nothing is missing, nothing is said twice, and nothing begins after it is no longer wanted."""
    random = seeded()
    people = RemindedPeople(tenant, admin, superuser)
    await people.assign(size.tasks)
    server = UnreliableMailServer(random, hangs_for=1.5 * size.patience)
    odd = random.sample([people.addresses[task.learner_id] for task in people.tasks], size.tasks // 25)
    server.unknown, server.full = set(odd[::2]), set(odd[1::2])
    with ExitStack() as queues:
        valkey = queues.enter_context(EmbeddedValkey(tmp_path / "valkey"))
        async with mail_server(server):
            processes.environment |= {
                "REDIS_URL": valkey.url,
                "SMTP_URL": server.url(),
                "SMTP_TIMEOUT": str(size.patience),
                "MAIL_FROM": f"Acme <post@{DOMAIN}>",
            }
            chaos = Chaos(processes, PROGRAMS, random)
            await chaos.start_all()
            assert await superuser.fetchval("SELECT count(*) FROM task_reminder WHERE status <> 'SCHEDULED'") == 0
            await people.come_due_within(size.seconds)
            begun = time.monotonic()
            async with chaos.raging(*size.between_kills):
                await asyncio.gather(
                    people.live(random, share=0.08, seconds=size.seconds),
                    lose_the_queue(valkey, queues, size.seconds),
                )
            await until_nothing_waits(superuser, size.deadline)
            tell(f"over after {time.monotonic() - begun:.0f} s, {chaos.kill_count} processes were killed")
            # What the last connections still had in hand.
            await asyncio.sleep(server.hangs_for)
    await require_one_message_each(people)
    await require_deliveries_as_the_server_knows_them(people, server, size)


async def lose_the_queue(valkey: EmbeddedValkey, queues: ExitStack, seconds: float) -> None:
    """Empty it once, and restart it once."""
    await asyncio.sleep(seconds / 4)
    async with Redis.from_url(valkey.url) as redis:
        await redis.flushall()
    await asyncio.sleep(seconds / 4)
    await asyncio.to_thread(valkey.stop)
    await asyncio.sleep(seconds / 8)
    again = EmbeddedValkey(valkey.directory, port=valkey.port)
    queues.callback(again.stop)
    await asyncio.to_thread(again.start)


async def until_nothing_waits(superuser: Connection, seconds: float) -> None:
    """Wait until every reminder and every email is settled."""
    deadline = time.monotonic() + seconds
    while waiting := await superuser.fetchrow(
        "SELECT * FROM (SELECT (SELECT count(*) FROM task_reminder WHERE status = 'SCHEDULED') AS reminders,"
        " (SELECT count(*) FROM email_delivery WHERE status = 'PENDING') AS emails) w WHERE reminders + emails > 0"
    ):
        assert time.monotonic() < deadline, dict(waiting)
        await asyncio.sleep(0.2)


async def require_one_message_each(people: RemindedPeople) -> None:
    """Require that the ledger says why where nothing was given out, and one message to each person otherwise."""
    ledger = {
        record["id"]: (record["status"], record["reason"])
        for record in await people.superuser.fetch("SELECT id, status, reason FROM task_reminder")
    }
    wanted: Counter[tuple[int, int]] = Counter()
    keys = []
    for task in people.tasks:
        outcome = ledger.pop(task.reminder_id)
        if outcome == ("SENT", None):
            for person in (task.learner_id, task.assigner_id):
                wanted[task.task_id, person] += 1
                keys.append(f"task_reminder/{task.reminder_id}/{person}")
        else:
            assert task.task_id in people.fates, (task, outcome)
            assert outcome == NOT_SENT[people.fates[task.task_id].kind], task
    assert not ledger, "entries that nobody planned"
    tell(f"{len(people.tasks)} entries, {len(people.fates)} tasks that ended or rested, {len(keys)} messages")
    given = await people.superuser.fetch(
        "SELECT task_id, learner_id, count(*) FROM notification WHERE kind = 'TASK_REMINDER' GROUP BY 1, 2"
    )
    assert {(task_id, person): count for task_id, person, count in given} == wanted
    rows = await people.superuser.fetch("SELECT key FROM email_delivery WHERE kind = 'TASK_REMINDER'")
    assert sorted(record["key"] for record in rows) == sorted(keys)


async def require_deliveries_as_the_server_knows_them(
    people: RemindedPeople, server: UnreliableMailServer, size: Size
) -> None:
    """Require that the rows and the server say the same of each message, and that the server has nothing else."""
    outcomes: Counter[str] = Counter()
    by_id = {task.task_id: task for task in people.tasks}
    taken = dict(server.taken)
    for email in await people.superuser.fetch("SELECT * FROM email_delivery WHERE kind <> 'TASK_ASSIGNED' ORDER BY id"):
        copies = taken.pop(message_id(people.tenant.id, email["key"], DOMAIN), [])
        address = people.addresses[email["recipient_id"]]
        outcomes[email["status"]] += 1
        outcomes["taken twice"] += max(0, len(copies) - 1)
        assert {copy.address for copy in copies} <= {address}, email
        fate = people.fates.get(email["task_id"])
        if email["status"] == "ACCEPTED":
            assert copies, email
        elif email["status"] == "SUPPRESSED":
            assert fate is not None, email
            outcomes["taken, dropped, then suppressed"] += bool(copies)
        else:
            assert email["status"] == "FAILED", email
            outcomes[judged_failure(email, copies, is_unknown=address in server.unknown)] += 1
        if fate is not None and email["kind"] == "TASK_REMINDER":
            # An attempt that had begun may come to its end.
            assert email["attempted_at"] is None or email["attempted_at"] <= fate.at, (email, fate)
            longest = timedelta(seconds=ANSWERS * size.patience)
            assert all(copy.told_at <= fate.at + longest for copy in copies), (email, fate, copies)
        assert by_id[email["task_id"]].learner_id == email["recipient_id"] or email["kind"] == "TASK_REMINDER"
    assert not taken, "mails that no row knows"
    tell(f"{dict(outcomes)}; the server: {dict(server.trouble_count)}")


def judged_failure(email: Any, copies: list[Taken], *, is_unknown: bool) -> str:
    """Return which of the two reasons for giving up it was; there is no other."""
    if is_unknown and email["failure_reason"].startswith("The mail server answered 550"):
        assert not copies, email
        return "refused for good"
    assert email["attempt_count"] == ATTEMPTS, email
    assert email["failure_reason"] == LOST or "mail server" in email["failure_reason"], email
    return "tries ran out"
