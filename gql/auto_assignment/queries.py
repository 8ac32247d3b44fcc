"""Reading and previewing rules."""

from typing import Annotated

import strawberry

from domain.auto_assignment.preview import preview_rule
from domain.auto_assignment.queries import list_rules, load_member_rule_ids_by_learner
from gql import ids
from gql.arguments import PREVIEW_INPUT, After, First, ObjectId
from gql.auto_assignment.inputs import AutoAssignmentRulePreviewInput, condition_inputs
from gql.auto_assignment.types import (
    AutoAssignmentRule,
    AutoAssignmentRuleConnection,
    AutoAssignmentRuleEdge,
    AutoAssignmentRulePreview,
    load_rules,
    rule_node,
)
from gql.content.inputs import content_keys
from gql.context import Info
from gql.pagination import paging_of


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
        return AutoAssignmentRulePreview(
            preview=await preview_rule(
                info.context.reads,
                info.context.principal,
                match=input.match,
                conditions=condition_inputs(input.conditions),
                contents=content_keys(input.contents, path=["contents"]),
            )
        )


async def matching_rules_of_learner(info: Info, learner_id: int) -> list[AutoAssignmentRule]:
    """Return the rules that a learner meets now."""
    return await load_rules(info, await info.context.load(load_member_rule_ids_by_learner, learner_id))


__all__ = ["AutoAssignmentQuery", "matching_rules_of_learner"]
