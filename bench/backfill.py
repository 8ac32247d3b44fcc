"""Backfill of a rule that three learners in ten meet: rows written per second, beside the same rows inserted plainly.

The rule is created and its job run as a worker does, chunk by chunk. The floor is INSERT … SELECT of the very rows that
a chunk has written into copies of the tables, as their owner, without row level security and without any question. It
takes turns with the chunks, so that whatever else the machine does meanwhile hits both alike.
"""

from time import perf_counter

from bench.database import Addresses, Connection, settle, without_indexes
from bench.floor_tables import Copies
from bench.interleaved import Turns
from bench.report import Figure, Spread
from bench.size import Size
from bench.world import Company, found_company, watched_value
from domain.auto_assignment.conditions.atoms import ConditionKind, RefOperator
from domain.auto_assignment.conditions.input import ConditionInput
from domain.auto_assignment.models import ConditionMatch, UnmetPolicy
from domain.auto_assignment.rules.editing import RuleDraft, RuleSaved, create_rule
from domain.content.queries import ContentKey
from domain.foundation import clock
from domain.foundation.models import JobKind
from domain.foundation.unit_of_work import UnitOfWork, perform

NAME = "backfill"
LEAST_SHARE = 0.5
FILLED = ("learner", "learner_ref", "learner_place", "enrollment", "enrollment_reason", "content_action")
WRITTEN = ("rule_member", "enrollment", "enrollment_reason", "content_action", "change_pending")


async def measure(owner: Connection, addresses: Addresses, size: Size) -> list[Figure]:
    """Measure one backfill."""
    now = clock.now()
    async with without_indexes(owner, FILLED):
        company = await found_company(owner, NAME, size.backfill_learners, now)
    await owner.execute("ANALYZE")
    begin = perf_counter()
    saved = await create(company, "Three in ten")
    creation = perf_counter() - begin
    copies = Copies(owner, WRITTEN)
    await copies.make()
    await settle(owner)
    await owner.execute("CHECKPOINT")
    chunks = await _run(company, copies, saved)
    await copies.drop()
    return _figures(chunks, creation, copies)


async def create(company: Company, name: str) -> RuleSaved:
    """Create a rule with a backfill, for three of the ten values of ref 1 and a course of its own."""
    condition = ConditionInput(
        ConditionKind.REF_VALUE,
        field_number=1,
        operator=RefOperator.EQUALS,
        ref_values=[watched_value(number) for number in range(3)],
    )
    draft = RuleDraft(
        name=name,
        contents=[ContentKey(id=company.courses[-1])],
        match=ConditionMatch.ALL,
        conditions=[condition],
        when_unmet=UnmetPolicy.KEEP,
        backfills_existing_learners=True,
    )

    async def act(work: UnitOfWork) -> RuleSaved:
        return await create_rule(work, draft=draft)

    return (await perform(company.admin, clock.now(), "createRule", act)).result


async def _run(company: Company, copies: Copies, saved: RuleSaved) -> list[float]:
    """Run the backfill of a rule by turns with writing its rows again; return the seconds of each chunk."""

    async def write_again(after: int, until: int) -> None:
        # Members have no number of their own.
        members = f"rule_id = {saved.rule_id} AND learner_id > {after} AND learner_id <= {until}"
        last_ids = await copies.last_ids()
        await copies.write_again(
            {"rule_member": members, **{table: f"id > {last_id}" for table, last_id in last_ids.items()}}
        )

    assert saved.backfill_id is not None
    turns = Turns(JobKind.RULE_BACKFILL, write_again)
    await turns.run(company.tenant_id, saved.backfill_id)
    return turns.chunks


def _figures(chunks: list[float], creation: float, copies: Copies) -> list[Figure]:
    total, seconds = sum(copies.counts.values()), sum(chunks)
    rate, floor = total / seconds, total / copies.seconds
    spread = Spread.of(chunks)
    return [
        Figure(
            NAME,
            f"{copies.counts['rule_member']:,} learners enrolled",
            rate,
            "rows/s",
            floor,
            rate / floor,
            goal=f"at least {LEAST_SHARE}",
            is_met=rate / floor >= LEAST_SHARE,
            details={**copies.counts, "seconds": round(seconds, 2), "floor seconds": round(copies.seconds, 2)},
        ),
        Figure(NAME, "chunk, median", spread.median, "ms", details={"chunks": len(chunks)}),
        # The first one counts first who is concerned.
        Figure(NAME, "chunk, longest", spread.maximum, "ms", details={"first": round(chunks[0] * 1_000, 1)}),
        Figure(NAME, "creation of the rule", creation * 1_000, "ms"),
    ]
