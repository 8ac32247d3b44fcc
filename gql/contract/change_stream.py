"""What the streams of all features have in common: batches with a cursor, resets, and how a stream is followed."""

import dataclasses
from collections.abc import AsyncGenerator, Callable, Hashable
from enum import Enum
from typing import Any, TypeVar

import strawberry

from domain.foundation.feed.live import LiveBatch, ResetReason, View, follow
from domain.foundation.once import Once
from gql.contract.cursors import feed_cursor, feed_position
from gql.contract.enums import publish_enum
from gql.execution.context import Context, Info

RowT = TypeVar("RowT")
BatchT = TypeVar("BatchT", bound="ChangeBatch")

publish_enum(
    ResetReason,
    name="StreamResetReason",
    description="Reasons for which a stream has to start over.",
    values={
        "CURSOR_EXPIRED": "The cursor is older than the retention of the change feed (7 days).",
        "TOO_FAR_BEHIND": "More than 10,000 objects would have to be sent.",
        "SCOPE_CHANGED": "What the viewer may see has changed: role, scopes, contents trained, groups owned, or "
        "activity.",
    },
)


@strawberry.type(description="Why a stream has to start over.")
class StreamReset:
    """Why a stream has to start over."""

    reason: ResetReason = strawberry.field(description="Reason of the reset.")


@strawberry.enum(description="What happened to an object, as seen through a subscription's filter.")
class ChangeKind(Enum):
    """What happened to an object."""

    UPSERTED = strawberry.enum_value("UPSERTED", description="The object is new in, or has changed within, the filter.")
    REMOVED = strawberry.enum_value(
        "REMOVED", description="The object was deleted, has left the filter, or is no longer visible."
    )

    @classmethod
    def of(cls, row: object) -> "ChangeKind":
        """Return what happened to an object that looks like this now."""
        return cls.REMOVED if row is None else cls.UPSERTED


@strawberry.interface(description="Batch of changes sent by a subscription.")
class ChangeBatch:
    """Batch of changes."""

    cursor: str = strawberry.field(
        description="Position of the stream after this batch; pass it as `after` to resume. Shared by all "
        "subscriptions of the tenant."
    )
    reset: StreamReset | None = strawberry.field(
        description="Set when the stream cannot continue from `after`: fetch the query again, then resubscribe. Last "
        "batch of the stream."
    )
    #: What the batch was made from.
    live: strawberry.Private[LiveBatch[Any]]
    #: The batch as it is sent, by what was selected: who sees and selects the same shares it.
    payloads: strawberry.Private[dict[Hashable, Once[Any]]] = dataclasses.field(default_factory=dict)


def rows_of(batch: LiveBatch[RowT]) -> list[RowT]:
    """Return the objects of a batch in which none can be gone."""
    return [seen.row for seen in batch.changes if seen.row is not None]


def place_of(context: Context, batch: LiveBatch[Any]) -> dict[str, Any]:
    """Return the fields that every batch has, by the names of Python."""
    return {
        "cursor": feed_cursor(context.principal.tenant_id, batch.position),
        "reset": None if batch.reset is None else StreamReset(reason=batch.reset),
        "live": batch,
    }


async def follow_view(
    context: Context, view: View[Any, Any], after: str | None = None
) -> AsyncGenerator[LiveBatch[Any], None]:
    """Yield the batches of a view from a cursor on, or from now.

    Raises Invalid for a cursor that is malformed or of another tenant.
    """
    position = None if after is None else feed_position(context.principal.tenant_id, after)
    async for batch in follow(
        context.feeds, context.principal, view, reads=context.reads, after=position, now=context.clock
    ):
        yield batch


async def follow_changes(
    info: Info, view: View[Any, Any], after: str | None, make: Callable[[Context, LiveBatch[Any]], BatchT]
) -> AsyncGenerator[BatchT, None]:
    """Yield what `make` makes of each batch; viewers who see the same share it. Raises like `follow_view`."""
    context = info.context
    async for batch in follow_view(context, view, after):
        made = batch.shared.get(make)
        if made is None:
            made = batch.shared[make] = make(context, batch)
        yield made
