"""The PostgreSQL of a run: durable as in production, migrated, with the roles of owner and application."""

import secrets
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg

from ops.data_directory import Secrets
from ops.database_setup import OWNER, prepare_database
from ops.embedded import EmbeddedPostgres

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]
else:
    Connection = asyncpg.Connection


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
        # Generating a million people would otherwise spend its time on checkpoints.
        EmbeddedPostgres(Path(directory) / "postgres", durable=True, settings={"max_wal_size": "4GB"}) as server,
    ):
        urls = await prepare_database(server.superuser_url, Secrets(*(secrets.token_urlsafe(24) for _ in range(3))))
        superuser = await asyncpg.connect(server.superuser_url)
        await superuser.execute(f"GRANT pg_checkpoint TO {OWNER}")
        await superuser.close()
        yield Addresses(urls.owner, urls.application)


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
