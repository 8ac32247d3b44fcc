"""Reminders of a whole company that are due at once: given out per second, and their emails handed over per second.

Giving out is what workers do by turns. Its floor claims the same entries of the ledger with SKIP LOCKED and inserts the
very rows that a chunk has written, plainly, by turns with the chunks. Handing over is what a worker does, to an SMTP
server in a process of its own: rendered, and noted in two transactions before and after each. Its floor sends the same
bytes over as many connections and does nothing else.
"""

import asyncio
from collections import deque
from dataclasses import replace
from datetime import datetime, timedelta
from time import perf_counter

import aiosmtplib

from bench.database import Addresses, Connection, settle, without_indexes
from bench.floor_tables import PREFIX, Copies
from bench.processes import HOST, free_port, running
from bench.report import Figure, Spread
from bench.size import Size
from bench.world import Company, found_company
from domain.content.queries import ContentKey
from domain.foundation import clock
from domain.foundation.jobs.running import run_job
from domain.foundation.unit_of_work import UnitOfWork, perform
from domain.mandatory_tasks.bulk.assigning import bulk_assign_mandatory_tasks
from domain.mandatory_tasks.bulk.audience import AudiencePart
from domain.notifications.deliveries.mails import Mail, Sender
from domain.notifications.deliveries.sending import CONCURRENCY
from domain.reactions import CHUNKS
from jobs.emails import deliver_due_emails
from jobs.rounds import REMINDERS, do_all
from jobs.smtp import SmtpServer, SmtpTransport

NAME = "reminders"
LEAST_CLAIMED = 0.3
FILLED = ("learner", "learner_ref", "learner_place", "enrollment", "enrollment_reason", "content_action")
WRITTEN = ("mandatory_task", "task_reminder", "notification", "email_delivery", "change_pending")
DAYS = 30
#: Parts in which emails come due, so that they and their floor take turns.
PARTS = 10
SENDER = Sender("Academy", "no-reply@academy.example", "academy.example", "https://academy.example")

_CLAIM = f"""
WITH due AS (
  SELECT id, task_id FROM {PREFIX}task_reminder WHERE status = 'SCHEDULED' AND scheduled_at <= $1
   ORDER BY scheduled_at, id LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED),
settled AS (
  UPDATE {PREFIX}task_reminder r SET status = 'SENT', settled_at = $1 FROM due WHERE r.id = due.id)
UPDATE {PREFIX}mandatory_task t SET version = version + 1, updated_at = $1 FROM due WHERE t.id = due.task_id
"""


async def measure(owner: Connection, addresses: Addresses, size: Size) -> list[Figure]:
    """Measure the sweep, then the hand-over of what it has given out."""
    async with without_indexes(owner, FILLED):
        company = await found_company(owner, NAME, size.reminded_learners, clock.now())
    await settle(owner)
    await _assign(owner, company)
    return [await _claim(owner, company), await _deliver(owner)]


async def _assign(owner: Connection, company: Company) -> None:
    """Give everybody a task with the reminder that is the default; what they are told now has gone out."""

    async def act(work: UnitOfWork) -> int:
        return await bulk_assign_mandatory_tasks(
            work,
            target=ContentKey(id=company.courses[0]),
            audience=[AudiencePart(department=department) for department in company.departments],
            due_on=clock.now().date() + timedelta(days=DAYS),
        )

    done = await perform(company.admin, clock.now(), "bulkAssignMandatoryTasks", act)
    job_id = await owner.fetchval("SELECT job_id FROM bulk_assignment WHERE id = $1", done.result)
    await run_job(company.tenant_id, job_id, CHUNKS, clock.now)
    # What other measurements have left to be sent is none of this one's.
    await owner.execute("UPDATE email_delivery SET status = 'ACCEPTED'")
    await owner.execute("UPDATE task_reminder SET status = 'CANCELLED' WHERE tenant_id <> $1", company.tenant_id)
    await settle(owner)


