"""Cells: whose turn it is to make keys. No two databases ever give out the same key, so tenants can move between them.

A key is the number of a cell, then a number that the database counts: `cell << 44 | count`. A database makes keys of
one cell at a time, and its operator gives no other database the same one. The tenant that moves takes its rows, its
keys and so its IDs along; the sequences of the database that it comes to never reach them. That database gets a cell
higher than all others first, because rows are told older from newer by their keys. Databases that have never heard of
cells are in cell 0: all that they ever gave out stays what it is.
"""

import asyncio

import asyncpg

#: Bits that count within a cell: 17 million million keys of each table.
COUNT_BITS = 44
#: A key is a positive bigint.
MAX_CELL = 2 ** (63 - COUNT_BITS) - 1
#: Milliseconds that one try waits for whoever is taking keys, and how often it is tried.
PATIENCE_MS, TRIES, PAUSE = 500, 240, 0.5


def keys_of(cell: int) -> tuple[int, int]:
    """Return the first and the last key of a cell; 0 is nobody's key."""
    return (cell << COUNT_BITS) + 1, (cell + 1 << COUNT_BITS) - 1


async def find_cell(connection: "asyncpg.Connection[asyncpg.Record]") -> int:
    """Return the cell that the database makes keys of."""
    lowest: int = await connection.fetchval(
        "SELECT seqmin FROM pg_sequence WHERE seqrelid = pg_get_serial_sequence('tenant', 'id')::regclass"
    )
    return lowest >> COUNT_BITS


async def settle_cell(connection: "asyncpg.Connection[asyncpg.Record]", cell: int | None) -> int:
    """Have all sequences make keys of a cell, by default of the one that the database has; return which.

    What was given out stays. A cell in which the database was before goes on after its highest key.
    """
    if cell is not None and not 0 <= cell <= MAX_CELL:
        raise ValueError(f"A cell is a number from 0 to {MAX_CELL}.")
    chosen = await find_cell(connection) if cell is None else cell
    first, last = keys_of(chosen)
    others = await connection.fetch(
        """
        SELECT s.seqrelid::regclass::text AS sequence, d.refobjid::regclass::text AS table, a.attname AS column
          FROM pg_sequence s
          JOIN pg_depend d ON d.objid = s.seqrelid AND d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
          JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
          JOIN pg_class c ON c.oid = d.refobjid AND c.relnamespace = 'public'::regnamespace
         WHERE c.relname <> 'tortoise_migrations' AND (s.seqmin, s.seqmax) <> ($1, $2) ORDER BY 1
        """,
        first,
        last,
    )
    for sequence, table, column in others:
        await _move(connection, f"ALTER SEQUENCE {sequence}", table, column, first, last)
    return chosen


async def _move(
    connection: "asyncpg.Connection[asyncpg.Record]", alter: str, table: str, column: str, first: int, last: int
) -> None:
    for left in reversed(range(TRIES)):
        try:
            async with connection.transaction():
                await connection.execute(f"SET LOCAL lock_timeout = {PATIENCE_MS}")
                # Taken first: whoever has a key that is not committed yet is waited for, and found below.
                await connection.execute(f"{alter} MINVALUE {first} MAXVALUE {last} START {first} RESTART {first}")
                highest = await connection.fetchval(
                    f'SELECT max("{column}") FROM {table} WHERE "{column}" BETWEEN $1 AND $2', first, last
                )
                if highest is not None:
                    await connection.execute(f"{alter} RESTART {highest + 1}")
                return
        except asyncpg.LockNotAvailableError:
            if not left:
                raise
        await asyncio.sleep(PAUSE)
