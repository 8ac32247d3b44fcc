"""Redis is switched over behind its address, and connections to the server that it was stay open."""

import asyncio
import contextlib
import logging
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import dramatiq
import pytest
from redis.asyncio import Redis

from domain.foundation import nudge
from gql.limits.rate_limit import CostLimiter
from jobs.broker import create_broker
from jobs.queue_lengths import queue_lengths
from ops.servers.embedded import EmbeddedValkey
from tests.jobs.conftest import SCHEDULER, WORKER, Processes, StartBackfill
from tests.support.catalogue import Connection
from tests.support.relay import relay_to

#: Seconds within which everything has to go on.
PATIENCE = 10


class Pair:
    """Two servers with the same password, and how the first can stop serving while its connections stay open."""

    def __init__(self, first: EmbeddedValkey, second: EmbeddedValkey) -> None:
        self.first = first
        self.second = second

    async def configure(self, *commands: tuple[str, ...]) -> None:
        """Send commands to the first server, and require that it takes them."""
        redis: Any
        async with Redis.from_url(self.first.url) as redis:
            for command in commands:
                await redis.execute_command(*command)

    async def READONLY(self) -> None:
        """Make it a replica of the second."""
        await self.configure(
            ("CONFIG", "SET", "masterauth", self.second.password),
            ("REPLICAOF", self.second.host, str(self.second.port)),
        )

    async def MASTERDOWN(self) -> None:
        """Make it a replica of nothing that answers nobody."""
        await self.configure(("CONFIG", "SET", "replica-serve-stale-data", "no"), ("REPLICAOF", "127.0.0.1", "1"))

    async def NOREPLICAS(self) -> None:
        """Have it refuse to write alone."""
        await self.configure(("CONFIG", "SET", "min-replicas-to-write", "1"))

    async def OOM(self) -> None:
        """Leave it no memory."""
        await self.configure(("CONFIG", "SET", "maxmemory", "1"))

    async def NOPERM(self) -> None:
        """Take the rights from whoever has signed in already."""
        await self.configure(("ACL", "SETUSER", "default", "-@all", "+acl"))

    async def silence(self) -> None:
        """Let it hang."""
        os.kill(self._pid, signal.SIGSTOP)

    @property
    def _pid(self) -> int:
        assert self.first._process is not None
        return self.first._process.pid

    def wake(self) -> None:
        """Let it go on, so that it can be stopped."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGCONT)


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    """Two servers."""
    with EmbeddedValkey(tmp_path / "first") as first:
        (tmp_path / "second").mkdir(mode=0o700)
        (tmp_path / "second" / "password").write_text(first.password)
        with EmbeddedValkey(tmp_path / "second") as second:
            pair = Pair(first, second)
            yield pair
            pair.wake()


@asynccontextmanager
async def clients_of(url: str) -> AsyncIterator[dict[str, Callable[[], Awaitable[bool]]]]:
    """Yield a question for every client of the product: does it work with the server that the address leads to?"""
    broker = create_broker(url)
    broker.declare_queue("jobs")
    consumer = broker.consume("jobs", prefetch=1, timeout=100)
    lengths = queue_lengths(broker, url)
    limiter = CostLimiter(url, limit=1_000)
    heard: set[str] = set()
    states: list[bool] = []
    listening = asyncio.create_task(nudge.listen(url, heard.add, states.append))
    nudge.start(url)

    async def hands_out() -> bool:
        message: Any = dramatiq.Message(queue_name="jobs", actor_name="nothing", args=(), kwargs={}, options={})
        await asyncio.to_thread(broker.enqueue, message)
        return True

    async def fetches() -> bool:
        message: Any = await asyncio.to_thread(next, consumer)
        if message is not None:
            await asyncio.to_thread(consumer.ack, message)
        return message is not None

    async def measures() -> bool:
        return await lengths.of("jobs") >= 0

    async def limits() -> bool:
        await limiter.pay("somebody", 1)
        return limiter.is_shared

    async def tells() -> bool:
        heard.clear()
        nudge.send(7)
        await asyncio.sleep(0.2)
        return heard == {"7"}

    try:
        yield {"hands out": hands_out, "fetches": fetches, "measures": measures, "limits": limits, "tells": tells}
    finally:
        listening.cancel()
        await asyncio.wait({listening})
        await nudge.stop()
        await limiter.close()
        await lengths.close()
        broker.close()


async def works(question: Callable[[], Awaitable[bool]], until: float) -> None:
    """Ask until the answer is yes."""
    while True:
        with contextlib.suppress(Exception):
            async with asyncio.timeout(6):
                if await question():
                    return
        assert time.monotonic() < until
        await asyncio.sleep(0.1)


@pytest.mark.parametrize("trouble", ["READONLY", "MASTERDOWN", "NOREPLICAS", "OOM", "NOPERM", "silence"])
async def test_every_client_goes_on_with_the_server_that_serves_now(
    trouble: str, pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    """Jobs, lengths, limits and nudges; and the limits are left and come back once."""
    caplog.set_level(logging.WARNING)
    async with relay_to(pair.first.url) as relay, clients_of(relay.url) as clients:
        for name in ("hands out", "fetches", "measures", "limits", "tells"):
            await works(clients[name], time.monotonic() + PATIENCE)
        await getattr(pair, trouble)()
        for _ in range(30):
            await clients["limits"]()
            await asyncio.sleep(0.1)
        relay.lead_to(pair.second.url)
        until = time.monotonic() + PATIENCE
        await asyncio.gather(*(works(question, until) for question in clients.values()))
        for _ in range(20):
            assert await clients["limits"]()
            await asyncio.sleep(0.05)
    async with Redis.from_url(pair.second.url) as redis:
        assert await redis.exists("mandate:cost:somebody")
    said = [record.message for record in caplog.records if record.name == "mandate.api"]
    assert len([line for line in said if line.startswith("limits go on in memory")]) == 1
    assert said.count("limits are shared through Redis again") == 1


async def test_nobody_stays_with_a_server_that_only_seems_to_serve(pair: Pair) -> None:
    """The one that was left answers everything as before: it is another one all the same that the address means."""
    async with relay_to(pair.first.url) as relay, clients_of(relay.url) as clients:
        for question in clients.values():
            await works(question, time.monotonic() + PATIENCE)
        relay.lead_to(pair.second.url)
        await asyncio.sleep(PATIENCE)
        async with Redis.from_url(pair.first.url) as left:
            await left.flushall()
            for question in clients.values():
                assert await question()
            assert await left.keys("*") == []


@pytest.mark.parametrize("trouble", ["READONLY", "silence"])
async def test_jobs_go_on(
    trouble: str, pair: Pair, processes: Processes, start_backfill: StartBackfill, superuser: Connection
) -> None:
    """With a worker and a scheduler that keep their connections to the server that was left."""
    async with relay_to(pair.first.url) as relay:
        processes.environment["REDIS_URL"] = relay.url
        await asyncio.to_thread(processes.start, WORKER)
        await asyncio.to_thread(processes.start, SCHEDULER)
        first = await start_backfill()
        await first.wait_for("status = 'SUCCEEDED'")
        await getattr(pair, trouble)()
        await asyncio.sleep(3)
        relay.lead_to(pair.second.url)
        await superuser.execute("UPDATE rule SET name = 'Before', name_key = 'before'")
        second = await start_backfill()
        assert await second.wait_for("processed_count > 0", seconds=60) < PATIENCE
        await second.wait_for("status = 'SUCCEEDED'")
