"""Rules and previews of rules."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import strawberry

from domain.auto_assignment.conditions.atoms import Condition
from domain.auto_assignment.errors import RulePart, editable_parts
from domain.auto_assignment.evaluation.explanation import Explanation
from domain.auto_assignment.evaluation.preview import RulePreview
from domain.auto_assignment.evaluation.simulation import Simulation
from domain.auto_assignment.models import ConditionMatch, RuleState, UnmetPolicy
from domain.auto_assignment.rules.queries import (
    MembersOfRule,
    RuleRow,
    find_rule,
    load_changed_rules_by_id,
    load_enrolled_counts_by_rule,
    load_latest_backfill_ids_by_rule,
    load_members_of_rules,
    load_revocable_counts_by_rule,
    load_rules_by_id,
    load_target_ids_by_rule,
    load_visible_conditions_by_rule,
)
from domain.auto_assignment.rules.warnings import RuleWarningCode
from domain.enrollments.models import ContentActionKind
from domain.foundation.pages_of_many import hashable
from gql.auto_assignment.conditions import RuleCondition, condition_of
from gql.background_jobs.types import BackgroundJob
from gql.content.types import LearningContent, load_contents
from gql.contract import ids
from gql.contract.actors import related_actor
from gql.contract.arguments import After, First
from gql.contract.interfaces import Actor, Node
from gql.contract.pagination import Edge, LiveConnection, paging_of
from gql.execution.context import Info
from gql.execution.related import Related, related
from gql.people.types import Learner, LearnerConnection, LearnerEdge

if TYPE_CHECKING:
    from gql.enrollments.types import ContentActionConnection


def _conditions_of(conditions: Sequence[Condition]) -> list[RuleCondition]:
    return [condition_of(one) for one in conditions]


@strawberry.type(description="Rule that enrolls every learner who meets its conditions.")
class AutoAssignmentRule(Node):
    """Auto Assignment rule."""

    row: strawberry.Private[RuleRow]
    name: str = strawberry.field(description="Internal name; never shown to learners.")
    match: ConditionMatch = strawberry.field(description="Whether all conditions or at least one must be met.")
    when_unmet: UnmetPolicy = strawberry.field(
        description="What happens to learners who no longer meet the conditions."
    )
    is_preparing: bool = strawberry.field(
        description="Whether it is still being counted who meets the rule: who comes to meet it meanwhile counts as "
        "having met it already."
    )
    has_enrolled_learners: bool = strawberry.field(
        description="Whether the rule has enrolled anyone yet, which fixes most of it."
    )
    created_at: datetime = strawberry.field(description="Timestamp of creation.")
    updated_at: datetime = strawberry.field(description="Timestamp of the latest change.")
    version: int = strawberry.field(description="Version of the rule; grows with every change.")

    @classmethod
    def from_row(cls, row: RuleRow) -> "AutoAssignmentRule":
        """Return the rule of a row."""
        return cls(
            id=ids.encode(ids.RULE, row.id),
            row=row,
            name=row.name,
            match=ConditionMatch(row.match),
            when_unmet=UnmetPolicy(row.when_unmet),
            is_preparing=row.state == RuleState.PREPARING,
            has_enrolled_learners=row.has_enrolled,
            created_at=row.created_at,
            updated_at=row.updated_at,
            version=row.version,
        )

    @classmethod
    async def load(cls, info: Info, key: int) -> "AutoAssignmentRule | None":
        """Return a rule that is reached from another object; None where the viewer may not see rules."""
        return await info.context.load_as(load_rules_by_id, key, cls.from_row)

    @classmethod
    async def load_saved(cls, info: Info, key: int) -> "AutoAssignmentRule | None":
        """Return a rule that the viewer has just saved; without READ a tool sees nothing that hangs on it."""
        return await info.context.load_as(load_changed_rules_by_id, key, cls.from_row)

    @strawberry.field(description="Courses and learning paths that the rule gives.")
    async def contents(self, info: Info) -> list[LearningContent]:
        """Load the targets."""
        if not info.context.principal.sees_all:
            return []
        return await load_contents(info, await info.context.load(load_target_ids_by_rule, self.row.id))

    @strawberry.field(description="Conditions of the rule.")
    @related
    def conditions(self) -> Related[list[RuleCondition]]:
        """Lead to the conditions."""
        return Related(load_visible_conditions_by_rule, self.row.id, _conditions_of)

    @strawberry.field(description="Parts of the rule that can be changed now.")
    def editable_parts(self) -> list[RulePart]:
        """Tell what a first enrollment has left open."""
        return editable_parts(has_enrolled=self.has_enrolled_learners)

    @strawberry.field(description="Number of learners who have access through the rule now.")
    async def enrolled_learner_count(self, info: Info) -> int:
        """Count who is enrolled by the rule."""
        return await info.context.load(load_enrolled_counts_by_rule, self.row.id)

    @strawberry.field(
        description="Number of learners who would lose access if the rule were deleted with `revokesAccess`."
    )
    async def revocable_learner_count(self, info: Info) -> int:
        """Count who has a place that nothing else holds."""
        return await info.context.load(load_revocable_counts_by_rule, self.row.id)

    @strawberry.field(description="Learners who meet the conditions now, by name.")
    async def matching_learners(self, info: Info, first: First = 25, after: After = None) -> LearnerConnection:
        """List who meets the rule."""
        paging = paging_of(info, first, after, self.row.id)
        page = await info.context.load(load_members_of_rules, MembersOfRule(self.row.id, hashable(paging.request)))
        learners = {
            row.id: learner
            for row, learner in zip(page.rows, await Learner.load_all(info, [row.id for row in page.rows]), strict=True)
        }
        return LearnerConnection.of(page, paging, LearnerEdge, lambda row: learners[row.id])

    @strawberry.field(description="Log entries that the rule caused, newest first.")
    async def content_actions(
        self, info: Info, first: First = 25, after: After = None
    ) -> Annotated["ContentActionConnection", strawberry.lazy("gql.enrollments.types")]:
        """List the log entries."""
        from gql.enrollments.queries import rule_content_actions

        return await rule_content_actions(info, self.row.id, first, after)

    @strawberry.field(description="Latest backfill; null when there was none.")
    async def latest_backfill(self, info: Info) -> BackgroundJob | None:
        """Load the latest backfill."""
        if not info.context.principal.sees_all:
            return None
        job_id = await info.context.load(load_latest_backfill_ids_by_rule, self.row.id)
        return None if job_id is None else await BackgroundJob.load(info, job_id)

    @strawberry.field(description="Account that created the rule.")
    @related
    def created_by(self) -> Related[Actor]:
        """Lead to the account."""
        return related_actor(self.row.created_by_learner_id, self.row.created_by_service_account_id)


@strawberry.type(description="Item of a page of rules.")
class AutoAssignmentRuleEdge(Edge[AutoAssignmentRule]):
    """Item of a page of rules."""


@strawberry.type(description="Page of rules.")
class AutoAssignmentRuleConnection(LiveConnection[AutoAssignmentRule, AutoAssignmentRuleEdge]):
    """Page of rules."""


@strawberry.type(description="What a rule would do for one of its contents.")
class RuleContentEffect:
    """Effect on one content."""

    content: LearningContent = strawberry.field(description="Content of the rule.")
    newly_enrolled_count: int = strawberry.field(description="Learners who would be newly enrolled.")
    already_enrolled_count: int = strawberry.field(description="Learners who are enrolled already.")


@strawberry.type(description="Something about a rule that is probably not meant.")
class RuleWarning:
    """Warning about a rule."""

    code: RuleWarningCode = strawberry.field(description="Kind of the warning.")
    message: str = strawberry.field(description="Explanation in English.")
    rule: AutoAssignmentRule | None = strawberry.field(description="Other rule concerned; null when none is.")


@strawberry.type(description="Who a set of conditions matches now, and what saving would do.")
class AutoAssignmentRulePreview:
    """Preview of a rule."""

    preview: strawberry.Private[RulePreview]

    @strawberry.field(description="Number of learners who match.")
    def matching_learner_count(self) -> int:
        """Tell how many match."""
        return self.preview.matching_learner_count

    @strawberry.field(description="Up to 100 of them, chosen at random.")
    async def sample(self, info: Info) -> list[Learner]:
        """Load the sample."""
        return await Learner.load_all(info, self.preview.sample_ids)

    @strawberry.field(description="Whether a backfill would have anything to do.")
    def can_backfill(self) -> bool:
        """Tell whether anybody matches."""
        return self.preview.can_backfill

    @strawberry.field(description="Whether a backfill would be a background job rather than part of the request.")
    def backfills_in_background(self) -> bool:
        """Tell where a backfill would run."""
        return self.preview.backfills_in_background

    @strawberry.field(
        description="Effect per content: how many would be newly enrolled, and how many are enrolled already."
    )
    async def effects(self, info: Info) -> list[RuleContentEffect]:
        """Load the contents of the effects."""
        contents = await load_contents(info, [effect.content_id for effect in self.preview.effects])
        return [
            RuleContentEffect(
                content=content,
                newly_enrolled_count=effect.newly_enrolled_count,
                already_enrolled_count=effect.already_enrolled_count,
            )
            for content, effect in zip(contents, self.preview.effects, strict=True)
        ]

    @strawberry.field(description="What looks wrong with the rule; saving is still possible.")
    async def warnings(self, info: Info) -> list[RuleWarning]:
        """Load the rules that the warnings name."""
        return [
            RuleWarning(
                code=warning.code,
                message=warning.message,
                rule=None if warning.rule_id is None else await AutoAssignmentRule.load(info, warning.rule_id),
            )
            for warning in self.preview.warnings
        ]


@strawberry.type(description="Verdict on one condition.")
class ConditionVerdict:
    """Verdict on one condition."""

    condition: RuleCondition = strawberry.field(description="Condition that is judged.")
    is_met: bool = strawberry.field(description="Whether it is met.")
    fact: str = strawberry.field(
        description='Fact that decided, in English, e.g. `ref 1 is "Sales"` or `status on Fire Safety was caused by a '
        "rule`."
    )


@strawberry.type(description="Why a learner does or does not meet a rule.")
class RuleExplanation:
    """Explanation of a rule for a learner."""

    explanation: strawberry.Private[Explanation]

    @strawberry.field(description="Rule that is explained.")
    async def rule(self, info: Info) -> AutoAssignmentRule:
        """Load the rule."""
        [rule] = await load_rules(info, [self.explanation.rule_id])
        return rule

    @strawberry.field(description="Learner it is explained for.")
    async def learner(self, info: Info) -> Learner:
        """Load the learner."""
        [learner] = await Learner.load_all(info, [self.explanation.learner_id])
        return learner

    @strawberry.field(description="Whether the learner meets the conditions now.")
    def is_met(self) -> bool:
        """Tell the verdict."""
        return self.explanation.is_met

    @strawberry.field(description="Verdict per condition, in the order of the rule.")
    def conditions(self) -> list[ConditionVerdict]:
        """Tell the verdicts."""
        return [
            ConditionVerdict(condition=condition_of(one.condition), is_met=one.is_met, fact=one.fact)
            for one in self.explanation.conditions
        ]

    @strawberry.field(
        description="Timestamp since which the learner has been counted as meeting the rule; null when not."
    )
    def met_since_at(self) -> datetime | None:
        """Tell since when the learner is a member."""
        return self.explanation.met_since_at


@strawberry.type(description="Action that a rule would take.")
class SimulatedAction:
    """Action that a rule would take."""

    action: ContentActionKind = strawberry.field(description="What would happen.")
    content: LearningContent = strawberry.field(description="Content concerned.")
    rule: AutoAssignmentRule = strawberry.field(description="Rule that would cause it.")


@strawberry.type(description="What the rules would do.")
class RuleSimulation:
    """What the rules would do."""

    simulation: strawberry.Private[Simulation]

    @strawberry.field(description="Rules that the learner would newly meet.")
    async def entered(self, info: Info) -> list[AutoAssignmentRule]:
        """Load the rules."""
        return await load_rules(info, self.simulation.entered_rule_ids)

    @strawberry.field(description="Rules that the learner would no longer meet.")
    async def left(self, info: Info) -> list[AutoAssignmentRule]:
        """Load the rules."""
        return await load_rules(info, self.simulation.left_rule_ids)

    @strawberry.field(description="Unenrollments and then enrollments that would follow, in order.")
    async def effects(self, info: Info) -> list[SimulatedAction]:
        """Load what the effects name."""
        effects = self.simulation.effects
        contents = await load_contents(info, [effect.content_id for effect in effects])
        rules = await load_rules(info, [effect.rule_id for effect in effects])
        return [
            SimulatedAction(action=ContentActionKind(effect.action), content=content, rule=rule)
            for effect, content, rule in zip(effects, contents, rules, strict=True)
        ]


async def rule_node(info: Info, key: int) -> AutoAssignmentRule | None:
    """Return a rule by its ID, or None where the viewer may see none."""
    row = await find_rule(info.context.reads, info.context.principal, key)
    return AutoAssignmentRule.from_row(row) if row else None


async def load_rules(info: Info, rule_ids: Sequence[int]) -> list[AutoAssignmentRule]:
    """Return the visible ones of these rules, in order."""
    rows = await info.context.load_many(load_rules_by_id, rule_ids)
    return [AutoAssignmentRule.from_row(row) for row in rows if row is not None]


NODES = {ids.RULE: rule_node}
