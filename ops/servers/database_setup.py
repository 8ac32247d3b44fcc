"""Making the database of `mandate up` in its private PostgreSQL: two roles, one of which owns everything."""

from dataclasses import dataclass
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg

from domain.foundation.database.migrating import migrate
from ops.servers.data_directory import Secrets

DATABASE = "mandate"
OWNER = "mandate_owner"
APPLICATION = "mandate_app"


@dataclass(frozen=True, slots=True)
class DatabaseUrls:
    """Where to connect as the owner of the tables, and as the application that row level security binds."""

    owner: str
    application: str


async def prepare_database(superuser_url: str, secrets: Secrets) -> DatabaseUrls:
    """Create what is missing of roles, database and schema; safe to repeat, also after a crash in the middle."""
    superuser = await asyncpg.connect(superuser_url)
    try:
        for role, password in ((OWNER, secrets.owner_password), (APPLICATION, secrets.app_password)):
            if not await superuser.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", role):
                await superuser.execute(f"CREATE ROLE {role} LOGIN")
            # A password of 190 random bits needs no quoting, and no rounds of hashing either (see `embedded`).
            await superuser.execute(f"ALTER ROLE {role} PASSWORD '{password}'")
        if not await superuser.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", DATABASE):
            await superuser.execute(f"CREATE DATABASE {DATABASE} OWNER {OWNER}")
    finally:
        await superuser.close()
    urls = DatabaseUrls(
        owner=_as_role(superuser_url, OWNER, secrets.owner_password),
        application=_as_role(superuser_url, APPLICATION, secrets.app_password),
    )
    await migrate(urls.owner, APPLICATION)
    return urls


def _as_role(superuser_url: str, role: str, password: str) -> str:
    parts = urlsplit(superuser_url)
    place = f"{role}:{quote(password, safe='')}@{parts.hostname}:{parts.port}"
    return urlunsplit(parts._replace(netloc=place, path=f"/{DATABASE}"))
