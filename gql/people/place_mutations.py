"""Mutations that create and change places."""

from typing import Annotated

import strawberry

from domain.people.learners.changes import UNSET
from domain.people.models import PlaceKind
from domain.people.operations import create_place, update_place
from gql.contract import ids
from gql.contract.arguments import INPUT
from gql.contract.mutations import mutation
from gql.execution.context import Info
from gql.people.inputs import reference
from gql.people.place_inputs import (
    CreateClientInput,
    CreateClientPayload,
    CreateDepartmentInput,
    CreateDepartmentPayload,
    CreateLearningGroupInput,
    CreateLearningGroupPayload,
    CreateSublicenseInput,
    CreateSublicensePayload,
    UpdateClientInput,
    UpdateClientPayload,
    UpdateDepartmentInput,
    UpdateDepartmentPayload,
    UpdateLearningGroupInput,
    UpdateLearningGroupPayload,
    UpdateSublicenseInput,
    UpdateSublicensePayload,
)
from gql.people.place_types import Client, Department, LearningGroup, Sublicense


@strawberry.type
class PlacesMutation:
    """Mutations that create and change places."""

    @mutation("Creates a department. Needs ADMIN.")
    async def create_department(
        self, info: Info, input: Annotated[CreateDepartmentInput, INPUT]
    ) -> CreateDepartmentPayload | None:
        """Create a department."""
        done = await info.context.perform(
            "createDepartment",
            input,
            lambda work: create_place(
                work,
                kind=PlaceKind.DEPARTMENT,
                name=input.name,
                external_id=input.external_id,
            ),
            int,
        )
        return CreateDepartmentPayload(department=await Department.load_changed(info, done.result))

    @mutation("Renames a department. Needs ADMIN.")
    async def update_department(
        self, info: Info, input: Annotated[UpdateDepartmentInput, INPUT]
    ) -> UpdateDepartmentPayload | None:
        """Change a department."""
        done = await info.context.perform(
            "updateDepartment",
            input,
            lambda work: update_place(
                work,
                kind=PlaceKind.DEPARTMENT,
                place=reference(ids.DEPARTMENT, input.id),
                name=UNSET if input.name is None else input.name,
                external_id=UNSET if input.external_id is None else input.external_id.value,
                expected_version=input.expected_version,
            ),
            int,
        )
        return UpdateDepartmentPayload(department=await Department.load_changed(info, done.result))

    @mutation("Creates a learning group owned by the viewer. Needs TRAINER.")
    async def create_learning_group(
        self, info: Info, input: Annotated[CreateLearningGroupInput, INPUT]
    ) -> CreateLearningGroupPayload | None:
        """Create a learning group."""
        done = await info.context.perform(
            "createLearningGroup",
            input,
            lambda work: create_place(
                work,
                kind=PlaceKind.LEARNING_GROUP,
                name=input.name,
                external_id=input.external_id,
                owner=None if input.owner_id is None else reference(ids.LEARNER, input.owner_id),
            ),
            int,
        )
        return CreateLearningGroupPayload(learning_group=await LearningGroup.load_changed(info, done.result))

    @mutation("Changes the name or owner of a learning group. Needs its owner or ADMIN.")
    async def update_learning_group(
        self, info: Info, input: Annotated[UpdateLearningGroupInput, INPUT]
    ) -> UpdateLearningGroupPayload | None:
        """Change a learning group."""
        done = await info.context.perform(
            "updateLearningGroup",
            input,
            lambda work: update_place(
                work,
                kind=PlaceKind.LEARNING_GROUP,
                place=reference(ids.LEARNING_GROUP, input.id),
                name=UNSET if input.name is None else input.name,
                external_id=UNSET if input.external_id is None else input.external_id.value,
                owner=UNSET if input.owner_id is None else reference(ids.LEARNER, input.owner_id),
                expected_version=input.expected_version,
            ),
            int,
        )
        return UpdateLearningGroupPayload(learning_group=await LearningGroup.load_changed(info, done.result))

    @mutation("Creates a client. Needs ADMIN.")
    async def create_client(self, info: Info, input: Annotated[CreateClientInput, INPUT]) -> CreateClientPayload | None:
        """Create a client."""
        done = await info.context.perform(
            "createClient",
            input,
            lambda work: create_place(
                work,
                kind=PlaceKind.CLIENT,
                name=input.name,
                external_id=input.external_id,
            ),
            int,
        )
        return CreateClientPayload(client=await Client.load_changed(info, done.result))

    @mutation("Renames a client. Needs ADMIN.")
    async def update_client(self, info: Info, input: Annotated[UpdateClientInput, INPUT]) -> UpdateClientPayload | None:
        """Change a client."""
        done = await info.context.perform(
            "updateClient",
            input,
            lambda work: update_place(
                work,
                kind=PlaceKind.CLIENT,
                place=reference(ids.CLIENT, input.id),
                name=UNSET if input.name is None else input.name,
                external_id=UNSET if input.external_id is None else input.external_id.value,
                expected_version=input.expected_version,
            ),
            int,
        )
        return UpdateClientPayload(client=await Client.load_changed(info, done.result))

    @mutation("Creates a sublicense of a client. Needs ADMIN.")
    async def create_sublicense(
        self, info: Info, input: Annotated[CreateSublicenseInput, INPUT]
    ) -> CreateSublicensePayload | None:
        """Create a sublicense."""
        done = await info.context.perform(
            "createSublicense",
            input,
            lambda work: create_place(
                work,
                kind=PlaceKind.SUBLICENSE,
                name=input.name,
                external_id=input.external_id,
                client=reference(ids.CLIENT, input.client_id),
            ),
            int,
        )
        return CreateSublicensePayload(sublicense=await Sublicense.load_changed(info, done.result))

    @mutation("Renames a sublicense. Needs ADMIN.")
    async def update_sublicense(
        self, info: Info, input: Annotated[UpdateSublicenseInput, INPUT]
    ) -> UpdateSublicensePayload | None:
        """Change a sublicense."""
        done = await info.context.perform(
            "updateSublicense",
            input,
            lambda work: update_place(
                work,
                kind=PlaceKind.SUBLICENSE,
                place=reference(ids.SUBLICENSE, input.id),
                name=UNSET if input.name is None else input.name,
                external_id=UNSET if input.external_id is None else input.external_id.value,
                expected_version=input.expected_version,
            ),
            int,
        )
        return UpdateSublicensePayload(sublicense=await Sublicense.load_changed(info, done.result))
