"""Pages of the log at a cost that neither its length nor what is looked for changes, in both of its orders.

Latest first: the indexes of the log go on with the ID, so each wanted value gives its latest entries, and those are
merged. As committed: there is no index for each filter, but there are blocks of entries, and those without a wanted
value are passed over. A filter says by branches what is wanted: values of columns that an index begins with.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from domain.foundation.database import Statements
from domain.foundation.listing import Order, Page, PageRequest, Query, SortKey, page_of, read_page
from domain.foundation.log_blocks import end_of_blocks

Row = TypeVar("Row")

LATEST_FIRST = Order((SortKey("a.id", "id"),), is_descending=True)
AS_COMMITTED = Order((SortKey("p.position", "position"),))

#: With more values than this, what is wanted is no small part of the log, and walking through it finds it soon.
MOST_VALUES = 200


@dataclass(frozen=True, slots=True)
class Wanted:
    """Values of a column of the log, `a`."""

    column: str
    type: str
    values: tuple[Any, ...]


#: Entries that have a wanted value in each of these columns, which together begin an index.
Branch = tuple[Wanted, ...]


def are_few(branches: Sequence[Branch]) -> bool:
    """Tell whether it pays to look for the values one by one."""
    return all(len(wanted.values) <= MOST_VALUES for branch in branches for wanted in branch)


async def read_latest(
    sql: Statements, shape: type[Row], query: Query, branches: Sequence[Branch], request: PageRequest
) -> Page[Row]:
    """Return a page of a query of the log, latest first. Whatever the query allows is in one of the branches.

    Without branches nothing is known of what is looked for. Raises Invalid like `read_page`.
    """
    if not branches or not are_few(branches):
        return await read_page(sql, shape, query, LATEST_FIRST, request)
    await _plan_each_time(sql)
    restricted = query.copy()
    after = request.position_in(LATEST_FIRST)
    if after is not None:
        restricted.where("a.id < ?", *after)
    args, limit = list(restricted.args), request.first + 1
    found = []
    for branch in branches:
        values, conditions = [], []
        for number, wanted in enumerate(branch):
            args.append(list(dict.fromkeys(wanted.values)))
            values.append(f"unnest(${len(args)}::{wanted.type}[]) AS value_{number} (wanted)")
            conditions.append(f" AND {wanted.column} = value_{number}.wanted")
        found.append(
            f"SELECT entry.id FROM {' CROSS JOIN '.join(values)} CROSS JOIN LATERAL (SELECT a.id FROM content_action a"
            f"{restricted.where_clause}{''.join(conditions)} ORDER BY a.id DESC LIMIT {limit}) entry"
        )
    # UNION, as an entry can be in several branches.
    rows = await sql.rows(
        shape,
        f"SELECT {query.select} FROM (SELECT id FROM ({' UNION '.join(found)}) found ORDER BY id DESC LIMIT {limit})"
        f" latest JOIN content_action a ON a.id = latest.id ORDER BY a.id DESC",
        *args,
    )
    return page_of(rows, query, LATEST_FIRST, request)


async def read_as_committed(
    sql: Statements,
    shape: type[Row],
    query: Query,
    branches: Sequence[Branch],
    request: PageRequest,
    *,
    tenant_id: int,
    occurred_from: dt.datetime | None,
    occurred_before: dt.datetime | None,
) -> Page[Row]:
    """Return a page of a query of the log in the order of commits. Raises Invalid like `read_page`.

    What has no position yet is not shown, and only what is in blocks can be passed over: sequence the feed and close
    the blocks before the snapshot opens.
    """
    logged = query.copy()
    logged.select = f"{query.select}, p.position"
    logged.source = "content_action_position p JOIN content_action a ON a.id = p.content_action_id"
    logged.where("p.tenant_id = ?", tenant_id)
    if not branches and occurred_from is None and occurred_before is None:
        return await read_page(sql, shape, logged, AS_COMMITTED, request)
    await _plan_each_time(sql)
    [after] = request.position_in(AS_COMMITTED) or [0]
    limit = request.first + 1
    end = await end_of_blocks(sql, tenant_id)
    rows: list[Row] = []
    if after < end:
        entries = logged.copy().where("p.position > ?", after)
        entries.where("p.position BETWEEN b.first_position AND b.last_position")
        entries.where("a.id BETWEEN b.lowest_id AND b.highest_id")
        # Numbers of arguments go on from those of the entries.
        blocks = Query("", "")
        blocks.args = entries.args
        blocks.where("b.tenant_id = ? AND b.last_position > ?", tenant_id, after)
        if occurred_from is not None:
            blocks.where("b.latest_at >= ?", occurred_from)
        if occurred_before is not None:
            blocks.where("b.earliest_at < ?", occurred_before)
        if branches:
            blocks.where(*_has_one_of(branches, query))
        rows = await sql.rows(
            shape,
            f"SELECT entry.* FROM content_action_block b CROSS JOIN LATERAL"
            f" ({entries.text} ORDER BY p.position LIMIT {limit}) entry{blocks.where_clause}"
            f" ORDER BY b.last_position, entry.position LIMIT {limit}",
            *entries.args,
        )
    if len(rows) < limit:
        tail = logged.copy().where("p.position > ?", max(after, end))
        rows += await sql.rows(shape, f"{tail.text} ORDER BY p.position LIMIT {limit - len(rows)}", *tail.args)
    return page_of(rows, logged, AS_COMMITTED, request)


async def _plan_each_time(sql: Statements) -> None:
    """Plan the statements of this snapshot for their arguments: one plan cannot be good for frequent and for rare."""
    await sql.value("SELECT set_config('plan_cache_mode', 'force_custom_plan', true)")


def _has_one_of(branches: Sequence[Branch], query: Query) -> tuple[str, *tuple[Any, ...]]:
    """Return the condition that a block `b` has an entry of a branch that the query allows, with its arguments.

    As scalar subqueries, which are asked block by block until the page is full; EXISTS could become a join of all.
    """
    parts, args = [], []
    for branch in branches:
        wanted = "".join(f" AND {one.column} = ANY (?::{one.type}[])" for one in branch)
        args += [list(one.values) for one in branch]
        parts.append(
            f"(SELECT true FROM content_action a{query.where_clause} AND a.id BETWEEN b.lowest_id AND b.highest_id"
            f"{wanted} LIMIT 1)"
        )
    return " OR ".join(parts), *args
