"""Rows that earlier releases could store, and what the migrations make of them."""

from collections.abc import AsyncIterator

import asyncpg
import pytest
from tortoise.context import TortoiseContext
from tortoise.migrations.api.migrate import migrate as apply_migrations

from domain.foundation.database.migrating import migrate
from domain.foundation.database.orm import Limits, orm_config
from tests.support.catalogue import Connection
from tests.support.servers import APPLICATION, Databases, create_empty_database, drop_database

#: The last migration before these.
BEFORE = "domain.0015_numbers_of_rules"
NFC, NFD = "Küche", "Ku\u0308che"


@pytest.fixture
async def earlier(databases: Databases, superuser: Connection) -> AsyncIterator[Databases]:
    """A database as the previous release has it."""
    name = f"{await superuser.fetchval('SELECT current_database()')}_earlier"
    made = await create_empty_database(databases.superuser_url, name)
    async with TortoiseContext():
        await apply_migrations(
            config=orm_config(made.owner_url, application_name="earlier", limits=Limits(statement=0)), target=BEFORE
        )
    yield made
    await drop_database(databases.superuser_url, name)


@pytest.fixture
async def rows(earlier: Databases) -> AsyncIterator[Connection]:
    """A connection to it that may write everything."""
    connection = await asyncpg.connect(earlier.superuser_url)
    await connection.execute("SET session_replication_role = replica")
    yield connection
    await connection.close()


async def insert(rows: Connection, table: str, **columns: object) -> None:
    """Insert a row; columns that it does not name get the zero of their type."""
    needed = await rows.fetch(
        """
        SELECT column_name, data_type FROM information_schema.columns
         WHERE table_schema = 'public' AND table_name = $1 AND is_nullable = 'NO' AND column_default IS NULL
           AND is_identity = 'NO'
        """,
        table,
    )
    zeros = {"bigint": "0", "integer": "0", "smallint": "0", "boolean": "false", "text": "''", "jsonb": "'{}'"}
    zeros |= {
        "tstzmultirange": "'{}'",
        "character varying": "''",
        "timestamp with time zone": "now()",
        "date": "current_date",
        "ARRAY": "'{}'",
    }
    values = {row["column_name"]: zeros[row["data_type"]] for row in needed}
    values |= {
        name: await rows.fetchval("SELECT quote_nullable($1::text)", str(value)) for name, value in columns.items()
    }
    await rows.execute(f"INSERT INTO {table} ({', '.join(values)}) VALUES ({', '.join(values.values())})")


async def test_instants_before_1900_become_its_first_everywhere(earlier: Databases, rows: Connection) -> None:
    """Minus infinity and year 1500 alike; what has no date keeps none, and what has a real one keeps it."""
    real = "2026-03-01 10:00:00+00"
    for number, instant in enumerate(("-infinity", "1500-01-01 00:00:00+00", real), start=1):
        await insert(
            rows, "enrollment", id=number, tenant_id=1, learner_id=number, content_id=1, status="COMPLETED",
            completed_at=instant, finished_at=instant, version=1,
        )  # fmt: skip
        await insert(rows, "mandatory_task", id=number, tenant_id=1, learner_id=number, completed_at=instant, version=1)
        await insert(rows, "task_cycle", id=number, tenant_id=1, task_id=number, number=1, completed_at=instant)
        await insert(rows, "content_action", id=number, tenant_id=1, learner_id=number, occurred_at=instant)
        await insert(rows, "content_action_position", tenant_id=1, position=number, content_action_id=number)
    await insert(
        rows, "content_action_block", tenant_id=1, first_position=1, last_position=3, lowest_id=1, highest_id=3,
        hours="{}",
    )  # fmt: skip
    await migrate(earlier.owner_url, APPLICATION)
    first = "1900-01-01 00:00:00+00"
    await rows.execute("SET timezone TO 'UTC'")
    for table, column in (
        ("enrollment", "completed_at"),
        ("enrollment", "finished_at"),
        ("mandatory_task", "completed_at"),
        ("task_cycle", "completed_at"),
        ("content_action", "occurred_at"),
    ):
        found = [record[0] for record in await rows.fetch(f"SELECT {column}::text FROM {table} ORDER BY id")]
        assert found == [first, first, real[:22]], table
    assert await rows.fetchval("SELECT count(scored_at) FROM enrollment") == 0
    assert await rows.fetchval("SELECT count(*) FROM change_pending") == 4
    assert await rows.fetchval("SELECT hours @> '1900-01-01 00:00+00'::timestamptz FROM content_action_block")


