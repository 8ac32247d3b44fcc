"""Objects by nothing but their ID. Each feature says how its prefixes are looked up; visibility is decided there."""

import asyncio
from collections.abc import Awaitable, Callable

import strawberry

from domain.foundation.errors import TooManyItems
from gql.arguments import ObjectId, ObjectIds
from gql.audit_log.queries import NODES as AUDIT_LOG_NODES
from gql.auto_assignment.types import NODES as AUTO_ASSIGNMENT_NODES
from gql.background_jobs.queries import NODES as BACKGROUND_JOBS_NODES
from gql.content.queries import NODES as CONTENT_NODES
from gql.context import Info
from gql.enrollments.queries import NODES as ENROLLMENTS_NODES
from gql.ids import decode
from gql.interfaces import Node
from gql.people.queries import NODES as PEOPLE_NODES
from gql.tenants.queries import NODES as TENANTS_NODES

MAX_IDS = 100

#: By prefix of the ID: finds what the viewer may see under it, or None.
NODES: dict[str, Callable[[Info, int], Awaitable[Node | None]]] = {
    **TENANTS_NODES,
    **AUTO_ASSIGNMENT_NODES,
    **PEOPLE_NODES,
    **AUDIT_LOG_NODES,
    **BACKGROUND_JOBS_NODES,
    **CONTENT_NODES,
    **ENROLLMENTS_NODES,
}


async def find_node(info: Info, id: str) -> Node | None:
    """Return the object with this ID if the viewer may see it."""
    decoded = decode(id)
    find = NODES.get(decoded[0]) if decoded else None
    return await find(info, decoded[1]) if decoded and find else None


@strawberry.type
class NodesQuery:
    """Fields that reach any object."""

    @strawberry.field(description="Any object by its ID, or null when it does not exist or the viewer may not see it.")
    async def node(self, info: Info, id: ObjectId) -> Node | None:
        """Find one object."""
        return await find_node(info, id)

    @strawberry.field(
        description="Objects by ID, in the order of `ids`; null where `node` would be null. At most 100 IDs."
    )
    async def nodes(self, info: Info, ids: ObjectIds) -> list[Node | None] | None:
        """Find several objects."""
        if len(ids) > MAX_IDS:
            raise TooManyItems(limit=MAX_IDS, path=["ids"])
        return list(await asyncio.gather(*(find_node(info, id) for id in ids)))
