"""Who a set of conditions matches now, and what saving would do. Writes nothing; asks the one matching query."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from domain.auto_assignment.conditions.atoms import Condition, compile_rule
from domain.auto_assignment.conditions.input import ConditionInput
from domain.auto_assignment.evaluation.matching import hits_of_rules, matching, unsaved_rule
from domain.auto_assignment.models import ConditionMatch, UnmetPolicy
from domain.auto_assignment.rules.queries import find_rule, load_conditions_by_rule, load_target_ids_by_rule
from domain.auto_assignment.rules.validation import judge_conditions, judge_contents, judged, require_feature
from domain.auto_assignment.rules.warnings import RuleWarning, find_warnings
from domain.content.queries import ContentKey
from domain.foundation.access import Principal
from domain.foundation.database.sessions import Statements
from domain.foundation.errors import NotFound, ProblemList
from domain.foundation.jobs.running import BACKGROUND_THRESHOLD

SAMPLE_SIZE = 100
#: Up to so many enrollments are looked through, instead of asking for the enrollments of everybody who meets the rule.
FEW = 20_000


@dataclass(frozen=True, slots=True)
class ContentEffect:
    """What saving would do for one content."""

    content_id: int
    newly_enrolled_count: int
    already_enrolled_count: int


@dataclass(frozen=True, slots=True)
class RulePreview:
    """Who matches, up to 100 of them at random, and what saving would do."""

    matching_learner_count: int
    sample_ids: list[int]
    effects: list[ContentEffect]
    #: Whether saving would enroll anybody at all; an edit that adds nothing does not.
    enrolls: bool
    warnings: list[RuleWarning]

    @property
    def can_backfill(self) -> bool:
        """Whether a backfill would have anything to do."""
        return self.enrolls and self.matching_learner_count > 0

    @property
    def backfills_in_background(self) -> bool:
        """Whether a backfill would be a job."""
        return self.enrolls and self.matching_learner_count >= BACKGROUND_THRESHOLD


_PREVIEW = """
WITH {rule},
met AS MATERIALIZED ({matching}),
target AS (SELECT content_id, position FROM unnest($2::bigint[]) WITH ORDINALITY AS t (content_id, position)),
-- Where many meet the rule and few have its contents yet, it is quicker to ask those who have them.
way AS MATERIALIZED (
  SELECT EXISTS (SELECT FROM met OFFSET {few})
         AND NOT EXISTS (SELECT FROM enrollment WHERE tenant_id = $1 AND content_id = ANY ($2::bigint[]) OFFSET {few})
         AS is_by_content),
already AS (
  SELECT content_id, count(*) AS n FROM (
    SELECT e.content_id FROM met JOIN enrollment e ON e.learner_id = met.learner_id AND e.is_active
     WHERE NOT (SELECT is_by_content FROM way) AND e.tenant_id = $1 AND e.content_id = ANY ($2::bigint[])
    UNION ALL
    SELECT e.content_id FROM enrollment e
     WHERE (SELECT is_by_content FROM way) AND e.tenant_id = $1 AND e.content_id = ANY ($2::bigint[]) AND e.is_active
       -- In brackets it stays a look-up in a hash: as a join, it would be planned for one person.
       AND (e.learner_id IN (SELECT learner_id FROM met)) IS TRUE) held
   GROUP BY content_id)
SELECT (SELECT count(*) FROM met) AS matching_count,
       ARRAY(SELECT learner_id FROM met ORDER BY hashint8extended(learner_id, $3) LIMIT $4) AS sample,
       (SELECT coalesce(jsonb_agg(jsonb_build_array(t.content_id, coalesce(a.n, 0)) ORDER BY t.position), '[]')
          FROM target t LEFT JOIN already a ON a.content_id = t.content_id) AS already
"""


async def preview_rule(
    reads: Statements,
    principal: Principal,
    *,
    match: ConditionMatch,
    conditions: Sequence[ConditionInput],
    contents: Sequence[ContentKey],
    when_unmet: UnmetPolicy = UnmetPolicy.KEEP,
    edited_rule_id: int | None = None,
) -> RulePreview:
    """Return what saving such a rule, or such an edit of one, would do.

    Raises what `create_rule` would about contents and conditions, and NotFound for the edited rule.
    """
    principal.require_reading_all()
    await require_feature(reads, principal.tenant_id)
    problems = ProblemList()
    content_ids = await judged(problems, judge_contents(reads, principal, contents, smallest=0), [])
    resolved = await judged(problems, judge_conditions(reads, principal, conditions), [])
    problems.raise_if_any()
    # Known to the planner, what the rule asks for is walked through an index, and what it does not ask for is left out.
    await reads.plan_each_time()
    added = await _added_contents(reads, principal, edited_rule_id, match, resolved, content_ids)
    rule, arguments = unsaved_rule(compile_rule(match, resolved), first=5)
    record = (
        await reads.fetch(
            _PREVIEW.format(few=FEW, rule=rule, matching=matching(hits_of_rules("SELECT 0::bigint"))),
            principal.tenant_id,
            content_ids,
            # A new seed for every preview: drawn at random, and cheaper than a random number per learner.
            random.getrandbits(62),
            SAMPLE_SIZE,
            *arguments,
        )
    )[0]
    count = record["matching_count"]
    return RulePreview(
        matching_learner_count=count,
        sample_ids=list(record["sample"]),
        effects=[
            ContentEffect(content_id, count - already if content_id in added else 0, already)
            for content_id, already in record["already"]
        ],
        enrolls=bool(added) or not content_ids,
        warnings=await find_warnings(
            reads,
            principal,
            match=match,
            conditions=resolved,
            content_ids=content_ids,
            when_unmet=when_unmet,
            edited_rule_id=edited_rule_id,
        ),
    )


async def _added_contents(
    reads: Statements,
    principal: Principal,
    edited_rule_id: int | None,
    match: ConditionMatch,
    conditions: Sequence[Condition],
    content_ids: Sequence[int],
) -> set[int]:
    """Return the contents that a backfill at saving would concern: all of them, but for an edit those that it adds."""
    if edited_rule_id is None:
        return set(content_ids)
    rule = await find_rule(reads, principal, edited_rule_id)
    if rule is None:
        raise NotFound(path=["ruleId"])
    [old_conditions] = await load_conditions_by_rule(reads, principal, [edited_rule_id])
    if (rule.match, tuple(old_conditions)) != (match, tuple(conditions)):
        return set(content_ids)
    [old_content_ids] = await load_target_ids_by_rule(reads, principal, [edited_rule_id])
    return set(content_ids) - set(old_content_ids)
