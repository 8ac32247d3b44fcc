"""People whose address counts as that of somebody else, from before domains were compared by IDNA 2008."""

import asyncpg

from domain.foundation.addresses import email_key
from gql.contract.ids import LEARNER, encode


async def find_shared_addresses(owner_url: str) -> list[str]:
    """Return who is not found by their own address, each as an ID and the slug of the tenant."""
    connection = await asyncpg.connect(owner_url)
    try:
        # Of plain ASCII nothing else counts than before.
        rows = await connection.fetch(
            "SELECT l.id, l.email, l.email_key, t.slug FROM learner l JOIN tenant t ON t.id = l.tenant_id"
            " WHERE l.email ~ '[^[:ascii:]]' ORDER BY t.slug, l.id"
        )
    finally:
        await connection.close()
    return [
        f"{encode(LEARNER, row['id'])} ({row['slug']})" for row in rows if email_key(row["email"]) != row["email_key"]
    ]
