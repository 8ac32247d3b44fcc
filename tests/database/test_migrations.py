"""Migrations: safe to run twice and at once, complete, and what they made is what the models say."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest
from tortoise.context import TortoiseContext
from tortoise.migrations.autodetector import MigrationAutodetector
from tortoise.models import Model

from domain.foundation.database.migrating import APPEND_ONLY, migrate
from domain.foundation.database.orm import orm_config
from tests.support.catalogue import Connection, all_tables
from tests.support.servers import APPLICATION, Databases, create_empty_database, drop_database

#: What nobody ever deletes, so that no deletion has to look for whoever points to it.
KEPT = ["bulk_assignment", "content", "email_template", "learner", "mandatory_task", "rule", "task_reminder_setting"]


@pytest.fixture
async def empty(databases: Databases, superuser: Connection) -> AsyncIterator[Databases]:
    """A database that nobody has migrated."""
    name = f"{await superuser.fetchval('SELECT current_database()')}_empty"
    yield await create_empty_database(databases.superuser_url, name)
    await drop_database(databases.superuser_url, name)


async def schema_of(url: str) -> list[tuple[object, ...]]:
    """Return every column, index, function and right of a database, and which migrations made them."""
    connection = await asyncpg.connect(url)
    try:
        records = await connection.fetch(
            """
            SELECT 'column' AS kind, table_name || '.' || column_name AS name, data_type || is_nullable AS value
              FROM information_schema.columns WHERE table_schema = 'public'
            UNION ALL SELECT 'index', indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
            UNION ALL SELECT 'policy', tablename, coalesce(qual, '') || coalesce(with_check, '') FROM pg_policies
            UNION ALL SELECT 'function', proname, prosrc FROM pg_proc
                       WHERE pronamespace = 'public'::regnamespace AND prosecdef
            UNION ALL SELECT 'right', table_name, privilege_type FROM information_schema.role_table_grants
                       WHERE grantee = $1
            UNION ALL SELECT 'migration', app, name FROM tortoise_migrations
            """,
            APPLICATION,
        )
        return sorted(tuple(record) for record in records)
    finally:
        await connection.close()


async def test_two_migrations_at_once_make_one_schema(empty: Databases, superuser_url: str) -> None:
    """The second waits for the first and finds nothing to do; the result is what every test runs on."""
    async with asyncio.timeout(30):
        await asyncio.gather(migrate(empty.owner_url, APPLICATION), migrate(empty.owner_url, APPLICATION))
    assert await schema_of(empty.superuser_url) == await schema_of(superuser_url)


async def test_migrating_again_changes_nothing(owner_url: str, superuser_url: str) -> None:
    """On a database that is up to date nothing happens."""
    before = await schema_of(superuser_url)
    await migrate(owner_url, APPLICATION)
    assert await schema_of(superuser_url) == before


async def test_models_and_migrations_agree() -> None:
    """A changed model needs a migration."""
    config = orm_config("postgres://nobody@127.0.0.1:1/nothing", application_name="autodetector")
    async with TortoiseContext() as context:
        await context.init(config=config, init_connections=False)
        assert context.apps is not None
        writers = await MigrationAutodetector(context.apps, config["apps"]).changes()
    assert [operation for writer in writers for operation in writer.operations] == []


async def models() -> list[type[Model]]:
    """Return the models of the product."""
    config = orm_config("postgres://nobody@127.0.0.1:1/nothing", application_name="models")
    async with TortoiseContext() as context:
        await context.init(config=config, init_connections=False)
        assert context.apps is not None
        return list(context.apps["domain"].values())


async def test_uniqueness_that_models_declare_exists(superuser: Connection) -> None:
    """What a model calls unique is unique in the database."""
    records = await superuser.fetch(
        """
        SELECT c.relname,
               ARRAY(SELECT a.attname::text FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k (number, place)
                       JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
                      ORDER BY place) AS columns
          FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
         WHERE i.indisunique AND i.indisvalid AND i.indpred IS NULL AND c.relnamespace = 'public'::regnamespace
        """
    )
    existing = {(record["relname"], tuple(record["columns"])) for record in records}
    declared = set()
    for model in await models():
        meta = model._meta
        declared |= {(meta.db_table, tuple(columns)) for columns in meta.unique_together}
        declared |= {(meta.db_table, (name,)) for name, field in meta.fields_map.items() if field.unique}
    assert len(declared) > 10
    assert declared - existing == set()


async def test_each_foreign_key_has_an_index(superuser: Connection) -> None:
    """Otherwise each deletion of what it points to would read the whole table. IDs are of one tenant."""
    without = await superuser.fetch(
        """
        SELECT c.conrelid::regclass::text, c.conname FROM pg_constraint c
         WHERE c.contype = 'f' AND c.connamespace = 'public'::regnamespace
           AND c.confrelid::regclass::text <> ALL ($1::text[])
           AND NOT EXISTS (SELECT 1 FROM pg_index i
                            WHERE i.indrelid = c.conrelid
                              AND ((i.indkey::int2[])[0] = c.conkey[2]
                                   OR (i.indkey::int2[])[0:cardinality(c.conkey) - 1] @> c.conkey))
        """,
        KEPT,
    )
    assert [tuple(record) for record in without] == []


async def test_application_has_no_more_rights_than_it_needs(superuser: Connection) -> None:
    """It reads and writes rows, only adds to logs, and owns nothing."""
    records = await superuser.fetch(
        "SELECT table_name, privilege_type FROM information_schema.role_table_grants WHERE grantee = $1", APPLICATION
    )
    rights: dict[str, set[str]] = {}
    for record in records:
        rights.setdefault(record["table_name"], set()).add(record["privilege_type"])
    added_to = {"SELECT", "INSERT"}
    assert rights == {
        **{table: {"SELECT", "INSERT", "UPDATE", "DELETE"} for table in await all_tables(superuser)},
        **dict.fromkeys(APPEND_ONLY, added_to),
        "fact": {"SELECT"},
        "tortoise_migrations": {"SELECT"},
    }
    owned = await superuser.fetch("SELECT relname FROM pg_class WHERE relowner = $1::text::regrole", APPLICATION)
    assert owned == []


async def test_only_the_application_calls_what_looks_across_tenants(superuser: Connection) -> None:
    """Whoever else may connect to the database calls nothing that has its owner's rights."""
    called_by_all = await superuser.fetch(
        """
        SELECT p.oid::regprocedure::text FROM pg_proc p
         WHERE p.prosecdef AND p.pronamespace = 'public'::regnamespace
           AND (p.proacl IS NULL OR EXISTS (SELECT 1 FROM aclexplode(p.proacl) WHERE grantee = 0))
        """
    )
    assert [record[0] for record in called_by_all] == []


async def test_order_of_names_does_not_depend_on_the_server(superuser: Connection) -> None:
    """Sort keys, facts and atoms are compared byte by byte in every database."""
    records = await superuser.fetch(
        """
        SELECT a.attrelid::regclass::text || '.' || a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
         WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'v')
           AND a.attcollation = '"C"'::regcollation AND a.atttypid = 'text'::regtype
        """
    )
    keys = {f"{table}.name_key" for table in ("email_template", "learner", "place", "rule", "service_account")} | {
        "content.title_key"
    }
    facts = {"learner_ref.value", "learner_place.kind", "enrollment.fact_status", "fact.kind", "fact.value"}
    atoms = {"rule_atom.kind", "rule_atom.value"}
    assert {record[0] for record in records} == keys | facts | atoms
