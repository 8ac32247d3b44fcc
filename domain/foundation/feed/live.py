"""Streams of what changes, as one viewer sees it: batches with a position from which to go on, on any process.

At least once, in order, without gaps. Objects come as they are now; several changes of one object become one. Whether
an object is seen and is within the filter is judged by a `View`, which looks at rows that all viewers share.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from domain.foundation.access import Principal, Role
from domain.foundation.database.sessions import ReadScope, Statements
from domain.foundation.feed.changes import Change, ObjectType, is_lost, read_head
from domain.foundation.feed.reader import MERGED, FeedReader, FeedReaders, Moment

State = TypeVar("State")
Row = TypeVar("Row")

#: Changes in one batch.
BATCH = 100
#: Objects that are sent at most to who comes back or lags.
FURTHEST_BEHIND = 10_000
#: Seconds after which a stream without news sends where it stands, so that coming back stays cheap.
SILENCE = 30.0


class ResetReason(StrEnum):
    """Reasons for which a stream has to start over (`StreamResetReason`)."""

    CURSOR_EXPIRED = "CURSOR_EXPIRED"
    TOO_FAR_BEHIND = "TOO_FAR_BEHIND"
    SCOPE_CHANGED = "SCOPE_CHANGED"


@dataclass(frozen=True, slots=True)
class Seen(Generic[Row]):
    """A change of one object as the viewer sees it; without a row it is gone, or no longer within the filter."""

    id: int
    version: int
    row: Row | None


@dataclass(frozen=True, slots=True)
class LiveBatch(Generic[Row]):
    """Changes up to a position. A batch with a reset is the last one of its stream."""

    position: int
    #: Reads at the moment of the batch, which its viewers share.
    reads: ReadScope
    changes: Sequence[Seen[Row]] = ()
    reset: ResetReason | None = None
    #: What was made of the batch by one of its viewers, for the others.
    shared: dict[Hashable, Any] = field(default_factory=dict)


class View(Protocol[State, Row]):
    """What one viewer follows: which objects, and how each of them looks."""

    object_type: ClassVar[ObjectType]

    @property
    def key(self) -> Hashable:
        """Equal for views that show the same: kind, filter and rights."""

    async def load(self, reads: Statements, tenant_id: int, ids: Sequence[int]) -> Mapping[int, State]:
        """Return the objects as they are now, whoever looks."""

    def see(self, change: Change, state: State | None, now: datetime) -> Seen[Row] | None:
        """Return how a changed object looks; None where the viewer never could see it."""

    async def opening(self, reads: Statements) -> Sequence[Seen[Row]]:
        """Return what the first batch holds whether it has changed or not; nothing, usually."""
        return ()


def rights_of(principal: Principal) -> Hashable:
    """Return what is equal for accounts that see the same: all admins do."""
    if principal.role is Role.ADMIN:
        return Role.ADMIN
    return principal.learner_id, principal.service_account_id, principal.role, principal.scopes


async def follow(
    readers: FeedReaders,
    principal: Principal,
    view: View[State, Row],
    *,
    reads: ReadScope,
    after: int | None,
    now: Callable[[], datetime],
) -> AsyncGenerator[LiveBatch[Row], None]:
    """Yield batches for ever, or until a reset; the first one at once.

    `reads` is the snapshot in which the account was looked up; it is closed. Without `after` the stream begins with
    it. `now` tells the time.
    """
    tenant_id = principal.tenant_id
    try:
        if after is None:
            position = await read_head(reads, tenant_id)
        elif await is_lost(reads, tenant_id, after=after):
            yield LiveBatch(after, reads, reset=ResetReason.CURSOR_EXPIRED)
            return
        else:
            position = after
        opening = await view.opening(reads)
    finally:
        await reads.close()
    # Of every batch of the stream, for thousands of streams: worked out once.
    key = view.key
    async with readers.follow(tenant_id) as reader:
        # What a reset names is what the client has: it is not told of every position that is passed.
        told = checked = position
        sent_at = float("-inf")
        restored_count = reader.restored_count
        await reader.reach(position)
        if opening:
            yield LiveBatch(position, reader.moment.reads, opening)
            sent_at = time.monotonic()
        while True:
            turn, moment = reader.turn(), reader.moment
            if reader.restored_count != restored_count:
                yield LiveBatch(told, moment.reads, reset=ResetReason.CURSOR_EXPIRED)
                return
            if await reader.has_scope_changed(moment, principal, position):
                yield LiveBatch(told, moment.reads, reset=ResetReason.SCOPE_CHANGED)
                return
            if moment.head - max(position, checked) > FURTHEST_BEHIND:
                reset = await _find_lag(reader, moment, view, key, position, now)
                if reset is not None:
                    yield LiveBatch(told, moment.reads, reset=reset)
                    return
                checked = moment.head
            is_news = moment.head > position
            if is_news:
                batch = await _batch(reader, moment, view, key, position, now)
                is_news, position = bool(batch.changes), batch.position
            silence = time.monotonic() - sent_at
            if is_news or silence >= SILENCE:
                if not is_news:
                    batch = await _empty(moment, key, position)
                yield batch
                told = position
                # The reader keeps the pace of whoever is up to date, give or take a little; this is for the others.
                if silence < MERGED / 2:
                    await asyncio.sleep(MERGED - silence)
                sent_at = time.monotonic()
            if reader.moment.head <= position:
                await turn.wait()


async def _batch(
    reader: FeedReader,
    moment: Moment,
    view: View[State, Row],
    key: Hashable,
    after: int,
    clock: Callable[[], datetime],
) -> LiveBatch[Row]:
    async def work() -> LiveBatch[Row]:
        seen: list[Seen[Row]] = []
        position = after
        async with moment.reads:
            while position < moment.head:
                page = await reader.page(moment, position, view.object_type)
                states = await _states(moment, view, page.changes)
                instant = clock()
                for change in page.changes:
                    shown = view.see(change, states.get(change.object_id), instant)
                    if shown is not None:
                        seen.append(shown)
                        if len(seen) == BATCH:
                            return LiveBatch(change.position, moment.reads, seen)
                position = page.until
        return LiveBatch(position, moment.reads, seen)

    return await moment.once(("batch", key, after), work)


async def _empty(moment: Moment, key: Hashable, position: int) -> LiveBatch[Row]:
    async def work() -> LiveBatch[Row]:
        return LiveBatch(position, moment.reads)

    return await moment.once(("empty", key, position), work)


async def _states(moment: Moment, view: View[State, Row], changes: Sequence[Change]) -> Mapping[int, State]:
    if not changes:
        return {}
    ids = [change.object_id for change in changes]
    return await moment.once(
        ("states", view.object_type, changes[0].position, changes[-1].position),
        lambda: view.load(moment.reads, moment.reads.tenant_id, ids),
    )


async def _find_lag(
    reader: FeedReader,
    moment: Moment,
    view: View[State, Row],
    key: Hashable,
    after: int,
    clock: Callable[[], datetime],
) -> ResetReason | None:
    """Return why a stream so far behind has to start over, if it has: what does not match only costs reading."""

    async def work() -> ResetReason | None:
        count, position = 0, after
        async with moment.reads:
            if await is_lost(moment.reads, moment.reads.tenant_id, after=after):
                return ResetReason.CURSOR_EXPIRED
            while position < moment.head:
                page = await reader.page(moment, position, view.object_type)
                states = await _states(moment, view, page.changes)
                instant = clock()
                count += sum(view.see(one, states.get(one.object_id), instant) is not None for one in page.changes)
                if count > FURTHEST_BEHIND:
                    return ResetReason.TOO_FAR_BEHIND
                position = page.until
        return None

    return await moment.once(("lag", key, after), work)
