"""Importing new learners with six reference values each, beside the same learners and values inserted plainly.

Fifty rules are evaluated for everybody within the transaction that creates them; what follows from them is written
besides, and is not part of the floor.
"""

from collections.abc import Iterator, Sequence
from time import perf_counter

from bench.database import Addresses, Connection, settle
from bench.report import Figure, Spread
from bench.rules import give_rules
from bench.size import Size
from bench.world import REF_VALUES, Company, found_company, ref_value, watched_value
from domain.foundation import clock
from domain.foundation.database import writing
from domain.foundation.unit_of_work import UnitOfWork, perform
from domain.people.learner_changes import LearnerChanges, RefChange
from domain.people.operations import LearnerRowResult, upsert_learners

RULES = 50
ROWS_PER_TRANSACTION = 1_000

_PLAIN_LEARNERS = """
INSERT INTO learner (id, tenant_id, external_id, email, email_key, name, name_key, role, is_active, created_at, version,
                     edited_version)
SELECT id, $1, external_id, email, email, name, lower(name), 'LEARNER', true, $2, 1, 1
  FROM unnest($3::bigint[], $4::text[], $5::text[], $6::text[]) AS t (id, external_id, email, name)
"""
_PLAIN_REFS = """
INSERT INTO learner_ref (learner_id, number, tenant_id, value)
SELECT learner_id, number, $1, value FROM unnest($2::bigint[], $3::int[], $4::text[]) AS t (learner_id, number, value)
"""


async def measure(owner: Connection, addresses: Addresses, size: Size) -> list[Figure]:
    """Import into a company with rules, and in turn write as many plainly."""
    now = clock.now()
    company = await found_company(owner, "import", size.learners_per_tenant, now)
    await give_rules(owner, company, RULES, now)
    await settle(owner)
    imported, plain = list[float](), list[float]()
    effects = 0
    for number in range(0, size.imported_learners, ROWS_PER_TRANSACTION):
        rows = _rows(company, number, ROWS_PER_TRANSACTION, "I")
        begin = perf_counter()
        effects += await _import(company, rows)
        imported.append(perf_counter() - begin)
        rows = _rows(company, number, ROWS_PER_TRANSACTION, "F")
        ids = [r[0] for r in await owner.fetch(
            "SELECT nextval(pg_get_serial_sequence('learner', 'id')) FROM generate_series(1, $1::int)", len(rows)
        )]  # fmt: skip
        begin = perf_counter()
        await _write_plainly(company, ids, rows)
        plain.append(perf_counter() - begin)
    rate, floor = size.imported_learners / sum(imported), size.imported_learners / sum(plain)
    return [
        Figure(
            "import",
            f"{size.imported_learners:,} learners, {RULES} rules",
            rate,
            "learners/s",
            floor,
            rate / floor,
            details={
                "effects per learner": round(effects / size.imported_learners, 2),
                f"median of {ROWS_PER_TRANSACTION}, ms": Spread.of(imported).median,
                "longest, ms": Spread.of(imported).maximum,
            },
        )
    ]


def _rows(company: Company, first: int, count: int, prefix: str) -> list[LearnerChanges]:
    def refs(number: int) -> Iterator[RefChange]:
        yield RefChange(1, watched_value(number))
        yield RefChange(6, f"site {number % 50}")
        for field, values in REF_VALUES.items():
            yield RefChange(field, ref_value(field, number * field % values))

    return [
        LearnerChanges(
            external_id=f"{prefix}{number}",
            name=f"Imported {number}",
            email=f"{prefix}{number}@example.com".lower(),
            ref_values=list(refs(number)),
        )
        for number in range(first, first + count)
    ]


async def _import(company: Company, rows: Sequence[LearnerChanges]) -> int:
    async def act(work: UnitOfWork) -> list[LearnerRowResult]:
        work.evaluates_at_once = True
        return await upsert_learners(work, rows=rows)

    done = await perform(company.admin, clock.now(), "importLearners", act)
    assert all(result.learner_id for result in done.result), "a row was refused"
    return done.rule_action_count


async def _write_plainly(company: Company, ids: Sequence[int], rows: Sequence[LearnerChanges]) -> None:
    refs = [
        (learner_id, ref.number, ref.value) for learner_id, row in zip(ids, rows, strict=True) for ref in row.ref_values
    ]
    async with writing(company.tenant_id) as sql:
        await sql.execute(
            _PLAIN_LEARNERS,
            company.tenant_id,
            clock.now(),
            list(ids),
            [row.external_id for row in rows],
            [row.email for row in rows],
            [row.name for row in rows],
        )
        await sql.execute(
            _PLAIN_REFS,
            company.tenant_id,
            [learner_id for learner_id, _, _ in refs],
            [number for _, number, _ in refs],
            [value for _, _, value in refs],
        )