async def test_texts_are_normalized_where_they_collide_with_nothing(earlier: Databases, rows: Connection) -> None:
    """Two departments of one name, and two people of one external ID, stay two."""
    await insert(rows, "place", id=1, tenant_id=1, kind="D", name=NFD, external_id=f"{NFD} ")
    await insert(rows, "place", id=2, tenant_id=2, kind="D", name=NFD)
    await insert(rows, "place", id=3, tenant_id=2, kind="D", name=NFC)
    await insert(rows, "learner", id=1, tenant_id=1, external_id="\ufeffA-1", name=NFD)
    await insert(rows, "learner", id=2, tenant_id=1, external_id="B-1", name=NFD)
    await insert(rows, "learner", id=3, tenant_id=1, external_id="B-1 ", name="C")
    await insert(rows, "content", id=1, tenant_id=1, external_id="\u00a0X", title=NFD)
    await migrate(earlier.owner_url, APPLICATION)
    places = await rows.fetch("SELECT name, external_id FROM place ORDER BY id")
    assert [tuple(row) for row in places] == [(NFC, NFC), (NFD, None), (NFC, None)]
    people = await rows.fetch("SELECT external_id, name FROM learner ORDER BY id")
    assert [tuple(row) for row in people] == [("A-1", NFC), ("B-1", NFC), ("B-1 ", "C")]
    assert tuple(await rows.fetchrow("SELECT external_id, title FROM content") or ()) == ("X", NFC)


async def test_values_of_people_and_of_rules_are_normalized_together(earlier: Databases, rows: Connection) -> None:
    """Whoever has such a value is evaluated by a job, in tenants that have rules, and nobody else is."""
    for tenant_id in (1, 2):
        for number in range(3):
            await insert(rows, "learner", id=10 * tenant_id + number, tenant_id=tenant_id, name="Somebody")
        await insert(rows, "learner_ref", learner_id=10 * tenant_id, number=1, tenant_id=tenant_id, value=NFD)
        await insert(rows, "learner_ref", learner_id=10 * tenant_id + 1, number=1, tenant_id=tenant_id, value=NFC)
        await insert(rows, "learner_ref", learner_id=10 * tenant_id + 2, number=1, tenant_id=tenant_id, value="Lager")
    await insert(rows, "rule", id=1, tenant_id=1, name="Kitchen", state="ACTIVE")
    await rows.execute(
        "INSERT INTO rule_condition (rule_id, number, tenant_id, kind, object_ids, ref_values)"
        " VALUES (1, 0, 1, 'REF_VALUE', '{}', $1)",
        [NFD, "Bar", NFC],
    )
    for value in (NFD, "Bar", NFC):
        await insert(rows, "rule_atom", rule_id=1, tenant_id=1, kind="R", key=1, value=value, bit=1)
    await migrate(earlier.owner_url, APPLICATION)
    values = await rows.fetch("SELECT value FROM learner_ref ORDER BY learner_id")
    assert [row[0] for row in values] == [NFC, NFC, "Lager"] * 2
    assert await rows.fetchval("SELECT ref_values FROM rule_condition") == [NFC, "Bar"]
    assert {row[0] for row in await rows.fetch("SELECT value FROM rule_atom")} == {NFC, "Bar"}
    jobs = await rows.fetch(
        "SELECT j.tenant_id, j.kind, j.status, l.learner_id FROM background_job j"
        " JOIN background_job_learner l ON l.job_id = j.id ORDER BY l.learner_id"
    )
    assert [tuple(row) for row in jobs] == [
        (1, "RULE_REEVALUATION", "QUEUED", 10),
        (1, "RULE_REEVALUATION", "QUEUED", 11),
    ]
