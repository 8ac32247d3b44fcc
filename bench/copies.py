"""Copies of tables with the same indexes, into which the rows that some work has written are written again plainly."""

from collections.abc import Mapping
from time import perf_counter

from bench.database import Connection

PREFIX = "floor_"


async def copy_tables(owner: Connection, before: Mapping[str, str]) -> None:
    """Make a copy of each table with the rows that satisfy its condition: those that were there before."""
    for table, condition in before.items():
        await owner.execute(f"CREATE TABLE {PREFIX}{table} (LIKE {table} INCLUDING ALL)")
        await owner.execute(
            f"INSERT INTO {PREFIX}{table} OVERRIDING SYSTEM VALUE SELECT * FROM {table} WHERE {condition}"
        )


async def drop_copies(owner: Connection, before: Mapping[str, str]) -> None:
    """Drop what `copy_tables` has made."""
    for table in before:
        await owner.execute(f"DROP TABLE {PREFIX}{table}")


async def insert_again(owner: Connection, before: Mapping[str, str]) -> tuple[float, dict[str, int]]:
    """Insert all other rows, in one transaction; return the seconds and the number of rows by table."""
    # What the copies have left behind is not the floor's business.
    await owner.execute("CHECKPOINT")
    counts = {}
    begin = perf_counter()
    async with owner.transaction():
        for table, condition in before.items():
            tag = await owner.execute(
                f"INSERT INTO {PREFIX}{table} OVERRIDING SYSTEM VALUE SELECT * FROM {table} WHERE NOT ({condition})"
            )
            counts[table] = int(tag.rpartition(" ")[2])
    return perf_counter() - begin, counts
