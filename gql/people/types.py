"""People, as the API shows them. What a viewer may not see is None already in the rows of the domain."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Self, TypeVar

import strawberry

from domain.foundation.access import Role
from domain.people.models import PlaceKind
from domain.people.queries import (
    LearnerRow,
    PlaceRow,
    load_changed_learners_by_id,
    load_learner_refs_by_learner,
    load_learners_by_id,
    load_places_by_learner,
)
from gql.contract.arguments import FILTER, After, First
from gql.contract.ids import LEARNER, encode
from gql.contract.interfaces import Actor
from gql.contract.pagination import Connection, Edge
from gql.execution.context import Info
from gql.execution.related import Related, related
from gql.people.place_types import (
    Client,
    ClientConnection,
    ClientEdge,
    Department,
    DepartmentConnection,
    DepartmentEdge,
    LearningGroup,
    LearningGroupConnection,
    LearningGroupEdge,
    Place,
    Sublicense,
    SublicenseConnection,
    SublicenseEdge,
    related_places,
)
from gql.tenants import enums  # noqa: F401 - publishes the roles
from gql.tenants.types import RefField

if TYPE_CHECKING:
    from gql.auto_assignment.types import AutoAssignmentRule
    from gql.enrollments.inputs import ContentActionFilterInput, EnrollmentFilterInput
    from gql.enrollments.types import ContentActionConnection, EnrollmentConnection
    from gql.mandatory_tasks.list_inputs import MandatoryTaskFilterInput
    from gql.mandatory_tasks.types import MandatoryTaskConnection

PlaceT = TypeVar("PlaceT", bound=Place)


def _department_of(places: Sequence[PlaceRow]) -> Department | None:
    departments = _places_of(places, Department, PlaceKind.DEPARTMENT)
    return departments[0] if departments else None


def _learning_groups_of(places: Sequence[PlaceRow]) -> list[LearningGroup]:
    return _places_of(places, LearningGroup, PlaceKind.LEARNING_GROUP)


def _clients_of(places: Sequence[PlaceRow]) -> list[Client]:
    return _places_of(places, Client, PlaceKind.CLIENT)


def _sublicenses_of(places: Sequence[PlaceRow]) -> list[Sublicense]:
    return _places_of(places, Sublicense, PlaceKind.SUBLICENSE)


def _places_of(places: Sequence[PlaceRow], place_type: type[PlaceT], kind: PlaceKind) -> list[PlaceT]:
    return [place_type.from_row(place) for place in places if place.kind == kind]


@strawberry.type(description="Value of a reference field of a learner.")
class RefValue:
    """Reference value."""

    field: RefField = strawberry.field(description="Field of the value.")
    value: str = strawberry.field(description="Value, compared case-sensitively.")


@strawberry.type(description="Person with an account. Trainers and administrators are learners too.")
class Learner(Actor):
    """Person with an account."""

    external_id: str | None = strawberry.field(
        description="ID of the learner in the partner's system; unique within the tenant."
    )
    name: str = strawberry.field(description="Display name of the learner.")
    email: str | None = strawberry.field(
        description="Email address of the learner; null when the viewer may not see it."
    )
    role: Role | None = strawberry.field(description="Role of the learner; null when the viewer may not see it.")
    time_zone: str | None = strawberry.field(
        description="IANA time zone that the learner's due dates and reminders follow, the tenant's unless set; null "
        "when the viewer may not see it."
    )
    is_active: bool | None = strawberry.field(
        description="Whether the learner can learn and be assigned to; null when the viewer may not see it."
    )
    version: int = strawberry.field(description="Version of the learner; grows with every change.")
    row: strawberry.Private[LearnerRow]

    @classmethod
    def from_row(cls, row: LearnerRow) -> Self:
        """Return the person of a row."""
        return cls(
            id=encode(LEARNER, row.id),
            external_id=row.external_id,
            name=row.name,
            email=row.email,
            role=None if row.role is None else Role(row.role),
            time_zone=row.time_zone,
            is_active=row.is_active,
            version=row.version,
            row=row,
        )

    @classmethod
    async def load(cls, info: Info, key: int) -> Self | None:
        """Return a person who is reached from another object."""
        return await info.context.load_as(load_learners_by_id, key, cls.from_row)

    @classmethod
    async def load_all(cls, info: Info, keys: Sequence[int]) -> list[Self]:
        """Return people who are reached from another object, in order."""
        learners = await info.context.load_many_as(load_learners_by_id, keys, cls.from_row)
        return [learner for learner in learners if learner is not None]

    @classmethod
    async def load_changed(cls, info: Info, key: int) -> Self | None:
        """Return a person whom the viewer has just changed."""
        return await info.context.load_as(load_changed_learners_by_id, key, cls.from_row)

    @strawberry.field(description="Department of the learner.")
    @related
    def department(self) -> Related[Department | None]:
        """Lead to the department."""
        return Related(load_places_by_learner, self.row.id, _department_of)

    @strawberry.field(description="Learning groups of the learner that the viewer may see.")
    @related
    def learning_groups(self) -> Related[list[LearningGroup]]:
        """Lead to the groups."""
        return Related(load_places_by_learner, self.row.id, _learning_groups_of)

    @strawberry.field(description="Clients (panoramas) of the learner.")
    @related
    def clients(self) -> Related[list[Client]]:
        """Lead to the clients."""
        return Related(load_places_by_learner, self.row.id, _clients_of)

    @strawberry.field(description="Sublicenses of the learner.")
    @related
    def sublicenses(self) -> Related[list[Sublicense]]:
        """Lead to the sublicenses."""
        return Related(load_places_by_learner, self.row.id, _sublicenses_of)

    @strawberry.field(description="Reference values of the learner; fields without a value are left out.")
    async def ref_values(self, info: Info) -> list[RefValue]:
        """Load the reference values."""
        return [
            RefValue(field=RefField(number=ref.number, label=ref.label), value=ref.value)
            for ref in await info.context.load(load_learner_refs_by_learner, self.row.id)
        ]

    @strawberry.field(description="Enrollments of the learner, latest `enrolledAt` first.")
    async def enrollments(
        self,
        info: Info,
        first: First = 25,
        after: After = None,
        filter: Annotated[
            Annotated["EnrollmentFilterInput", strawberry.lazy("gql.enrollments.inputs")] | None, FILTER
        ] = None,
    ) -> Annotated["EnrollmentConnection", strawberry.lazy("gql.enrollments.types")]:
        """List the enrollments that the viewer may see."""
        from gql.enrollments.queries import learner_enrollments

        return await learner_enrollments(info, self.row.id, first, after, filter)

    @strawberry.field(description="Mandatory tasks of the learner, by due date.")
    async def mandatory_tasks(
        self,
        info: Info,
        first: First = 25,
        after: After = None,
        filter: Annotated[
            Annotated["MandatoryTaskFilterInput", strawberry.lazy("gql.mandatory_tasks.list_inputs")] | None, FILTER
        ] = None,
    ) -> Annotated["MandatoryTaskConnection", strawberry.lazy("gql.mandatory_tasks.types")]:
        """List the tasks that the viewer may see."""
        from gql.mandatory_tasks.list_queries import learner_tasks

        return await learner_tasks(info, self.row.id, first, after, filter)

    @strawberry.field(description="Log entries of the learner, newest first.")
    async def content_actions(
        self,
        info: Info,
        first: First = 25,
        after: After = None,
        filter: Annotated[
            Annotated["ContentActionFilterInput", strawberry.lazy("gql.enrollments.inputs")] | None, FILTER
        ] = None,
    ) -> Annotated["ContentActionConnection", strawberry.lazy("gql.enrollments.types")]:
        """List the log entries that the viewer may see."""
        from gql.enrollments.queries import learner_content_actions

        return await learner_content_actions(info, self.row.id, first, after, filter)

    @strawberry.field(description="Rules whose conditions the learner meets now.")
    async def matching_rules(
        self, info: Info
    ) -> list[Annotated["AutoAssignmentRule", strawberry.lazy("gql.auto_assignment.types")]]:
        """List the rules, for those who may see rules."""
        from gql.auto_assignment.queries import matching_rules_of_learner

        return await matching_rules_of_learner(info, self.row.id)


def related_learner(key: int) -> Related[Learner]:
    """Lead to a person who is reached from another object."""
    return Related(load_learners_by_id, key, Learner.from_row)


@strawberry.type(description="Item of a page of learners.")
class LearnerEdge(Edge[Learner]):
    """Item of a page of learners."""


@strawberry.type(description="Page of learners.")
class LearnerConnection(Connection[Learner, LearnerEdge]):
    """Page of learners."""


__all__ = [
    "Client",
    "ClientConnection",
    "ClientEdge",
    "Department",
    "DepartmentConnection",
    "DepartmentEdge",
    "Learner",
    "LearnerConnection",
    "LearnerEdge",
    "LearningGroup",
    "LearningGroupConnection",
    "LearningGroupEdge",
    "RefValue",
    "Sublicense",
    "SublicenseConnection",
    "SublicenseEdge",
    "related_places",
]
