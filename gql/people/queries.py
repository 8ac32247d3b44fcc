"""Looking up and listing people and places."""

from collections.abc import Awaitable, Callable
from typing import Annotated

import strawberry
from strawberry import ID

from domain.people.models import PlaceKind
from domain.people.queries import (
    find_learner,
    find_learner_by_key,
    find_place,
    learner_order,
    list_learners,
    list_places,
)
from gql.contract import ids
from gql.contract.arguments import FILTER, ORDER_BY, After, First, Search
from gql.contract.enums import SortDirection
from gql.contract.interfaces import Node
from gql.contract.pagination import paging_of
from gql.execution.context import Info
from gql.people.enums import LearnerOrderField
from gql.people.inputs import LearnerFilterInput, LearnerKeyInput, LearnerOrderInput, learner_filter, learner_key
from gql.people.types import (
    Client,
    ClientConnection,
    ClientEdge,
    Department,
    DepartmentConnection,
    DepartmentEdge,
    Learner,
    LearnerConnection,
    LearnerEdge,
    LearningGroup,
    LearningGroupConnection,
    LearningGroupEdge,
    Sublicense,
    SublicenseConnection,
    SublicenseEdge,
)


async def _find_learner(info: Info, key: int) -> Learner | None:
    row = await find_learner(info.context.reads, info.context.principal, key)
    return None if row is None else Learner.from_row(row)


def _finder(
    place_type: type[Department] | type[LearningGroup] | type[Client] | type[Sublicense], kind: PlaceKind
) -> Callable[[Info, int], Awaitable[Node | None]]:
    async def find(info: Info, key: int) -> Node | None:
        row = await find_place(info.context.reads, info.context.principal, kind, key)
        return None if row is None else place_type.from_row(row)

    return find


NODES: dict[str, Callable[[Info, int], Awaitable[Node | None]]] = {
    ids.LEARNER: _find_learner,
    ids.DEPARTMENT: _finder(Department, PlaceKind.DEPARTMENT),
    ids.LEARNING_GROUP: _finder(LearningGroup, PlaceKind.LEARNING_GROUP),
    ids.CLIENT: _finder(Client, PlaceKind.CLIENT),
    ids.SUBLICENSE: _finder(Sublicense, PlaceKind.SUBLICENSE),
}


@strawberry.type
class PeopleQuery:
    """Root fields about people and places."""

    @strawberry.field(description="Learner by exactly one key.")
    async def learner(
        self, info: Info, by: Annotated[LearnerKeyInput, strawberry.argument(description="Key of the learner.")]
    ) -> Learner | None:
        """Look up a person."""
        row = await find_learner_by_key(info.context.reads, info.context.principal, learner_key(by))
        return None if row is None else Learner.from_row(row)

    @strawberry.field(description="Learners the viewer may see.")
    async def learners(
        self,
        info: Info,
        first: First = 25,
        after: After = None,
        filter: Annotated[LearnerFilterInput | None, FILTER] = None,
        order_by: Annotated[LearnerOrderInput, ORDER_BY] = LearnerOrderInput(  # noqa: B008 - never changed
            field=LearnerOrderField.NAME, direction=SortDirection.ASC
        ),
    ) -> LearnerConnection | None:
        """List people."""
        paging = paging_of(info, first, after, filter, order_by)
        page = await list_learners(
            info.context.reads,
            info.context.principal,
            restriction=learner_filter(filter),
            order=learner_order(
                by_creation=order_by.field is LearnerOrderField.CREATED_AT,
                is_descending=order_by.direction is SortDirection.DESC,
            ),
            request=paging.request,
        )
        return LearnerConnection.of(page, paging, LearnerEdge, Learner.from_row)

    @strawberry.field(description="Departments of the tenant.")
    async def departments(
        self, info: Info, first: First = 25, after: After = None, search: Search = None
    ) -> DepartmentConnection | None:
        """List departments."""
        context, paging = info.context, paging_of(info, first, after, search)
        page = await list_places(
            context.reads, context.principal, PlaceKind.DEPARTMENT, search=search, request=paging.request
        )
        return DepartmentConnection.of(page, paging, DepartmentEdge, Department.from_row)

    @strawberry.field(description="Learning groups the viewer may assign to; trainers see their own.")
    async def learning_groups(
        self, info: Info, first: First = 25, after: After = None, search: Search = None
    ) -> LearningGroupConnection | None:
        """List learning groups."""
        context, paging = info.context, paging_of(info, first, after, search)
        page = await list_places(
            context.reads, context.principal, PlaceKind.LEARNING_GROUP, search=search, request=paging.request
        )
        return LearningGroupConnection.of(page, paging, LearningGroupEdge, LearningGroup.from_row)

    @strawberry.field(description="Clients (panoramas) of the tenant.")
    async def clients(
        self, info: Info, first: First = 25, after: After = None, search: Search = None
    ) -> ClientConnection | None:
        """List clients."""
        context, paging = info.context, paging_of(info, first, after, search)
        page = await list_places(
            context.reads, context.principal, PlaceKind.CLIENT, search=search, request=paging.request
        )
        return ClientConnection.of(page, paging, ClientEdge, Client.from_row)

    @strawberry.field(description="Sublicenses of the tenant, or of one client.")
    async def sublicenses(
        self,
        info: Info,
        first: First = 25,
        after: After = None,
        client_id: Annotated[
            ID | None, strawberry.argument(description="Client whose sublicenses to list; left out for all.")
        ] = None,
        search: Search = None,
    ) -> SublicenseConnection | None:
        """List sublicenses."""
        context, paging = info.context, paging_of(info, first, after, client_id, search)
        page = await list_places(
            context.reads,
            context.principal,
            PlaceKind.SUBLICENSE,
            search=search,
            client=None if client_id is None else ids.filter_key(ids.CLIENT, client_id, path=["clientId"]),
            request=paging.request,
        )
        return SublicenseConnection.of(page, paging, SublicenseEdge, Sublicense.from_row)
