"""The same page of many parents at once: a list under each item of a list costs one statement, not one per item."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from domain.foundation.database.sessions import Statements
from domain.foundation.errors import DomainError, Invalid
from domain.foundation.paging import MAX_PAGE, Order, Page, PageRequest, Query, read_page

Key = TypeVar("Key", bound=Hashable)
Row = TypeVar("Row")


async def read_alike(
    keys: Sequence[Key],
    alike: Callable[[Key], Hashable],
    read: Callable[[list[Key]], Awaitable[list[Page[Row]]]],
) -> list[Page[Row]]:
    """Read the pages of keys that are alike together; return all in the order of the keys.

    What is wrong with some of them is their answer alone, an exception as loaders raise it.
    """
    groups: defaultdict[Hashable, list[Key]] = defaultdict(list)
    for key in keys:
        groups[alike(key)].append(key)
    pages: dict[Key, Any] = {}
    for group in groups.values():
        try:
            pages.update(zip(group, await read(group), strict=True))
        except DomainError as error:
            pages.update(dict.fromkeys(group, error))
    return [pages[key] for key in keys]


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

    if request.after is not None or len(parents) == 1:
        return [await read_page(sql, shape, query.under(columns, parent), order, request) for parent in parents]
    if not 1 <= request.first <= MAX_PAGE:
        raise Invalid(f"From 1 to {MAX_PAGE}.", path=["first"])
    rows = await _first_rows(sql, shape, query, order, request.first + 1, columns, parents)
    return [
        Page(
            rows=found[: request.first], has_next=len(found) > request.first, has_previous=False, order=order, query=of
        )
        for found, of in zip(rows, (query.under(columns, parent) for parent in parents), strict=True)
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
    one, source = query.under_each(columns, parents)
    direction = "DESC" if order.is_descending else "ASC"
    inner = ", ".join(f"{key.expression} {direction}" for key in order.keys)
    outer = ", ".join(f"page.{key.attribute} {direction}" for key in order.keys)
    found: list[list[Row]] = [[] for _ in parents]
    for record in await sql.fetch(
        f"SELECT parent.number AS parent_number, page.*"
        f" FROM {source} CROSS JOIN LATERAL ({one.text} ORDER BY {inner} LIMIT {limit}) page"
        f" ORDER BY parent.number, {outer}",
        *one.args,
    ):
        values = dict(record)
        found[values.pop("parent_number") - 1].append(shape(**values))
    return found


def hashable(request: PageRequest) -> PageRequest:
    """Return the same request as part of a DataLoader's key."""
    return request if request.after is None else replace(request, after=tuple(request.after))
