"""Processes that are killed at random moments and started again, until it has been enough."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from random import Random

from tests.jobs.conftest import Process, Processes


class Chaos:
    """Keeps a process of each program running, though not for long."""

    def __init__(self, processes: Processes, programs: Sequence[str], random: Random) -> None:
        self._processes = processes
        self._programs = programs
        self._random = random
        self._running: dict[int, Process] = {}
        self.kill_count = 0

    async def start_all(self) -> None:
        """Start all at the same time."""
        await asyncio.gather(*(self._start(place) for place in range(len(self._programs))))

    async def _start(self, place: int) -> None:
        # In a thread, as the mail server in this one has to answer meanwhile.
        self._running[place] = await asyncio.to_thread(self._processes.start, self._programs[place])

    @asynccontextmanager
    async def raging(self, least: float, most: float) -> AsyncIterator[None]:
        """Kill one of them after another during the block, with so many seconds between; all run after it."""
        starting: set[asyncio.Task[None]] = set()

        async def rage() -> None:
            while True:
                await asyncio.sleep(self._random.uniform(least, most))
                if self._running:
                    place = self._random.choice(sorted(self._running))
                    self._running.pop(place).kill()
                    self.kill_count += 1
                    starting.add(asyncio.ensure_future(self._start(place)))

        raging = asyncio.ensure_future(rage())
        try:
            yield
        finally:
            raging.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await raging
            await asyncio.gather(*starting)
