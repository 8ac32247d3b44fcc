"""Previews of rules that 1, 30 and 90 in 100 learners meet, beside the same question as plain SQL.

The preview counts who meets the rule, draws a hundred of them and tells how many have the target already; the floor
counts and draws only, written out for the one rule, as the owner of the tables, without row level security. Both take
turns.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter

from bench.database import Addresses, Connection, settle, without_indexes
from bench.report import Figure, Spread
from bench.size import Size
from bench.world import Company, found_company, ref_value, watched_value
from domain.auto_assignment.conditions.atoms import ConditionKind, RefOperator
from domain.auto_assignment.conditions.input import ConditionInput
from domain.auto_assignment.evaluation.preview import SAMPLE_SIZE, preview_rule
from domain.auto_assignment.models import ConditionMatch
from domain.content.queries import ContentKey
from domain.foundation import clock
from domain.foundation.database.sessions import ReadScope

NAME = "preview"
FILLED = ("learner", "learner_ref", "learner_place", "enrollment", "enrollment_reason", "content_action")
REPEATS = 5


@dataclass(frozen=True, slots=True)
class _Case:
    """A condition on one reference field, and the same one in SQL."""

    share: str
    number: int
    operator: RefOperator
    values: Sequence[str]

    @property
    def condition(self) -> ConditionInput:
        return ConditionInput(
            ConditionKind.REF_VALUE, field_number=self.number, operator=self.operator, ref_values=list(self.values)
        )

    @property
    def predicate(self) -> str:
        negation = "NOT " if self.operator is RefOperator.NOT_EQUALS else ""
        return (
            f"{negation}EXISTS (SELECT 1 FROM learner_ref r WHERE r.tenant_id = $1 AND r.learner_id = l.id"
            f" AND r.number = {self.number} AND r.value = ANY ($2::text[]))"
        )


_CASES = (
    # One of a hundred values that are skewed.
    _Case("1", 3, RefOperator.EQUALS, [ref_value(3, 18)]),
    _Case("30", 1, RefOperator.EQUALS, [watched_value(number) for number in range(3)]),
    _Case("90", 1, RefOperator.NOT_EQUALS, [watched_value(0)]),
)


async def measure(owner: Connection, addresses: Addresses, size: Size) -> list[Figure]:
    """Measure each case."""
    async with without_indexes(owner, FILLED):
        company = await found_company(owner, NAME, size.previewed_learners, clock.now())
    await settle(owner)
    return [await _measure(owner, company, case) for case in _CASES]


async def _measure(owner: Connection, company: Company, case: _Case) -> Figure:
    seconds: list[float] = []
    floor: list[float] = []
    for _ in range(1 + REPEATS):
        begin = perf_counter()
        count = await _preview(company, case)
        seconds.append(perf_counter() - begin)
        begin = perf_counter()
        found = await _ask_plainly(owner, company, case)
        floor.append(perf_counter() - begin)
        if count != found:
            raise AssertionError(f"{count} instead of {found} learners meet the rule.")
    # The first ones read what nobody has read yet.
    whole, plain = Spread.of(seconds[1:]), Spread.of(floor[1:])
    return Figure(
        NAME,
        f"{case.share} in 100 of {company.learner_count:,} learners",
        whole.median,
        "ms",
        plain.median,
        whole.median / plain.median,
        details={"learners": count, "first": round(seconds[0] * 1_000, 1), "maximum": round(whole.maximum, 1)},
    )


async def _preview(company: Company, case: _Case) -> int:
    async with ReadScope(company.tenant_id) as reads:
        preview = await preview_rule(
            reads,
            company.admin,
            match=ConditionMatch.ALL,
            conditions=[case.condition],
            contents=[ContentKey(id=company.courses[-1])],
        )
    if len(preview.sample_ids) != SAMPLE_SIZE:
        raise AssertionError(f"{len(preview.sample_ids)} learners were drawn.")
    return preview.matching_learner_count


async def _ask_plainly(owner: Connection, company: Company, case: _Case) -> int:
    record = await owner.fetchrow(
        f"WITH met AS MATERIALIZED (SELECT l.id FROM learner l WHERE l.tenant_id = $1 AND l.is_active"
        f"                          AND {case.predicate})"
        f" SELECT (SELECT count(*) FROM met) AS count, ARRAY(SELECT id FROM met ORDER BY random() LIMIT {SAMPLE_SIZE})",
        company.tenant_id,
        list(case.values),
    )
    assert record is not None
    count: int = record["count"]
    return count
