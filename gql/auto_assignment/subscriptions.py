"""Rules as they change: one by one, or the whole list again."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import strawberry
from strawberry import ID

from domain.auto_assignment.live import live_rules
from domain.auto_assignment.rules.queries import RuleRow, load_rule_list
from domain.foundation.feed.live import LiveBatch, Seen
from gql.auto_assignment.types import AutoAssignmentRule
from gql.contract.arguments import After
from gql.contract.change_stream import ChangeBatch, ChangeKind, follow_changes, follow_view, place_of
from gql.contract.ids import RULE, encode
from gql.execution.context import Context, Info

#: Seconds between two lists at least.
BREATH = 1.0


@strawberry.type(description="Change of an Auto Assignment rule.")
class AutoAssignmentRuleChange:
    """Change of a rule."""

    kind: ChangeKind = strawberry.field(description="What happened.")
    rule_id: ID = strawberry.field(description="ID of the rule.")
    version: int = strawberry.field(description="Version of the rule at this change.")
    rule: AutoAssignmentRule | None = strawberry.field(description="Rule as it is now; null when REMOVED.")

    @classmethod
    def of(cls, seen: Seen[RuleRow]) -> "AutoAssignmentRuleChange":
        """Return a change as the API shows it."""
        return cls(
            kind=ChangeKind.of(seen.row),
            rule_id=encode(RULE, seen.id),
            version=seen.version,
            rule=None if seen.row is None else AutoAssignmentRule.from_row(seen.row),
        )


@strawberry.type(description="Changes of Auto Assignment rules.")
class AutoAssignmentRuleChangeBatch(ChangeBatch):
    """Changes of rules."""

    changes: list[AutoAssignmentRuleChange] = strawberry.field(
        description="Changes in order, at most 100, one per rule."
    )


@strawberry.type(description="The whole list of rules.")
class AutoAssignmentRuleList(ChangeBatch):
    """The whole list of rules."""

    rules: list[AutoAssignmentRule] | None = strawberry.field(
        description="All rules of the tenant, by name; null in a batch that only moves the cursor, and in a reset."
    )


def _changes(context: Context, batch: LiveBatch[Any]) -> AutoAssignmentRuleChangeBatch:
    return AutoAssignmentRuleChangeBatch(
        changes=[AutoAssignmentRuleChange.of(seen) for seen in batch.changes], **place_of(context, batch)
    )


@strawberry.type
class AutoAssignmentSubscription:
    """Streams of rules."""

    @strawberry.subscription(
        description="The whole list of rules, at once and again after each change of it, at most once a second; for "
        "tenants of up to 200 rules (else TOO_MANY_ITEMS). Needs ADMIN."
    )
    async def auto_assignment_rule_list(self, info: Info) -> AsyncGenerator[AutoAssignmentRuleList, None]:
        """Follow the whole list."""
        context = info.context
        is_first = True
        async for batch in follow_view(context, live_rules(context.principal)):
            shows_list = batch.reset is None and (is_first or bool(batch.changes))
            made = batch.shared.get(shows_list)
            if made is None:
                rules = None
                if shows_list:
                    rows = await load_rule_list(batch.reads, context.principal)
                    rules = [AutoAssignmentRule.from_row(row) for row in rows]
                made = batch.shared[shows_list] = AutoAssignmentRuleList(rules=rules, **place_of(context, batch))
            yield made
            is_first = False
            await asyncio.sleep(BREATH)

    @strawberry.subscription(description="Auto Assignment rules created, changed, first used or deleted. Needs ADMIN.")
    async def auto_assignment_rule_changes(
        self, info: Info, after: After = None
    ) -> AsyncGenerator[AutoAssignmentRuleChangeBatch, None]:
        """Follow rules."""
        async for batch in follow_changes(info, live_rules(info.context.principal), after, _changes):
            yield batch
