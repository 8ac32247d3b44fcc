"""Notifications as they come."""

from collections.abc import AsyncGenerator
from typing import Any

import strawberry

from domain.foundation.feed.live import LiveBatch
from domain.notifications.live import live_notifications
from gql.contract.arguments import After
from gql.contract.change_stream import ChangeBatch, follow_changes, place_of, rows_of
from gql.execution.context import Context, Info
from gql.notifications.types import Notification


@strawberry.type(description="New notifications.")
class NotificationBatch(ChangeBatch):
    """New notifications."""

    notifications: list[Notification | None] = strawberry.field(
        description="Notifications in order, as they are now, at most 100."
    )


def _batch(context: Context, batch: LiveBatch[Any]) -> NotificationBatch:
    return NotificationBatch(
        notifications=[Notification.from_row(row) for row in rows_of(batch)], **place_of(context, batch)
    )


@strawberry.type
class NotificationsSubscription:
    """Stream of notifications."""

    @strawberry.subscription(
        description="In-platform notifications of the viewer, new ones and those that were read elsewhere."
    )
    async def notifications_received(self, info: Info, after: After = None) -> AsyncGenerator[NotificationBatch, None]:
        """Follow notifications."""
        async for batch in follow_changes(info, live_notifications(info.context.principal), after, _batch):
            yield batch
