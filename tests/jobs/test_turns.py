"""Turns by tenant: what is due in a small one is done at once, however much a large one has at the same instant.

Real schedulers and workers, which hand out and do what is due, and the parts of it one by one.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

import pytest
from redis.asyncio import Redis

from domain.foundation import clock
from domain.foundation.access import Principal
from domain.foundation.database.sessions import across_tenants
from domain.foundation.fair_order import in_turns
from domain.foundation.feed.changes import sequence_all_tenants
from domain.foundation.jobs.running import create_job
from domain.foundation.models import JobKind
from domain.foundation.unit_of_work import UnitOfWork, perform
from domain.mandatory_tasks.terms import ReminderInput
from domain.tenants.models import Tenant
from jobs import dispatcher as dispatching
from jobs.broker import NAMESPACE, create_broker
from jobs.dispatcher import Dispatcher
from jobs.rounds import EXPIRY, JOBS, OPENINGS, OVERDUE, REMINDERS, ROUNDS, SWEPT, Round, take_turn
from tests.jobs.conftest import SCHEDULER, WORKER, Processes, StartBackfill
from tests.jobs.messages import tell
from tests.jobs.reminded import BOTH, assign_many
from tests.support import factories
from tests.support.catalogue import Connection, insert_statement
from tests.support.mail_server import mail_server
from tests.support.rounds import send_due_reminders
from tests.support.telling import tell as say

#: Where what is due stands, and what makes a row of it due.
DUE_ROWS = {
    "reminders": ("task_reminder", "status = 'SCHEDULED', scheduled_at = $2, task_id = id"),
    "openings": ("mandatory_task", "withdrawn_at = NULL, is_suspended = false, next_opens_at = $2"),
    "overdue": (
        "mandatory_task",
        "withdrawn_at = NULL, is_suspended = false, stage = 'NOT_STARTED', is_overdue_noted = false, due_at = $2",
    ),
    "expiry": ("enrollment_reason", "until_at = NULL, ends_at = $2"),
}
DATED = (REMINDERS, OPENINGS, OVERDUE, EXPIRY)
#: One worker with one thread for jobs, and short turns.
NARROW_WORKER = (
    "from jobs import background_jobs; background_jobs.TURN = 0.2; from functools import partial; "
    "from jobs.worker import run_worker; run = partial(run_worker, threads=1)"
)


@pytest.fixture
async def dispatcher(redis_url: str, database: None) -> AsyncIterator[Dispatcher]:
    """A dispatcher into this process's Valkey."""
    dispatcher = Dispatcher(create_broker(redis_url), redis_url)
    yield dispatcher
    await dispatcher.close()


async def fill(superuser: Connection, one: Round, tenant: Tenant, count: int, due_at: datetime, first: int) -> None:
    """Write so many rows that are due, with nothing around them."""
    table, facts = DUE_ROWS[one.name]
    async with superuser.transaction():
        await superuser.execute("SET LOCAL session_replication_role = replica")
        for number in range(first, first + count):
            await superuser.execute(await insert_statement(superuser, table, tenant_id=tenant.id, number=number))
        await superuser.execute(f"UPDATE {table} SET {facts} WHERE tenant_id = $1", tenant.id, due_at)


async def queue_length(redis_url: str, one: Round) -> int:
    """Return how many messages wait in a queue."""
    async with Redis.from_url(redis_url) as redis:
        return int(await redis.llen(f"{NAMESPACE}:{one.name}"))


async def ask_for_job(principal: Principal, now: datetime) -> int:
    """Create a job that nobody works on."""

    async def action(work: UnitOfWork) -> int:
        return await create_job(work, JobKind.RULE_REEVALUATION)

    return (await perform(principal, now, "createRule", action)).result


def test_everybodys_first_part_comes_before_anybodys_second() -> None:
    """The order of a tenant's objects stays."""
    parts = in_turns([(1, number) for number in range(7)] + [(2, 70), (3, 80), (3, 81)], together=2)
    assert {tenant_id for tenant_id, _ in parts[:3]} == {1, 2, 3}
    assert [ids for tenant_id, ids in parts if tenant_id == 1] == [[0, 1], [2, 3], [4, 5], [6]]
    assert len(parts) == 6
    # Where there is not room for all, it is not the same ones who wait.
    assert {in_turns([(1, 1), (2, 2)], together=1)[0][0] for _ in range(100)} == {1, 2}


