"""Mutations that delete places. Rules are evaluated for everybody who belonged there."""

from typing import Annotated

import strawberry
from strawberry import ID

from domain.people.models import PlaceKind
from domain.people.operations import delete_place
from gql.background_jobs.types import BackgroundJob
from gql.contract import ids
from gql.contract.arguments import INPUT
from gql.contract.mutations import RuleOutcomePayload, mutation, reevaluation_of
from gql.execution.context import Info, MutationInput
from gql.people.inputs import reference


@strawberry.type
class PlaceDeletionPayload(RuleOutcomePayload):
    """What all payloads of deletions have."""

    reevaluation: BackgroundJob | None = strawberry.field(
        default=None, description="Evaluation of the rules; null when it was done in the same transaction."
    )


@strawberry.input(description="Input of deleteDepartment.")
class DeleteDepartmentInput(MutationInput):
    """Input of deleteDepartment."""

    id: ID = strawberry.field(description="Department to delete.")


@strawberry.type(description="Payload of deleteDepartment.")
class DeleteDepartmentPayload(PlaceDeletionPayload):
    """Payload of deleteDepartment."""

    deleted_department_id: ID | None = strawberry.field(default=None, description="ID of the deleted department.")


@strawberry.input(description="Input of deleteLearningGroup.")
class DeleteLearningGroupInput(MutationInput):
    """Input of deleteLearningGroup."""

    id: ID = strawberry.field(description="Learning group to delete.")


@strawberry.type(description="Payload of deleteLearningGroup.")
class DeleteLearningGroupPayload(PlaceDeletionPayload):
    """Payload of deleteLearningGroup."""

    deleted_learning_group_id: ID | None = strawberry.field(
        default=None, description="ID of the deleted learning group."
    )


@strawberry.input(description="Input of deleteClient.")
class DeleteClientInput(MutationInput):
    """Input of deleteClient."""

    id: ID = strawberry.field(description="Client to delete.")


@strawberry.type(description="Payload of deleteClient.")
class DeleteClientPayload(PlaceDeletionPayload):
    """Payload of deleteClient."""

    deleted_client_id: ID | None = strawberry.field(default=None, description="ID of the deleted client.")


@strawberry.input(description="Input of deleteSublicense.")
class DeleteSublicenseInput(MutationInput):
    """Input of deleteSublicense."""

    id: ID = strawberry.field(description="Sublicense to delete.")


@strawberry.type(description="Payload of deleteSublicense.")
class DeleteSublicensePayload(PlaceDeletionPayload):
    """Payload of deleteSublicense."""

    deleted_sublicense_id: ID | None = strawberry.field(default=None, description="ID of the deleted sublicense.")


@strawberry.type
class PlaceDeletionMutation:
    """Mutations that delete places."""

    @mutation("Deletes a department; its learners are then in none. Refused while a rule names it. Needs ADMIN.")
    async def delete_department(
        self, info: Info, input: Annotated[DeleteDepartmentInput, INPUT]
    ) -> DeleteDepartmentPayload | None:
        """Delete a department."""
        done = await info.context.perform(
            "deleteDepartment",
            input,
            lambda work: delete_place(work, kind=PlaceKind.DEPARTMENT, place=reference(ids.DEPARTMENT, input.id)),
            int,
        )
        return DeleteDepartmentPayload(
            deleted_department_id=ids.encode(ids.DEPARTMENT, done.result),
            reevaluation=await reevaluation_of(info, done),
            done=done,
        )

    @mutation("Deletes a learning group. Refused while a rule names it. Needs its owner or ADMIN.")
    async def delete_learning_group(
        self, info: Info, input: Annotated[DeleteLearningGroupInput, INPUT]
    ) -> DeleteLearningGroupPayload | None:
        """Delete a learning group."""
        done = await info.context.perform(
            "deleteLearningGroup",
            input,
            lambda work: delete_place(
                work, kind=PlaceKind.LEARNING_GROUP, place=reference(ids.LEARNING_GROUP, input.id)
            ),
            int,
        )
        return DeleteLearningGroupPayload(
            deleted_learning_group_id=ids.encode(ids.LEARNING_GROUP, done.result),
            reevaluation=await reevaluation_of(info, done),
            done=done,
        )

    @mutation("Deletes a client with its sublicenses. Refused while a rule names one of them. Needs ADMIN.")
    async def delete_client(self, info: Info, input: Annotated[DeleteClientInput, INPUT]) -> DeleteClientPayload | None:
        """Delete a client."""
        done = await info.context.perform(
            "deleteClient",
            input,
            lambda work: delete_place(work, kind=PlaceKind.CLIENT, place=reference(ids.CLIENT, input.id)),
            int,
        )
        return DeleteClientPayload(
            deleted_client_id=ids.encode(ids.CLIENT, done.result),
            reevaluation=await reevaluation_of(info, done),
            done=done,
        )

    @mutation("Deletes a sublicense. Refused while a rule names it. Needs ADMIN.")
    async def delete_sublicense(
        self, info: Info, input: Annotated[DeleteSublicenseInput, INPUT]
    ) -> DeleteSublicensePayload | None:
        """Delete a sublicense."""
        done = await info.context.perform(
            "deleteSublicense",
            input,
            lambda work: delete_place(work, kind=PlaceKind.SUBLICENSE, place=reference(ids.SUBLICENSE, input.id)),
            int,
        )
        return DeleteSublicensePayload(
            deleted_sublicense_id=ids.encode(ids.SUBLICENSE, done.result),
            reevaluation=await reevaluation_of(info, done),
            done=done,
        )
