"""Connections that the database closes: work fails once, and what goes on for long recovers."""

import asyncio
from typing import Any

import asyncpg
import pytest

from domain.foundation.database import database, writing
from domain.tenants.models import Tenant


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
