"""Entries of the log that have wanted values, found through the index of each value and in no other way.

PostgreSQL chooses between plans by what it expects on average. Where it may, it reads the log by ID until a page is
full, for each wanted value anew; that is cheap as long as what is wanted is spread evenly, and reads the whole log
where it is not. So it is not given the choice: only the index of the value has the order that is asked for here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from domain.foundation.database.sessions import Statements
from domain.foundation.log_blocks import Stretch
from domain.foundation.paging import Query

#: With more values than this, what is wanted is no small part of the log, and walking through it finds it soon.
MOST_VALUES = 200
#: So many entries are rather looked at one by one than searched for among others.
MOST_ENTRIES = 10_000


@dataclass(frozen=True, slots=True)
class Branch:
    """Entries of the log, `a`, that have a wanted value in a column, which an index begins with."""

    column: str
    type: str
    values: Sequence[Any]
    #: Condition of the index.
    condition: str = "true"


#: Branches that together have all entries of a query.
Cover = Sequence[Branch]


def usable(covers: Sequence[Cover]) -> list[Cover]:
    """Return the covers of which it pays to look for the values one by one."""
    return [cover for cover in covers if all(len(branch.values) <= MOST_VALUES for branch in cover)]


async def find_few(sql: Statements, tenant_id: int, covers: Sequence[Cover], within: Stretch) -> Cover | None:
    """Return a cover that has so few entries that all of them can be looked at, or None."""
    query = Query("", "content_action a").where("a.tenant_id = ?", tenant_id)
    for cover in usable(covers):
        parts, args = _parts(query, tenant_id, cover, within, MOST_ENTRIES + 1)
        found = f"SELECT id FROM ({' UNION ALL '.join(parts)}) entry LIMIT {MOST_ENTRIES + 1}"
        [count] = await sql.values(f"SELECT count(*) FROM ({found}) found", *args)
        if count <= MOST_ENTRIES:
            return cover
    return None


async def latest_of(
    sql: Statements, query: Query, tenant_id: int, cover: Cover, within: Stretch, limit: int
) -> list[int]:
    """Return the IDs of the latest entries of a query that are in a cover of it, merged."""
    parts, args = _parts(query, tenant_id, cover, within, limit)
    # UNION, as an entry can be in several branches.
    return await sql.values(f"SELECT id FROM ({' UNION '.join(parts)}) found ORDER BY id DESC LIMIT {limit}", *args)


def _parts(query: Query, tenant_id: int, cover: Cover, within: Stretch, limit: int) -> tuple[list[str], list[Any]]:
    """Return a statement for each branch that gives the latest entries of each of its values, and their arguments."""
    args = [*query.args, tenant_id, within.lowest_id, within.highest_id]
    tenant, lowest, highest = (f"${len(query.args) + place}" for place in (1, 2, 3))
    parts = []
    for branch in cover:
        args.append(list(dict.fromkeys(branch.values)))
        column = branch.column
        # Rows are compared, as equality would make any order by ID an order by column and ID. OFFSET 0 keeps the other
        # conditions outside, where they cannot suggest another index. NULLs are in none, which the comparison of rows
        # does not tell a partial index.
        parts.append(
            f"SELECT entry.id FROM unnest(${len(args)}::{branch.type}[]) AS one (wanted) CROSS JOIN LATERAL"
            f" (SELECT a.id FROM (SELECT a.* FROM content_action a WHERE a.tenant_id = {tenant}"
            f" AND ({column}, a.id) >= (one.wanted, {lowest}::bigint)"
            f" AND ({column}, a.id) <= (one.wanted, {highest}::bigint)"
            f" AND {column} IS NOT NULL AND {branch.condition} ORDER BY {column} DESC, a.id DESC OFFSET 0) a"
            f"{query.where_clause} ORDER BY {column} DESC, a.id DESC LIMIT {limit}) entry"
        )
    return parts, args
