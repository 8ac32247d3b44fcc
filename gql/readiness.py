"""Whether this process can serve requests: the database answers and has the schema that this release expects."""

import asyncio
from importlib import resources

from domain import migrations
from domain.foundation.database import across_tenants

#: Seconds that the database has for an answer, waiting for a connection included.
PATIENCE = 3.0


async def find_obstacle() -> str | None:
    """Return what keeps requests from being served, or None."""
    expected = {
        entry.name.removesuffix(".py")
        for entry in resources.files(migrations).iterdir()
        if entry.name.endswith(".py") and entry.name[:4].isdigit()
    }
    try:
        async with asyncio.timeout(PATIENCE):
            applied = {record["name"] for record in await across_tenants("SELECT name FROM tortoise_migrations")}
    except Exception:
        return "The database does not answer."
    return "The database has not been migrated." if expected - applied else None
