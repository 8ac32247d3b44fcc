"""Reads that many viewers share: a statement that was run for one of them is answered from memory for the others.

What depends on who looks is part of the statement (its text or its arguments), so nobody gets somebody else's answer.
"""

import asyncio
from collections.abc import Hashable, Sequence
from types import TracebackType
from typing import Any

import asyncpg

from domain.foundation.database.sessions import ReadScope

#: Answers that are remembered; beyond, statements simply run again.
MOST_ANSWERS = 5_000
MOST_ROWS = 50_000


class SharedReads(ReadScope):
    """Reads of one tenant at one moment, or a little later: `async with` while reading, as often as it takes.

    The snapshot is closed when nobody reads; what was read stays known.
    """

    def __init__(self, tenant_id: int) -> None:
        super().__init__(tenant_id)
        self._answers: dict[Hashable, asyncio.Future[list[asyncpg.Record]]] = {}
        self._row_count = 0
        self._readers = 0

    async def __aenter__(self) -> "SharedReads":
        self._readers += 1
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._readers -= 1
        if self._readers == 0:
            await super().close()

    async def close(self) -> None:
        """Do nothing: others may still read."""

    async def fetch(self, sql: str, *args: Any) -> list["asyncpg.Record"]:
        """Return the records of a statement, which runs once however many ask."""
        key = (sql, *(_hashable(arg) for arg in args))
        answer = self._answers.get(key)
        if answer is None:
            if len(self._answers) >= MOST_ANSWERS or self._row_count >= MOST_ROWS:
                return await self._read(sql, *args)
            # A task of its own: whoever asked first may leave while others wait.
            answer = self._answers[key] = asyncio.ensure_future(self._read(sql, *args))
            answer.add_done_callback(lambda done: self._note(key, done))
        return await asyncio.shield(answer)

    async def _read(self, sql: str, *args: Any) -> list["asyncpg.Record"]:
        async with self:
            try:
                return await super().fetch(sql, *args)
            except BaseException:
                # A transaction in which something failed answers nothing more.
                await super().close()
                raise

    def _note(self, key: Hashable, done: "asyncio.Future[list[asyncpg.Record]]") -> None:
        if done.cancelled() or done.exception() is not None:
            # A failure is not remembered.
            self._answers.pop(key, None)
        else:
            self._row_count += len(done.result())


def _hashable(arg: Any) -> Hashable:
    if isinstance(arg, Sequence) and not isinstance(arg, str | bytes):
        return tuple(_hashable(item) for item in arg)
    value: Hashable = arg
    return value
