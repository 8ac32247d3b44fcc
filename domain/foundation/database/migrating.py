"""Bringing the database to the present schema. Runs as the owner of the tables; safe to run twice at once."""

import asyncio
from importlib import resources
from typing import Any

import asyncpg
from tortoise.context import TortoiseContext
from tortoise.migrations.api.migrate import migrate as apply_migrations

from domain import migrations
from domain.foundation.database.cells import settle_cell
from domain.foundation.database.orm import Limits, orm_config
from domain.foundation.database.server import refuse_unsafe_role

# Any number will do as long as nobody else uses it: Tortoise takes no lock of its own.
MIGRATION_LOCK = 7_263_401

#: Seconds between two tries to be the only one that migrates.
PAUSE = 0.1
NO_LIMITS = Limits(statement=0, lock=0)

#: Tables that the application's role may only add to.
APPEND_ONLY = ("content_action", "audit_entry", "content_action_position", "content_action_block")


class NotMigrated(RuntimeError):
    """The database lacks migrations of this release."""

    def __init__(self) -> None:
        super().__init__("The database has not been migrated: run `mandate migrate`.")


class UnknownRole(RuntimeError):
    """There is no role that the application could have."""


def migrations_of_this_release() -> list[str]:
    """Return the names of all migrations, in order."""
    names = (entry.name for entry in resources.files(migrations).iterdir())
    return sorted(name.removesuffix(".py") for name in names if name.endswith(".py") and name[:4].isdigit())


async def find_missing_migrations(connection: Any) -> list[str]:
    """Return, in order, what `migrate` would apply. The connection may be that of any role."""
    if not await connection.fetchval("SELECT to_regclass('tortoise_migrations') IS NOT NULL"):
        return migrations_of_this_release()
    applied = {record["name"] for record in await connection.fetch("SELECT name FROM tortoise_migrations")}
    return [name for name in migrations_of_this_release() if name not in applied]


async def migrate(owner_url: str, application_role: str, *, cell: int | None = None) -> list[str]:
    """Apply what is missing, have new keys belong to the cell, and grant the application's role its rights.

    `application_role` has to exist and must own nothing, else UnknownRole or UnsafeRole is raised before anything is
    done. The lock is held by a connection of its own, so that a second process waits here and then finds nothing to do.
    Without `cell`, the database keeps the one that it has. Returns the names of the migrations that were applied.
    """
    lock = await asyncpg.connect(owner_url)
    try:
        if not await lock.fetchval("SELECT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = $1)", application_role):
            raise UnknownRole(f"There is no role {application_role!r}, which DATABASE_URL names: make it first.")
        await refuse_unsafe_role(lock, application_role)
        # Asked for again and again, because a statement that waits would hold up indexes that are built concurrently.
        while not await lock.fetchval("SELECT pg_try_advisory_lock($1)", MIGRATION_LOCK):  # noqa: ASYNC110
            await asyncio.sleep(PAUSE)
        missing = await find_missing_migrations(lock)
        async with TortoiseContext():
            await apply_migrations(config=orm_config(owner_url, application_name="migrate", limits=NO_LIMITS))
        await settle_cell(lock, cell)
        await _grant(lock, application_role)
        return missing
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
    # What runs with its owner's rights looks across tenants: nobody else who may connect has any business there.
    functions = await connection.fetch(
        """
        SELECT oid::regprocedure::text AS signature FROM pg_proc
         WHERE prosecdef AND pronamespace = 'public'::regnamespace AND pg_has_role(current_user, proowner, 'USAGE')
        """
    )
    for signature in sorted(row["signature"] for row in functions):
        statements.append(f"REVOKE ALL ON FUNCTION {signature} FROM PUBLIC")
        statements.append(f"GRANT EXECUTE ON FUNCTION {signature} TO {quoted}")
    statements.append(f"GRANT SELECT ON fact TO {quoted}")
    statements.append(f"GRANT SELECT ON tortoise_migrations TO {quoted}")
    await connection.execute(";\n".join(statements))
