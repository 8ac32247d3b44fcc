"""Copies of tables with the same indexes, into which the rows that some work has written are written again plainly."""

from collections.abc import Mapping, Sequence
from time import perf_counter

from bench.database import Connection

PREFIX = "floor_"


class Copies:
    """Copies of tables, filled with what is there when they are made."""

    def __init__(self, owner: Connection, tables: Sequence[str]) -> None:
        self._owner = owner
        self._tables = tables
        #: What writing again has taken so far, and how many rows of each table that were.
        self.seconds = 0.0
        self.counts = dict.fromkeys(tables, 0)

    async def make(self) -> None:
        """Create and fill the copies."""
        for table in self._tables:
            await self._owner.execute(f"CREATE TABLE {PREFIX}{table} (LIKE {table} INCLUDING ALL)")
            await self._insert(table, "true")

    async def drop(self) -> None:
        """Drop the copies."""
        for table in self._tables:
            await self._owner.execute(f"DROP TABLE {PREFIX}{table}")

    async def last_ids(self) -> dict[str, int]:
        """Return the highest ID in each copy that has IDs."""
        return {
            table: await self._owner.fetchval(f"SELECT coalesce(max(id), 0) FROM {PREFIX}{table}")
            for table in self._tables
            if table != "rule_member"
        }

    async def catch_up(self) -> None:
        """Insert what is new without counting it."""
        for table, last_id in (await self.last_ids()).items():
            await self._insert(table, f"id > {last_id}")

    async def write_again(
        self, new_rows: Mapping[str, str], changes: Mapping[str, tuple[str, Sequence[int]]] | None = None
    ) -> None:
        """Insert the rows that satisfy the condition of their table, and change rows by ID, in one transaction.

        `changes` has for each table what is set, and the IDs.
        """
        begin = perf_counter()
        async with self._owner.transaction():
            for table, (assignments, ids) in (changes or {}).items():
                tag = await self._owner.execute(
                    f"UPDATE {PREFIX}{table} SET {assignments} WHERE id = ANY ($1::bigint[])", ids
                )
                self.counts[table] += _count(tag)
            for table, condition in new_rows.items():
                self.counts[table] += await self._insert(table, condition)
        self.seconds += perf_counter() - begin

    async def _insert(self, table: str, condition: str) -> int:
        return _count(
            await self._owner.execute(
                f"INSERT INTO {PREFIX}{table} OVERRIDING SYSTEM VALUE SELECT * FROM {table} WHERE {condition}"
            )
        )


def _count(tag: str) -> int:
    """Return the number of rows that a command says it has written."""
    return int(tag.rpartition(" ")[2])
