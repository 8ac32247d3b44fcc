"""Objects by nothing but their ID. Each feature says how its prefixes are looked up; visibility is decided there."""

import asyncio
from collections.abc import Awaitable, Callable

import strawberry

from domain.content.queries import load_contents_by_id
from domain.foundation.errors import TooManyItems
from domain.people.models import PlaceKind
from gql.audit_log.queries import NODES as AUDIT_LOG_NODES
from gql.auto_assignment.types import NODES as AUTO_ASSIGNMENT_NODES
from gql.auto_assignment.types import AutoAssignmentRule
from gql.background_jobs.queries import NODES as BACKGROUND_JOBS_NODES
from gql.content.queries import NODES as CONTENT_NODES
from gql.content.types import content_of
from gql.contract.arguments import ObjectId, ObjectIds
from gql.contract.ids import CLIENT, CONTENT, DEPARTMENT, LEARNER, LEARNING_GROUP, RULE, SUBLICENSE, decode
from gql.contract.interfaces import Node
from gql.enrollments.queries import NODES as ENROLLMENTS_NODES
from gql.execution.context import Info
from gql.mandatory_tasks.bulk_queries import NODES as BULK_ASSIGNMENTS_NODES
from gql.mandatory_tasks.queries import NODES as MANDATORY_TASKS_NODES
from gql.notifications.queries import NODES as NOTIFICATIONS_NODES
from gql.people.place_types import Place
from gql.people.queries import NODES as PEOPLE_NODES
from gql.people.types import Client, Department, Learner, LearningGroup, Sublicense
from gql.tenants.queries import NODES as TENANTS_NODES

Find = Callable[[Info, int], Awaitable[Node | None]]

MAX_IDS = 100

#: By prefix of the ID: finds what the viewer may see under it, or None.
NODES: dict[str, Find] = {
    **TENANTS_NODES,
    **AUTO_ASSIGNMENT_NODES,
    **PEOPLE_NODES,
    **AUDIT_LOG_NODES,
    **BACKGROUND_JOBS_NODES,
    **CONTENT_NODES,
    **ENROLLMENTS_NODES,
    **MANDATORY_TASKS_NODES,
    **NOTIFICATIONS_NODES,
    **BULK_ASSIGNMENTS_NODES,
}


async def _load_content(info: Info, key: int) -> Node | None:
    row = await info.context.load(load_contents_by_id, key)
    return None if row is None else content_of(row)


def _place_loader(place_type: type[Place], kind: PlaceKind) -> Find:
    async def load(info: Info, key: int) -> Node | None:
        place = await place_type.load(info, key)
        return place if place is not None and place.row.kind == kind else None

    return load


#: The same for accounts that see the whole tenant, with one statement for all IDs of a kind.
LOADS: dict[str, Find] = {
    LEARNER: Learner.load,
    DEPARTMENT: _place_loader(Department, PlaceKind.DEPARTMENT),
    LEARNING_GROUP: _place_loader(LearningGroup, PlaceKind.LEARNING_GROUP),
    CLIENT: _place_loader(Client, PlaceKind.CLIENT),
    SUBLICENSE: _place_loader(Sublicense, PlaceKind.SUBLICENSE),
    CONTENT: _load_content,
    RULE: AutoAssignmentRule.load,
}


async def find_node(info: Info, id: str) -> Node | None:
    """Return the object with this ID if the viewer may see it."""
    decoded = decode(id)
    if decoded is None:
        return None
    prefix, key = decoded
    find = (LOADS.get(prefix) if info.context.principal.sees_all else None) or NODES.get(prefix)
    return await find(info, key) if find else None


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
