"""Slots for what takes much memory: so many at the same time, in the order in which they come.

More of them at once would be no faster, as a process does one thing at a time, but would need the memory of all.
"""

import asyncio
from contextlib import ExitStack

from domain.foundation.errors import Unavailable

#: Seconds that somebody waits for a place before being told to come back.
PATIENCE = 10.0


class Slots:
    """So many places."""

    def __init__(self, number: int) -> None:
        self._free = asyncio.Semaphore(number)

    async def take(self, held: ExitStack) -> None:
        """Wait for a place and take it until the end of `held`; raises Unavailable."""
        try:
            async with asyncio.timeout(PATIENCE):
                await self._free.acquire()
        except TimeoutError as error:
            raise Unavailable from error
        held.callback(self._free.release)
