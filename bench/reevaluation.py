"""Evaluating everything for many people whose facts another system has changed, beside writing those facts alone.

Ref 1 of every learner of a company is set to another value plainly, a thousand at a time: that is the floor. Then one
background job evaluates them as a worker does; for each of them one rule takes a course away and another one gives one.
"""

from time import perf_counter

from bench.database import Addresses, Connection, settle
from bench.report import Figure
from bench.rules import give_rules
from bench.size import Size
from bench.world import Company, found_company, watched_value
from domain.foundation import clock
from domain.foundation.database.sessions import writing
from domain.foundation.jobs.running import run_job
from domain.foundation.unit_of_work import UnitOfWork, perform
from domain.people.events import Fact, FactKind, FactsChanged
from domain.reactions import CHUNKS

NAME = "re-evaluation"
EFFECTS = 2
CHUNK = 1_000

_WRITE = """
UPDATE learner_ref r SET value = new.value FROM unnest($2::bigint[], $3::text[]) AS new (learner_id, value)
 WHERE r.tenant_id = $1 AND r.learner_id = new.learner_id AND r.number = 1
"""
_SECOND = 1_000_000


async def measure(owner: Connection, addresses: Addresses, size: Size) -> list[Figure]:
    """Measure one job at each number of rules."""
    return [await _measure(owner, size, count) for count in size.rule_counts if count <= size.most_reevaluated_rules]


async def _measure(owner: Connection, size: Size, rule_count: int) -> Figure:
    now = clock.now()
    company = await found_company(owner, f"changed-{rule_count}", size.reevaluated_learners, now)
    await give_rules(owner, company, rule_count, now)
    await settle(owner)
    begin = perf_counter()
    learner_ids = await _write_facts(company)
    floor = (perf_counter() - begin) / len(learner_ids)
    await settle(owner)
    actions_before = await owner.fetchval("SELECT count(*) FROM content_action")
    begin = perf_counter()
    await run_job(company.tenant_id, await _create_job(company, learner_ids), CHUNKS, clock.now)
    seconds = (perf_counter() - begin) / len(learner_ids)
    effects = (await owner.fetchval("SELECT count(*) FROM content_action") - actions_before) / len(learner_ids)
    if effects != EFFECTS:
        raise AssertionError(f"{effects} effects each instead of {EFFECTS}: nothing comparable was measured.")
    return Figure(
        NAME,
        f"{len(learner_ids):,} learners, {rule_count:,} rules",
        seconds * _SECOND,
        "µs each",
        floor * _SECOND,
        seconds / floor,
        compared_with="writing the facts",
    )


async def _write_facts(company: Company) -> list[int]:
    learner_ids = list(range(company.first_learner, company.first_learner + company.learner_count))
    for first in range(0, len(learner_ids), CHUNK):
        chunk = learner_ids[first : first + CHUNK]
        async with writing(company.tenant_id) as sql:
            await sql.execute(_WRITE, company.tenant_id, chunk, [watched_value(learner_id + 1) for learner_id in chunk])
    return learner_ids


async def _create_job(company: Company, learner_ids: list[int]) -> int:
    """Tell of the changes as whoever makes them does: of so many at once, a job takes care."""

    async def tell(work: UnitOfWork) -> None:
        for learner_id in learner_ids:
            work.record(FactsChanged(learner_id, (Fact(FactKind.REF, 1, watched_value(learner_id + 1)),)))

    done = await perform(company.admin, clock.now(), "bulkUpsertLearners", tell)
    assert done.reevaluation_job_id is not None
    return done.reevaluation_job_id
