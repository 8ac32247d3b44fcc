"""Backfill of a rule that three learners in ten meet: rows written per second, beside the same rows inserted plainly.

The rule is created and its job run as a worker does, chunk by chunk. The floor is INSERT … SELECT of the very rows that
a chunk has written into copies of the tables, as their owner, without row level security and without any question. It
takes turns with the chunks, so that whatever else the machine does meanwhile hits both alike.
"""

from time import perf_counter

from bench.copies import Copies
from bench.database import Addresses, Connection, settle, without_indexes
from bench.report import Figure, Spread
from bench.size import Size
from bench.world import Company, found_company, watched_value
from domain.auto_assignment.condition_input import ConditionInput
from domain.auto_assignment.conditions import ConditionKind, RefOperator
from domain.auto_assignment.models import ConditionMatch, UnmetPolicy
from domain.auto_assignment.rule_editing import RuleDraft, RuleSaved, create_rule
from domain.content.queries import ContentKey
from domain.foundation import clock
from domain.foundation.background import Job, run_job
from domain.foundation.models import JobKind
from domain.foundation.unit_of_work import UnitOfWork, perform
from domain.reactions import CHUNKS

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
    assert saved.backfill_id is not None
    copies = Copies(owner, WRITTEN)
    await copies.make()
    await settle(owner)
    await owner.execute("CHECKPOINT")
    turns = _Turns(copies, saved.rule_id)
    await turns.run(company.tenant_id, saved.backfill_id)
    await copies.drop()
    return _figures(turns.chunks, creation, copies)


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


class _Turns:
    """Runs the job; before each chunk, and after the last, the floor of the one before has its turn."""

    def __init__(self, copies: Copies, rule_id: int) -> None:
        self._copies = copies
        self._rule_id = rule_id
        self._learners_done = 0
        self._begin = 0.0
        #: Seconds that each chunk took, its commit included.
        self.chunks: list[float] = []

    async def run(self, tenant_id: int, job_id: int) -> None:
        """Run the job to its end."""
        self._begin = perf_counter()
        await run_job(tenant_id, job_id, {**CHUNKS, JobKind.RULE_BACKFILL: self._chunk}, clock.now)

    async def _chunk(self, work: UnitOfWork, job: Job) -> bool:
        learners_done = job.progress.get("after", 0)
        if learners_done > self._learners_done:
            self.chunks.append(perf_counter() - self._begin)
            await self._copies.write_again(await self._written(learners_done))
            self._learners_done = learners_done
            self._begin = perf_counter()
        return await CHUNKS[JobKind.RULE_BACKFILL](work, job)

    async def _written(self, learners_done: int) -> dict[str, str]:
        """Return which rows the last chunk has written; members have no number of their own."""
        members = f"rule_id = {self._rule_id} AND learner_id > {self._learners_done} AND learner_id <= {learners_done}"
        last_ids = await self._copies.last_ids()
        return {"rule_member": members, **{table: f"id > {last_id}" for table, last_id in last_ids.items()}}


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
