"""Mutations of who belongs to learning groups, clients and sublicenses."""

from typing import Annotated

import strawberry
from strawberry import ID

from domain.foundation.keys import Reference
from domain.people.models import PlaceKind
from domain.people.operations import add_members, remove_members
from domain.people.queries import load_changed_learners_by_id
from gql.background_jobs.types import BackgroundJob
from gql.contract import ids
from gql.contract.arguments import INPUT
from gql.contract.mutations import RuleOutcomePayload, mutation, reevaluation_of
from gql.execution.context import Info, MutationInput
from gql.people.inputs import LearnerKeyInput, learner_key, reference
from gql.people.types import Learner


@strawberry.input(one_of=True, description="Group to change the members of: exactly one of these.")
class MembershipTargetInput:
    """Group to change the members of."""

    learning_group_id: strawberry.Maybe[ID] = strawberry.field(description="Learning group.")
    client_id: strawberry.Maybe[ID] = strawberry.field(description="Client (panorama).")
    sublicense_id: strawberry.Maybe[ID] = strawberry.field(description="Sublicense.")


@strawberry.input(description="Input of addMembers.")
class AddMembersInput(MutationInput):
    """Input of addMembers."""

    target: MembershipTargetInput = strawberry.field(description="Group to change.")
    learners: list[LearnerKeyInput] = strawberry.field(description="Learners, from 1 to 100.")


@strawberry.type(description="Payload of addMembers.")
class AddMembersPayload(RuleOutcomePayload):
    """Payload of addMembers."""

    learners: list[Learner] | None = strawberry.field(
        default=None, description="Learners after the change, in the order of the input."
    )
    reevaluation: BackgroundJob | None = strawberry.field(
        default=None, description="Evaluation of the rules; null when it was done in the same transaction."
    )


@strawberry.input(description="Input of removeMembers.")
class RemoveMembersInput(MutationInput):
    """Input of removeMembers."""

    target: MembershipTargetInput = strawberry.field(description="Group to change.")
    learners: list[LearnerKeyInput] = strawberry.field(description="Learners, from 1 to 100.")


@strawberry.type(description="Payload of removeMembers.")
class RemoveMembersPayload(RuleOutcomePayload):
    """Payload of removeMembers."""

    learners: list[Learner] | None = strawberry.field(
        default=None, description="Learners after the change, in the order of the input."
    )
    reevaluation: BackgroundJob | None = strawberry.field(
        default=None, description="Evaluation of the rules; null when it was done in the same transaction."
    )


@strawberry.type
class MembersMutation:
    """Mutations of memberships."""

    @mutation(
        "Adds learners to a learning group, client or sublicense; rules are re-evaluated. Never done by a rule. Needs "
        "the group's owner or ADMIN."
    )
    async def add_members(self, info: Info, input: Annotated[AddMembersInput, INPUT]) -> AddMembersPayload | None:
        """Add members."""
        kind, place = _target(input.target)
        keys = [learner_key(key) for key in input.learners]
        done = await info.context.perform(
            "addMembers", input, lambda work: add_members(work, kind=kind, place=place, learners=keys), list[int]
        )
        return AddMembersPayload(
            learners=await _changed(info, done.result), reevaluation=await reevaluation_of(info, done), done=done
        )

    @mutation(
        "Removes learners from a learning group, client or sublicense; rules are re-evaluated. Needs the group's owner "
        "or ADMIN."
    )
    async def remove_members(
        self, info: Info, input: Annotated[RemoveMembersInput, INPUT]
    ) -> RemoveMembersPayload | None:
        """Remove members."""
        kind, place = _target(input.target)
        keys = [learner_key(key) for key in input.learners]
        done = await info.context.perform(
            "removeMembers",
            input,
            lambda work: remove_members(work, kind=kind, place=place, learners=keys),
            list[int],
        )
        return RemoveMembersPayload(
            learners=await _changed(info, done.result), reevaluation=await reevaluation_of(info, done), done=done
        )


def _target(target: MembershipTargetInput) -> tuple[PlaceKind, Reference]:
    if target.learning_group_id is not None:
        return PlaceKind.LEARNING_GROUP, reference(ids.LEARNING_GROUP, target.learning_group_id.value)
    if target.client_id is not None:
        return PlaceKind.CLIENT, reference(ids.CLIENT, target.client_id.value)
    assert target.sublicense_id is not None, "the target has exactly one field"
    return PlaceKind.SUBLICENSE, reference(ids.SUBLICENSE, target.sublicense_id.value)


async def _changed(info: Info, keys: list[int]) -> list[Learner]:
    rows = await info.context.load_many(load_changed_learners_by_id, keys)
    return [Learner.from_row(row) for row in rows if row is not None]
