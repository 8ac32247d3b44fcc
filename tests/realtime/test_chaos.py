"""Streams while servers fail: every subscriber ends with what a query gives then, and nothing is skipped on the way."""

import asyncio
import logging
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest

from domain.foundation import clock
from domain.foundation.settings import Settings
from domain.tenants.models import Tenant
from tests.realtime.company_at_work import Writer
from tests.realtime.outages import unsteady
from tests.realtime.subscribers import Crowd
from tests.support.api import SECRET
from tests.support.catalogue import Connection
from tests.support.reference_client import LOG, Held, Servers, Subscriber

log = logging.getLogger(__name__)

#: Seconds for everybody to come back and catch up after the last outage.
RECOVERY = 45.0


async def test_20_subscribers_while_everything_fails_once(
    tenant: Tenant, settings: Settings, superuser: Connection, tmp_path: Path
) -> None:
    """The small size of the proof."""
    await _prove(tenant, settings, superuser, tmp_path, learners=30, writers=2, subscribers=20, seconds=0, pause=0.02)


@pytest.mark.soak
async def test_200_subscribers_while_everything_fails_again_and_again(
    tenant: Tenant, settings: Settings, superuser: Connection, tmp_path: Path
) -> None:
    """The full size of the proof."""
    await _prove(tenant, settings, superuser, tmp_path, learners=150, writers=8, subscribers=200, seconds=90, pause=0.1)


async def _prove(
    tenant: Tenant,
    settings: Settings,
    superuser: Connection,
    directory: Path,
    *,
    learners: int,
    writers: int,
    subscribers: int,
    seconds: float,
    pause: float,
) -> None:
    dice = Random(subscribers)
    environment = {
        "DATABASE_URL": settings.database_url.get_secret_value(),
        "SECRET_KEY": SECRET,
        # Nobody shall wait for points here.
        "COST_PER_MINUTE": "1000000000",
    }
    async with unsteady(directory, environment, superuser, dice) as (webs, outages), httpx.AsyncClient() as http:
        servers = Servers([web.url for web in webs], http, dice)
        crowd = await Crowd.found(tenant, settings, servers, learners=learners, admins=max(2, subscribers // 12))
        following = crowd.subscribers(servers, subscribers)
        for one in following:
            one.start()
        async with asyncio.timeout(RECOVERY):
            await asyncio.gather(*(one.is_live.wait() for one in following))
        is_over = asyncio.Event()
        writing = [
            Writer(servers, crowd.tool, crowd.staff, clock.now().date(), Random(number)) for number in range(writers)
        ]
        async with asyncio.TaskGroup() as tasks:
            for writer in writing:
                tasks.create_task(writer.write_until(is_over, pause=pause))
            await outages.for_seconds(seconds)
            # Some news after the last outage, too.
            await asyncio.sleep(0.5)
            is_over.set()
        await _agree(following)
        changes = sum(writer.change_count for writer in writing)
        log.info(
            "%d changes, resumed %d times, %d resets, %d retries, %s",
            changes,
            sum(one.resumed_count for one in following),
            sum(len(one.resets) for one in following),
            servers.retry_count,
            outages.counts,
        )
        assert changes > 10 * writers
        assert min(outages.counts.values()) > 0
        assert sum(one.resumed_count > 0 for one in following) > len(following) // 4
        assert {reason for one in following for reason in one.resets} <= {"SCOPE_CHANGED"}
        for one in following:
            await one.stop()


async def _agree(following: Sequence[Subscriber]) -> None:
    """Wait until every subscriber holds what the query gives; then nothing more may come."""
    expected: dict[Any, Held] = {}
    for one in following:
        if one.key not in expected:
            expected[one.key], _ = await one.snapshot()
    end = time.monotonic() + RECOVERY
    waiting = list(following)
    while waiting and time.monotonic() < end:
        await asyncio.sleep(0.2)
        for one in waiting:
            one.raise_failure()
        waiting = [one for one in waiting if one.held.objects != expected[one.key].objects]
    if waiting:
        now = time.monotonic()
        behind = [f"{one.key[1:]} {one.doing[0]} since {now - one.doing[1]:.0f} s" for one in waiting]
        raise AssertionError("\n".join([f"{len(waiting)} of {len(following)} are behind:", *behind]))
    await asyncio.sleep(0.5)
    for one in following:
        _require_equal(one, expected[one.key])
        if one.topic is LOG:
            # Entries never change, so the log is in order, and each entry came once.
            assert list(one.held.objects) == list(expected[one.key].objects), one.key
            assert len(one.received) == len(set(one.received)), one.key


def _require_equal(one: Subscriber, expected: Held) -> None:
    held, now = one.held.objects, expected.objects
    wrong = {id: (held.get(id), now.get(id)) for id in held.keys() | now.keys() if held.get(id) != now.get(id)}
    assert not wrong, f"{one.key} holds, beside what is there: {dict(list(wrong.items())[:3])}, {len(wrong)} in all"
