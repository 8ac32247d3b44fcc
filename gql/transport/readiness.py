"""Whether this process can serve requests: the database answers and has the schema that this release expects."""

import asyncio

from domain.foundation.database.migrating import migrations_of_this_release
from domain.foundation.database.sessions import across_tenants

#: Seconds that the database has for an answer, waiting for a connection included.
PATIENCE = 3.0


async def find_obstacle() -> str | None:
    """Return what keeps requests from being served, or None."""
    try:
        async with asyncio.timeout(PATIENCE):
            applied = {record["name"] for record in await across_tenants("SELECT name FROM tortoise_migrations")}
    except Exception:
        return "The database does not answer."
    return None if applied.issuperset(migrations_of_this_release()) else "The database has not been migrated."
