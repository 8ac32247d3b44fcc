"""Handing out jobs and sequencing the feed: prompt with Redis, a little later without."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisGone

from domain.foundation import clock, nudge
from domain.foundation.access import Principal
from domain.foundation.database.sessions import writing
from domain.foundation.feed.changes import ObjectType, record_changes
from domain.foundation.jobs.running import create_job
from domain.foundation.models import JobKind
from domain.foundation.unit_of_work import UnitOfWork, perform
from domain.tenants.models import Tenant
from jobs import dispatcher as dispatching
from jobs.broker import NAMESPACE, UnknownBroker, create_broker
from jobs.dispatcher import Dispatcher
from jobs.rounds import JOBS
from jobs.scheduler import Bell, repeat
from tests.jobs.conftest import SCHEDULER, Processes
from tests.support.catalogue import Connection
from tests.support.tasks import PATIENCE

NOWHERE = "redis://127.0.0.1:1/0"


async def ask_for_job(principal: Principal, now: datetime) -> int:
    """Create a job that nobody works on."""

    async def action(work: UnitOfWork) -> int:
        return await create_job(work, JobKind.RULE_BACKFILL)

    return (await perform(principal, now, "createRule", action)).result


async def dispatched_at(superuser: Connection, job_id: int) -> datetime | None:
    """Return when a job was handed out."""
    at: datetime | None = await superuser.fetchval("SELECT dispatched_at FROM background_job WHERE id = $1", job_id)
    return at


@pytest.fixture
async def dispatcher(redis_url: str, database: None) -> AsyncIterator[Dispatcher]:
    """A dispatcher into this process's Valkey."""
    dispatcher = Dispatcher(create_broker(redis_url), redis_url)
    yield dispatcher
    await dispatcher.close()


async def test_job_becomes_one_message_with_its_id(
    dispatcher: Dispatcher, admin: Principal, now: datetime, redis_url: str
) -> None:
    """The message names tenant and job; the row knows the rest."""
    job_id = await ask_for_job(admin, now)
    assert await dispatcher.dispatch(JOBS, now) == 1
    assert await dispatcher.dispatch(JOBS, now) == 0
    async with Redis.from_url(redis_url, decode_responses=True) as redis:
        [message] = await redis.hvals(f"{NAMESPACE}:{JOBS.name}.msgs")
    assert f'"kwargs":{{"tenant_id":{admin.tenant_id},"job_id":{job_id}}}' in message


async def test_without_redis_no_job_counts_as_handed_out(
    admin: Principal, now: datetime, superuser: Connection
) -> None:
    """The dispatcher fails, and the row stays as it was."""
    job_id = await ask_for_job(admin, now)
    dispatcher = Dispatcher(create_broker(NOWHERE), NOWHERE)
    with pytest.raises(RedisGone):
        await dispatcher.dispatch(JOBS, now)
    await dispatcher.close()
    assert await dispatched_at(superuser, job_id) is None


async def test_redis_that_goes_away_while_sending_leaves_the_job_for_later(
    admin: Principal, now: datetime, superuser: Connection, redis_url: str
) -> None:
    """Asked, it is there; sent to, it is not: the mark is taken back."""
    job_id = await ask_for_job(admin, now)
    dispatcher = Dispatcher(create_broker(NOWHERE), redis_url)
    with pytest.raises(RedisGone):
        await dispatcher.dispatch(JOBS, now)
    await dispatcher.close()
    assert await dispatched_at(superuser, job_id) is None


async def test_two_dispatchers_send_each_job_once(
    dispatcher: Dispatcher, admin: Principal, now: datetime, redis_url: str
) -> None:
    """Whoever marks a row sends it."""
    for _ in range(JOBS.at_once):
        await ask_for_job(admin, now)
    other = Dispatcher(create_broker(redis_url), redis_url)
    total = 0
    for _ in range(3):
        total += sum(await asyncio.gather(dispatcher.dispatch(JOBS, now), other.dispatch(JOBS, now)))
    await other.close()
    assert total == JOBS.at_once
    async with Redis.from_url(redis_url) as redis:
        assert await redis.llen(f"{NAMESPACE}:{JOBS.name}") == JOBS.at_once


