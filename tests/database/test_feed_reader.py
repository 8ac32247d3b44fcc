"""The reader of a feed: it ends when nobody follows it any more, whatever it is at."""

import asyncio

import pytest

from domain.foundation.feed_reader import FeedReader
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
