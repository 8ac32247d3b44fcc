"""The three properties of the change feed: nothing missed, writers never queue, and nobody's transaction stalls it."""

import asyncio
import random
from datetime import datetime

import asyncpg
import pytest

from domain.foundation.access import Principal
from domain.foundation.database.sessions import ReadScope, writing
from domain.foundation.feed import changes as change_feed
from domain.foundation.feed.changes import (
    Change,
    ObjectType,
    Sequenced,
    read_changes,
    read_head,
    record_changes,
    sequence,
)
from domain.foundation.unit_of_work import UnitOfWork, perform
from domain.tenants.models import Tenant
from tests.support.servers import address
from tests.support.tasks import PATIENCE, held


async def write(tenant_id: int, now: datetime, *objects: int, kind: ObjectType = ObjectType.LEARNER) -> None:
    """Commit a change of each object, version 1."""

    async def action(work: UnitOfWork) -> None:
        await record_changes(work, kind, [(object_id, 1) for object_id in objects])

    await perform(Principal.operator(tenant_id), now, "write", action)


async def read(tenant_id: int, after: int = 0, limit: int = 1_000) -> list[Change]:
    """Read the feed in a snapshot of its own."""
    async with ReadScope(tenant_id) as reads:
        return await read_changes(reads, tenant_id, after=after, limit=limit)


async def read_everything(tenant_id: int) -> list[Change]:
    """Read the feed to its end, as a reader that remembers its position does."""
    changes: list[Change] = []
    while page := await read(tenant_id, changes[-1].position if changes else 0):
        changes += page
    return changes


class Flood:
    """Writers, sequencers and one reader at work on one tenant at the same time."""

    def __init__(self, tenant_id: int, now: datetime, *, writers: int, transactions: int, seed: int) -> None:
        self.tenant_id = tenant_id
        self.now = now
        self.writers = writers
        self.transactions = transactions
        self.random = random.Random(seed)
        self.committed: set[tuple[int, int]] = set()
        self.seen: list[Change] = []
        self.is_writing = True

    async def write(self, writer: int) -> None:
        """Commit transactions of one to three changes, some late, and give up some of them."""
        for version in range(1, self.transactions + 1):
            is_given_up = self.random.random() < 0.1
            pause = self.random.choice([0.0, 0.0, 0.0, 0.03])
            objects = [(writer * 10 + number, version) for number in range(self.random.randint(1, 3))]

            async def action(work: UnitOfWork, objects: list[tuple[int, int]] = objects, pause: float = pause) -> None:
                await record_changes(work, ObjectType.LEARNER, objects)
                await asyncio.sleep(pause)
                if is_given_up:  # noqa: B023 - the action is over before the next turn
                    raise LookupError

            try:
                await perform(Principal.operator(self.tenant_id), self.now, "write", action)
            except LookupError:
                continue
            self.committed.update(objects)

    async def sequence(self) -> None:
        """Give positions as long as anybody writes."""
        while self.is_writing:
            await sequence(self.tenant_id)
            await asyncio.sleep(0)

    async def read(self) -> None:
        """Remember the last position and go on from there."""
        while self.is_writing:
            self.seen += await read(self.tenant_id, self.seen[-1].position if self.seen else 0, limit=50)
            await asyncio.sleep(0)

    async def run(self) -> None:
        """Let everybody work until the writers are done, then read what is left."""
        others = [asyncio.create_task(work) for work in (self.sequence(), self.sequence(), self.read())]
        await asyncio.gather(*(self.write(number) for number in range(1, self.writers + 1)))
        self.is_writing = False
        await asyncio.gather(*others)
        await sequence(self.tenant_id)
        while page := await read(self.tenant_id, self.seen[-1].position if self.seen else 0):
            self.seen += page


