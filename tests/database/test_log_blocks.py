"""Blocks of the log in the order of commits: full ones only, the same whoever closes them, and never changed again."""

import asyncio
from datetime import datetime, timedelta

import asyncpg
import pytest

from domain.enrollments.action_log.filter import ActionFilter
from domain.enrollments.action_log.queries import list_content_actions
from domain.enrollments.models import ContentAction, ContentActionKind
from domain.foundation import log_blocks
from domain.foundation.access import Principal, Source
from domain.foundation.database.sessions import ReadScope, writing
from domain.foundation.feed.changes import sequence, sequence_all_tenants
from domain.foundation.log_blocks import close_blocks
from domain.foundation.paging import PageRequest
from domain.tenants.models import Tenant


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of four entries, two of them per transaction."""
    monkeypatch.setattr(log_blocks, "BLOCK", 4)
    monkeypatch.setattr(log_blocks, "BATCH", 2)


async def log(tenant: Tenant, now: datetime, *days_ago: int) -> list[int]:
    """Write entries into the log that happened so long ago, and into the feed; return their IDs."""
    ids = []
    async with writing(tenant.id) as sql:
        for days in days_ago:
            entry = await ContentAction.create(
                tenant_id=tenant.id,
                learner_id=1,
                content_id=2,
                action=ContentActionKind.STARTED,
                source=Source.LEARNER,
                occurred_at=now - timedelta(days=days),
                recorded_at=now,
            )
            ids.append(entry.id)
            await sql.execute(
                "INSERT INTO change_pending (tenant_id, object_type, object_id, version, at)"
                " VALUES ($1, 'CONTENT_ACTION', $2, 1, $3)",
                tenant.id,
                entry.id,
                now,
            )
    return ids


async def blocks(tenant: Tenant) -> list[tuple[object, ...]]:
    """Return the blocks of a tenant in order."""
    async with ReadScope(tenant.id) as reads:
        records = await reads.fetch(
            "SELECT first_position, last_position, lowest_id, highest_id, hours"
            "  FROM content_action_block WHERE tenant_id = $1 ORDER BY last_position",
            tenant.id,
        )
    return [tuple(record) for record in records]


def hours(now: datetime, *days_ago: int) -> list[asyncpg.Range[datetime]]:
    """Return the hours of so many days ago."""
    hour = now.replace(minute=0, second=0, microsecond=0)
    begins = [hour - timedelta(days=days) for days in days_ago]
    return [asyncpg.Range(begin, begin + timedelta(hours=1)) for begin in begins]


async def test_full_blocks_are_closed_once(tenant: Tenant, another_tenant: Tenant, now: datetime) -> None:
    """The sweep that sequences the feed closes them, more than one transaction can; what is over stays open."""
    ids = await log(tenant, now, 5, 1, 9, 2, 0, 0, 0, 3, *range(10, 20))
    await log(another_tenant, now, 1)
    assert await sequence_all_tenants() == 19
    first, second, third, fourth = ids[0:4], ids[4:8], ids[8:12], ids[12:16]
    closed = [
        (1, 4, min(first), max(first), hours(now, 9, 5, 2, 1)),
        (5, 8, min(second), max(second), hours(now, 3, 0)),
        (9, 12, min(third), max(third), hours(now, 13, 12, 11, 10)),
        (13, 16, min(fourth), max(fourth), hours(now, 17, 16, 15, 14)),
    ]
    assert await blocks(tenant) == closed
    assert await blocks(another_tenant) == []
    assert await close_blocks(tenant.id) == 0
    await log(tenant, now, 1, 1, 1)
    await sequence_all_tenants()
    assert [block[:2] for block in await blocks(tenant)] == [(1, 4), (5, 8), (9, 12), (13, 16), (17, 20)]


async def test_many_may_close_at_once(tenant: Tenant, now: datetime) -> None:
    """They lay down the same blocks, each of them once."""
    await log(tenant, now, *range(43))
    await sequence(tenant.id)
    assert sum(await asyncio.gather(*(close_blocks(tenant.id) for _ in range(4)))) == 10
    assert [block[:2] for block in await blocks(tenant)] == [(first, first + 3) for first in range(1, 41, 4)]


async def test_what_happened_in_a_time_is_found_wherever_it_stands(tenant: Tenant, now: datetime) -> None:
    """In blocks, after the last of them, and before it has a position; reported late or not."""
    in_blocks = await log(tenant, now, 90, 2, 30, 1, 29, 0, 0, 28)
    await sequence_all_tenants()
    after_blocks = await log(tenant, now, 31, 0)
    await sequence(tenant.id)
    without_position = await log(tenant, now, 0, 33)
    principal = Principal.operator(tenant.id)
    restriction = ActionFilter(occurred_from=now - timedelta(days=40), occurred_before=now - timedelta(days=20))
    expected = sorted((in_blocks[2], in_blocks[4], in_blocks[7], after_blocks[0], without_position[1]), reverse=True)

    async def found(request: PageRequest) -> list[int]:
        async with ReadScope(tenant.id) as reads:
            page = await list_content_actions(reads, principal, restriction=restriction, request=request)
            return [row.id for row in page.rows]

    assert await found(PageRequest(10)) == expected
    assert await found(PageRequest(2)) == expected[:2]
    assert await found(PageRequest(10, [expected[1]])) == expected[2:]
