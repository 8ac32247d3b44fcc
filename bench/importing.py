"""Importing new learners with six reference values each, beside the same learners and values inserted plainly.

A file goes through `mandate import`, fifty rules are evaluated for everybody in the transactions that create them, and
what follows from that is written besides; the floor writes learners and values only, half of them before and half of
them after the import.
"""

import contextlib
import csv
import io
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import domain.reactions  # noqa: F401  Changes need the table of reactions.
from bench.database import Addresses, Connection, settle
from bench.report import Figure
from bench.rules import give_rules
from bench.size import Size
from bench.world import REF_VALUES, Company, found_company, ref_value, watched_value
from domain.foundation import clock
from domain.foundation.database.sessions import writing
from domain.foundation.row_outcomes import RowOutcome
from ops.imports.running import CHUNK, Importer, ImportKind, ImportOptions

NAME = "import"
RULES = 50

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


@dataclass(frozen=True, slots=True)
class _Person:
    external_id: str
    name: str
    email: str
    refs: dict[int, str]


async def measure(owner: Connection, addresses: Addresses, size: Size) -> list[Figure]:
    """Import into a company with rules, and write as many people plainly."""
    now = clock.now()
    company = await found_company(owner, NAME, size.learners_per_tenant, now)
    await give_rules(owner, company, RULES, now)
    await settle(owner)
    count = size.imported_learners
    floor_seconds = await _write_plainly(owner, company, _people("before", count // 2))
    actions_before = await owner.fetchval("SELECT count(*) FROM content_action")
    seconds = await _import(company, _people("imported", count))
    effects = await owner.fetchval("SELECT count(*) FROM content_action") - actions_before
    floor_seconds += await _write_plainly(owner, company, _people("after", count - count // 2))
    rate, floor = count / seconds, count / floor_seconds
    case = f"{count:,} learners, {RULES} rules"
    details = {"effects per learner": round(effects / count, 2)}
    return [Figure(NAME, case, rate, "learners/s", floor, rate / floor, details=details)]


def _people(prefix: str, count: int) -> list[_Person]:
    return [
        _Person(
            external_id=f"{prefix}-{number}",
            name=f"Imported {number}",
            email=f"{prefix}-{number}@example.com",
            refs={
                1: watched_value(number),
                **{field: ref_value(field, number * field % values) for field, values in REF_VALUES.items()},
                6: f"site {number % 50}",
            },
        )
        for number in range(count)
    ]


async def _import(company: Company, people: Sequence[_Person]) -> float:
    """Import a file as the command does; return the seconds."""
    fields = ["external_id", "name", "email", *(f"ref{number}" for number in people[0].refs)]
    with tempfile.TemporaryDirectory(prefix="mandate-bench-") as directory:
        path = Path(directory) / "people.csv"
        with path.open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(fields)
            rows.writerows([one.external_id, one.name, one.email, *one.refs.values()] for one in people)
        begin = perf_counter()
        # What the operator would see is no figure.
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            report = await Importer(path, ImportKind.LEARNERS, ImportOptions()).run(company.tenant_id)
        seconds = perf_counter() - begin
    if report.outcomes[RowOutcome.CREATED] != len(people):
        raise AssertionError(f"not everybody was imported: {report.outcomes}")
    return seconds


async def _write_plainly(owner: Connection, company: Company, people: Sequence[_Person]) -> float:
    ids = await owner.fetch(
        "SELECT nextval(pg_get_serial_sequence('learner', 'id')) AS id FROM generate_series(1, $1::int)", len(people)
    )
    numbered = [(record["id"], person) for record, person in zip(ids, people, strict=True)]
    begin = perf_counter()
    for chunk in _chunks(numbered):
        await _write_chunk(company, chunk)
    return perf_counter() - begin


def _chunks(numbered: Sequence[tuple[int, _Person]]) -> Iterator[Sequence[tuple[int, _Person]]]:
    for first in range(0, len(numbered), CHUNK):
        yield numbered[first : first + CHUNK]


async def _write_chunk(company: Company, chunk: Sequence[tuple[int, _Person]]) -> None:
    refs = [(learner_id, number, value) for learner_id, one in chunk for number, value in one.refs.items()]
    async with writing(company.tenant_id) as sql:
        await sql.execute(
            _PLAIN_LEARNERS,
            company.tenant_id,
            clock.now(),
            [learner_id for learner_id, _ in chunk],
            [one.external_id for _, one in chunk],
            [one.email for _, one in chunk],
            [one.name for _, one in chunk],
        )
        await sql.execute(
            _PLAIN_REFS,
            company.tenant_id,
            [learner_id for learner_id, _, _ in refs],
            [number for _, number, _ in refs],
            [value for _, _, value in refs],
        )