@pytest.mark.parametrize(
    ("writers", "transactions"),
    [pytest.param(8, 60, id="small"), pytest.param(12, 2_500, id="large", marks=pytest.mark.soak)],
)
async def test_reader_that_remembers_its_position_misses_nothing(
    tenant: Tenant, now: datetime, writers: int, transactions: int
) -> None:
    """Whoever commits late, however many sequence at once: each committed change is read once, without a gap."""
    flood = Flood(tenant.id, now, writers=writers, transactions=transactions, seed=7)
    await flood.run()
    assert [change.position for change in flood.seen] == list(range(1, len(flood.seen) + 1))
    assert {(change.object_id, change.version) for change in flood.seen} == flood.committed
    assert len(flood.seen) == len(flood.committed)
    async with ReadScope(tenant.id) as reads:
        assert await read_head(reads, tenant.id) == len(flood.seen)


async def test_late_commit_gets_a_later_position(tenant: Tenant, now: datetime) -> None:
    """A change that was written first and committed last comes last, after what was read meanwhile."""

    async def action(work: UnitOfWork) -> None:
        await record_changes(work, ObjectType.COURSE, [(1, 1)])

    async with held(Principal.operator(tenant.id), now, action) as late:
        await write(tenant.id, now, 2)
        assert (await sequence(tenant.id)).count == 1
        assert [(change.position, change.object_id) for change in await read(tenant.id)] == [(1, 2)]
        await late.commit()
    assert (await sequence(tenant.id)).count == 1
    assert [(change.position, change.object_id) for change in await read(tenant.id, after=1)] == [(2, 1)]


async def test_writers_do_not_queue_behind_each_other(tenant: Tenant, now: datetime) -> None:
    """With a writer's change uncommitted, others write, sequence and read at once."""

    async def action(work: UnitOfWork) -> None:
        await record_changes(work, ObjectType.COURSE, [(1, 1)])

    async with held(Principal.operator(tenant.id), now, action):
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*(write(tenant.id, now, number) for number in range(10, 20)))
            assert (await sequence(tenant.id)).count == 10
        assert len(await read(tenant.id)) == 10


async def test_writers_do_not_wait_for_a_sequencer(tenant: Tenant, now: datetime) -> None:
    """While somebody holds the head of the feed, writers commit all the same."""
    await write(tenant.id, now, 1)

    async def action(work: UnitOfWork) -> int:
        return (await change_feed.sequence_batch(work.sql, tenant.id)).count

    async with held(Principal.operator(tenant.id), now, action) as sequencer:
        async with asyncio.timeout(PATIENCE):
            await write(tenant.id, now, 2)
        assert (await sequencer.commit()).result == 1
    assert (await sequence(tenant.id)).count == 1
    assert [change.object_id for change in await read(tenant.id)] == [1, 2]


@pytest.mark.parametrize("foreign_database", ["same", "another"])
async def test_long_transaction_of_somebody_else_does_not_stall_the_feed(
    tenant: Tenant, another_tenant: Tenant, now: datetime, superuser_url: str, foreign_database: str
) -> None:
    """A write transaction open all along, in this database or another of the cluster, delays nobody's reading."""
    url = superuser_url if foreign_database == "same" else address(superuser_url, "postgres")
    foreign = await asyncpg.connect(url)
    try:
        await foreign.execute("BEGIN")
        assert await foreign.fetchval("SELECT pg_current_xact_id()") is not None
        if foreign_database == "same":
            await foreign.execute(
                "INSERT INTO change_pending (tenant_id, object_type, object_id, version, at)"
                " VALUES ($1, 'LEARNER', 9, 1, $2)",
                another_tenant.id,
                now,
            )
        await write(tenant.id, now, 1, 2)
        async with asyncio.timeout(PATIENCE):
            assert (await sequence(tenant.id)).count == 2
        assert [change.object_id for change in await read(tenant.id)] == [1, 2]
    finally:
        await foreign.close()


