"""Connections that end: whoever reads or writes on them is told once, and what goes on for long recovers."""

import asyncio
from typing import Any

import asyncpg
import pytest

from domain.foundation.database.sessions import ReadScope, database, writing
from domain.foundation.errors import Unavailable
from domain.tenants.models import Tenant
from gql.contract.failures import as_request_failure
from tests.support.catalogue import Connection


async def end_connections(superuser: Connection) -> None:
    """End all connections of the application."""
    await superuser.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'test'"
        " AND datname = current_database()"
    )


async def test_a_snapshot_that_was_lost_can_be_closed(tenant: Tenant, superuser: Connection) -> None:
    """And the next one is read on another connection."""
    reads = ReadScope(tenant.id)
    assert await reads.value("SELECT 1") == 1
    await end_connections(superuser)
    with pytest.raises(Exception) as raised:  # noqa: PT011 - which one depends on who notices first
        await reads.value("SELECT 1")
    assert isinstance(as_request_failure(raised.value), Unavailable)
    await reads.close()
    # The others of the pool hear of their end only when the loop gets to it.
    await asyncio.sleep(0.1)
    assert await reads.value("SELECT 2") == 2
    await reads.close()


async def test_a_snapshot_in_the_middle_of_a_statement_can_be_closed(tenant: Tenant, superuser: Connection) -> None:
    """As happens where the answer is given up because it takes too long."""
    reads = ReadScope(tenant.id)
    asking = asyncio.ensure_future(reads.value("SELECT pg_sleep(5)"))
    await asyncio.sleep(0.1)
    asking.cancel()
    await asyncio.wait({asking})
    await reads.close()
    assert await reads.value("SELECT 2") == 2
    await reads.close()


def test_a_connection_that_is_ending_is_away() -> None:
    """It refuses statements by a class that is about the client; other misuse of it stays a failure of ours."""
    ending = asyncpg.InternalClientError("cannot switch to state 12; another operation (2) is in progress")
    assert isinstance(as_request_failure(ending), Unavailable)
    assert as_request_failure(asyncpg.InternalClientError("no such thing")) is None


async def test_a_transaction_that_does_not_begin_leaves_nothing_behind(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not for the task, whose next transaction has another connection, and not in the pool."""

    async def start(_: Any) -> None:
        raise asyncpg.ConnectionDoesNotExistError

    pool = database()._pool
    for _ in range(2 * pool.get_max_size()):
        with monkeypatch.context() as broken:
            broken.setattr("asyncpg.transaction.Transaction.start", start)
            with pytest.raises(asyncpg.ConnectionDoesNotExistError):
                async with writing(tenant.id):
                    pass
        async with asyncio.timeout(5), writing(tenant.id) as sql:
            assert await sql.value("SELECT name FROM tenant WHERE id = $1", tenant.id) == "Acme"
    assert pool.get_size() - pool.get_idle_size() == 0
