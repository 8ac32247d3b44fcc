"""The same page of many parents at once: a list under each item of a list costs one statement, not one per item."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

from domain.foundation.database import Statements
from domain.foundation.errors import Invalid
from domain.foundation.listing import MAX_PAGE, Order, Page, PageRequest, Query, read_page

Row = TypeVar("Row")


async def read_pages(
    sql: Statements,
    shape: type[Row],
    query: Query,
    order: Order,
    request: PageRequest,
    *,
    columns: Sequence[str],
    parents: Sequence[tuple[int, ...]],
) -> list[Page[Row]]:
    """Read the page of each parent. A parent is a value for each of `columns`, which the rows under it have.

    Who goes on after a cursor does so under one parent, so only first pages are read together. Raises Invalid like
    `read_page`.
    """

    def under(parent: tuple[int, ...]) -> Query:
        restricted = query.copy()
        for column, value in zip(columns, parent, strict=True):
            restricted.where(f"{column} = ?", value)
        return restricted

    if request.after is not None or len(parents) == 1:
        return [await read_page(sql, shape, under(parent), order, request) for parent in parents]
    if not 1 <= request.first <= MAX_PAGE:
        raise Invalid(f"From 1 to {MAX_PAGE}.", path=["first"])
    rows = await _first_rows(sql, shape, query, order, request.first + 1, columns, parents)
    return [
        Page(
            rows=found[: request.first], has_next=len(found) > request.first, has_previous=False, order=order, query=of
        )
        for found, of in zip(rows, map(under, parents), strict=True)
    ]


async def _first_rows(
    sql: Statements,
    shape: type[Row],
    query: Query,
    order: Order,
    limit: int,
    columns: Sequence[str],
    parents: Sequence[tuple[int, ...]],
) -> list[list[Row]]:
    one = query.copy()
    for number, column in enumerate(columns):
        one.where(f"{column} = parent.key_{number}")
    args: list[Any] = [*one.args, *([parent[number] for parent in parents] for number in range(len(columns)))]
    arrays = ", ".join(f"${len(one.args) + number + 1}::bigint[]" for number in range(len(columns)))
    names = ", ".join(f"key_{number}" for number in range(len(columns)))
    direction = "DESC" if order.is_descending else "ASC"
    inner = ", ".join(f"{key.expression} {direction}" for key in order.keys)
    outer = ", ".join(f"page.{key.attribute} {direction}" for key in order.keys)
    found: list[list[Row]] = [[] for _ in parents]
    for record in await sql.fetch(
        f"SELECT parent.number AS parent_number, page.*"
        f" FROM unnest({arrays}) WITH ORDINALITY AS parent ({names}, number)"
        f" CROSS JOIN LATERAL ({one.text} ORDER BY {inner} LIMIT {limit}) page ORDER BY parent.number, {outer}",
        *args,
    ):
        values = dict(record)
        found[values.pop("parent_number") - 1].append(shape(**values))
    return found


def hashable(request: PageRequest) -> PageRequest:
    """Return the same request as part of a DataLoader's key."""
    return request if request.after is None else replace(request, after=tuple(request.after))
