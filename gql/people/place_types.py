"""Departments, learning groups, clients and sublicenses, as the API shows them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar, Self, TypeVar

import strawberry

from domain.people.queries import (
    PlaceRow,
    load_changed_places_by_id,
    load_member_counts,
    load_places_by_id,
)
from gql.contract.ids import CLIENT, DEPARTMENT, LEARNING_GROUP, SUBLICENSE, encode
from gql.contract.interfaces import Node
from gql.contract.pagination import Connection, Edge
from gql.execution.context import Info
from gql.execution.related import RelatedList

if TYPE_CHECKING:
    from gql.people.types import Learner


@strawberry.type
class Place(Node):
    """What all kinds of places have."""

    PREFIX: ClassVar[str]

    external_id: str | None
    name: str
    version: int = strawberry.field(description="Version of the object; grows with every change.")
    row: strawberry.Private[PlaceRow]

    @classmethod
    def from_row(cls, row: PlaceRow) -> Self:
        """Return the place of a row."""
        return cls(
            id=encode(cls.PREFIX, row.id), external_id=row.external_id, name=row.name, version=row.version, row=row
        )

    @classmethod
    async def load(cls, info: Info, key: int) -> Self | None:
        """Return a place that is reached from another object."""
        return await info.context.load_as(load_places_by_id, key, cls.from_row)

    @classmethod
    async def load_changed(cls, info: Info, key: int) -> Self | None:
        """Return a place that the viewer has just changed."""
        return await info.context.load_as(load_changed_places_by_id, key, cls.from_row)


PlaceT = TypeVar("PlaceT", bound=Place)


def related_places(place_type: type[PlaceT], keys: Sequence[int]) -> RelatedList[PlaceT]:
    """Lead to the places that there still are."""
    return RelatedList(load_places_by_id, keys, place_type.from_row)


@strawberry.type(description="Department of the tenant.")
class Department(Place):
    """Department of the tenant."""

    PREFIX = DEPARTMENT

    external_id: str | None = strawberry.field(
        description="ID of the department in the partner's system; unique within the tenant."
    )
    name: str = strawberry.field(description="Name of the department.")

    @strawberry.field(description="Number of active learners in the department.")
    async def member_count(self, info: Info) -> int:
        """Count the active learners."""
        return await info.context.load(load_member_counts, self.row.id)


@strawberry.type(description="Group of learners owned by a trainer.")
class LearningGroup(Place):
    """Group of learners owned by a trainer."""

    PREFIX = LEARNING_GROUP

    external_id: str | None = strawberry.field(
        description="ID of the learning group in the partner's system; unique within the tenant."
    )
    name: str = strawberry.field(description="Name of the learning group.")

    @strawberry.field(description="Trainer who owns the group.")
    async def owner(self, info: Info) -> Annotated["Learner", strawberry.lazy("gql.people.types")]:
        """Load the owner."""
        from gql.people.types import Learner

        assert self.row.owner_id is not None
        owner = await Learner.load(info, self.row.owner_id)
        assert owner is not None
        return owner

    @strawberry.field(description="Number of active learners in the group.")
    async def member_count(self, info: Info) -> int:
        """Count the active learners."""
        return await info.context.load(load_member_counts, self.row.id)


@strawberry.type(description="Client (panorama) of the tenant.")
class Client(Place):
    """Client (panorama) of the tenant."""

    PREFIX = CLIENT

    external_id: str | None = strawberry.field(
        description="ID of the client in the partner's system; unique within the tenant."
    )
    name: str = strawberry.field(description="Name of the client.")


@strawberry.type(description="Sublicense of a client.")
class Sublicense(Place):
    """Sublicense of a client."""

    PREFIX = SUBLICENSE

    external_id: str | None = strawberry.field(
        description="ID of the sublicense in the partner's system; unique within the tenant."
    )
    name: str = strawberry.field(description="Name of the sublicense.")

    @strawberry.field(description="Client of the sublicense.")
    async def client(self, info: Info) -> Client:
        """Load the client."""
        assert self.row.client_id is not None
        client = await Client.load(info, self.row.client_id)
        assert client is not None
        return client


@strawberry.type(description="Item of a page of departments.")
class DepartmentEdge(Edge[Department]):
    """Item of a page of departments."""


@strawberry.type(description="Page of departments.")
class DepartmentConnection(Connection[Department, DepartmentEdge]):
    """Page of departments."""


@strawberry.type(description="Item of a page of learning groups.")
class LearningGroupEdge(Edge[LearningGroup]):
    """Item of a page of learning groups."""


@strawberry.type(description="Page of learning groups.")
class LearningGroupConnection(Connection[LearningGroup, LearningGroupEdge]):
    """Page of learning groups."""


@strawberry.type(description="Item of a page of clients.")
class ClientEdge(Edge[Client]):
    """Item of a page of clients."""


@strawberry.type(description="Page of clients.")
class ClientConnection(Connection[Client, ClientEdge]):
    """Page of clients."""


@strawberry.type(description="Item of a page of sublicenses.")
class SublicenseEdge(Edge[Sublicense]):
    """Item of a page of sublicenses."""


@strawberry.type(description="Page of sublicenses.")
class SublicenseConnection(Connection[Sublicense, SublicenseEdge]):
    """Page of sublicenses."""
