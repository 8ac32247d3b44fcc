"""A crowd of subscribers as whoever measures sees it: when each of them got a message, and how many messages came."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

#: Seconds for everything that is asked of a crowd.
PATIENCE = 300.0


class Crowd:
    """The process with the other ends of the streams."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        #: Seconds that it took to make all streams.
        self.seconds_to_begin = 0.0

    async def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode() + b"\n")
        await self._process.stdin.drain()

    async def _hear(self) -> Any:
        assert self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), PATIENCE)
        if not line:
            raise ConnectionError("The subscribers have ended.")
        return json.loads(line)

    async def begin(self, port: int, greetings: Sequence[Sequence[str]]) -> None:
        """Make a connection for each list of greetings."""
        await self._tell(json.dumps({"port": port, "greetings": greetings}))
        self.seconds_to_begin = await self._hear()

    async def receipts(self, mark: str, send: Callable[[], Awaitable[float]]) -> list[float]:
        """Have a message sent that contains the mark; return the seconds from what `send` returns to each receipt."""
        await self._tell(mark)
        await self._hear()
        sent_at = await send()
        return [received_at - sent_at for received_at in await self._hear()]

    async def count(self) -> tuple[float, int, str]:
        """Return the time, how many messages have come until then, and the latest of them."""
        await self._tell("")
        at, count, latest = await self._hear()
        return at, count, latest


@asynccontextmanager
async def crowd() -> AsyncIterator[Crowd]:
    """Run the process; it ends with its standard input."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "bench.subscribers"),
        cwd=Path(__file__).parents[1],
        env={"PYTHONPATH": str(Path(__file__).parents[1])},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        # A line holds the times of all.
        limit=1 << 24,
    )
    try:
        yield Crowd(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
