"""Work that goes on beside the test, stopped at a chosen point."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from domain.foundation.access import Principal
from domain.foundation.unit_of_work import Done, UnitOfWork, perform

#: Seconds after which a test gives up waiting for something that should be immediate.
PATIENCE = 5.0


class HeldWork:
    """A unit of work that has done what it does and waits with its commit."""

    def __init__(self, task: "asyncio.Task[Done[Any]]", release: asyncio.Event) -> None:
        self.task = task
        self._release = release

    async def commit(self) -> "Done[Any]":
        """Let it commit, and wait until it has."""
        self._release.set()
        return await asyncio.wait_for(self.task, PATIENCE)


@asynccontextmanager
async def held(
    principal: Principal, now: datetime, action: Callable[[UnitOfWork], Awaitable[Any]], **arguments: Any
) -> AsyncIterator[HeldWork]:
    """Perform an operation in a task of its own that stays uncommitted until it is told, or to the end of the block."""
    reached, release = asyncio.Event(), asyncio.Event()

    async def act_and_wait(work: UnitOfWork) -> Any:
        result = await action(work)
        reached.set()
        await release.wait()
        return result

    task = asyncio.ensure_future(perform(principal, now, "held", act_and_wait, **arguments))
    reaching = asyncio.ensure_future(reached.wait())
    try:
        await asyncio.wait({task, reaching}, timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            await task
        assert reached.is_set(), "the held work did not get to its end"
        yield HeldWork(task, release)
    finally:
        reaching.cancel()
        release.set()
        await asyncio.wait({task}, timeout=PATIENCE)
        if task.done() and not task.cancelled():
            task.exception()
