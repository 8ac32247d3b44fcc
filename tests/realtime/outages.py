"""What goes wrong in a data centre, at will: Redis is gone, connections are cut, a web server is killed."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from pathlib import Path
from random import Random

from ops.servers.embedded import EmbeddedValkey
from tests.support.catalogue import Connection
from tests.support.web_process import WebProcess, free_port, web_process


class UnsteadyWeb:
    """A web server at one address that is killed and started again."""

    def __init__(self, directory: Path, environment: dict[str, str]) -> None:
        self._directory = directory
        self._environment = environment
        self._port = free_port()
        self._running = ExitStack()
        self._process: WebProcess | None = None

    @property
    def url(self) -> str:
        """Where it answers, while it runs."""
        return f"http://127.0.0.1:{self._port}"

    async def start(self) -> None:
        """Start it and wait until it answers."""
        served = web_process(self._directory, self._environment, port=self._port)
        self._process = await asyncio.to_thread(self._running.enter_context, served)

    async def kill(self) -> None:
        """End it without a chance to say anything."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGKILL)
        await asyncio.to_thread(self._running.close)

    async def stop(self) -> None:
        """End it as an operator does."""
        await asyncio.to_thread(self._running.close)


class Outages:
    """Brings down one thing after another; all of it runs again when an outage is over."""

    def __init__(self, webs: list[UnsteadyWeb], valkey: EmbeddedValkey, superuser: Connection, random: Random) -> None:
        self._webs = webs
        self._valkey = valkey
        self._superuser = superuser
        self._random = random
        self.counts = {"redis": 0, "connections cut": 0, "killed": 0}

    async def redis_is_lost(self, seconds: float) -> None:
        """Stop Redis; what comes back is empty."""
        await asyncio.to_thread(self._valkey.stop)
        await asyncio.sleep(seconds)
        await asyncio.to_thread(self._valkey.start)
        self.counts["redis"] += 1

    async def connections_are_cut(self) -> None:
        """End what the web servers have open in PostgreSQL, in the middle of whatever it does."""
        self.counts["connections cut"] += await self._superuser.fetchval(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name = 'mandate-api'"
        )

    async def web_is_killed(self) -> None:
        """Kill a web server, and start it again."""
        web = self._random.choice(self._webs)
        await web.kill()
        self.counts["killed"] += 1
        await web.start()

    async def all_once(self) -> None:
        """Go through all of them, some at the same time."""
        await asyncio.gather(self.redis_is_lost(1), self._cut_soon())
        await self._cut_soon()
        await asyncio.gather(self.web_is_killed(), self._cut_soon())

    async def _cut_soon(self) -> None:
        await asyncio.sleep(self._random.uniform(0.1, 0.8))
        await self.connections_are_cut()

    async def for_seconds(self, seconds: float) -> None:
        """Go through all of them again and again."""
        end = time.monotonic() + seconds
        while True:
            await self.all_once()
            if time.monotonic() > end:
                return
            await asyncio.sleep(self._random.uniform(0, 2))


@asynccontextmanager
async def unsteady(
    directory: Path, environment: dict[str, str], superuser: Connection, random: Random
) -> AsyncIterator[tuple[list[UnsteadyWeb], Outages]]:
    """Run two web servers and a Redis of their own, and hand out what brings them down."""
    valkey = EmbeddedValkey(directory / "valkey", port=free_port())
    async with AsyncExitStack() as stack:
        await asyncio.to_thread(valkey.start)
        stack.push_async_callback(asyncio.to_thread, valkey.stop)
        webs = [UnsteadyWeb(directory, environment | {"REDIS_URL": valkey.url}) for _ in range(2)]
        for web in webs:
            stack.push_async_callback(web.stop)
        await asyncio.gather(*(web.start() for web in webs))
        yield webs, Outages(webs, valkey, superuser, random)
