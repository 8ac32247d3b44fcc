"""Writing rules."""

from typing import Annotated

import strawberry
from strawberry import ID

from domain.auto_assignment.rules.deletion import RuleDeleted, backfill_rule, delete_rule
from domain.auto_assignment.rules.editing import RuleChanges, RuleSaved, create_rule, duplicate_rule, update_rule
from domain.foundation.access import Scope
from gql.auto_assignment.inputs import (
    BackfillAutoAssignmentRuleInput,
    CreateAutoAssignmentRuleInput,
    DeleteAutoAssignmentRuleInput,
    DuplicateAutoAssignmentRuleInput,
    UpdateAutoAssignmentRuleInput,
)
from gql.auto_assignment.types import AutoAssignmentRule
from gql.background_jobs.types import BackgroundJob
from gql.contract import ids
from gql.contract.arguments import INPUT
from gql.contract.mutations import Payload, mutation
from gql.execution.context import Info


@strawberry.type
class RuleSavedPayload(Payload):
    """Payload of a mutation that saves a rule; give it `saved`."""

    saved: strawberry.Private[RuleSaved | None] = None

    @strawberry.field(description="Backfill, already SUCCEEDED for fewer than 100 learners; null when not asked for.")
    async def backfill(self, info: Info) -> BackgroundJob | None:
        """Load the job that enrolls who is there already."""
        return await _job(info, self.saved.backfill_id if self.saved else None)

    @strawberry.field(
        description="Work that counts who meets the rule without enrolling them; null when it was done in the same "
        "transaction."
    )
    async def preparation(self, info: Info) -> BackgroundJob | None:
        """Load the job that lays down who meets the rule."""
        return await _job(info, self.saved.preparation_id if self.saved else None)

    async def load_rule(self, info: Info) -> AutoAssignmentRule | None:
        """Load the rule as saved."""
        return await AutoAssignmentRule.load_saved(info, self.saved.rule_id) if self.saved else None


@strawberry.type(description="Payload of createAutoAssignmentRule.")
class CreateAutoAssignmentRulePayload(RuleSavedPayload):
    """Rule and the work that follows from it."""

    @strawberry.field(description="Rule as created.")
    async def rule(self, info: Info) -> AutoAssignmentRule | None:
        """Load the rule."""
        return await self.load_rule(info)


@strawberry.type(description="Payload of updateAutoAssignmentRule.")
class UpdateAutoAssignmentRulePayload(RuleSavedPayload):
    """Rule and the work that follows from its edit."""

    @strawberry.field(description="Rule after the change.")
    async def rule(self, info: Info) -> AutoAssignmentRule | None:
        """Load the rule."""
        return await self.load_rule(info)


@strawberry.type(description="Payload of duplicateAutoAssignmentRule.")
class DuplicateAutoAssignmentRulePayload(RuleSavedPayload):
    """Copy and the work that follows from it."""

    @strawberry.field(description="Copy as created.")
    async def rule(self, info: Info) -> AutoAssignmentRule | None:
        """Load the rule."""
        return await self.load_rule(info)


@strawberry.type(description="Payload of deleteAutoAssignmentRule.")
class DeleteAutoAssignmentRulePayload(Payload):
    """ID of the rule and the work that follows from its end."""

    deleted_rule_id: ID | None = strawberry.field(default=None, description="ID of the deleted rule.")
    revocation: BackgroundJob | None = strawberry.field(
        default=None, description="Revocation, already SUCCEEDED for fewer than 100 learners; null when not asked for."
    )


@strawberry.type(description="Payload of backfillAutoAssignmentRule.")
class BackfillAutoAssignmentRulePayload(Payload):
    """Backfill of a rule."""

    backfill: BackgroundJob | None = strawberry.field(
        default=None, description="Backfill, already SUCCEEDED for fewer than 100 learners."
    )


def _rule_key(info: Info, text: str) -> int:
    # Who may never write rules is told so before anything is said about this one.
    info.context.principal.require_write(Scope.WRITE_RULES)
    return ids.get_own_key(ids.RULE, text, path=["id"])