@pytest.mark.parametrize("one", DATED, ids=lambda one: one.name)
async def test_much_of_one_tenant_hides_nothing_of_another(
    one: Round, tenant: Tenant, another_tenant: Tenant, superuser: Connection, now: datetime
) -> None:
    """What was due first is found first, of each; a scheduler of the release before asks without a bound."""
    await fill(superuser, one, tenant, 30, now - timedelta(hours=1), 1_000)
    await fill(superuser, one, another_tenant, 2, now, 2_000)

    async def found(*arguments: object) -> list[int]:
        places = ", ".join(f"${number + 1}" for number in range(len(arguments)))
        records = await across_tenants(f"SELECT tenant_id, id FROM {one.finds}({places})", *arguments)
        return sorted(record["tenant_id"] for record in records)

    assert await found(now, 5) == [tenant.id] * 5 + [another_tenant.id] * 2
    assert await found(now - timedelta(minutes=1), 5) == [tenant.id] * 5
    assert await found(now) == [tenant.id] * 30 + [another_tenant.id] * 2


@pytest.mark.parametrize("one", DATED, ids=lambda one: one.name)
async def test_a_tenant_has_few_messages_under_way_and_gets_more_when_they_are_done(
    one: Round,
    dispatcher: Dispatcher,
    tenant: Tenant,
    another_tenant: Tenant,
    superuser: Connection,
    now: datetime,
    redis_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing is sent twice while it waits, and what the queue loses is sent again."""
    monkeypatch.setattr(one, "together", 2)
    await fill(superuser, one, tenant, 30, now - timedelta(hours=1), 1_000)
    await fill(superuser, one, another_tenant, 1, now, 2_000)
    for _ in range(3):
        await dispatcher.dispatch(one, now)
    assert await queue_length(redis_url, one) == one.at_once + 1
    async with Redis.from_url(redis_url) as redis:
        await redis.flushdb()
    assert await dispatcher.dispatch(one, now + timedelta(seconds=1)) == 0
    assert await dispatcher.dispatch(one, now + timedelta(seconds=4)) == 2 * one.at_once + 1
    table = DUE_ROWS[one.name][0]
    await superuser.execute(f"DELETE FROM {table} WHERE id IN (SELECT id FROM {table} ORDER BY id LIMIT 16)")
    assert await dispatcher.dispatch(one, now + timedelta(seconds=5)) == 30 - 16


async def test_jobs_of_one_tenant_leave_room_for_those_of_another(
    dispatcher: Dispatcher, admin: Principal, another_tenant: Tenant, now: datetime, redis_url: str
) -> None:
    """However many wait, and however long nobody takes them."""
    for _ in range(30):
        await ask_for_job(admin, now)
    for _ in range(3):
        await dispatcher.dispatch(JOBS, now)
    other = await factories.create_person(another_tenant.id)
    await ask_for_job(other, now)
    assert await dispatcher.dispatch(JOBS, now) == 1
    assert await queue_length(redis_url, JOBS) == JOBS.at_once + 1


async def test_emails_of_one_tenant_leave_room_for_those_of_another(
    dispatcher: Dispatcher, admin: Principal, another_tenant: Tenant, now: datetime, redis_url: str
) -> None:
    """The single one is behind ten messages, not behind hundreds."""
    emails = next(one for one in ROUNDS if one.name == "emails")
    await tell(admin, now, *(f"Title {number}" for number in range(300)))
    for _ in range(3):
        await dispatcher.dispatch(emails, now)
    await tell(await factories.create_person(another_tenant.id), now, "Single")
    assert await dispatcher.dispatch(emails, now) == 1
    assert await queue_length(redis_url, emails) == emails.at_once + 1


async def test_a_queue_that_is_nearly_full_has_room_for_everybody_in_the_end(
    dispatcher: Dispatcher, admin: Principal, superuser: Connection, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of very many tenants, others get a turn each time."""
    monkeypatch.setattr(dispatching, "MAX_WAITING", 3)
    for number in range(6):
        await fill(superuser, EXPIRY, await factories.create_tenant(), 1, now, 1_000 + number)
    assert await dispatcher.dispatch(EXPIRY, now) == 3
    assert await dispatcher.dispatch(EXPIRY, now) == 0
    monkeypatch.setattr(dispatching, "MAX_WAITING", 6)
    assert await dispatcher.dispatch(EXPIRY, now) == 3


async def test_what_always_fails_stops_nothing_but_itself(now: datetime) -> None:
    """A part that fails is done in halves, down to the one that is broken; that is told."""
    done: list[int] = []

    async def act(tenant_id: int, ids: list[int], now: datetime) -> int:
        if {13, 77} & set(ids):
            raise LookupError(f"broken: {ids}")
        done.extend(ids)
        return len(ids)

    with pytest.raises(LookupError, match=r"broken: \[13\]"):
        await take_turn(replace(REMINDERS, act=act), 1, list(range(100)), now)
    assert sorted(done) == [number for number in range(100) if number not in (13, 77)]


async def test_one_feed_that_is_locked_does_not_hold_up_the_others(
    tenant: Tenant, another_tenant: Tenant, superuser: Connection, now: datetime
) -> None:
    """It is left to whoever has it, and waits for the next time."""
    for company in (tenant, another_tenant):
        await superuser.execute(
            "INSERT INTO change_pending (tenant_id, object_type, object_id, version, at) VALUES ($1, 'RULE', 1, 1, $2)",
            company.id,
            now,
        )
    async with superuser.transaction():
        await superuser.execute("SELECT position FROM feed_head WHERE tenant_id = $1 FOR UPDATE", tenant.id)
        async with asyncio.timeout(2):
            assert await sequence_all_tenants() == 1
    assert await sequence_all_tenants() == 1


async def test_a_short_job_does_not_wait_for_a_long_one(
    processes: Processes, start_backfill: StartBackfill, another_tenant: Tenant, superuser: Connection
) -> None:
    """With one worker that does one at a time: the long one goes back into the queue, and is finished all the same."""
    processes.start(SCHEDULER)
    job = await start_backfill()
    processes.start(NARROW_WORKER)
    await job.wait_for("processed_count > 0")
    short = await ask_for_job(await factories.create_person(another_tenant.id), clock.now())
    while await superuser.fetchval("SELECT status FROM background_job WHERE id = $1", short) != "SUCCEEDED":
        assert (await job.row("status"))[0] == "RUNNING"
        await asyncio.sleep(0.02)
    await job.wait_for("status = 'SUCCEEDED'")
    await job.require_each_done_once()


@dataclass(frozen=True, slots=True)
class Size:
    """What is due in the large tenant at once, in each small one over so many seconds, and how long it may take."""

    large: int
    small: int
    seconds: float
    within: float


SMALL = Size(large=3_000, small=5, seconds=5, within=20)
LARGE = Size(large=200_000, small=60, seconds=3_600, within=60)


@pytest.mark.parametrize(
    "size", [pytest.param(SMALL, id="small"), pytest.param(LARGE, id="large", marks=pytest.mark.soak)]
)
async def test_small_tenants_are_reminded_at_once_beside_a_large_one(
    size: Size, processes: Processes, tenant: Tenant, another_tenant: Tenant, superuser: Connection
) -> None:
    """Reminder and mail of each, counted from the instant at which it was due."""
    small = (another_tenant, await factories.create_tenant(slug="initech"))
    midnight = clock.now() + timedelta(days=1)
    await give_tasks(tenant, superuser, size.large)
    for company in small:
        await give_tasks(company, superuser, size.small)
    await superuser.execute("UPDATE email_delivery SET status = 'ACCEPTED'")
    await superuser.execute("UPDATE task_reminder SET scheduled_at = $1 WHERE status = 'SCHEDULED'", midnight)
    await superuser.execute("VACUUM ANALYZE")
    async with mail_server() as server:
        processes.environment |= {"SMTP_URL": server.url(), "MAIL_FROM": "Acme <post@acme.example>"}
        processes.start(WORKER)
        processes.start(SCHEDULER)
        midnight = clock.now()
        await superuser.execute(
            "UPDATE task_reminder SET scheduled_at = $1::timestamptz + CASE WHEN tenant_id = $2 THEN interval '0'"
            " ELSE random() * make_interval(secs => $3) END WHERE status = 'SCHEDULED'",
            midnight,
            tenant.id,
            size.seconds,
        )
        deadline = time.monotonic() + size.seconds + 2 * size.within
        while (waits := await waits_for_mails(superuser, tenant)) is None:
            assert time.monotonic() < deadline, "small tenants wait"
            await asyncio.sleep(0.1)
        settled = "SELECT count(*) FROM task_reminder WHERE tenant_id = $1 AND status <> 'SCHEDULED'"
        count = await superuser.fetchval(settled, tenant.id)
        say(f"{len(waits)} small reminders: {waits[len(waits) // 2]:.1f} s median, {waits[-1]:.1f} s at most;")
        say(f"the large tenant's {count} of {size.large} after {(clock.now() - midnight).total_seconds():.0f} s")
    assert waits[-1] < size.within


async def waits_for_mails(superuser: Connection, large: Tenant) -> list[float] | None:
    """Return how many seconds mails of small tenants took, the longest last; None while some are not accepted."""
    rows = await superuser.fetch(
        """
        SELECT extract(epoch FROM e.attempted_at - r.scheduled_at)::float AS wait, e.status
          FROM task_reminder r LEFT JOIN email_delivery e ON e.reminder_id = r.id
         WHERE r.tenant_id <> $1 ORDER BY 1
        """,
        large.id,
    )
    return [row["wait"] for row in rows] if all(row["status"] == "ACCEPTED" for row in rows) else None


async def give_tasks(tenant: Tenant, superuser: Connection, count: int) -> None:
    """Give so many people a task with a reminder: the first as anybody would, the others as copies of their rows."""
    reminders = [ReminderInput(days_before_due=1, recipients=BOTH[:1])]
    await assign_many(tenant, superuser, 5, now=clock.now(), due_on=date(2027, 12, 31), reminders=reminders)
    # In parts, as a statement has little time.
    sizes = [min(10_000, count - 5 - start) for start in range(0, count - 5, 10_000)]
    people = [one for size in sizes for one in await factories.create_learners(tenant.id, size)]
    await superuser.execute(
        "UPDATE learner SET email = 'p' || id || '@acme.example', email_key = 'p' || id || '@acme.example'"
        " WHERE id = ANY ($1::bigint[])",
        people,
    )
    task, setting, reminder = [
        await superuser.fetchval(f"SELECT min(id) FROM {table} WHERE tenant_id = $1", tenant.id)
        for table in ("mandatory_task", "task_reminder_setting", "task_reminder")
    ]
    await copy(superuser, "mandatory_task", task, {"learner_id": "n.id"}, "unnest($2::bigint[]) n (id)", people)
    tasks = "mandatory_task n WHERE n.learner_id = ANY ($2::bigint[])"
    await copy(superuser, "task_reminder_setting", setting, {"task_id": "n.id"}, tasks, people)
    settings = (
        "task_reminder_setting n JOIN mandatory_task t ON t.id = n.task_id WHERE t.learner_id = ANY ($2::bigint[])"
    )
    await copy(superuser, "task_reminder", reminder, {"task_id": "n.task_id", "setting_id": "n.id"}, settings, people)


async def copy(
    superuser: Connection, table: str, pattern: int, others: dict[str, str], source: str, people: list[int]
) -> None:
    """Insert rows that are as a given one but for some columns."""
    columns = [
        record[0]
        for record in await superuser.fetch(
            "SELECT column_name FROM information_schema.columns WHERE table_name = $1 AND column_name <> 'id'", table
        )
    ]
    values = ", ".join(others.get(column, f"p.{column}") for column in columns)
    await superuser.execute(
        f"INSERT INTO {table} ({', '.join(columns)})"
        f" SELECT {values} FROM (SELECT * FROM {table} WHERE id = $1) p CROSS JOIN {source}",
        pattern,
        people,
    )


def test_every_round_is_done_by_somebody() -> None:
    """Names of queues and actors are each one's own, and what has no actor of its own says what is to be done."""
    assert len({one.name for one in ROUNDS}) == len({one.actor for one in ROUNDS}) == len(ROUNDS)
    assert all(one.act is not None and one.finds is not None for one in SWEPT)


async def test_thousands_of_tenants_with_nothing_due_cost_little(
    tenant: Tenant, superuser: Connection, now: datetime
) -> None:
    """A look of each kind, beside a tenant that has something."""
    await fill(superuser, OVERDUE, tenant, 10, now, 1_000)
    await superuser.execute(
        "INSERT INTO tenant"
        " SELECT (jsonb_populate_record(t, jsonb_build_object('id', 1000000 + n, 'slug', 'n' || n))).*"
        " FROM tenant t CROSS JOIN generate_series(1, 3000) n WHERE t.id = $1",
        tenant.id,
    )
    begun = time.monotonic()
    for one in SWEPT:
        await across_tenants(f"SELECT tenant_id, id FROM {one.finds}($1, 100)", now)
    assert time.monotonic() - begun < 2
    assert await send_due_reminders(now) == 0
