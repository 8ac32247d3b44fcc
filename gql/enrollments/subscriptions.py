"""Enrollments and the log as they change."""

from collections.abc import AsyncGenerator
from typing import Annotated, Any

import strawberry
from strawberry import ID

from domain.enrollments.live import live_enrollments, live_log
from domain.enrollments.queries import EnrollmentRow
from domain.foundation.feed.live import LiveBatch, Seen
from gql.contract.arguments import FILTER, After
from gql.contract.change_stream import ChangeBatch, ChangeKind, follow_changes, place_of, rows_of
from gql.contract.ids import ENROLLMENT, encode
from gql.enrollments.inputs import ContentActionFilterInput, EnrollmentFilterInput, action_filter, enrollment_filter
from gql.enrollments.types import ContentAction, Enrollment
from gql.execution.context import Context, Info


@strawberry.type(description="Change of an enrollment.")
class EnrollmentChange:
    """Change of an enrollment."""

    kind: ChangeKind = strawberry.field(description="What happened.")
    enrollment_id: ID = strawberry.field(description="ID of the enrollment.")
    version: int = strawberry.field(description="Version of the enrollment at this change.")
    enrollment: Enrollment | None = strawberry.field(description="Enrollment as it is now; null when REMOVED.")

    @classmethod
    def of(cls, seen: Seen[EnrollmentRow]) -> "EnrollmentChange":
        """Return a change as the API shows it."""
        return cls(
            kind=ChangeKind.of(seen.row),
            enrollment_id=encode(ENROLLMENT, seen.id),
            version=seen.version,
            enrollment=None if seen.row is None else Enrollment.from_row(seen.row),
        )


@strawberry.type(description="Changes of enrollments.")
class EnrollmentChangeBatch(ChangeBatch):
    """Changes of enrollments."""

    changes: list[EnrollmentChange] = strawberry.field(description="Changes in order, at most 100, one per enrollment.")


@strawberry.type(description="New log entries.")
class ContentActionBatch(ChangeBatch):
    """New log entries."""

    content_actions: list[ContentAction | None] = strawberry.field(description="Entries in order, at most 100.")


def _enrollments(context: Context, batch: LiveBatch[Any]) -> EnrollmentChangeBatch:
    return EnrollmentChangeBatch(
        changes=[EnrollmentChange.of(seen) for seen in batch.changes], **place_of(context, batch)
    )


def _entries(context: Context, batch: LiveBatch[Any]) -> ContentActionBatch:
    return ContentActionBatch(
        content_actions=[ContentAction.from_row(row) for row in rows_of(batch)], **place_of(context, batch)
    )


@strawberry.type
class EnrollmentsSubscription:
    """Streams of enrollments and of the log."""

    @strawberry.subscription(description="Enrollments that appear in, change within or leave the filter.")
    async def enrollment_changes(
        self,
        info: Info,
        filter: Annotated[EnrollmentFilterInput | None, FILTER] = None,
        after: After = None,
    ) -> AsyncGenerator[EnrollmentChangeBatch, None]:
        """Follow enrollments."""
        view = await live_enrollments(info.context.reads, info.context.principal, enrollment_filter(filter))
        async for batch in follow_changes(info, view, after, _enrollments):
            yield batch

    @strawberry.subscription(description="New entries of the Content Actions Log.")
    async def content_actions_logged(
        self,
        info: Info,
        filter: Annotated[ContentActionFilterInput | None, FILTER] = None,
        after: After = None,
    ) -> AsyncGenerator[ContentActionBatch, None]:
        """Follow the log."""
        view = await live_log(info.context.reads, info.context.principal, action_filter(filter))
        async for batch in follow_changes(info, view, after, _entries):
            yield batch
