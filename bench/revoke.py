"""Deleting a rule with everything that it gave: learners per second, beside the same rows changed and inserted plainly.

The rule has enrolled three learners in ten by its backfill. It is deleted and its job run as a worker does, by turns
with the floor: UPDATE by ID and INSERT … SELECT of what a chunk has written, on copies of the tables with the same
indexes, as their owner, without row level security and without any question.
"""

from bisect import bisect_right
from collections.abc import Sequence
from time import perf_counter

from bench.backfill import FILLED, create
from bench.database import Addresses, Connection, settle, without_indexes
from bench.floor_tables import Copies
from bench.interleaved import Turns
from bench.report import Figure, Spread
from bench.size import Size
from bench.world import found_company
from domain.auto_assignment.rules.deletion import RuleDeleted, delete_rule
from domain.foundation import clock
from domain.foundation.jobs.running import run_job
from domain.foundation.models import JobKind
from domain.foundation.unit_of_work import UnitOfWork, perform
from domain.reactions import CHUNKS

NAME = "revoke"
WRITTEN = ("enrollment", "enrollment_reason", "content_action", "change_pending")

#: Who holds what by a rule: learner, reason, and the enrollment where it has no other reason.
_HELD = """
SELECT r.learner_id, r.id AS reason_id,
       CASE WHEN NOT EXISTS (SELECT 1 FROM enrollment_reason o WHERE o.enrollment_id = r.enrollment_id AND o.id <> r.id)
            THEN r.enrollment_id END AS enrollment_id
  FROM enrollment_reason r WHERE r.rule_id = $1 AND r.until_at IS NULL ORDER BY r.learner_id
"""


async def measure(owner: Connection, addresses: Addresses, size: Size) -> list[Figure]:
    """Measure one revocation."""
    async with without_indexes(owner, FILLED):
        company = await found_company(owner, NAME, size.revoked_learners, clock.now())
    await owner.execute("ANALYZE")
    saved = await create(company, "Given and taken")
    assert saved.backfill_id is not None
    await run_job(company.tenant_id, saved.backfill_id, CHUNKS, clock.now)
    held = await owner.fetch(_HELD, saved.rule_id)
    copies = Copies(owner, WRITTEN)
    await copies.make()
    await settle(owner)
    await owner.execute("CHECKPOINT")

    async def delete(work: UnitOfWork) -> RuleDeleted:
        return await delete_rule(work, rule_id=saved.rule_id, revokes_access=True)

    begin = perf_counter()
    deleted = (await perform(company.admin, clock.now(), "deleteRule", delete)).result
    deletion = perf_counter() - begin
    # What deleting has written itself is no part of the job's work.
    await copies.catch_up()
    learner_ids = [record["learner_id"] for record in held]

    async def write_again(after: int, until: int) -> None:
        taken = held[bisect_right(learner_ids, after) : bisect_right(learner_ids, until)]
        new_rows = {table: f"id > {last_id}" for table, last_id in (await copies.last_ids()).items()}
        changes = {
            # Any time is as good as the right one.
            "enrollment_reason": ("until_at = since_at", [record["reason_id"] for record in taken]),
            "enrollment": (
                "is_active = false, expires_at = NULL, version = version + 1",
                [record["enrollment_id"] for record in taken if record["enrollment_id"] is not None],
            ),
        }
        await copies.write_again(new_rows, changes)

    turns = Turns(JobKind.RULE_REVOCATION, write_again)
    assert deleted.revocation_id is not None
    await turns.run(company.tenant_id, deleted.revocation_id)
    await copies.drop()
    return _figures(len(held), turns.chunks, deletion, copies)


def _figures(people: int, chunks: Sequence[float], deletion: float, copies: Copies) -> list[Figure]:
    rate, floor = people / sum(chunks), people / copies.seconds
    spread = Spread.of(chunks)
    details = {**copies.counts, "seconds": round(sum(chunks), 2), "floor seconds": round(copies.seconds, 2)}
    return [
        Figure(NAME, f"{people:,} learners", rate, "learners/s", floor, rate / floor, details=details),
        Figure(NAME, "chunk, median", spread.median, "ms", details={"chunks": len(chunks)}),
        Figure(NAME, "chunk, longest", spread.maximum, "ms"),
        Figure(NAME, "deletion of the rule", deletion * 1_000, "ms"),
    ]
