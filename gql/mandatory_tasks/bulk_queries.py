"""Queries about assigning in bulk."""

from typing import Annotated

import strawberry

from domain.mandatory_tasks.bulk.preview import preview_bulk_assignment
from domain.mandatory_tasks.bulk.queries import list_bulk_assignments
from gql.content.inputs import content_key
from gql.contract import ids
from gql.contract.arguments import PREVIEW_INPUT, After, First
from gql.contract.pagination import paging_of
from gql.contract.user_errors import within_argument
from gql.execution.context import Info
from gql.mandatory_tasks.bulk_inputs import BulkAssignmentPreviewInput, audience_parts
from gql.mandatory_tasks.bulk_types import (
    BulkAssignment,
    BulkAssignmentConnection,
    BulkAssignmentEdge,
    BulkAssignmentPreview,
)

NODES = {ids.BULK_ASSIGNMENT: BulkAssignment.find}


@strawberry.type
class BulkAssignmentsQuery:
    """Queries about assigning in bulk."""

    @strawberry.field(description="Who a bulk assignment would reach. Changes nothing.")
    async def bulk_assignment_preview(
        self, info: Info, input: Annotated[BulkAssignmentPreviewInput, PREVIEW_INPUT]
    ) -> BulkAssignmentPreview | None:
        """Preview a bulk assignment."""
        with within_argument("input"):
            return BulkAssignmentPreview(
                preview=await preview_bulk_assignment(
                    info.context.reads,
                    info.context.principal,
                    info.context.now,
                    target=content_key(input.target),
                    audience=audience_parts(input.audience),
                    due_on=input.due_on,
                )
            )

    @strawberry.field(description="Bulk assignments, newest first.")
    async def bulk_assignments(
        self, info: Info, first: First = 25, after: After = None
    ) -> BulkAssignmentConnection | None:
        """List the bulk assignments."""
        paging = paging_of(info, first, after)
        page = await list_bulk_assignments(info.context.reads, info.context.principal, paging.request)
        return BulkAssignmentConnection.of(page, paging, BulkAssignmentEdge, BulkAssignment.from_row)
