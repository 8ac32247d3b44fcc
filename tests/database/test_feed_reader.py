"""The reader of a feed: it ends when nobody follows it any more, whatever it is at."""

import asyncio
import itertools

import pytest

from domain.foundation.database.shared_reads import SharedReads
from domain.foundation.feed import reader as feed_reader
from domain.foundation.feed.reader import FeedReader, Moment
from domain.tenants.models import Tenant


@pytest.mark.parametrize("steps", range(8))
async def test_a_reader_that_hears_of_news_while_it_ends_does_end(tenant: Tenant, steps: int) -> None:
    """The last stream would wait for it for ever, and its connection would never be counted as gone."""
    reader = FeedReader(tenant.id, lambda: True)
    await reader.ready()
    await asyncio.sleep(0.1)
    reader.ring()
    for _ in range(steps):
        await asyncio.sleep(0)
    closing = asyncio.ensure_future(reader.close())
    done, _ = await asyncio.wait({closing}, timeout=1)
    closing.cancel()
    assert done


async def test_what_is_shared_does_not_pile_up_while_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody has asked for the longest goes, and is worked out again."""
    monkeypatch.setattr(feed_reader, "MOST_RESULTS", 3)
    moment = Moment(1, 0)
    numbers = itertools.count()

    async def work() -> int:
        return next(numbers)

    assert [await moment.once(key, work) for key in "abc"] == [0, 1, 2]
    assert [await moment.once(key, work) for key in "adac"] == [0, 3, 0, 2]
    assert [await moment.once(key, work) for key in "bc"] == [4, 2]
    assert len(moment._results) == 3


async def test_rows_that_are_remembered_are_no_more_than_so_many(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond, a statement runs again."""
    monkeypatch.setattr("domain.foundation.database.shared_reads.MOST_ROWS", 100)
    async with SharedReads(tenant.id) as reads:
        for _ in range(2):
            for number in range(4):
                assert len(await reads.fetch("SELECT $1::int FROM generate_series(1, 40)", number)) == 40
        assert reads.statement_count == 5
