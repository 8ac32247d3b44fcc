"""Who a set of conditions matches now, and what saving would do. Writes nothing; asks the one matching query."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from domain.auto_assignment.condition_input import ConditionInput
from domain.auto_assignment.conditions import compile_rule
from domain.auto_assignment.matching import hits_of_rules, matching, unsaved_rule
from domain.auto_assignment.models import ConditionMatch
from domain.auto_assignment.rule_judgment import judge_conditions, judge_contents, judged, require_feature
from domain.content.queries import ContentKey
from domain.foundation.access import Principal
from domain.foundation.background import BACKGROUND_THRESHOLD
from domain.foundation.database import Statements
from domain.foundation.errors import ProblemList

SAMPLE_SIZE = 100


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

    @property
    def can_backfill(self) -> bool:
        """Whether a backfill would have anything to do."""
        return self.matching_learner_count > 0

    @property
    def backfills_in_background(self) -> bool:
        """Whether a backfill would be a job."""
        return self.matching_learner_count >= BACKGROUND_THRESHOLD


_PREVIEW = """
WITH {rule},
met AS MATERIALIZED ({matching}),
target AS (SELECT content_id, position FROM unnest($2::bigint[]) WITH ORDINALITY AS t (content_id, position)),
already AS (
  SELECT e.content_id, count(*) AS n FROM met JOIN enrollment e ON e.learner_id = met.learner_id AND e.is_active
   WHERE e.tenant_id = $1 AND e.content_id = ANY ($2::bigint[]) GROUP BY e.content_id)
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
) -> RulePreview:
    """Return what saving such a rule would do. Raises what `create_rule` would about contents and conditions."""
    principal.require_reading_all()
    await require_feature(reads, principal.tenant_id)
    problems = ProblemList()
    content_ids = await judged(problems, judge_contents(reads, principal, contents, smallest=0), [])
    resolved = await judged(problems, judge_conditions(reads, principal, conditions), [])
    problems.raise_if_any()
    rule, arguments = unsaved_rule(compile_rule(match, resolved), first=5)
    record = (
        await reads.fetch(
            _PREVIEW.format(rule=rule, matching=matching(hits_of_rules("SELECT 0::bigint"))),
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
        effects=[ContentEffect(content_id, count - already, already) for content_id, already in record["already"]],
    )
