"""Queries about the audit log."""

from datetime import datetime
from typing import Annotated

import strawberry
from strawberry import ID

from domain.foundation.audit.queries import AuditFilter, list_audit_entries, load_visible_entries_by_id
from domain.foundation.errors import Invalid, TooManyItems
from domain.foundation.feed.changes import ObjectType
from gql.audit_log.types import AuditEntry, AuditEntryConnection, AuditEntryEdge
from gql.contract.arguments import FILTER, After, First
from gql.contract.ids import AUDIT_ENTRY, LEARNER, SERVICE_ACCOUNT, decode, filter_typed_key
from gql.contract.object_types import types_of
from gql.contract.pagination import paging_of
from gql.execution.context import Info

MAX_IDS = 100


@strawberry.input(description="Filter of audit entries; fields combine with AND, list items with OR.")
class AuditEntryFilterInput:
    """Filter of audit entries."""

    object_ids: list[ID] | None = strawberry.field(default=None, description="Objects that were changed.")
    actor_ids: list[ID] | None = strawberry.field(default=None, description="Accounts that changed them.")
    occurred_from: datetime | None = strawberry.field(default=None, description="Earliest timestamp.")
    occurred_before: datetime | None = strawberry.field(default=None, description="Timestamp before which it happened.")

    def to_filter(self) -> AuditFilter:
        """Return the filter with keys instead of IDs; raises Invalid for an ID that can be none of them."""
        actors = self._actors()
        return AuditFilter(
            objects=self._objects(),
            learner_ids=None if actors is None else [key for prefix, key in actors if prefix == LEARNER],
            service_account_ids=(
                None if actors is None else [key for prefix, key in actors if prefix == SERVICE_ACCOUNT]
            ),
            occurred_from=self.occurred_from,
            occurred_before=self.occurred_before,
        )

    def _objects(self) -> list[tuple[ObjectType, int]] | None:
        if self.object_ids is None:
            return None
        _limit(self.object_ids, "objectIds")
        objects: list[tuple[ObjectType, int]] = []
        for index, id in enumerate(self.object_ids):
            decoded = decode(id)
            kinds = types_of(decoded[0]) if decoded else []
            if decoded is None or not kinds:
                raise Invalid("Is no ID.", path=["filter", "objectIds", index])
            objects += [(kind, decoded[1]) for kind in kinds]
        return objects

    def _actors(self) -> list[tuple[str, int]] | None:
        if self.actor_ids is None:
            return None
        _limit(self.actor_ids, "actorIds")
        return [
            filter_typed_key([LEARNER, SERVICE_ACCOUNT], id, path=["filter", "actorIds", index])
            for index, id in enumerate(self.actor_ids)
        ]


def _limit(ids: list[ID], name: str) -> None:
    if len(ids) > MAX_IDS:
        raise TooManyItems(limit=MAX_IDS, path=["filter", name])


async def find_entry(info: Info, key: int) -> AuditEntry | None:
    """Return an entry to those who read the audit log."""
    row = await info.context.load(load_visible_entries_by_id, key)
    return None if row is None else AuditEntry.from_row(row)


NODES = {AUDIT_ENTRY: find_entry}


@strawberry.type
class AuditLogQuery:
    """Queries about the audit log."""

    @strawberry.field(
        description="Audit log: who changed which person, placement, content, rule, template, setting or credential. "
        "Newest first. Needs ADMIN."
    )
    async def audit_entries(
        self,
        info: Info,
        first: First = 25,
        after: After = None,
        filter: Annotated[AuditEntryFilterInput | None, FILTER] = None,
    ) -> AuditEntryConnection | None:
        """List the entries."""
        context = info.context
        paging = paging_of(info, first, after, filter)
        wanted = (filter or AuditEntryFilterInput()).to_filter()
        page = await list_audit_entries(context.reads, context.principal, paging.request, wanted)
        return AuditEntryConnection.of(page, paging, AuditEntryEdge, AuditEntry.from_row)
