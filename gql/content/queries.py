"""Queries about contents."""

from typing import Annotated

import strawberry

from domain.content.queries import find_content, find_content_by_key, list_contents
from gql.content.inputs import LearningContentFilterInput, LearningContentKeyInput, content_filter, content_key
from gql.content.types import LearningContent, LearningContentConnection, LearningContentEdge, content_of
from gql.contract.arguments import FILTER, After, First
from gql.contract.ids import CONTENT
from gql.contract.pagination import paging_of
from gql.execution.context import Info


async def content_node(info: Info, key: int) -> LearningContent | None:
    """Return a content that the viewer may look up."""
    row = await find_content(info.context.reads, info.context.principal, key)
    return None if row is None else content_of(row)


NODES = {CONTENT: content_node}


@strawberry.type
class ContentQuery:
    """Queries about contents."""

    @strawberry.field(description="Course or learning path by exactly one key.")
    async def content(
        self,
        info: Info,
        by: Annotated[LearningContentKeyInput, strawberry.argument(description="Key of the content.")],
    ) -> LearningContent | None:
        """Find a content."""
        row = await find_content_by_key(info.context.reads, info.context.principal, content_key(by))
        return None if row is None else content_of(row)

    @strawberry.field(description="Courses and learning paths, by title.")
    async def contents(
        self,
        info: Info,
        first: First = 25,
        after: After = None,
        filter: Annotated[LearningContentFilterInput | None, FILTER] = None,
    ) -> LearningContentConnection | None:
        """List the contents."""
        paging = paging_of(info, first, after, filter)
        page = await list_contents(
            info.context.reads, info.context.principal, restriction=content_filter(filter), request=paging.request
        )
        return LearningContentConnection.of(page, paging, LearningContentEdge, content_of)
