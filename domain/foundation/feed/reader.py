"""One reader of a tenant's change feed per process, however many streams follow it.

The reader numbers what is committed, keeps the last changes in a ring, and says that there is news. Streams pull: each
at its own pace, from the ring or, when it is further behind, from the table. What is worked out at one end of the feed
(pages, rows, finished batches) belongs to a `Moment` and is shared by all streams that come by while it lasts.
"""

import asyncio
import contextlib
import logging
from bisect import bisect_right
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from domain.foundation import nudge
from domain.foundation.access import Principal
from domain.foundation.database.sessions import ReadScope
from domain.foundation.database.shared_reads import SharedReads
from domain.foundation.feed.changes import (
    NUMBERS_PAUSE,
    Change,
    ObjectType,
    has_account_changed,
    read_changes,
    read_head,
    read_latest_changes,
    sequence,
)
from domain.foundation.once import Once

Result = TypeVar("Result")

#: Changes that are kept in memory; who is further behind reads the table.
RING = 1_000
#: Objects that are looked at in one go.
PAGE = 250
#: Objects whose last changes one statement reads from the table: to find them it goes through all that follows.
BLOCK = 20_000
#: What is kept of a moment; what nobody has asked for the longest goes first, and is worked out again.
MOST_RESULTS = 1_000
#: Blocks that are kept of a moment.
MOST_BLOCKS = 4
#: Seconds between two looks at the feed when nobody says that there is news, and when nobody could.
POLL = 5.0
POLL_UNTOLD = 1.0
#: News of so many seconds are taken together: no stream gets more than 20 batches a second.
MERGED = 0.05

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ChangePage:
    """Last changes of objects of one kind, and the position up to which these are all there are."""

    changes: list[Change]
    until: int

    def after(self, position: int, count: int) -> "ChangePage":
        """Return so many of the changes after a position."""
        begin = bisect_right(self.changes, position, key=lambda change: change.position)
        found = self.changes[begin : begin + count]
        return ChangePage(found, found[-1].position if begin + count < len(self.changes) else self.until)