async def test_batches_leave_no_gap(tenant: Tenant, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    """A backlog larger than one batch is numbered through, in the order of writing."""
    monkeypatch.setattr(change_feed, "BATCH", 10)
    await write(tenant.id, now, *range(1, 36))
    assert (await sequence(tenant.id)).count == 35
    changes = await read_everything(tenant.id)
    assert [(change.position, change.object_id) for change in changes] == [(number, number) for number in range(1, 36)]


async def test_log_has_the_positions_of_the_feed(tenant: Tenant, now: datetime) -> None:
    """Entries of the log are placed where their changes stand in the feed, for as long as the log is kept."""
    await write(tenant.id, now, 5, 6)
    await write(tenant.id, now, 71, 70, kind=ObjectType.CONTENT_ACTION)
    await write(tenant.id, now, 7)
    await write(tenant.id, now, 72, kind=ObjectType.CONTENT_ACTION)
    await sequence(tenant.id)
    async with ReadScope(tenant.id) as reads:
        placed = await reads.fetch(
            "SELECT position, content_action_id FROM content_action_position WHERE tenant_id = $1 ORDER BY position",
            tenant.id,
        )
    assert [tuple(record) for record in placed] == [(3, 71), (4, 70), (6, 72)]


async def test_feeds_without_readers_are_sequenced_too(tenant: Tenant, another_tenant: Tenant, now: datetime) -> None:
    """One sweep places what is pending in every tenant; each tenant counts from one."""
    await write(tenant.id, now, 1, 2)
    await write(another_tenant.id, now, 3)
    assert await change_feed.sequence_all_tenants() == 3
    assert await change_feed.sequence_all_tenants() == 0
    assert [change.position for change in await read(tenant.id)] == [1, 2]
    assert [(change.position, change.object_id) for change in await read(another_tenant.id)] == [(1, 3)]


async def test_pending_rows_wait_for_the_head(tenant: Tenant, now: datetime) -> None:
    """A tenant without a head of its feed is an error, and its changes stay where they are."""
    await write(tenant.id, now, 1)
    async with writing(tenant.id) as sql:
        await sql.execute("DELETE FROM feed_head WHERE tenant_id = $1", tenant.id)
    with pytest.raises(LookupError):
        await sequence(tenant.id)
    async with writing(tenant.id) as sql:
        assert await sql.value("SELECT count(*) FROM change_pending WHERE tenant_id = $1", tenant.id) == 1


async def write_numbers(tenant_id: int, now: datetime, *objects: int) -> None:
    """Commit that each of the rules shows other numbers."""

    async def action(work: UnitOfWork) -> None:
        await record_changes(work, ObjectType.RULE, [(object_id, 0) for object_id in objects])

    await perform(Principal.operator(tenant_id), now, "write", action)


async def test_changes_of_numbers_are_merged_and_held_back_for_a_second(
    tenant: Tenant, another_tenant: Tenant, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first goes at once, later ones together, in one row for each object; nothing else waits, and none is lost."""
    monkeypatch.setattr(change_feed, "NUMBERS_PAUSE", 0.5)
    for _ in range(3):
        await write_numbers(tenant.id, now, 1, 2)
    assert await sequence(tenant.id) == Sequenced(6, is_holding=False)
    assert [(one.object_id, one.version) for one in await read(tenant.id)] == [(1, 0), (2, 0)]
    for number in range(3):
        await write_numbers(tenant.id, now, 2, 3)
        await write(tenant.id, now, 7 + number)
    assert await sequence(tenant.id) == Sequenced(3, is_holding=True)
    assert await sequence(tenant.id) == Sequenced(0, is_holding=True)
    assert [one.object_id for one in await read(tenant.id, after=2)] == [7, 8, 9]
    # Each tenant has its own second.
    await write_numbers(another_tenant.id, now, 4)
    assert await sequence(another_tenant.id) == Sequenced(1, is_holding=False)
    await asyncio.sleep(0.5)
    assert await sequence(tenant.id) == Sequenced(6, is_holding=False)
    assert [(one.position, one.object_id) for one in await read(tenant.id, after=5)] == [(6, 2), (7, 3)]
    assert await sequence(tenant.id) == Sequenced(0, is_holding=False)


async def test_a_clock_that_was_put_back_holds_no_numbers(tenant: Tenant, now: datetime) -> None:
    """The instant of the last ones may be ahead after a restore, and nobody waits until then."""
    await write_numbers(tenant.id, now, 1)
    async with writing(tenant.id) as sql:
        await sql.execute("UPDATE feed_head SET numbers_at = now() + interval '1 day' WHERE tenant_id = $1", tenant.id)
    assert await sequence(tenant.id) == Sequenced(1, is_holding=False)
