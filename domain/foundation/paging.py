"""Lists with keyset pages: a query put together from conditions, and its pages in a total order.

Rows are never skipped or shifted by inserts, and the thousandth page costs what the first does.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from domain.foundation.access import Principal
from domain.foundation.database.sessions import Statements
from domain.foundation.errors import Invalid

Row = TypeVar("Row")

MAX_PAGE = 100


class Query:
    """SELECT with conditions; each `?` in a condition takes the next argument. `args` are those of the source."""

    def __init__(self, select: str, source: str, args: Sequence[Any] = ()) -> None:
        self.select = select
        self.source = source
        self._conditions: list[str] = []
        self.args: list[Any] = list(args)
        #: What this query is under one parent: query, columns of the parent's key, and the key.
        self.restricts: tuple[Query, tuple[str, ...], tuple[int, ...]] | None = None

    def where(self, condition: str, *args: Any) -> "Query":
        """Restrict the result further; returns itself."""
        parts = condition.split("?")
        if len(parts) != len(args) + 1:
            raise ValueError(f"{len(parts) - 1} places for {len(args)} arguments: {condition}")
        text = parts[0]
        for argument, part in zip(args, parts[1:], strict=True):
            self.args.append(argument)
            text += f"${len(self.args)}{part}"
        self._conditions.append(f"({text})")
        return self

    def copy(self) -> "Query":
        """Return the same query, to be restricted on its own."""
        other = Query(self.select, self.source)
        other._conditions, other.args = list(self._conditions), list(self.args)
        return other

    def under(self, columns: Sequence[str], key: tuple[int, ...]) -> "Query":
        """Return this query for the rows under one parent: those that have its key in these columns."""
        other = self.copy()
        for column, value in zip(columns, key, strict=True):
            other.where(f"{column} = ?", value)
        other.restricts = self, tuple(columns), key
        return other

    def under_each(self, columns: Sequence[str], keys: Sequence[tuple[int, ...]]) -> "tuple[Query, str]":
        """Return this query for the rows under `parent`, and the source of many such parents with their `number`."""
        other = self.copy()
        for number, column in enumerate(columns):
            other.where(f"{column} = parent.key_{number}")
        other.args += ([key[number] for key in keys] for number in range(len(columns)))
        arrays = ", ".join(f"${len(self.args) + number + 1}::bigint[]" for number in range(len(columns)))
        names = ", ".join(f"key_{number}" for number in range(len(columns)))
        return other, f"unnest({arrays}) WITH ORDINALITY AS parent ({names}, number)"

    @property
    def where_clause(self) -> str:
        """The conditions as SQL."""
        return f" WHERE {' AND '.join(self._conditions)}" if self._conditions else ""

    @property
    def text(self) -> str:
        """The whole statement, without an order."""
        return f"SELECT {self.select} FROM {self.source}{self.where_clause}"

    async def count(self, sql: Statements) -> int:
        """Count the rows on all pages."""
        return int(await sql.value(f"SELECT count(*) FROM {self.source}{self.where_clause}", *self.args))


async def load_counts(sql: Statements, principal: Principal, queries: Sequence[Query]) -> list[int]:
    """Count the rows of queries; one statement for all that are the same query under several parents."""
    counts: dict[Query, int] = {}
    alike: defaultdict[tuple[Query, tuple[str, ...]], list[tuple[Query, tuple[int, ...]]]] = defaultdict(list)
    for query in queries:
        if query.restricts is None:
            counts[query] = await query.count(sql)
        else:
            base, columns, key = query.restricts
            alike[base, columns].append((query, key))
    for (base, columns), group in alike.items():
        one, parents = base.under_each(columns, [key for _, key in group])
        found = await sql.fetch(
            f"SELECT (SELECT count(*) FROM {one.source}{one.where_clause}) AS n FROM {parents} ORDER BY parent.number",
            *one.args,
        )
        counts.update((query, record["n"]) for (query, _), record in zip(group, found, strict=True))
    return [counts[query] for query in queries]


def _number(value: Any) -> int:
    if type(value) is not int or not -(2**63) <= value < 2**63:
        raise ValueError
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str) or "\x00" in value:
        raise ValueError
    value.encode()
    return value


def _instant(value: Any) -> dt.datetime:
    instant = dt.datetime.fromisoformat(value)
    if instant.tzinfo is None:
        raise ValueError
    return instant.astimezone(dt.UTC)


#: Cursors come from outside: what PostgreSQL would choke on has to be refused here.
_PARSERS = {"bigint": _number, "text": _text, "timestamptz": _instant, "date": dt.date.fromisoformat}


@dataclass(frozen=True, slots=True)
class SortKey:
    """Column of a sort order: its SQL expression, the row's attribute, and its type in PostgreSQL."""

    expression: str
    attribute: str
    type: str = "bigint"

    def parse(self, value: Any) -> Any:
        """Return a value from a cursor as the database wants it; raises Invalid when it is none."""
        try:
            return _PARSERS[self.type](value)
        except (TypeError, ValueError, OverflowError) as error:
            raise Invalid("Is no cursor of this list.", path=["after"]) from error


