"""Connections that the server ends: reads fail as unavailable, and the next one has a new connection."""

import asyncio

import pytest

from domain.foundation.database.sessions import ReadScope, is_connection_lost
from domain.tenants.models import Tenant
from tests.support.catalogue import Connection

CUT = """
SELECT count(pg_terminate_backend(pid, 1000)) FROM pg_stat_activity
 WHERE datname = current_database() AND application_name = 'test'
"""


@pytest.mark.parametrize("ticks", range(6))
async def test_a_snapshot_whose_connection_is_cut_says_so_and_begins_anew(
    tenant: Tenant, superuser: Connection, ticks: int
) -> None:
    """Wherever asyncpg is when the news arrives: before it has read them, in the middle, and after."""
    reads = ReadScope(tenant.id)
    assert await reads.value("SELECT 1") == 1
    await superuser.fetchval(CUT)
    for _ in range(ticks):
        await asyncio.sleep(0)
    with pytest.raises(Exception) as failure:  # noqa: PT011 - which one it is depends on the moment
        await reads.value("SELECT 2")
    assert is_connection_lost(failure.value), repr(failure.value)
    await reads.close()
    # The pool may hold more that are dead and do not know it yet.
    await asyncio.sleep(0.05)
    assert await reads.value("SELECT 3") == 3
    await reads.close()


async def test_a_snapshot_whose_connection_is_cut_can_be_closed(tenant: Tenant, superuser: Connection) -> None:
    """Nothing was to be written, so nothing is lost."""
    for ticks in range(6):
        reads = ReadScope(tenant.id)
        await reads.value("SELECT 1")
        await superuser.fetchval(CUT)
        for _ in range(ticks):
            await asyncio.sleep(0)
        await reads.close()
        await asyncio.sleep(0.05)
