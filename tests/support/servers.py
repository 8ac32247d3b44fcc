"""The test run's own PostgreSQL: one cluster, one migrated template, one database per process that runs tests.

`TEST_POSTGRES_BIN` names a folder with the programs of another PostgreSQL than that of the wheel.

The controller of pytest-xdist (or the only process) starts the cluster; workers are handed its address.
"""

import asyncio
import os
import shutil
import tempfile
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from domain.foundation.database.migrating import migrate
from ops.servers.embedded import EmbeddedPostgres

OWNER = "mandate_owner"
APPLICATION = "mandate_app"
TEMPLATE = "mandate_template"

#: Where the programs of the PostgreSQL are that the tests run on; None for those of the wheel.
PROGRAMS = Path(os.environ["TEST_POSTGRES_BIN"]) if os.environ.get("TEST_POSTGRES_BIN") else None

#: Sequences start this far apart, so that an ID of one table is never by chance one of another.
ID_DISTANCE = 100_000

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Databases:
    """Where one test process finds its database, in each of the three roles."""

    superuser_url: str
    owner_url: str
    app_url: str

    @classmethod
    def named(cls, superuser_url: str, name: str) -> Self:
        """Return where a database of the cluster is."""
        return cls(
            superuser_url=address(superuser_url, name),
            owner_url=address(superuser_url, name, OWNER),
            app_url=address(superuser_url, name, APPLICATION),
        )


class TestCluster:
    """A PostgreSQL that is thrown away after the run, with the migrated template in it."""

    __test__ = False

    def __init__(self) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="mandate-tests-"))
        if PROGRAMS is not None:
            # Older programs enter their directory by its name, as an account that is not root.
            (self._directory / "postgres").mkdir()
            for directory in (self._directory, self._directory / "postgres"):
                directory.chmod(0o711)
        # Deadlocks are provoked on purpose, so they shall not take the usual second to be found.
        settings = {"deadlock_timeout": "200ms"}
        self._postgres = EmbeddedPostgres(
            self._directory / "postgres", durable=False, settings=settings, programs=PROGRAMS
        )

    def start(self) -> Self:
        """Start the server and migrate the template."""
        self._postgres.start()
        run(_make_template(self._postgres.superuser_url))
        return self

    @property
    def superuser_url(self) -> str:
        """Where the cluster's superuser connects."""
        return self._postgres.superuser_url

    def stop(self) -> None:
        """Stop the server and forget its data."""
        self._postgres.stop()
        shutil.rmtree(self._directory, ignore_errors=True)


def run(work: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine where no loop is running, without touching the loop that the tests will use."""
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(work)
    finally:
        loop.close()


def address(superuser_url: str, database: str, role: str | None = None) -> str:
    """Return the URL of a database of the cluster, as the superuser or as a role whose password is its name."""
    parts = urlsplit(superuser_url)
    credentials = f"{role}:{role}" if role else parts.netloc.rpartition("@")[0]
    return urlunsplit(parts._replace(netloc=f"{credentials}@{parts.hostname}:{parts.port}", path=f"/{database}"))


async def _make_template(superuser_url: str) -> None:
    superuser = await asyncpg.connect(superuser_url)
    try:
        for role in (OWNER, APPLICATION):
            await superuser.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{role}'")
        await superuser.execute(f"CREATE DATABASE {TEMPLATE} OWNER {OWNER}")
    finally:
        await superuser.close()
    await migrate(address(superuser_url, TEMPLATE, OWNER), APPLICATION)
    template = await asyncpg.connect(address(superuser_url, TEMPLATE))
    try:
        sequences = await template.fetch("SELECT sequencename FROM pg_sequences ORDER BY sequencename")
        for number, record in enumerate(sequences, start=1):
            await template.execute(f'ALTER SEQUENCE "{record[0]}" RESTART WITH {number * ID_DISTANCE}')
    finally:
        await template.close()


async def clone(superuser_url: str, name: str) -> Databases:
    """Make a database from the template."""
    superuser = await asyncpg.connect(superuser_url)
    try:
        # Two clones at once would each find the other one connected to the template.
        await superuser.execute("SELECT pg_advisory_lock(1)")
        await superuser.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} OWNER {OWNER}")
    finally:
        await superuser.close()
    return Databases.named(superuser_url, name)


async def create_empty_database(superuser_url: str, name: str) -> Databases:
    """Make a database that nobody has migrated."""
    superuser = await asyncpg.connect(superuser_url)
    try:
        await superuser.execute(f"CREATE DATABASE {name} OWNER {OWNER}")
    finally:
        await superuser.close()
    return Databases.named(superuser_url, name)


async def drop_database(superuser_url: str, name: str) -> None:
    """Drop a database, whoever is connected to it."""
    superuser = await asyncpg.connect(superuser_url)
    try:
        await superuser.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    finally:
        await superuser.close()


EMPTY_ALL_TABLES = """
DO $$
DECLARE name text; has_rows boolean;
BEGIN
  SET LOCAL session_replication_role = replica;
  FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'tortoise_migrations' LOOP
    EXECUTE format('SELECT EXISTS (SELECT 1 FROM %I)', name) INTO has_rows;
    IF has_rows THEN EXECUTE format('DELETE FROM %I', name); END IF;
  END LOOP;
END $$
"""
