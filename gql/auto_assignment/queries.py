"""Reading and previewing rules."""

from typing import Annotated

import strawberry
from strawberry import ID

from domain.auto_assignment.evaluation.explanation import explain_rule
from domain.auto_assignment.evaluation.preview import preview_rule
from domain.auto_assignment.evaluation.simulation import simulate
from domain.auto_assignment.rules.queries import list_rules, load_member_rule_ids_by_learner
from gql.auto_assignment.inputs import AutoAssignmentRulePreviewInput, LearnerFactChangesInput, condition_inputs
from gql.auto_assignment.types import (
    AutoAssignmentRule,
    AutoAssignmentRuleConnection,
    AutoAssignmentRuleEdge,
    AutoAssignmentRulePreview,
    RuleExplanation,
    RuleSimulation,
    load_rules,
    rule_node,
)
from gql.content.inputs import content_keys
from gql.contract import ids
from gql.contract.arguments import PREVIEW_INPUT, After, First, ObjectId
from gql.contract.pagination import paging_of
from gql.contract.user_errors import within_argument
from gql.execution.context import Info
from gql.people.inputs import LearnerKeyInput, learner_key


@strawberry.type
class AutoAssignmentQuery:
    """Root fields about rules."""

    @strawberry.field(description="Auto Assignment rule by ID.")
    async def auto_assignment_rule(self, info: Info, id: ObjectId) -> AutoAssignmentRule | None:
        """Look up a rule."""
        info.context.principal.require_reading_all()
        key = ids.find_own_key(ids.RULE, id)
        return None if key is None else await rule_node(info, key)

    @strawberry.field(description="Auto Assignment rules of the tenant, by name. Needs ADMIN.")
    async def auto_assignment_rules(
        self, info: Info, first: First = 50, after: After = None
    ) -> AutoAssignmentRuleConnection | None:
        """List the rules."""
        paging = paging_of(info, first, after)
        page = await list_rules(info.context.reads, info.context.principal, paging.request)
        return AutoAssignmentRuleConnection.of(page, paging, AutoAssignmentRuleEdge, AutoAssignmentRule.from_row)

    @strawberry.field(description="Who a set of conditions matches now. Changes nothing.")
    async def auto_assignment_rule_preview(
        self, info: Info, input: Annotated[AutoAssignmentRulePreviewInput, PREVIEW_INPUT]
    ) -> AutoAssignmentRulePreview | None:
        """Preview a rule."""
        info.context.principal.require_reading_all()
        with within_argument("input"):
            return AutoAssignmentRulePreview(
                preview=await preview_rule(
                    info.context.reads,
                    info.context.principal,
                    match=input.match,
                    conditions=condition_inputs(input.conditions),
                    contents=content_keys(input.contents, path=["contents"]),
                    when_unmet=input.when_unmet,
                    edited_rule_id=None
                    if input.rule_id is None
                    else ids.get_own_key(ids.RULE, input.rule_id, path=["ruleId"]),
                )
            )

    @strawberry.field(description="Why a learner does or does not meet a rule, condition by condition.")
    async def auto_assignment_rule_explanation(
        self,
        info: Info,
        rule_id: Annotated[ID, strawberry.argument(description="Rule to explain.")],
        learner: Annotated[LearnerKeyInput, strawberry.argument(description="Learner to explain it for.")],
    ) -> RuleExplanation | None:
        """Explain a rule."""
        info.context.principal.require_reading_all()
        return RuleExplanation(
            explanation=await explain_rule(
                info.context.reads,
                info.context.principal,
                rule_id=ids.get_own_key(ids.RULE, rule_id, path=["ruleId"]),
                learner=learner_key(learner),
            )
        )

    @strawberry.field(description="What the rules would do if a learner's facts changed so. Changes nothing.")
    async def auto_assignment_simulation(
        self,
        info: Info,
        learner: Annotated[LearnerKeyInput, strawberry.argument(description="Learner to simulate.")],
        changes: Annotated[LearnerFactChangesInput, strawberry.argument(description="Facts that would change.")],
    ) -> RuleSimulation | None:
        """Simulate changed facts."""
        info.context.principal.require_reading_all()
        return RuleSimulation(
            simulation=await simulate(
                info.context.principal, info.context.now, learner=learner_key(learner), facts=changes.supposed()
            )
        )


async def matching_rules_of_learner(info: Info, learner_id: int) -> list[AutoAssignmentRule]:
    """Return the rules that a learner meets now."""
    return await load_rules(info, await info.context.load(load_member_rule_ids_by_learner, learner_id))


__all__ = ["AutoAssignmentQuery", "matching_rules_of_learner"]
