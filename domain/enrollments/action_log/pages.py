"""Pages of the log at a cost that neither its length nor what is looked for changes, in both of its orders.

Latest first: indexes of the log go on with the ID, so each wanted value gives its latest entries, and those are merged.
As committed: there is no index for each filter, but there are blocks of entries, and those without a wanted value are
passed over. A filter says by covers what is wanted: each has all of it in its branches, values of columns that an
index begins with. Of several restrictions the one that leaves few entries is found by counting.
"""

import datetime as dt
from collections.abc import Sequence
from typing import TypeVar

from asyncpg import Range

from domain.enrollments.action_log.branches import MOST_ENTRIES, Branch, Cover, find_few, latest_of, usable
from domain.foundation.database.sessions import Statements
from domain.foundation.log_blocks import Stretch, end_of_blocks
from domain.foundation.paging import Order, Page, PageRequest, Query, SortKey, page_of, plan_each_time, read_page

Row = TypeVar("Row")

LATEST_FIRST = Order((SortKey("a.id", "id"),), is_descending=True)
AS_COMMITTED = Order((SortKey("p.position", "position"),))

HIGHEST_ID = 2**63 - 1
#: Stretches that are looked at first; if they have too little, so many more each time.
FIRST_STRETCHES = 8


async def read_latest(
    sql: Statements,
    shape: type[Row],
    query: Query,
    covers: Sequence[Cover],
    request: PageRequest,
    *,
    tenant_id: int,
    stretches: Sequence[Stretch] | None,
) -> Page[Row]:
    """Return a page of a query of the log, latest first. Raises Invalid like `read_page`.

    Whatever the query allows is in each of the covers and, unless they are None, in one of the stretches. Without
    either nothing is known of where it is.
    """
    covers = usable(covers)
    if stretches is None and not covers:
        return await read_page(sql, shape, query, LATEST_FIRST, request)
    [after] = request.position_in(LATEST_FIRST) or [HIGHEST_ID]
    # A cursor may be forged; below the first ID there is nothing.
    after, limit = max(after, 1), request.first + 1
    await plan_each_time(sql)
    if stretches is None:
        within = Stretch(0, after - 1)
        # Of one cover so much is looked at as it takes; of several the rare one has to be known.
        cover = await find_few(sql, tenant_id, covers, within) if len(covers) > 1 else None
        ids = await latest_of(sql, query, tenant_id, cover or covers[0], within, limit)
    else:
        ids = []
        stretches = [stretch for stretch in stretches if stretch.lowest_id < after]
        if stretches:
            lowest = min(stretch.lowest_id for stretch in stretches)
            within = Stretch(lowest, min(after - 1, stretches[0].highest_id))
            if (cover := await find_few(sql, tenant_id, covers, within)) is not None:
                ids = await latest_of(sql, query, tenant_id, cover, within, limit)
            else:
                ids = await _latest_within(sql, query.copy().where("a.id < ?", after), stretches, limit)
    page = query.copy().where("a.id = ANY (?::bigint[])", ids)
    rows = await sql.rows(shape, f"{page.text} ORDER BY a.id DESC", *page.args)
    return page_of(rows, query, LATEST_FIRST, request)


async def _latest_within(sql: Statements, query: Query, stretches: Sequence[Stretch], limit: int) -> list[int]:
    """Return the latest entries of the stretches, of which no more are looked at than it takes."""
    number = len(query.args)
    statement = (
        f"SELECT DISTINCT entry.id FROM unnest(${number + 1}::bigint[], ${number + 2}::bigint[])"
        f" AS stretch (lowest_id, highest_id) CROSS JOIN LATERAL (SELECT a.id FROM content_action a"
        f"{query.where_clause} AND a.id BETWEEN stretch.lowest_id AND stretch.highest_id"
        f" ORDER BY a.id DESC LIMIT {limit}) entry ORDER BY id DESC LIMIT {limit}"
    )
    ids: list[int] = []
    begin, count = 0, FIRST_STRETCHES
    # Stretches overlap, so what is found has to lie above all that is left.
    while begin < len(stretches) and (len(ids) < limit or ids[-1] < stretches[begin].highest_id):
        part = stretches[begin : begin + count]
        lowest, highest = [one.lowest_id for one in part], [one.highest_id for one in part]
        found = await sql.values(statement, *query.args, lowest, highest)
        ids = sorted({*ids, *found}, reverse=True)[:limit]
        begin, count = begin + count, count + FIRST_STRETCHES
    return ids


async def read_as_committed(
    sql: Statements,
    shape: type[Row],
    query: Query,
    covers: Sequence[Cover],
    request: PageRequest,
    *,
    tenant_id: int,
    time: Range[dt.datetime] | None,
) -> Page[Row]:
    """Return a page of a query of the log in the order of commits. Raises Invalid like `read_page`.

    What has no position yet is not shown, and only what is in blocks can be passed over: sequence the feed and close
    the blocks before the snapshot opens.
    """
    logged = query.copy()
    logged.select = f"{query.select}, p.position"
    logged.source = "content_action_position p JOIN content_action a ON a.id = p.content_action_id"
    logged.where("p.tenant_id = ?", tenant_id)
    if not covers and time is None:
        return await read_page(sql, shape, logged, AS_COMMITTED, request)
    await plan_each_time(sql)
    [after] = request.position_in(AS_COMMITTED) or [0]
    limit = request.first + 1
    end = await end_of_blocks(sql, tenant_id)
    rows: list[Row] = []
    if after < end:
        entries = logged.copy().where("p.position > ?", after)
        entries.where("p.position BETWEEN b.first_position AND b.last_position")
        entries.where("a.id BETWEEN b.lowest_id AND b.highest_id")
        blocks = Query("", "")
        # Its arguments go on from those of the entries.
        blocks.args = entries.args
        blocks.where("b.tenant_id = ? AND b.last_position > ?", tenant_id, after)
        if time is not None:
            blocks.where("b.hours && ?::tstzrange", time)
        everywhere = Stretch(0, HIGHEST_ID)
        if (few := await find_few(sql, tenant_id, covers, everywhere)) is not None:
            ids = await latest_of(sql, query, tenant_id, few, everywhere, MOST_ENTRIES)
            # As ranges they are put in order once, and each block is looked up among them. Without CASE hardly any
            # block would be expected to have one, and all that do would be read before the first is shown.
            blocks.where(
                "CASE WHEN int8range(b.lowest_id, b.highest_id, '[]')"
                " && (SELECT range_agg(int8range(id, id, '[]')) FROM unnest(?::bigint[]) AS one (id)) THEN true END",
                ids,
            )
        elif covers:
            blocks.where(
                " OR ".join(_found_in_block(branch, query) for branch in covers[0]),
                *(list(branch.values) for branch in covers[0]),
            )
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


def _found_in_block(branch: Branch, query: Query) -> str:
    """Return the condition that a block `b` has an entry of a branch that the query allows, for the wanted values.

    A scalar subquery is asked block by block until the page is full; EXISTS could become a join with all blocks.
    """
    return (
        f"(SELECT true FROM content_action a{query.where_clause} AND a.id BETWEEN b.lowest_id AND b.highest_id"
        f" AND {branch.condition} AND {branch.column} = ANY (?::{branch.type}[]) LIMIT 1)"
    )
