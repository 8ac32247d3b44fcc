"""Writing rules."""

from typing import Annotated

import strawberry

from domain.auto_assignment.rule_editing import RuleSaved, create_rule
from gql.arguments import INPUT
from gql.auto_assignment.inputs import CreateAutoAssignmentRuleInput
from gql.auto_assignment.types import AutoAssignmentRule
from gql.background_jobs.types import BackgroundJob
from gql.context import Info
from gql.mutations import Payload, mutation


@strawberry.type(description="Payload of createAutoAssignmentRule.")
class CreateAutoAssignmentRulePayload(Payload):
    """Rule and the work that follows from it."""

    rule: AutoAssignmentRule | None = strawberry.field(default=None, description="Rule as created.")
    backfill: BackgroundJob | None = strawberry.field(
        default=None, description="Backfill, already SUCCEEDED for fewer than 100 learners; null when not asked for."
    )
    preparation: BackgroundJob | None = strawberry.field(
        default=None,
        description="Work that counts who meets the rule without enrolling them; null when it was done in the same "
        "transaction.",
    )


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
        draft = input.draft()
        done = await info.context.perform(
            "createAutoAssignmentRule", input, lambda work: create_rule(work, draft=draft), RuleSaved
        )
        saved = done.result
        return CreateAutoAssignmentRulePayload(
            rule=await AutoAssignmentRule.load(info, saved.rule_id),
            backfill=await BackgroundJob.load(info, saved.backfill_id) if saved.backfill_id else None,
            preparation=await BackgroundJob.load(info, saved.preparation_id) if saved.preparation_id else None,
        )
