"""A pooler in transaction mode: each transaction may get another session, so nothing may depend on one."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import asyncpg
import pytest
from tortoise.context import TortoiseContext

from domain.foundation.database.orm import Limits, orm_config
from domain.foundation.database.server import StatementsLost, check_server
from domain.foundation.database.sessions import ReadScope, across_tenants, writing
from domain.tenants.models import Tenant
from tests.support.pgbouncer import PgBouncer, pgbouncer_before
from tests.support.servers import Databases

#: None that exists; its transactions do nothing but set what belongs to them.
TENANT = 1
LIMITS = (
    "SELECT current_setting('statement_timeout') || ' ' || current_setting('lock_timeout') || ' '"
    " || current_setting('timezone')"
)

needs_pgbouncer = pytest.mark.skipif(PgBouncer.find() is None, reason="no pgbouncer (apt install pgbouncer)")


async def limits_everywhere(tenant_id: int) -> set[str]:
    """Return the limits of each kind of transaction."""
    found = {record[0] for record in await across_tenants(LIMITS)}
    async with ReadScope(tenant_id) as reads:
        found.add(await reads.value(LIMITS))
    async with writing(tenant_id) as sql:
        found.add(await sql.value(LIMITS))
        async with sql.waiting_longer(9_000):
            assert await sql.value(LIMITS) == "11s 9s UTC"
        found.add(await sql.value(LIMITS))
    return found


async def test_limits_are_those_of_each_transaction(tenant: Tenant) -> None:
    """Nothing of them is a matter of the session."""
    assert await limits_everywhere(tenant.id) == {"5s 2s UTC"}


@pytest.fixture(scope="module")
def pooler(databases: Databases) -> Iterator[PgBouncer]:
    """A PgBouncer with two sessions, which its clients get in turn."""
    with pgbouncer_before(databases.app_url, default_pool_size="2") as pooler:
        yield pooler


@asynccontextmanager
async def connected_by(url: str) -> AsyncIterator[None]:
    """Let what is inside, and nothing else in this process, use another pool of connections."""
    config = orm_config(
        url,
        application_name="pooled",
        pool_size=6,
        limits=Limits(statement=300, lock=200),
        keeps_statements=await check_server(url, keeps_statements=None),
    )
    async with TortoiseContext() as context:
        await context.init(config=config)
        yield


@needs_pgbouncer
async def test_limits_hold_behind_a_pooler(databases: Databases, pooler: PgBouncer) -> None:
    """PgBouncer refuses them at the start of a connection; in transactions they end what takes too long."""
    async with connected_by(pooler.before(databases.app_url)):
        assert await limits_everywhere(TENANT) == {"300ms 200ms UTC"}
        for _ in range(3):
            with pytest.raises(asyncpg.QueryCanceledError):
                await across_tenants("SELECT pg_sleep(2)")
            async with ReadScope(TENANT) as reads:
                with pytest.raises(asyncpg.QueryCanceledError):
                    await reads.value("SELECT pg_sleep(2)")
            with pytest.raises(asyncpg.QueryCanceledError):
                async with writing(TENANT) as sql:
                    await sql.value("SELECT pg_sleep(2)")


@needs_pgbouncer
async def test_statements_of_many_at_once_do_not_meet(databases: Databases, pooler: PgBouncer) -> None:
    """Lists by cursor, lists of rows and single statements, six at a time on two sessions."""

    async def read(number: int) -> list[int]:
        async with ReadScope(TENANT) as reads:
            sql = "SELECT n + $1 AS n FROM generate_series(1, 50) AS n"
            found = []
            async for records in reads.batches(sql, number, size=20):
                found += [record["n"] for record in records]
                assert await reads.value("SELECT $1::int", number) == number
            return found

    async def write(number: int) -> int:
        async with writing(TENANT) as sql:
            await sql.execute("CREATE TEMP TABLE place_of_numbers (n int) ON COMMIT DROP")
            await sql.insert("place_of_numbers", ["n"], [[number], [number + 1]])
            return int(await sql.value("SELECT sum(n) FROM place_of_numbers WHERE n >= $1", number))

    async with connected_by(pooler.before(databases.app_url)):
        for _ in range(5):
            lists = await asyncio.gather(*(read(number) for number in range(6)))
            assert lists == [list(range(number + 1, number + 51)) for number in range(6)]
            assert await asyncio.gather(*(write(number) for number in range(6))) == [2 * n + 1 for n in range(6)]
            one = await asyncio.gather(*(across_tenants("SELECT $1::int", number) for number in range(6)))
            assert [records[0][0] for records in one] == list(range(6))


async def test_statements_are_kept_where_nothing_is_between(databases: Databases) -> None:
    """Unless an operator says otherwise."""
    assert await check_server(databases.app_url, keeps_statements=None)
    assert not await check_server(databases.app_url, keeps_statements=False)


@needs_pgbouncer
async def test_a_pooler_is_noticed(databases: Databases, pooler: PgBouncer) -> None:
    """Statements are not kept behind one; where they shall be and are lost, the start is refused."""
    url = pooler.before(databases.app_url)
    assert not await check_server(url, keeps_statements=None)
    with pytest.raises(StatementsLost, match="ARE_STATEMENTS_KEPT"):
        await check_server(url, keeps_statements=True)


@needs_pgbouncer
async def test_statements_may_be_kept_by_a_pooler_that_keeps_them(databases: Databases) -> None:
    """As one does that gives each client a session."""
    with pgbouncer_before(databases.app_url, pool_mode="session") as pooler:
        assert await check_server(pooler.before(databases.app_url), keeps_statements=True)


async def test_the_whole_address_counts(databases: Databases) -> None:
    """Who asks for TLS gets it, or no connection."""
    config = orm_config(f"{databases.app_url}?sslmode=require", application_name="tls")
    async with TortoiseContext() as context:
        await context.init(config=config)
        with pytest.raises(ConnectionError, match="SSL"):
            await across_tenants("SELECT 1")
