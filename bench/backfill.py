"""Backfill of a rule that three learners in ten meet: rows written per second, beside the same rows inserted plainly.

The rule is created and its job run as a worker does, chunk by chunk. The floor is INSERT … SELECT of the very rows that
the job has written into copies of the tables, as their owner, without row level security and without any question.
"""

from collections.abc import Mapping
from time import perf_counter

from bench.copies import copy_tables, drop_copies, insert_again
from bench.database import Addresses, Connection, settle
from bench.report import Figure, Spread
from bench.rules import give_rules
from bench.size import Size
from bench.world import Company, found_company, watched_value
from domain.auto_assignment.condition_input import ConditionInput
from domain.auto_assignment.conditions import ConditionKind, RefOperator
from domain.auto_assignment.models import ConditionMatch, UnmetPolicy
from domain.auto_assignment.rule_editing import RuleDraft, RuleSaved, create_rule
from domain.content.queries import ContentKey
from domain.foundation import clock
from domain.foundation.background import Chunk, Job, run_job
from domain.foundation.unit_of_work import UnitOfWork, perform
from domain.reactions import CHUNKS

RULES = 50
LEAST_SHARE = 0.5
WRITTEN = ("rule_member", "enrollment", "enrollment_reason", "content_action", "change_pending")


async def measure(owner: Connection, addresses: Addresses, size: Size) -> list[Figure]:
    """Measure one backfill."""
    now = clock.now()
    company = await found_company(owner, "backfill", size.backfill_learners, now)
    await give_rules(owner, company, RULES, now)
    await settle(owner)
    await owner.execute("CHECKPOINT")
    before = await _marks(owner)
    begin = perf_counter()
    saved = await create(company, "Three in ten")
    creation = perf_counter() - begin
    assert saved.backfill_id is not None
    stopwatch = _Stopwatch(CHUNKS)
    begin = perf_counter()
    await run_job(company.tenant_id, saved.backfill_id, stopwatch.chunks, clock.now)
    seconds = perf_counter() - begin
    # Members have no number of their own.
    before["rule_member"] = f"rule_id <> {saved.rule_id}"
    await copy_tables(owner, before)
    floor_seconds, counts = await insert_again(owner, before)
    await drop_copies(owner, before)
    return _figures(seconds, creation, floor_seconds, counts, stopwatch)


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


async def _marks(owner: Connection) -> dict[str, str]:
    """Return by table the condition that rows satisfy which are there already."""
    return {
        table: f"id <= {await owner.fetchval(f'SELECT coalesce(max(id), 0) FROM {table}')}"
        for table in WRITTEN
        if table != "rule_member"
    }


class _Stopwatch:
    """Notes when each chunk begins: one lasts until the next, commit included."""

    def __init__(self, chunks: Mapping[str, Chunk]) -> None:
        self.begins: list[float] = []
        self.chunks = {kind: self._timed(chunk) for kind, chunk in chunks.items()}

    def _timed(self, chunk: Chunk) -> Chunk:
        async def timed(work: UnitOfWork, job: Job) -> bool:
            self.begins.append(perf_counter())
            return await chunk(work, job)

        return timed

    def chunk_seconds(self) -> list[float]:
        """Return how long each chunk lasted; the last one only finds that nobody is left."""
        return [end - begin for begin, end in zip(self.begins, self.begins[1:], strict=False)]


def _figures(
    seconds: float, creation: float, floor_seconds: float, counts: dict[str, int], stopwatch: _Stopwatch
) -> list[Figure]:
    total = sum(counts.values())
    rate, floor = total / seconds, total / floor_seconds
    chunks = stopwatch.chunk_seconds()
    spread = Spread.of(chunks)
    return [
        Figure(
            "backfill",
            f"{counts['rule_member']:,} learners enrolled",
            rate,
            "rows/s",
            floor,
            rate / floor,
            goal=f"at least {LEAST_SHARE}",
            is_met=rate / floor >= LEAST_SHARE,
            details={**counts, "seconds": seconds, "floor seconds": floor_seconds},
        ),
        Figure("backfill", "chunk, median", spread.median, "ms", details={"chunks": len(chunks)}),
        Figure("backfill", "chunk, longest", spread.maximum, "ms", details={"first": round(chunks[0] * 1_000, 1)}),
        Figure("backfill", "creation of the rule", creation * 1_000, "ms"),
    ]
