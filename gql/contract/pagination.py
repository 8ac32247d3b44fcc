"""Lists as the Relay specification wants them, forward only, over the domain's keyset pages.

A type's connection is two classes beside the type:

    @strawberry.type(description="Item of a page of learners.")
    class LearnerEdge(Edge[Learner]): ...

    @strawberry.type(description="Page of learners.")
    class LearnerConnection(Connection[Learner, LearnerEdge]): ...
"""

import base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Self, TypeVar

import strawberry

from domain.foundation.paging import Page, PageRequest, load_counts
from gql.contract.canonical_text import digest
from gql.contract.cursors import feed_cursor, list_cursor, list_position
from gql.execution.context import Info

NodeT = TypeVar("NodeT")
EdgeT = TypeVar("EdgeT", bound="Edge[Any]")
Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Paging:
    """Which page of which list is asked for."""

    request: PageRequest
    fingerprint: str
    #: Where the change feed ended when the first page of a list with a stream was read; None on the first page.
    began_at: int | None = None


def paging_of(info: Info, first: int, after: str | None, *criteria: Any) -> Paging:
    """Return what a list field was asked for. `criteria` are its filter, order and other arguments.

    Raises Invalid for a cursor of another list, or of this one with other criteria.
    """
    name = f"{info._raw_info.parent_type.name}.{info.field_name}"
    fingerprint = base64.b64encode(digest(name, *criteria)[:9]).decode()
    position, began_at = (None, None) if after is None else list_position(fingerprint, after)
    return Paging(PageRequest(first=first, after=position), fingerprint, began_at)


@strawberry.type(description="Position within a paginated list.")
class PageInfo:
    """Position within a list."""

    has_next_page: bool = strawberry.field(description="Whether more items follow.")
    has_previous_page: bool = strawberry.field(
        description="Whether items come before; true whenever `after` was given."
    )
    start_cursor: str | None = strawberry.field(description="Cursor of the first item, or null on an empty page.")
    end_cursor: str | None = strawberry.field(
        description="Cursor of the last item, to pass as `after`; null on an empty page."
    )


@strawberry.type
class Edge(Generic[NodeT]):
    """Item with its cursor."""

    cursor: str = strawberry.field(description="Cursor of the item.")
    node: NodeT = strawberry.field(description="The item.")


@strawberry.type
class Connection(Generic[NodeT, EdgeT]):
    """Page of a list; what costs something is worked out when it is selected."""

    nodes: list[NodeT] = strawberry.field(description="Items without their cursors.")
    page: strawberry.Private[Page[Any]]
    paging: strawberry.Private[Paging]
    edge_type: strawberry.Private[type[Any]]

    @classmethod
    def of(cls, page: Page[Row], paging: Paging, edge_type: type[EdgeT], to_node: Callable[[Row], NodeT]) -> Self:
        """Return the connection of a page that the domain has read."""
        return cls(nodes=[to_node(row) for row in page.rows], page=page, paging=paging, edge_type=edge_type)

    def _cursor(self, row: Any, began_at: int | None) -> str:
        return list_cursor(self.paging.fingerprint, self.page.order.position(row), began_at)

    def _edges(self, began_at: int | None = None) -> list[EdgeT]:
        return [
            self.edge_type(cursor=self._cursor(row, began_at), node=node)
            for row, node in zip(self.page.rows, self.nodes, strict=True)
        ]

    def _page_info(self, began_at: int | None = None) -> PageInfo:
        rows = self.page.rows
        return PageInfo(
            has_next_page=self.page.has_next,
            has_previous_page=self.page.has_previous,
            start_cursor=self._cursor(rows[0], began_at) if rows else None,
            end_cursor=self._cursor(rows[-1], began_at) if rows else None,
        )

    @strawberry.field(description="Items with their cursors.")
    def edges(self) -> list[EdgeT]:
        """Pair the items with their cursors."""
        return self._edges()

    @strawberry.field(description="Position of the page.")
    def page_info(self) -> PageInfo:
        """Tell what lies around the page."""
        return self._page_info()

    @strawberry.field(description="Number of items on all pages; costs a count, ask only when shown.")
    async def total_count(self, info: Info) -> int:
        """Count the items on all pages."""
        return await info.context.load(load_counts, self.page.query)


@strawberry.type
class LiveConnection(Connection[NodeT, EdgeT], Generic[NodeT, EdgeT]):
    """Page of a list that has a stream of its changes.

    Its cursors carry where the walk through the list began, so that a client may keep the `changeCursor` of any page.
    """

    async def _began_at(self, info: Info) -> int:
        began_at = self.paging.began_at
        return await info.context.feed_position() if began_at is None else began_at

    @strawberry.field(description="Items with their cursors.")
    async def edges(self, info: Info) -> list[EdgeT]:
        """Pair the items with their cursors."""
        return self._edges(await self._began_at(info))

    @strawberry.field(description="Position of the page.")
    async def page_info(self, info: Info) -> PageInfo:
        """Tell what lies around the page."""
        return self._page_info(await self._began_at(info))

    @strawberry.field(
        description="Position of the change feed read before the first page was: subscribe with it as `after`. All "
        "pages that are reached by `after` have the same, so nothing is missed whichever page's is kept."
    )
    async def change_cursor(self, info: Info) -> str:
        """Return where a stream that follows this walk begins."""
        return feed_cursor(info.context.principal.tenant_id, await self._began_at(info))
