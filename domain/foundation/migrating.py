"""Bringing the database to the present schema. Runs as the owner of the tables; safe to run twice at once."""

import asyncpg
from tortoise.context import TortoiseContext
from tortoise.migrations.api.migrate import migrate as apply_migrations

from domain.foundation.orm import orm_config

# Any number will do as long as nobody else uses it: Tortoise takes no lock of its own.
MIGRATION_LOCK = 7_263_401

#: Tables that the application's role may only add to.
APPEND_ONLY = ("content_action", "audit_entry", "content_action_position", "content_action_block")


async def migrate(owner_url: str, application_role: str) -> None:
    """Apply what is missing, then grant the application's role its rights.

    `application_role` has to exist; it must own nothing. The lock is held by a connection of its own, so that a second
    process waits here and then finds nothing to do.
    """
    lock = await asyncpg.connect(owner_url)
    try:
        await lock.execute("SELECT pg_advisory_lock($1)", MIGRATION_LOCK)
        async with TortoiseContext():
            await apply_migrations(config=orm_config(owner_url, application_name="migrate", statement_timeout_ms=0))
        await _grant(lock, application_role)
    finally:
        await lock.close()


async def _grant(connection: "asyncpg.Connection[asyncpg.Record]", role: str) -> None:
    quoted = await connection.fetchval("SELECT quote_ident($1)", role)
    tables = await connection.fetch(
        "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() AND tablename <> 'tortoise_migrations'"
    )
    statements = [
        f"GRANT USAGE ON SCHEMA public TO {quoted}",
        f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {quoted}",
    ]
    for table in sorted(row["tablename"] for row in tables):
        rights = "SELECT, INSERT" if table in APPEND_ONLY else "SELECT, INSERT, UPDATE, DELETE"
        statements.append(f'GRANT {rights} ON "{table}" TO {quoted}')
    statements.append(f"GRANT SELECT ON fact TO {quoted}")
    statements.append(f"GRANT SELECT ON tortoise_migrations TO {quoted}")
    await connection.execute(";\n".join(statements))