class Moment:
    """What streams share while the feed ends at one position: reads, and what was worked out from them."""

    def __init__(self, tenant_id: int, head: int) -> None:
        self.head = head
        self.reads = SharedReads(tenant_id)
        self._results: dict[Hashable, Once[Any]] = {}
        #: Blocks, each with where it begins.
        self._blocks: deque[tuple[ObjectType, int, ChangePage]] = deque(maxlen=MOST_BLOCKS)

    async def once(self, key: Hashable, work: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
        """Return what `work` gives for the key; it is done once, and again only after a failure or if long unused."""
        once = self._results.pop(key, None)
        if once is None or once.has_failed:
            once = Once(work())
            if len(self._results) >= MOST_RESULTS:
                del self._results[next(iter(self._results))]
        # Last is what was asked for last.
        self._results[key] = once
        result: Result = once.result() if once.is_done else await once.wait()
        return result

    async def page(self, after: int, object_type: ObjectType) -> ChangePage:
        """Return at most 250 objects that have changed after a position, from the table."""
        for kind, begin, block in self._blocks:
            if kind == object_type and begin <= after < block.until:
                return block.after(after, PAGE)
        changes = await read_latest_changes(
            self.reads,
            self.reads.tenant_id,
            after=after,
            until=self.head,
            object_type=object_type,
            limit=BLOCK + 1,
        )
        block = ChangePage(changes, self.head).after(after, BLOCK)
        self._blocks.append((object_type, after, block))
        return block.after(after, PAGE)


class FeedReader:
    """Reader of one tenant's feed; it runs while somebody follows it."""

    def __init__(self, tenant_id: int, is_told: Callable[[], bool]) -> None:
        self.tenant_id = tenant_id
        self.moment = Moment(tenant_id, 0)
        #: How often the feed has turned out to be another one than was read: an older database was restored.
        self.restored_count = 0
        self._is_told = is_told
        #: Whether changes of numbers are held back, of which nobody says when they may go.
        self._is_holding = False
        self._ring: deque[Change] = deque(maxlen=RING)
        #: Latest positions at which what an account sees has changed, as far as the ring goes.
        self._accounts: dict[tuple[str, int], int] = {}
        self._bell = asyncio.Event()
        self._turn = asyncio.Event()
        self._ready = asyncio.Event()
        self._is_closed = False
        self._task = asyncio.get_running_loop().create_task(self._run())
        self.follower_count = 0

    def ring(self) -> None:
        """Say that there may be news."""
        self._bell.set()

    async def close(self) -> None:
        """Stop reading."""
        # Cancelling is not enough: `wait_for` swallows it when there is news at the same moment.
        self._is_closed = True
        self._bell.set()
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def ready(self) -> None:
        """Wait until the end of the feed is known."""
        await self._ready.wait()

    async def reach(self, position: int) -> None:
        """Wait until the end of the feed is known at least as far as somebody has seen it, in another process maybe.

        What is shared at an earlier end is older than what they have.
        """
        restored_count = self.restored_count
        if self.moment.head < position:
            self.ring()
        while self.moment.head < position and self.restored_count == restored_count:
            await self._turn.wait()

    def turn(self) -> asyncio.Event:
        """Return what is set when the feed has grown, and every few seconds besides."""
        return self._turn

    async def _run(self) -> None:
        failures = 0
        while not self._is_closed:
            try:
                await self._advance()
            except Exception as error:
                # Told once, not every second of an outage.
                if not failures:
                    log.warning("reading a change feed failed: %s: %s", type(error).__name__, error)
                failures += 1
            else:
                failures = 0
                self._ready.set()
            turn, self._turn = self._turn, asyncio.Event()
            turn.set()
            await asyncio.sleep(MERGED)
            with contextlib.suppress(TimeoutError):
                seconds = POLL if self._is_told() and not failures else POLL_UNTOLD
                await asyncio.wait_for(self._bell.wait(), min(seconds, NUMBERS_PAUSE) if self._is_holding else seconds)
            self._bell.clear()

    async def _advance(self) -> None:
        self._is_holding = (await sequence(self.tenant_id)).is_holding
        async with ReadScope(self.tenant_id) as reads:
            head = await read_head(reads, self.tenant_id)
            known = self.moment.head
            if head == known and self._ready.is_set():
                return
            # With the last one that is known, if there is one: is it still what it was?
            after = max(known - 1, head - RING, 0)
            changes = await read_changes(reads, self.tenant_id, after=after, limit=RING + 1)
        last = self._ring[-1] if self._ring else None
        if head < known or any(last and change.position == last.position and change != last for change in changes):
            log.warning("a change feed goes on from an older state: its streams start over")
            self.restored_count += 1
            known = after
            self._ring.clear()
        elif head - known > RING:
            self._ring.clear()
        self._ring.extend(change for change in changes if known < change.position <= head)
        self._accounts = {
            (change.object_type, change.object_id): change.position
            for change in self._ring
            if change.object_type in (ObjectType.ACCOUNT, ObjectType.SERVICE_ACCOUNT)
        }
        self.moment = Moment(self.tenant_id, head)

    def _is_in_ring(self, position: int) -> bool:
        return bool(self._ring) and position >= self._ring[0].position - 1

    async def page(self, moment: Moment, after: int, object_type: ObjectType) -> ChangePage:
        """Return what has changed after a position, at most 250 objects, each with its last change."""
        return await moment.once(("page", after, object_type), lambda: self._page(moment, after, object_type))

    async def _page(self, moment: Moment, after: int, object_type: ObjectType) -> ChangePage:
        if not self._is_in_ring(after):
            return await moment.page(after, object_type)
        last: dict[int, Change] = {}
        for change in self._ring:
            if after < change.position <= moment.head and change.object_type == object_type:
                known = last.get(change.object_id)
                is_older = known is not None and change.version < known.version
                last[change.object_id] = replace(change, version=known.version) if known and is_older else change
        found = sorted(last.values(), key=lambda change: change.position)
        return ChangePage(found, moment.head).after(after, PAGE)

    async def has_scope_changed(self, moment: Moment, principal: Principal, after: int) -> bool:
        """Tell whether what the account may see has changed after a position, or whether it has been revoked."""
        object_type, account_id = ObjectType.ACCOUNT, principal.learner_id
        if account_id is None:
            object_type, account_id = ObjectType.SERVICE_ACCOUNT, principal.service_account_id
        if account_id is None or after >= moment.head:
            return False
        if self._is_in_ring(after):
            return self._accounts.get((object_type, account_id), 0) > after
        return await has_account_changed(
            moment.reads, self.tenant_id, object_type=object_type, account_id=account_id, after=after
        )


class FeedReaders:
    """The readers of a process, one for each tenant that somebody follows; woken by nudges, else by their polls."""

    def __init__(self, redis_url: str) -> None:
        self._redis_url = redis_url
        self._readers: dict[int, FeedReader] = {}
        self._is_told = False
        self._listener: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to listen for news."""
        if self._redis_url:
            self._listener = asyncio.get_running_loop().create_task(
                nudge.listen(self._redis_url, self._on_news, self._on_connection)
            )

    async def stop(self) -> None:
        """Stop listening and reading."""
        if self._listener is not None:
            self._listener.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._listener
        for reader in list(self._readers.values()):
            await reader.close()
        self._readers.clear()

    def _on_news(self, message: str) -> None:
        reader = self._readers.get(int(message)) if message.isdecimal() else None
        if reader is not None:
            reader.ring()

    def _on_connection(self, is_connected: bool) -> None:
        self._is_told = is_connected
        # What was said while nobody listened is lost.
        for reader in self._readers.values():
            reader.ring()

    @asynccontextmanager
    async def follow(self, tenant_id: int) -> AsyncIterator[FeedReader]:
        """Provide the reader of a tenant; it ends with the last one who follows it."""
        reader = self._readers.get(tenant_id)
        if reader is None:
            reader = self._readers[tenant_id] = FeedReader(tenant_id, lambda: self._is_told)
        reader.follower_count += 1
        try:
            await reader.ready()
            yield reader
        finally:
            reader.follower_count -= 1
            if reader.follower_count == 0 and self._readers.get(tenant_id) is reader:
                del self._readers[tenant_id]
                await reader.close()