async def _job(info: Info, job_id: int | None) -> BackgroundJob | None:
    return None if job_id is None else await BackgroundJob.load(info, job_id)


@strawberry.type
class AutoAssignmentMutation:
    """Mutations of rules."""

    @mutation(
        "Creates an Auto Assignment rule. At most `limits.autoAssignmentRules` per tenant, 50 by default. Needs ADMIN."
    )
    async def create_auto_assignment_rule(
        self, info: Info, input: Annotated[CreateAutoAssignmentRuleInput, INPUT]
    ) -> CreateAutoAssignmentRulePayload | None:
        """Create a rule."""
        info.context.principal.require_write(Scope.WRITE_RULES)
        draft = input.draft()
        done = await info.context.perform(
            "createAutoAssignmentRule", input, lambda work: create_rule(work, draft=draft), RuleSaved
        )
        return CreateAutoAssignmentRulePayload(saved=done.result)

    @mutation(
        "Changes a rule. Once it has enrolled someone, only `name`, `addContents` and `whenUnmet` are allowed. "
        "Needs ADMIN."
    )
    async def update_auto_assignment_rule(
        self, info: Info, input: Annotated[UpdateAutoAssignmentRuleInput, INPUT]
    ) -> UpdateAutoAssignmentRulePayload | None:
        """Change a rule."""
        rule_id = _rule_key(info, input.id)
        changes = input.changes.changes()
        done = await info.context.perform(
            "updateAutoAssignmentRule",
            input,
            lambda work: update_rule(
                work,
                rule_id=rule_id,
                changes=changes,
                expected_version=input.expected_version,
                backfills_existing_learners=input.backfills_existing_learners,
            ),
            RuleSaved,
        )
        return UpdateAutoAssignmentRulePayload(saved=done.result)

    @mutation("Copies a rule, with changes, as a new rule: the recommended way to change conditions. Needs ADMIN.")
    async def duplicate_auto_assignment_rule(
        self, info: Info, input: Annotated[DuplicateAutoAssignmentRuleInput, INPUT]
    ) -> DuplicateAutoAssignmentRulePayload | None:
        """Copy a rule."""
        rule_id = _rule_key(info, input.id)
        changes = input.changes.changes() if input.changes else RuleChanges()
        done = await info.context.perform(
            "duplicateAutoAssignmentRule",
            input,
            lambda work: duplicate_rule(
                work,
                rule_id=rule_id,
                name=input.name,
                changes=changes,
                backfills_existing_learners=input.backfills_existing_learners,
            ),
            RuleSaved,
        )
        return DuplicateAutoAssignmentRulePayload(saved=done.result)

    @mutation("Deletes a rule and, if asked, revokes the access that it alone gave. Needs ADMIN.")
    async def delete_auto_assignment_rule(
        self, info: Info, input: Annotated[DeleteAutoAssignmentRuleInput, INPUT]
    ) -> DeleteAutoAssignmentRulePayload | None:
        """Delete a rule."""
        rule_id = _rule_key(info, input.id)
        done = await info.context.perform(
            "deleteAutoAssignmentRule",
            input,
            lambda work: delete_rule(work, rule_id=rule_id, revokes_access=input.revokes_access),
            RuleDeleted,
        )
        return DeleteAutoAssignmentRulePayload(
            deleted_rule_id=ids.encode(ids.RULE, done.result.rule_id),
            revocation=await _job(info, done.result.revocation_id),
        )

    @mutation("Enrolls whoever meets a rule and was never enrolled by it. Needs ADMIN.")
    async def backfill_auto_assignment_rule(
        self, info: Info, input: Annotated[BackfillAutoAssignmentRuleInput, INPUT]
    ) -> BackfillAutoAssignmentRulePayload | None:
        """Backfill a rule."""
        rule_id = _rule_key(info, input.id)
        done = await info.context.perform(
            "backfillAutoAssignmentRule", input, lambda work: backfill_rule(work, rule_id=rule_id), int
        )
        return BackfillAutoAssignmentRulePayload(backfill=await _job(info, done.result))
