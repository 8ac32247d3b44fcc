"""Inputs and payloads of the mutations that create and change places."""

import strawberry
from strawberry import ID

from gql.contract.mutations import Payload, UpdateInput
from gql.execution.context import MutationInput
from gql.people.place_types import Client, Department, LearningGroup, Sublicense


@strawberry.input(description="Input of createDepartment.")
class CreateDepartmentInput(MutationInput):
    """Input of createDepartment."""

    external_id: str | None = strawberry.field(
        default=None, description="ID of the department in the partner's system."
    )
    name: str = strawberry.field(description="Name of the department; unique within the tenant.")


@strawberry.type(description="Payload of createDepartment.")
class CreateDepartmentPayload(Payload):
    """Payload of createDepartment."""

    department: Department | None = strawberry.field(default=None, description="Department as created.")


@strawberry.input(description="Input of updateDepartment.")
class UpdateDepartmentInput(UpdateInput):
    """Input of updateDepartment."""

    id: ID = strawberry.field(description="Department to change.")
    external_id: strawberry.Maybe[str | None] = strawberry.field(
        description="ID of the department in the partner's system; null removes it."
    )
    name: str | None = strawberry.field(default=None, description="New name.")


@strawberry.type(description="Payload of updateDepartment.")
class UpdateDepartmentPayload(Payload):
    """Payload of updateDepartment."""

    department: Department | None = strawberry.field(default=None, description="Department after the change.")


@strawberry.input(description="Input of createLearningGroup.")
class CreateLearningGroupInput(MutationInput):
    """Input of createLearningGroup."""

    external_id: str | None = strawberry.field(
        default=None, description="ID of the learning group in the partner's system."
    )
    name: str = strawberry.field(description="Name of the group.")
    owner_id: ID | None = strawberry.field(
        default=None,
        description="Owner, a trainer or administrator; left out for the viewer, needed from service accounts.",
    )


@strawberry.type(description="Payload of createLearningGroup.")
class CreateLearningGroupPayload(Payload):
    """Payload of createLearningGroup."""

    learning_group: LearningGroup | None = strawberry.field(default=None, description="Group as created.")


@strawberry.input(description="Input of updateLearningGroup.")
class UpdateLearningGroupInput(UpdateInput):
    """Input of updateLearningGroup."""

    id: ID = strawberry.field(description="Learning group to change.")
    external_id: strawberry.Maybe[str | None] = strawberry.field(
        description="ID of the learning group in the partner's system; null removes it."
    )
    name: str | None = strawberry.field(default=None, description="New name.")
    owner_id: ID | None = strawberry.field(default=None, description="New owner, a trainer or administrator.")


@strawberry.type(description="Payload of updateLearningGroup.")
class UpdateLearningGroupPayload(Payload):
    """Payload of updateLearningGroup."""

    learning_group: LearningGroup | None = strawberry.field(
        default=None, description="Learning group after the change."
    )


@strawberry.input(description="Input of createClient.")
class CreateClientInput(MutationInput):
    """Input of createClient."""

    external_id: str | None = strawberry.field(default=None, description="ID of the client in the partner's system.")
    name: str = strawberry.field(description="Name of the client; unique within the tenant.")


@strawberry.type(description="Payload of createClient.")
class CreateClientPayload(Payload):
    """Payload of createClient."""

    client: Client | None = strawberry.field(default=None, description="Client as created.")


@strawberry.input(description="Input of updateClient.")
class UpdateClientInput(UpdateInput):
    """Input of updateClient."""

    id: ID = strawberry.field(description="Client to change.")
    external_id: strawberry.Maybe[str | None] = strawberry.field(
        description="ID of the client in the partner's system; null removes it."
    )
    name: str | None = strawberry.field(default=None, description="New name.")


@strawberry.type(description="Payload of updateClient.")
class UpdateClientPayload(Payload):
    """Payload of updateClient."""

    client: Client | None = strawberry.field(default=None, description="Client after the change.")


@strawberry.input(description="Input of createSublicense.")
class CreateSublicenseInput(MutationInput):
    """Input of createSublicense."""

    external_id: str | None = strawberry.field(
        default=None, description="ID of the sublicense in the partner's system."
    )
    client_id: ID = strawberry.field(description="Client of the sublicense.")
    name: str = strawberry.field(description="Name of the sublicense.")


@strawberry.type(description="Payload of createSublicense.")
class CreateSublicensePayload(Payload):
    """Payload of createSublicense."""

    sublicense: Sublicense | None = strawberry.field(default=None, description="Sublicense as created.")


@strawberry.input(description="Input of updateSublicense.")
class UpdateSublicenseInput(UpdateInput):
    """Input of updateSublicense."""

    id: ID = strawberry.field(description="Sublicense to change.")
    external_id: strawberry.Maybe[str | None] = strawberry.field(
        description="ID of the sublicense in the partner's system; null removes it."
    )
    name: str | None = strawberry.field(default=None, description="New name.")


@strawberry.type(description="Payload of updateSublicense.")
class UpdateSublicensePayload(Payload):
    """Payload of updateSublicense."""

    sublicense: Sublicense | None = strawberry.field(default=None, description="Sublicense after the change.")
