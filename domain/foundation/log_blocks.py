"""Blocks of the log in the order of commits: what each run of entries holds, so that readers can pass over it unread.

Positions are given in order and never change, so a block that is full is so for ever. Blocks only make reading faster:
what is in none yet is read entry by entry.
"""

import datetime as dt
from dataclasses import dataclass

from asyncpg import Range

from domain.foundation.database.sessions import Statements, writing

#: Entries of a block. Fewer mean more blocks to look at where little is wanted, more mean more entries to read in each.
BLOCK = 512
#: Blocks that one transaction closes: few enough to look up their entries one by one.
BATCH = 10


@dataclass(frozen=True, slots=True)
class Stretch:
    """IDs between which there are entries of a time, and others too; stretches overlap where transactions did."""

    lowest_id: int
    highest_id: int


async def close_blocks(tenant_id: int) -> int:
    """Lay down the blocks that have become full; return how many. Whoever does so at the same time does the same."""
    total = 0
    while True:
        closed = await close_some_blocks(tenant_id)
        total += closed
        if closed < BATCH:
            return total


async def close_some_blocks(tenant_id: int) -> int:
    """Lay down the first of these, `BATCH` of them at most, in one transaction; return how many."""
    async with writing(tenant_id) as sql:
        # A plan for any limit would read the whole log.
        await sql.plan_each_time()
        closed = await sql.execute(
            """
            INSERT INTO content_action_block (tenant_id, last_position, first_position, lowest_id, highest_id,
                   hours)
            SELECT $1, max(p.position), min(p.position), min(a.id), max(a.id),
                   range_agg(tstzrange(hour, hour + interval '1 hour'))
              FROM (SELECT position, content_action_id, (row_number() OVER (ORDER BY position) - 1) / $3 AS number
                      FROM content_action_position WHERE tenant_id = $1 AND position > $2
                     ORDER BY position LIMIT $3 * $4) p
              JOIN content_action a ON a.tenant_id = $1 AND a.id = p.content_action_id
             CROSS JOIN LATERAL date_trunc('hour', a.occurred_at, 'UTC') AS hour
             GROUP BY p.number HAVING count(*) = $3
            ON CONFLICT DO NOTHING
            """,
            tenant_id,
            await end_of_blocks(sql, tenant_id),
            BLOCK,
            BATCH,
        )
    return closed


async def end_of_blocks(sql: Statements, tenant_id: int) -> int:
    """Return the last position that is in a block; 0 before the first."""
    last = await sql.value("SELECT max(last_position) FROM content_action_block WHERE tenant_id = $1", tenant_id)
    return int(last or 0)


async def stretches_of(sql: Statements, tenant_id: int, time: Range[dt.datetime]) -> list[Stretch]:
    """Return where all entries of a time are, the highest IDs first.

    Entries are recorded late, some by years, so when they happened says little of where they stand: blocks know the
    hours of theirs, and what is in none is looked at one by one.
    """
    return await sql.rows(
        Stretch,
        """
        SELECT lowest_id, highest_id FROM content_action_block WHERE tenant_id = $1 AND hours && $3::tstzrange
        UNION ALL
        SELECT min(a.id), max(a.id) FROM content_action a
         WHERE a.tenant_id = $1 AND a.occurred_at <@ $3::tstzrange
           AND a.id IN (SELECT content_action_id FROM content_action_position WHERE tenant_id = $1 AND position > $2
                        UNION ALL
                        SELECT object_id FROM change_pending WHERE tenant_id = $1 AND object_type = 'CONTENT_ACTION')
        HAVING count(*) > 0
         ORDER BY highest_id DESC
        """,
        tenant_id,
        await end_of_blocks(sql, tenant_id),
        time,
    )
