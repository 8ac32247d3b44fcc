"""Searching people by a part of their name or address: its index, and who else must not use it."""

import re
from datetime import datetime

import pytest

from domain.foundation.database.sessions import ReadScope, refresh_statistics, writing
from domain.tenants.models import Tenant
from tests.support.catalogue import Connection

INDEX = "learner_search"
PEOPLE = 3_000


@pytest.fixture
async def crowd(tenant: Tenant, another_tenant: Tenant, now: datetime) -> None:
    """Two tenants with as many people of the same names."""
    for one in (tenant, another_tenant):
        async with writing(one.id) as sql:
            await sql.execute(
                "INSERT INTO learner (tenant_id, external_id, name, name_key, email, email_key, role, is_active,"
                "                     created_at, version, edited_version)"
                " SELECT $1, 'p' || n, 'Person ' || n, 'person ' || n, 'p' || n || '@acme.example',"
                "        'p' || n || '@acme.example', 'LEARNER', true, $2, 1, 1 FROM generate_series(1, $3::int) n",
                one.id,
                now,
                PEOPLE,
            )
    await refresh_statistics()


async def plan(superuser: Connection, sql: str, *args: object, without: tuple[str, ...] = ()) -> str:
    """Return how PostgreSQL runs a statement, where it is to do without some ways of scanning."""
    async with superuser.transaction():
        for way in without:
            await superuser.execute(f"SET LOCAL enable_{way} = off")
        return "\n".join(record[0] for record in await superuser.fetch(f"EXPLAIN (ANALYZE, TIMING OFF) {sql}", *args))


async def test_indexes_for_searching_are_over_expressions(superuser: Connection) -> None:
    """A trigram index over a column answers equality as well, at a hundred times the price of a B-tree."""
    columns = await superuser.fetch(
        """
        SELECT i.indexrelid::regclass::text, i.indkey::int2[] AS columns FROM pg_index i
          JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam
         WHERE a.amname IN ('gin', 'gist') AND c.relnamespace = 'public'::regnamespace
        """
    )
    assert {record[0]: set(record["columns"]) for record in columns} == {INDEX: {0}}


@pytest.mark.usefixtures("crowd")
@pytest.mark.parametrize("column", ["email_key", "name_key", "external_id"])
@pytest.mark.parametrize("count", [1, 1_000])
@pytest.mark.parametrize("without", [(), ("indexscan", "indexonlyscan", "seqscan")])
async def test_no_equality_uses_the_index_for_searching(
    superuser: Connection, tenant: Tenant, column: str, count: int, without: tuple[str, ...]
) -> None:
    """Whatever else the planner may not do, and however many values are looked for."""
    stored = {"email_key": "p{}@acme.example", "name_key": "person {}", "external_id": "p{}"}[column]
    values = [stored.format(number) for number in range(1, count + 1)]
    shown = await plan(
        superuser,
        f"SELECT id FROM learner WHERE tenant_id = $1 AND {column} = ANY ($2::text[])",
        tenant.id,
        values,
        without=without,
    )
    assert "learner" in shown
    assert INDEX not in shown


@pytest.mark.usefixtures("crowd")
async def test_a_search_reads_the_people_of_its_tenant_only(superuser: Connection, tenant: Tenant) -> None:
    """The other tenant has somebody of the same name, who is not even looked at."""
    body = await superuser.fetchval("SELECT prosrc FROM pg_proc WHERE proname = 'search_learners'")
    statement = body.partition("'SELECT")[2].partition("'\n")[0].replace("''", "'")
    shown = await plan(superuser, f"SELECT{statement}", tenant.id, "%person 1234%")
    assert INDEX in shown
    assert "tenant_id + 0" in shown.partition("Index Cond")[2]
    removed = re.findall(r"Rows Removed by \w+: (\d+)", shown)
    assert sum(map(int, removed)) < PEOPLE


@pytest.mark.usefixtures("crowd")
@pytest.mark.parametrize(
    ("pattern", "found"),
    [("%son 1234%", 1), ("%p1234@%", 1), ("%acme.example%", PEOPLE), ("%nobody%", 0), ("%n%", PEOPLE), ("%%", PEOPLE)],
)
async def test_searches_of_any_length_find_names_and_addresses(tenant: Tenant, pattern: str, found: int) -> None:
    """Also those too short for the index."""
    async with ReadScope(tenant.id) as reads:
        assert len(await reads.values("SELECT * FROM search_learners($1)", pattern)) == found
