"""Mutations of people."""

from typing import Annotated

import strawberry
from strawberry import ID

from domain.foundation.access import Role
from domain.people.learners.changes import UNSET, LearnerChanges
from domain.people.operations import (
    LearnerRowResult as RowResult,
)
from domain.people.operations import (
    bulk_upsert_learners,
    create_learner,
    deactivate_learner,
    erase_learner,
    reactivate_learner,
    update_learner,
)
from gql.background_jobs.types import BackgroundJob
from gql.contract import ids
from gql.contract.arguments import INPUT
from gql.contract.mutations import Payload, RuleOutcomePayload, UpdateInput, mutation, reevaluation_of
from gql.contract.user_errors import UserError, user_errors
from gql.execution.context import Info, MutationInput
from gql.people.enums import RowOutcome
from gql.people.inputs import (
    LearnerChangesInput,
    LearnerKeyInput,
    LearnerRowInput,
    RefValueInput,
    learner_changes,
    learner_key,
    ref_changes,
    reference,
    references,
)
from gql.people.types import Learner


@strawberry.input(description="Input of createLearner.")
class CreateLearnerInput(MutationInput):
    """Input of createLearner."""

    name: str = strawberry.field(description="Display name of the learner.")
    email: str = strawberry.field(description="Email address of the learner; unique within the tenant.")
    external_id: str | None = strawberry.field(default=None, description="ID of the learner in the partner's system.")
    role: Role = strawberry.field(
        default=Role.LEARNER, description="Role of the learner; service accounts can give LEARNER only."
    )
    time_zone: str | None = strawberry.field(default=None, description="IANA time zone; left out for the tenant's.")
    department_id: ID | None = strawberry.field(default=None, description="Department of the learner.")
    client_ids: list[ID] | None = strawberry.field(default=None, description="Clients (panoramas) of the learner.")
    sublicense_ids: list[ID] | None = strawberry.field(default=None, description="Sublicenses of the learner.")
    learning_group_ids: list[ID] | None = strawberry.field(default=None, description="Learning groups of the learner.")
    ref_values: list[RefValueInput] | None = strawberry.field(
        default=None, description="Reference values of the learner."
    )


@strawberry.type(description="Payload of createLearner.")
class CreateLearnerPayload(RuleOutcomePayload):
    """Payload of createLearner."""

    learner: Learner | None = strawberry.field(default=None, description="Learner as created.")


@strawberry.input(description="Input of updateLearner.")
class UpdateLearnerInput(UpdateInput):
    """Input of updateLearner."""

    learner: LearnerKeyInput = strawberry.field(description="Learner to change.")
    changes: LearnerChangesInput = strawberry.field(description="What to change; fields left out stay.")


@strawberry.type(description="Payload of updateLearner.")
class UpdateLearnerPayload(RuleOutcomePayload):
    """Payload of updateLearner."""

    learner: Learner | None = strawberry.field(default=None, description="Learner after the change.")


@strawberry.input(description="Input of deactivateLearner.")
class DeactivateLearnerInput(MutationInput):
    """Input of deactivateLearner."""

    learner: LearnerKeyInput = strawberry.field(description="Learner to deactivate.")


@strawberry.type(description="Payload of deactivateLearner.")
class DeactivateLearnerPayload(RuleOutcomePayload):
    """Payload of deactivateLearner."""

    learner: Learner | None = strawberry.field(default=None, description="Learner after the change.")


@strawberry.input(description="Input of reactivateLearner.")
class ReactivateLearnerInput(MutationInput):
    """Input of reactivateLearner."""

    learner: LearnerKeyInput = strawberry.field(description="Learner to reactivate.")


@strawberry.type(description="Payload of reactivateLearner.")
class ReactivateLearnerPayload(RuleOutcomePayload):
    """Payload of reactivateLearner."""

    learner: Learner | None = strawberry.field(default=None, description="Learner after the change.")


@strawberry.input(description="Input of eraseLearner.")
class EraseLearnerInput(MutationInput):
    """Input of eraseLearner."""

    learner: LearnerKeyInput = strawberry.field(description="Learner to erase.")


@strawberry.type(description="Payload of eraseLearner.")
class EraseLearnerPayload(Payload):
    """Payload of eraseLearner."""

    learner: Learner | None = strawberry.field(default=None, description="Learner as left.")


@strawberry.input(description="Input of bulkUpsertLearners.")
class BulkUpsertLearnersInput(MutationInput):
    """Input of bulkUpsertLearners."""

    rows: list[LearnerRowInput] = strawberry.field(
        description="Learners, from 1 to 1,000, each with its own `externalId`."
    )


@strawberry.type(description="Outcome of one row.")
class LearnerRowResult:
    """Outcome of one row."""

    external_id: str = strawberry.field(description="ID of the learner in the partner's system.")
    outcome: RowOutcome = strawberry.field(description="What happened to the row.")
    errors: list[UserError] = strawberry.field(description="Why the row was not applied; empty on success.")
    learner_id: strawberry.Private[int | None]

    @classmethod
    def of(cls, result: RowResult) -> "LearnerRowResult":
        """Return the outcome of a row."""
        return cls(
            external_id=result.external_id,
            outcome=result.outcome,
            errors=[published for error in result.errors for published in user_errors(error.as_error(), prefix=())],
            learner_id=result.learner_id,
        )

    @strawberry.field(description="Learner after the change; null when the row failed.")
    async def learner(self, info: Info) -> Learner | None:
        """Load the person."""
        return None if self.learner_id is None else await Learner.load_changed(info, self.learner_id)


