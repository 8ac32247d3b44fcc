"""The PostgreSQL of a run: durable as in production, migrated, with the roles of owner and application."""

import secrets
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg

from ops.servers.data_directory import Secrets
from ops.servers.database_setup import DATABASE, OWNER, prepare_database
from ops.servers.embedded import EmbeddedPostgres

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]
else:
    Connection = asyncpg.Connection


SETTINGS = {
    # Generating a million people would otherwise spend its time on checkpoints.
    "max_wal_size": "4GB",
    # Statements are counted only where somebody asks for it: it costs a little.
    "shared_preload_libraries": "pg_stat_statements",
    "pg_stat_statements.track": "none",
}


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the database of the run is, as the owner of the tables and as the application."""

    owner: str
    application: str


@asynccontextmanager
async def database_of_run() -> AsyncIterator[Addresses]:
    """Start a server in a directory of its own, and leave nothing behind."""
    with (
        tempfile.TemporaryDirectory(prefix="mandate-bench-", ignore_cleanup_errors=True) as directory,
        EmbeddedPostgres(Path(directory) / "postgres", durable=True, settings=SETTINGS) as server,
    ):
        urls = await prepare_database(server.superuser_url, Secrets(*(secrets.token_urlsafe(24) for _ in range(3))))
        superuser = await asyncpg.connect(server.superuser_url)
        await superuser.execute(f"GRANT pg_checkpoint, pg_read_all_stats TO {OWNER}")
        await superuser.execute(f"GRANT SET ON PARAMETER pg_stat_statements.track TO {OWNER}")
        await superuser.close()
        superuser = await asyncpg.connect(server.superuser_url, database=DATABASE)
        await superuser.execute("CREATE EXTENSION pg_stat_statements")
        await superuser.close()
        yield Addresses(urls.owner, urls.application)


@asynccontextmanager
async def counted_statements(owner: Connection) -> AsyncIterator[Callable[[], Awaitable[int]]]:
    """Count what processes that are started within the block send to the server; hand out how much it was so far."""
    name = await owner.fetchval("SELECT current_database()")
    await owner.execute(f"ALTER DATABASE {name} SET pg_stat_statements.track = 'all'")

    async def count() -> int:
        return int(await owner.fetchval("SELECT coalesce(sum(calls), 0) FROM pg_stat_statements WHERE toplevel"))

    try:
        yield count
    finally:
        await owner.execute(f"ALTER DATABASE {name} RESET pg_stat_statements.track")


@asynccontextmanager
async def without_indexes(owner: Connection, tables: Sequence[str]) -> AsyncIterator[None]:
    """Fill tables without the indexes that no constraint needs: a million rows are faster indexed all at once."""
    indexes = await owner.fetch(
        "SELECT i.indexrelid::regclass::text AS name, pg_get_indexdef(i.indexrelid) AS definition FROM pg_index i"
        " WHERE i.indrelid = ANY ($1::text[]::regclass[])"
        "   AND NOT EXISTS (SELECT 1 FROM pg_constraint c WHERE c.conindid = i.indexrelid)",
        tables,
    )
    for index in indexes:
        await owner.execute(f"DROP INDEX {index['name']}")
    yield
    await owner.execute("SET maintenance_work_mem = '512MB'")
    for index in indexes:
        await owner.execute(index["definition"])


async def settle(owner: Connection) -> None:
    """Bring statistics up to date and clean up, so that no autovacuum of the generation falls into a measurement."""
    await owner.execute("VACUUM ANALYZE")
