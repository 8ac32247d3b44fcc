"""Nudges: after a commit, and only then, whoever listens hears that there is news; nobody depends on it."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime

import pytest
from redis.asyncio import Redis

from domain.foundation import nudge
from domain.foundation.access import Principal
from domain.foundation.database.sessions import writing
from domain.foundation.errors import NotFound
from domain.foundation.unit_of_work import UnitOfWork, perform
from domain.people.models import Place, PlaceKind
from domain.tenants.models import Tenant
from tests.support.tasks import PATIENCE, held


async def names(tenant_id: int) -> list[str]:
    """Return what was committed, in the order of creation."""
    async with writing(tenant_id) as sql:
        return await sql.values("SELECT name FROM place WHERE tenant_id = $1 ORDER BY id", tenant_id)


async def make_place(work: UnitOfWork, name: str) -> None:
    """Insert a place."""
    await Place.create(tenant_id=work.tenant_id, kind=PlaceKind.DEPARTMENT, name=name, name_key=name.lower())


@pytest.fixture
async def news(redis_url: str, database: None) -> AsyncIterator["asyncio.Queue[str]"]:
    """What this process's nudges tell a subscriber, from now on."""
    queue: asyncio.Queue[str] = asyncio.Queue()
    async with Redis.from_url(redis_url, decode_responses=True) as redis, redis.pubsub() as channel:
        await channel.subscribe(nudge.CHANNEL)
        assert (await channel.get_message(timeout=PATIENCE) or {})["type"] == "subscribe"

        async def listen() -> None:
            async for message in channel.listen():
                queue.put_nowait(message["data"])

        listening = asyncio.create_task(listen())
        nudge.start(redis_url)
        yield queue
        await nudge.stop()
        listening.cancel()
        await asyncio.wait({listening})


async def test_nudge_comes_after_the_commit(
    tenant: Tenant, admin: Principal, now: datetime, news: "asyncio.Queue[str]"
) -> None:
    """Whoever is told finds the change; before the commit nobody hears anything."""

    async def action(work: UnitOfWork) -> None:
        await make_place(work, "One")

    async with held(admin, now, action) as work:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(news.get(), 0.2)
        await work.commit()
        assert await asyncio.wait_for(news.get(), PATIENCE) == str(tenant.id)
        assert await names(tenant.id) == ["One"]


async def test_nudge_tells_of_new_jobs(
    tenant: Tenant, admin: Principal, now: datetime, news: "asyncio.Queue[str]"
) -> None:
    """The dispatcher hears of a job whatever tenant it belongs to."""

    async def action(work: UnitOfWork) -> None:
        work.has_new_jobs = True

    await perform(admin, now, "start", action)
    heard = {await asyncio.wait_for(news.get(), PATIENCE) for _ in range(2)}
    assert heard == {str(tenant.id), nudge.JOBS}


async def test_failure_nudges_nobody(
    tenant: Tenant, admin: Principal, now: datetime, news: "asyncio.Queue[str]"
) -> None:
    """What was undone is no news."""

    async def action(work: UnitOfWork) -> None:
        await make_place(work, "One")
        raise NotFound

    with pytest.raises(NotFound):
        await perform(admin, now, "createPlace", action)
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(news.get(), 0.2)


async def test_changes_do_not_need_redis(
    tenant: Tenant, admin: Principal, now: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    """With Redis gone a change is committed as fast as ever; the streams poll meanwhile."""
    nudge.start("redis://127.0.0.1:1/0")
    try:

        async def action(work: UnitOfWork) -> None:
            await make_place(work, "One")

        async with asyncio.timeout(PATIENCE):
            await perform(admin, now, "createPlace", action)
        await asyncio.sleep(0.1)
    finally:
        await nudge.stop()
    assert await names(tenant.id) == ["One"]
    assert [record.getMessage() for record in caplog.records if record.name == nudge.__name__] == [
        "nudge failed: ConnectionError"
    ]