@strawberry.type(description="Payload of bulkUpsertLearners.")
class BulkUpsertLearnersPayload(Payload):
    """Payload of bulkUpsertLearners."""

    results: list[LearnerRowResult] = strawberry.field(
        default_factory=list, description="Outcome per row, in the order of `rows`."
    )
    reevaluation: BackgroundJob | None = strawberry.field(
        default=None, description="Evaluation of the rules; null when it was done in the same transaction."
    )


@strawberry.type
class LearnersMutation:
    """Mutations of people."""

    @mutation("Creates a learner; rules are evaluated at once. Needs ADMIN.")
    async def create_learner(
        self, info: Info, input: Annotated[CreateLearnerInput, INPUT]
    ) -> CreateLearnerPayload | None:
        """Create a person."""
        learner = _new_learner(input)
        done = await info.context.perform(
            "createLearner", input, lambda work: create_learner(work, learner=learner), int
        )
        return CreateLearnerPayload(learner=await Learner.load_changed(info, done.result), done=done)

    @mutation(
        "Changes a learner and re-evaluates every Auto Assignment rule for them in the same transaction. Needs ADMIN."
    )
    async def update_learner(
        self, info: Info, input: Annotated[UpdateLearnerInput, INPUT]
    ) -> UpdateLearnerPayload | None:
        """Change a person."""
        key, changes = learner_key(input.learner), learner_changes(input.changes)
        done = await info.context.perform(
            "updateLearner",
            input,
            lambda work: update_learner(work, key=key, changes=changes, expected_version=input.expected_version),
            int,
        )
        return UpdateLearnerPayload(learner=await Learner.load_changed(info, done.result), done=done)

    @mutation(
        "Creates or updates up to 1,000 learners by `externalId`, row by row; a row whose `externalId` is unknown and "
        "whose email belongs to a learner without one takes that learner over. From 100 learners with a change on, "
        "rules are evaluated in a background job. Needs ADMIN."
    )
    async def bulk_upsert_learners(
        self, info: Info, input: Annotated[BulkUpsertLearnersInput, INPUT]
    ) -> BulkUpsertLearnersPayload | None:
        """Create or change people."""
        rows = [learner_changes(row) for row in input.rows]
        done = await info.context.perform(
            "bulkUpsertLearners", input, lambda work: bulk_upsert_learners(work, rows=rows), list[RowResult]
        )
        return BulkUpsertLearnersPayload(
            results=[LearnerRowResult.of(result) for result in done.result],
            reevaluation=await reevaluation_of(info, done),
        )

    @mutation("Deactivates a learner: open tasks are suspended, rules no longer match, no email is sent. Needs ADMIN.")
    async def deactivate_learner(
        self, info: Info, input: Annotated[DeactivateLearnerInput, INPUT]
    ) -> DeactivateLearnerPayload | None:
        """Deactivate a person."""
        key = learner_key(input.learner)
        done = await info.context.perform(
            "deactivateLearner", input, lambda work: deactivate_learner(work, key=key), int
        )
        return DeactivateLearnerPayload(learner=await Learner.load_changed(info, done.result), done=done)

    @mutation("Reactivates a learner: suspended tasks resume and rules are evaluated. Needs ADMIN.")
    async def reactivate_learner(
        self, info: Info, input: Annotated[ReactivateLearnerInput, INPUT]
    ) -> ReactivateLearnerPayload | None:
        """Reactivate a person."""
        key = learner_key(input.learner)
        done = await info.context.perform(
            "reactivateLearner", input, lambda work: reactivate_learner(work, key=key), int
        )
        return ReactivateLearnerPayload(learner=await Learner.load_changed(info, done.result), done=done)

    @mutation(
        "Erases the personal data of a learner for good; enrollments, tasks and the log stay, without a name. "
        "Needs ADMIN."
    )
    async def erase_learner(self, info: Info, input: Annotated[EraseLearnerInput, INPUT]) -> EraseLearnerPayload | None:
        """Erase a person."""
        key = learner_key(input.learner)
        done = await info.context.perform("eraseLearner", input, lambda work: erase_learner(work, key=key), int)
        return EraseLearnerPayload(learner=await Learner.load_changed(info, done.result))


def _new_learner(input: CreateLearnerInput) -> LearnerChanges:
    return LearnerChanges(
        name=input.name,
        email=input.email,
        external_id=UNSET if input.external_id is None else input.external_id,
        role=input.role,
        time_zone=UNSET if input.time_zone is None else input.time_zone,
        department=UNSET if input.department_id is None else reference(ids.DEPARTMENT, input.department_id),
        learning_groups=references(ids.LEARNING_GROUP, input.learning_group_ids),
        clients=references(ids.CLIENT, input.client_ids),
        sublicenses=references(ids.SUBLICENSE, input.sublicense_ids),
        ref_values=ref_changes(input.ref_values),
    )
