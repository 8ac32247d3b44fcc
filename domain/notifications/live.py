"""Notifications as a stream shows them to the one person who gets them."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import ClassVar

from domain.foundation.access import Principal
from domain.foundation.database.sessions import Statements
from domain.foundation.errors import Forbidden
from domain.foundation.feed.changes import Change, ObjectType
from domain.foundation.feed.live import Seen, View
from domain.notifications.inbox import NotificationRow

_COLUMNS = [field.name for field in fields(NotificationRow)]


@dataclass(frozen=True, slots=True)
class LiveNotifications(View[tuple[int, NotificationRow], NotificationRow]):
    """What one person is told."""

    object_type: ClassVar[ObjectType] = ObjectType.NOTIFICATION

    principal: Principal

    @property
    def key(self) -> Hashable:
        """Equal for views that show the same."""
        return "notifications", self.principal.learner_id, self.principal.role

    async def load(
        self, reads: Statements, tenant_id: int, ids: Sequence[int]
    ) -> Mapping[int, tuple[int, NotificationRow]]:
        """Return the notifications as they are now, each with who gets it."""
        records = await reads.fetch(
            f"SELECT learner_id, {', '.join(_COLUMNS)} FROM notification"
            " WHERE tenant_id = $1 AND id = ANY ($2::bigint[])",
            tenant_id,
            list(ids),
        )
        return {
            record["id"]: (record["learner_id"], NotificationRow(**{name: record[name] for name in _COLUMNS}))
            for record in records
        }

    def see(
        self, change: Change, state: tuple[int, NotificationRow] | None, now: datetime
    ) -> Seen[NotificationRow] | None:
        """Return the notification if it is the viewer's."""
        if state is None or state[0] != self.principal.learner_id:
            return None
        return Seen(change.object_id, max(change.version, state[1].version), state[1])


def live_notifications(principal: Principal) -> LiveNotifications:
    """Return the view of the viewer's notifications. Raises Forbidden for service accounts."""
    if not principal.is_person:
        raise Forbidden
    return LiveNotifications(principal)