async def _claim(owner: Connection, company: Company) -> Figure:
    copies = Copies(owner, WRITTEN)
    await copies.make()
    await settle(owner)
    await owner.execute("CHECKPOINT")
    now = clock.now() + timedelta(days=DAYS)
    chunks: list[float] = []
    floors: list[float] = []
    begin = perf_counter()

    give_out = REMINDERS.act
    assert give_out is not None

    async def act(tenant_id: int, task_ids: list[int], now: datetime) -> int:
        nonlocal begin
        await end_turn()
        begin = perf_counter()
        return await give_out(tenant_id, task_ids, now)

    async def end_turn() -> None:
        chunks.append(perf_counter() - begin)
        if len(chunks) > 1:
            floors.append(await _write_again(owner, copies, now))

    count = await do_all(replace(REMINDERS, act=act), now)
    await end_turn()
    # What came before the first chunk is none.
    chunks = chunks[1:]
    written = dict(copies.counts)
    await copies.drop()
    if count != company.learner_count or written["email_delivery"] != count:
        raise AssertionError(f"{count} reminders, {written}: nothing comparable was measured.")
    rate, floor = count / sum(chunks), count / sum(floors)
    return Figure(
        NAME,
        "given out by the sweep",
        rate,
        "reminders/s",
        floor,
        rate / floor,
        goal=f"at least {LEAST_CLAIMED}",
        is_met=rate / floor >= LEAST_CLAIMED,
        details={"chunks": len(chunks), **Spread.of(chunks).as_details(), **written},
    )


async def _write_again(owner: Connection, copies: Copies, now: datetime) -> float:
    """Claim as many entries of the copied ledger and insert the rows of the last chunk; return the seconds."""
    last = await copies.last_ids()
    begin = perf_counter()
    async with owner.transaction():
        await owner.execute(_CLAIM, now, REMINDERS.together)
        await copies.write_again(
            {table: f"id > {last[table]}" for table in ("notification", "email_delivery", "change_pending")}
        )
    return perf_counter() - begin


class _Recorder:
    """Hands mails on and remembers them."""

    def __init__(self, transport: SmtpTransport) -> None:
        self._transport = transport
        self.mails: list[Mail] = []

    async def send(self, mail: Mail) -> None:
        self.mails.append(mail)
        await self._transport.send(mail)


async def _deliver(owner: Connection) -> Figure:
    now = clock.now() + timedelta(days=DAYS)
    await owner.execute(
        "UPDATE email_delivery SET next_attempt_at = $1::timestamptz + id % $2 * interval '1 second'"
        " WHERE status = 'PENDING'",
        now,
        PARTS,
    )
    await settle(owner)
    await owner.execute("CHECKPOINT")
    seconds, floor_seconds, count = 0.0, 0.0, 0
    port = free_port()
    with running(["-m", "bench.smtp_sink", str(port)], {}):
        await _until_listening(port)
        transport = SmtpTransport(SmtpServer(HOST, port, start_tls="never"), local_hostname="academy.example")
        clients = [aiosmtplib.SMTP(hostname=HOST, port=port, start_tls=False) for _ in range(CONCURRENCY)]
        await asyncio.gather(*(client.connect() for client in clients))
        for part in range(PARTS):
            recorder = _Recorder(transport)
            begin = perf_counter()
            count += await deliver_due_emails(now + timedelta(seconds=part), recorder, sender=SENDER)
            seconds += perf_counter() - begin
            floor_seconds += await _send_again(clients, recorder.mails)
        await asyncio.gather(*(client.quit() for client in clients))
        await transport.close()
    rate, floor = count / seconds, count / floor_seconds
    return Figure(
        NAME,
        "handed over to SMTP",
        rate,
        "emails/s",
        floor,
        rate / floor,
        details={"emails": count, "connections": CONCURRENCY, "seconds": round(seconds, 2)},
    )


async def _send_again(clients: list[aiosmtplib.SMTP], mails: list[Mail]) -> float:
    waiting = deque(mails)

    async def send(client: aiosmtplib.SMTP) -> None:
        while waiting:
            mail = waiting.popleft()
            await client.sendmail(mail.sender, [mail.recipient], mail.content)

    begin = perf_counter()
    await asyncio.gather(*(send(client) for client in clients))
    return perf_counter() - begin


async def _until_listening(port: int) -> None:
    deadline = perf_counter() + 30
    while True:
        try:
            _, writer = await asyncio.open_connection(HOST, port)
        except OSError:
            if perf_counter() > deadline:
                raise
            await asyncio.sleep(0.05)
        else:
            writer.close()
            return