@dataclass(frozen=True, slots=True)
class Order:
    """Total order of a list: its last key is unique."""

    keys: tuple[SortKey, ...]
    is_descending: bool = False

    def position(self, row: Any) -> list[Any]:
        """Return where a row stands, as JSON."""
        values = [getattr(row, key.attribute) for key in self.keys]
        return [value.isoformat() if isinstance(value, dt.date) else value for value in values]


@dataclass(frozen=True, slots=True)
class PageRequest:
    """How many rows, and after which position (as `Order.position` gave it)."""

    first: int
    after: Sequence[Any] | None = None

    def position_in(self, order: Order) -> list[Any] | None:
        """Return where to go on as the database wants it, None for the beginning.

        Raises Invalid for a size outside 1 to 100 and for a position of another order.
        """
        if not 1 <= self.first <= MAX_PAGE:
            raise Invalid(f"From 1 to {MAX_PAGE}.", path=["first"])
        if self.after is None:
            return None
        if len(self.after) != len(order.keys):
            raise Invalid("Is no cursor of this list.", path=["after"])
        return [key.parse(value) for key, value in zip(order.keys, self.after, strict=True)]


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """Rows of one page in order; `query` counts those on all pages."""

    rows: list[Row]
    has_next: bool
    has_previous: bool
    order: Order
    query: Query


async def read_page(sql: Statements, shape: type[Row], query: Query, order: Order, request: PageRequest) -> Page[Row]:
    """Read one page of a query. Raises Invalid for a size outside 1 to 100 and for a position of another order."""
    restricted = query.copy()
    after = request.position_in(order)
    if after is not None:
        columns = ", ".join(key.expression for key in order.keys)
        places = ", ".join(f"?::{key.type}" for key in order.keys)
        restricted.where(f"({columns}) {'<' if order.is_descending else '>'} ({places})", *after)
    direction = "DESC" if order.is_descending else "ASC"
    order_by = ", ".join(f"{key.expression} {direction}" for key in order.keys)
    rows = await sql.rows(shape, f"{restricted.text} ORDER BY {order_by} LIMIT {request.first + 1}", *restricted.args)
    return page_of(rows, query, order, request)


async def plan_each_time(sql: Statements) -> None:
    """Plan the statements of this snapshot for their arguments: one plan cannot be good for frequent and for rare."""
    await sql.value("SELECT set_config('plan_cache_mode', 'force_custom_plan', true)")


def page_of(rows: list[Row], query: Query, order: Order, request: PageRequest) -> Page[Row]:
    """Return the page that begins with these rows, of which there is one more if there is another page."""
    return Page(
        rows=rows[: request.first],
        has_next=len(rows) > request.first,
        has_previous=request.after is not None,
        order=order,
        query=query,
    )
