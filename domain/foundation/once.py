"""Work that is done once for however many wait for it, and goes on whoever of them leaves."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Generic, TypeVar

Result = TypeVar("Result")


class Once(Generic[Result]):
    """A result that is being worked out in a task of its own.

    `asyncio.shield` does the same for three turns of the loop and six objects per waiter, where thousands wait.
    """

    __slots__ = ("_task", "_waiting")

    def __init__(self, work: Coroutine[Any, Any, Result]) -> None:
        self._task = asyncio.get_running_loop().create_task(work)
        self._waiting: list[asyncio.Future[None]] = []
        self._task.add_done_callback(self._wake)

    @property
    def is_done(self) -> bool:
        """Whether `result` can be asked."""
        return self._task.done()

    @property
    def has_failed(self) -> bool:
        """Whether the work has ended without a result."""
        return self._task.done() and (self._task.cancelled() or self._task.exception() is not None)

    def result(self) -> Result:
        """Return what came out, or raise what went wrong."""
        return self._task.result()

    async def wait(self) -> Result:
        """Return what comes out, or raise what goes wrong."""
        if not self._task.done():
            waiter = asyncio.get_running_loop().create_future()
            self._waiting.append(waiter)
            await waiter
        return self._task.result()

    def _wake(self, task: "asyncio.Task[Result]") -> None:
        waiting, self._waiting = self._waiting, []
        if not task.cancelled():
            # Known now, also where nobody waits any more.
            task.exception()
        for waiter in waiting:
            # Who has left has cancelled theirs.
            if not waiter.done():
                waiter.set_result(None)
