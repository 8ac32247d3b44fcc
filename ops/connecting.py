"""Where the servers are that a command works with, and whether they answer."""

import contextlib
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import asyncpg

import domain.reactions  # noqa: F401  Changes need the table of reactions.
from domain.foundation.database.migrating import NotMigrated, find_missing_migrations
from domain.foundation.database.orm import Limits
from domain.foundation.database.server import refuse_unsafe_role
from domain.foundation.database.sessions import connected
from domain.foundation.settings import Settings
from domain.tenants.accounts import find_tenant_id
from ops.failures import CommandFailed
from ops.servers.data_directory import DataDirectory

#: Beginning of the line that says which database a command changes.
WRITING_TO = "mandate: writing to the database "
#: Seconds that a server has to answer.
PATIENCE = 5.0
#: Commands may work longer than requests.
LIMITS = Limits(statement=120_000)


#: Where `mandate up` keeps its data unless somebody says otherwise.
DATA = Path(".mandate")
#: Settings that say where servers are, and who signs tokens for them: those of a `mandate up` that was named are taken
#: whole, and no others beside them.
SERVERS = ("database_url", "owner_database_url", "redis_url", "broker_url")
_PLACES = (*SERVERS, "secret_key", "jwks_url")


def command_settings(data: Path | None) -> Settings:
    """Return the settings from the environment, except that servers are those of the `mandate up` in `data`.

    A directory that was named wins over an inherited environment; without one, the usual directory stands in for an
    environment that names no database. Raises CommandFailed where nothing runs there.
    """
    settings = Settings()
    if data is None and settings.database_url.get_secret_value():
        return settings
    published = DataDirectory(data or DATA).published()
    if published is None:
        reason = "There is no DATABASE_URL, and no" if data is None else "No"
        raise CommandFailed(f"{reason} `mandate up` runs with --data {data or DATA}.")
    given = settings.model_dump(exclude_unset=True)
    servers = {name.lower(): value for name, value in published.items()}
    if data is None:
        return Settings.model_validate(servers | given)
    given.pop("token_issuers", None)
    for name in _PLACES:
        given.pop(name, None)
        servers.setdefault(name, "")
    return Settings.model_validate(servers | {name: value for name, value in given.items() if name not in servers})


def say_where_to(url: str, *, tenant: str | None = None) -> None:
    """Tell the operator, on standard error, which database is going to be changed; never how it is signed in to."""
    parts = urlsplit(url)
    place = f"{unquote(parts.path.lstrip('/'))} at {parts.hostname}:{parts.port or 5432}"
    print(f"{WRITING_TO}{place}" + (f", tenant {tenant}" if tenant else ""), file=sys.stderr, flush=True)


def require_queue(settings: Settings) -> None:
    """Raise CommandFailed without a queue."""
    if not settings.queue_url:
        raise CommandFailed("REDIS_URL is missing: where the queue is, unless BROKER_URL says it.")


def database_role(settings: Settings) -> str:
    """Return the role as which the application connects."""
    return unquote(urlsplit(settings.database_url.get_secret_value()).username or "")


@contextlib.asynccontextmanager
async def _answering(url: str) -> AsyncIterator[Any]:
    """Connect, or raise CommandFailed with the reason why there is no connection."""
    parts = urlsplit(url)
    try:
        place = f"{parts.hostname}:{parts.port or 5432}"
    except ValueError as error:
        raise CommandFailed(f"The address of PostgreSQL makes no sense: {error}.") from error
    try:
        # Whatever is between, a statement without a name is understood.
        connection = await asyncpg.connect(url, timeout=PATIENCE, command_timeout=PATIENCE, statement_cache_size=0)
    except (OSError, TimeoutError) as error:
        raise CommandFailed(f"No PostgreSQL answers at {place}: {error or 'no answer in time'}.") from error
    except (asyncpg.PostgresError, asyncpg.InterfaceError, ValueError) as error:
        raise CommandFailed(f"The PostgreSQL at {place} refuses: {error}.") from error
    try:
        yield connection
    finally:
        await connection.close(timeout=PATIENCE)


async def require_database(url: str) -> None:
    """Raise CommandFailed, with the reason, unless the database answers."""
    async with _answering(url):
        pass


async def require_migrated_database(url: str) -> None:
    """Raise CommandFailed unless the database answers, UnsafeRole or NotMigrated unless it can be worked with."""
    async with _answering(url) as connection, connection.transaction():
        await refuse_unsafe_role(connection)
        if await find_missing_migrations(connection):
            raise NotMigrated


async def missing_migrations(url: str) -> list[str]:
    """Return the names of what `mandate migrate` would apply; raises CommandFailed unless the database answers."""
    async with _answering(url) as connection, connection.transaction():
        return await find_missing_migrations(connection)


@contextlib.asynccontextmanager
async def database_of(settings: Settings, *, tenant: str | None = None) -> AsyncIterator[None]:
    """Open the database for a command that writes, which says first where to."""
    url = settings.database_url.get_secret_value()
    await require_migrated_database(url)
    say_where_to(url, tenant=tenant)
    async with connected(
        url, application_name="mandate-command", limits=LIMITS, keeps_statements=settings.are_statements_kept
    ):
        yield


async def get_tenant_id(slug: str) -> int:
    """Return the tenant with this slug; raises CommandFailed."""
    tenant_id = await find_tenant_id(slug)
    if tenant_id is None:
        raise CommandFailed(f"There is no tenant {slug!r}: `mandate tenant create` makes one.")
    return tenant_id