async def test_queue_without_workers_does_not_grow_for_ever(
    dispatcher: Dispatcher, admin: Principal, now: datetime, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Jobs are sent again while nobody takes them, up to a bound."""
    monkeypatch.setattr(dispatching, "MAX_WAITING", 2)
    await ask_for_job(admin, now)
    counts = [await dispatcher.dispatch(JOBS, now + timedelta(seconds=31 * number)) for number in range(4)]
    assert counts == [1, 1, 0, 0]


async def test_what_fails_is_repeated_and_reported_once(caplog: pytest.LogCaptureFixture) -> None:
    """A failing step ends neither its loop nor fills the log; its recovery is reported too."""
    bell, done = Bell(), asyncio.Event()
    outcomes = iter([RuntimeError("broken"), RuntimeError("broken"), None])

    async def action() -> None:
        bell.ring()
        outcome = next(outcomes, None)
        if outcome:
            raise outcome
        done.set()

    task = asyncio.create_task(repeat("counting", action, bell))
    await asyncio.wait_for(done.wait(), PATIENCE)
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task})
    assert [record.getMessage() for record in caplog.records] == [
        "counting failed and goes on trying: RuntimeError: broken",
        "counting works again after 2 failures",
    ]


async def test_a_round_that_hangs_is_given_up() -> None:
    """The next one begins as after any failure."""
    rounds = 0
    done = asyncio.Event()

    async def action() -> None:
        nonlocal rounds
        rounds += 1
        if rounds == 1:
            await asyncio.Event().wait()
        done.set()

    bell = Bell()
    bell.ring()
    task = asyncio.create_task(repeat("waiting", action, bell, limit=0.05))
    await asyncio.wait_for(done.wait(), PATIENCE)
    task.cancel()
    await asyncio.wait({task})
    assert rounds == 2


def test_broker_of_an_unknown_kind_is_refused() -> None:
    """The scheme of the URL decides."""
    with pytest.raises(UnknownBroker, match="'kafka'"):
        create_broker("kafka://localhost")


async def positions(superuser: Connection, tenant: Tenant) -> int:
    """Return how many changes have a position."""
    count: int = await superuser.fetchval("SELECT count(*) FROM change WHERE tenant_id = $1", tenant.id)
    return count


async def change_something(tenant: Tenant, *, nudges: bool) -> None:
    """Commit a change row, with or without a word about it."""

    async def action(work: UnitOfWork) -> None:
        await record_changes(work, ObjectType.LEARNER, [(1, 1)])

    await perform(Principal.operator(tenant.id), clock.now(), "test", action)
    if nudges:
        nudge.send(tenant.id)


async def wait_for_positions(superuser: Connection, tenant: Tenant, count: int) -> float:
    """Wait until so many changes have a position; return the seconds that it took."""
    begun = time.monotonic()
    while await positions(superuser, tenant) < count:
        assert time.monotonic() < begun + PATIENCE
        await asyncio.sleep(0.005)
    return time.monotonic() - begun


async def test_process_sequences_what_it_is_told_of_and_what_it_is_not(
    processes: Processes, tenant: Tenant, superuser: Connection, redis_url: str
) -> None:
    """Within a second of the commit, nudged or not; and with two schedulers nothing is done twice."""
    processes.start(SCHEDULER)
    processes.start(SCHEDULER)
    await change_something(tenant, nudges=False)
    assert await wait_for_positions(superuser, tenant, 1) < 2
    nudge.start(redis_url)
    try:
        delays = []
        for number in range(2, 7):
            await change_something(tenant, nudges=True)
            delays.append(await wait_for_positions(superuser, tenant, number))
        assert min(delays) < 0.5
    finally:
        await nudge.stop()
    assert await superuser.fetchval("SELECT array_agg(position ORDER BY position) FROM change") == [1, 2, 3, 4, 5, 6]


async def test_process_hands_out_a_job_whoever_creates_it(
    processes: Processes, admin: Principal, superuser: Connection
) -> None:
    """Nobody nudges here; the poll finds it."""
    processes.start(SCHEDULER)
    job_id = await ask_for_job(admin, clock.now())
    begun = time.monotonic()
    while await dispatched_at(superuser, job_id) is None:
        assert time.monotonic() < begun + PATIENCE
        await asyncio.sleep(0.01)


async def test_process_lives_without_redis_and_stops_at_once(
    processes: Processes, tenant: Tenant, superuser: Connection
) -> None:
    """Sequencing goes on, jobs wait; SIGTERM ends it in less than two seconds."""
    processes.environment["REDIS_URL"] = NOWHERE
    scheduler = processes.start(SCHEDULER)
    await change_something(tenant, nudges=False)
    await wait_for_positions(superuser, tenant, 1)
    code, seconds = scheduler.stop()
    assert code == 0
    assert seconds < 2
    assert scheduler.output.count("handing out jobs failed and goes on trying") == 1


async def test_process_survives_a_row_that_is_locked(
    processes: Processes, tenant: Tenant, superuser_url: str, superuser: Connection
) -> None:
    """Somebody holds the head of one tenant's feed: everything goes on when they let go."""
    processes.start(SCHEDULER)
    async with writing(tenant.id) as sql:
        await sql.execute("SELECT position FROM feed_head WHERE tenant_id = $1 FOR UPDATE", tenant.id)
        await change_something(tenant, nudges=False)
        await asyncio.sleep(2.5)
        assert await positions(superuser, tenant) == 0
    await wait_for_positions(superuser, tenant, 1)
