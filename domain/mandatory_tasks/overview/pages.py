"""Pages of tasks at a cost that neither their number nor what is looked for changes.

A page is found by IDs first, in indexes alone, and only then are its rows read. PostgreSQL chooses between plans by
what it expects on average; where what is wanted can be rare or lie at the far end, it is not given the choice.
"""

from collections.abc import Sequence
from typing import Any

from domain.foundation.access import Principal
from domain.foundation.database.sessions import Statements
from domain.foundation.paging import Order, Page, PageRequest, Query, SortKey, page_of
from domain.mandatory_tasks.overview.filter import Branch, WhereToLook
from domain.mandatory_tasks.queries import TaskView, tasks

DUE_ON = SortKey("t.due_on", "due_on", "date")
CREATED_AT = SortKey("t.created_at", "created_at", "timestamptz")
UPDATED_AT = SortKey("t.updated_at", "updated_at", "timestamptz")
ID = SortKey("t.id", "id")

_PAGE = (
    "({}) page JOIN mandatory_task t ON t.id = page.id"
    " JOIN enrollment e ON e.tenant_id = t.tenant_id AND e.learner_id = t.learner_id AND e.content_id = t.target_id"
)


async def read_tasks(
    reads: Statements, principal: Principal, query: Query, where: WhereToLook, order: Order, request: PageRequest
) -> Page[TaskView]:
    """Return a page of a query of tasks, `t`, that are where it says. Raises Invalid like `read_page`."""
    after, limit = request.position_in(order), request.first + 1
    if where.branches and order.keys[0] is DUE_ON:
        ids, args = _merged(query, where.branches, order, after, limit)
    else:
        restricted = query.copy()
        if after is not None:
            columns = ", ".join(key.expression for key in order.keys)
            places = ", ".join(f"?::{key.type}" for key in order.keys)
            restricted.where(f"({columns}) {'<' if order.is_descending else '>'} ({places})", *after)
        ids, args = restricted.text, restricted.args
        if where.learners is not None:
            # Found by the people, and in no other way.
            ids = f"WITH few AS MATERIALIZED ({ids}) SELECT * FROM few"
    direction = "DESC" if order.is_descending else "ASC"
    by = ", ".join(f"{key.attribute} {direction}" for key in order.keys)
    page = f"SELECT id FROM ({ids}) found ORDER BY {by} LIMIT {limit}"
    rows = await reads.rows(
        TaskView,
        f"SELECT {tasks(principal).select} FROM {_PAGE.format(page)}"
        f" ORDER BY {', '.join(f'{key.expression} {direction}' for key in order.keys)}",
        *args,
    )
    return page_of(rows, query, order, request)


def _merged(
    query: Query, branches: Sequence[Branch], order: Order, after: Sequence[Any] | None, limit: int
) -> tuple[str, list[Any]]:
    """Return the statement of the first tasks after a position that have each wanted value, with its arguments."""
    args = list(query.args)
    direction, beyond = ("DESC", "<") if order.is_descending else ("ASC", ">")
    position = ""
    if after is not None:
        position = f", ${len(args) + 1}::date, ${len(args) + 2}::bigint"
        args += after
    parts = []
    for branch in branches:
        args.append(list(dict.fromkeys(branch.values)))
        column = f"t.{branch.column}"
        begin = f" AND ({column}, t.due_on, t.id) {beyond} (one.wanted{position})" if position else ""
        # Rows are compared, as equality would make the order that of all tasks, and their index one to choose. NULLs
        # are in none, which the comparison of rows does not tell a partial index.
        parts.append(
            f"SELECT entry.* FROM unnest(${len(args)}::bigint[]) AS one (wanted) CROSS JOIN LATERAL"
            f" ({query.text} AND ({column}, t.due_on) >= (one.wanted, '-infinity'::date)"
            f" AND ({column}, t.due_on) <= (one.wanted, 'infinity'::date) AND {column} IS NOT NULL{begin}"
            f" ORDER BY {column} {direction}, t.due_on {direction}, t.id {direction} LIMIT {limit}) entry"
        )
    # UNION, as a task can be in several branches.
    return " UNION ".join(f"({part})" for part in parts), args
