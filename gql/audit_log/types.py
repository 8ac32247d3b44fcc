"""Entries of the audit log as the API shows them."""

import json
from datetime import datetime
from typing import Any, Self

import strawberry
from strawberry import ID

from domain.foundation.audit.queries import AuditEntryRow
from domain.foundation.feed.changes import ObjectType
from gql.contract.actors import load_actor
from gql.contract.ids import AUDIT_ENTRY, LEARNER, encode
from gql.contract.interfaces import Actor, Node
from gql.contract.object_types import PREFIXES
from gql.contract.pagination import Connection, Edge
from gql.execution.context import Info


@strawberry.type(description="Change of one field of an object.")
class FieldChange:
    """Change of one field."""

    field: str = strawberry.field(description="Name of the field, e.g. `refValues.1`.")
    before: str | None = strawberry.field(
        description="Value before, as JSON; null when there was none. Secrets are never shown."
    )
    after: str | None = strawberry.field(description="Value after, as JSON; null when there is none.")


def _as_json(field: str, value: Any) -> str | None:
    # People are the only objects that entries keep by key: callers know them by ID.
    if field == "trainers" and value is not None:
        value = [encode(LEARNER, key) for key in value]
    elif field == "owner" and isinstance(value, int):
        value = encode(LEARNER, value)
    return None if value is None else json.dumps(value, ensure_ascii=False)


def _change_of(change: dict[str, Any]) -> FieldChange:
    name = change["field"]
    return FieldChange(field=name, before=_as_json(name, change["before"]), after=_as_json(name, change["after"]))


@strawberry.type(description="Entry of the audit log. Never changed, never deleted; erasure blanks personal values.")
class AuditEntry(Node):
    """Entry of the audit log."""

    operation: str = strawberry.field(
        description="What was done, as the name of the mutation or command, e.g. `updateLearner`."
    )
    object_id: ID = strawberry.field(description="ID of the object, kept after deletion.")
    object_name: str = strawberry.field(description="Name of the object at the time.")
    changes: list[FieldChange] = strawberry.field(description="Fields that changed; empty for a deletion.")
    occurred_at: datetime = strawberry.field(description="Timestamp of the change.")
    row: strawberry.Private[AuditEntryRow]

    @classmethod
    def from_row(cls, row: AuditEntryRow) -> Self:
        """Return the entry of a row."""
        return cls(
            id=encode(AUDIT_ENTRY, row.id),
            operation=row.operation,
            object_id=encode(PREFIXES[ObjectType(row.object_type)], row.object_id),
            object_name=row.object_name,
            changes=[_change_of(change) for change in row.changes],
            occurred_at=row.occurred_at,
            row=row,
        )

    @strawberry.field(description="Account that made the change; null when the system did.")
    async def actor(self, info: Info) -> Actor | None:
        """Load who made the change."""
        return await load_actor(info, self.row.actor_learner_id, self.row.actor_service_account_id)

    @strawberry.field(description="Object that was changed; null once deleted.")
    async def object(self, info: Info) -> Node | None:
        """Find what was changed."""
        from gql.nodes import find_node

        return await find_node(info, self.object_id)


@strawberry.type(description="Item of a page of audit entries.")
class AuditEntryEdge(Edge[AuditEntry]):
    """Item of a page of audit entries."""


@strawberry.type(description="Page of audit entries.")
class AuditEntryConnection(Connection[AuditEntry, AuditEntryEdge]):
    """Page of audit entries."""
