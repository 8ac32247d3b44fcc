"""Enrollments, their reasons and log entries as the API shows them."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Self

import strawberry
from strawberry import ID

from domain.auto_assignment.rules.queries import load_rules_by_id
from domain.content.queries import ContentRow, load_contents_by_id
from domain.enrollments.action_log.queries import (
    ActionsOf,
    ContentActionRow,
    load_action_pages,
    load_caused_actions_by_id,
)
from domain.enrollments.models import ContentActionKind, EnrollmentStatus
from domain.enrollments.queries import EnrollmentRow, load_enrollments_by_id, load_own_enrollments_by_content
from domain.enrollments.reason_queries import (
    ReasonRow,
    load_reason_history_by_enrollment,
    load_reasons_by_enrollment,
)
from domain.foundation.access import Source
from domain.foundation.pages_of_many import hashable
from domain.mandatory_tasks.queries import load_tasks_by_id
from gql.content.types import LearningContent, LearningPath, content_of, related_content
from gql.contract.actors import related_actor
from gql.contract.arguments import After, First
from gql.contract.ids import CONTENT_ACTION, ENROLLMENT, RULE, encode
from gql.contract.interfaces import Actor, Node
from gql.contract.pagination import Edge, LiveConnection, paging_of
from gql.enrollments import enums  # noqa: F401 - publishes the enums that the types below use
from gql.execution.context import Info
from gql.execution.related import Related, related
from gql.people.types import Learner, related_learner

if TYPE_CHECKING:
    from gql.auto_assignment.types import AutoAssignmentRule
    from gql.mandatory_tasks.types import MandatoryTask


def _related_rule(key: int | None) -> Related[Any]:
    from gql.auto_assignment.types import AutoAssignmentRule

    return Related(load_rules_by_id, key, AutoAssignmentRule.from_row)


def _related_task(key: int | None) -> Related[Any]:
    from gql.mandatory_tasks.types import MandatoryTask

    return Related(load_tasks_by_id, key, MandatoryTask.from_row)


def _path_of(row: ContentRow) -> LearningPath | None:
    content = content_of(row)
    return content if isinstance(content, LearningPath) else None


@strawberry.type(description="One reason for an enrollment.")
class EnrollmentReason:
    """One reason for an enrollment."""

    source: Source = strawberry.field(description="Kind of the reason.")
    rule_name: str | None = strawberry.field(
        description="Name of the rule at the time, kept after deletion; null for those who may not see rules."
    )
    since_at: datetime = strawberry.field(description="Timestamp of when the reason began.")
    until_at: datetime | None = strawberry.field(description="Timestamp of when the reason ended; null while it holds.")
    row: strawberry.Private[ReasonRow]

    @classmethod
    def from_row(cls, row: ReasonRow) -> Self:
        """Return the reason of a row."""
        return cls(
            source=Source(row.source),
            rule_name=row.rule_name,
            since_at=row.since_at,
            until_at=row.until_at,
            row=row,
        )

    @strawberry.field(
        description="Rule that enrolled the learner, when `source` is AUTO_ENROLLMENT; null once deleted, and for "
        "those who may not see rules."
    )
    @related
    def rule(self) -> Related[Annotated["AutoAssignmentRule", strawberry.lazy("gql.auto_assignment.types")] | None]:
        """Lead to the rule."""
        return _related_rule(self.row.rule_id)

    @strawberry.field(description="Task that enrolled the learner, when `source` is MANDATORY_TASK.")
    @related
    def mandatory_task(
        self,
    ) -> Related[Annotated["MandatoryTask", strawberry.lazy("gql.mandatory_tasks.types")] | None]:
        """Lead to the task."""
        return _related_task(self.row.task_id)

    @strawberry.field(description="Path that brings the course, when `source` is LEARNING_PATH.")
    @related
    def learning_path(self) -> Related[LearningPath | None]:
        """Lead to the path."""
        return Related(load_contents_by_id, self.row.path_id, _path_of)

    @strawberry.field(description="Account that gave the reason; null when the system did.")
    @related
    def actor(self) -> Related[Actor | None]:
        """Lead to the account."""
        return related_actor(self.row.actor_learner_id, self.row.actor_service_account_id)


@strawberry.type(description="Entry of the Content Actions Log. Never changed, never deleted.")
class ContentAction(Node):
    """Entry of the log."""

    action: ContentActionKind = strawberry.field(description="What happened.")
    source: Source = strawberry.field(description="What caused it.")
    rule_id: ID | None = strawberry.field(
        description="ID of that rule, kept after deletion; null for those who may not see rules."
    )
    rule_name: str | None = strawberry.field(
        description="Name of the rule at the time, kept after deletion; null for those who may not see rules."
    )
    resulting_status: EnrollmentStatus | None = strawberry.field(
        description="Status of the enrollment after the action; null after an unenrollment."
    )
    occurred_at: datetime = strawberry.field(description="Timestamp of the action; a late report dates it back.")
    recorded_at: datetime = strawberry.field(description="Timestamp of when the action was recorded.")
    row: strawberry.Private[ContentActionRow]

    @classmethod
    def from_row(cls, row: ContentActionRow) -> Self:
        """Return the entry of a row."""
        return cls(
            id=encode(CONTENT_ACTION, row.id),
            action=ContentActionKind(row.action),
            source=Source(row.source),
            rule_id=None if row.rule_id is None else encode(RULE, row.rule_id),
            rule_name=row.rule_name,
            resulting_status=None if row.resulting_status is None else EnrollmentStatus(row.resulting_status),
            occurred_at=row.occurred_at,
            recorded_at=row.recorded_at,
            row=row,
        )

    @classmethod
    async def load(cls, info: Info, key: int) -> Self | None:
        """Return an entry that a mutation of the viewer has caused; None where they may not see it."""
        return await info.context.load_as(load_caused_actions_by_id, key, cls.from_row)

    @classmethod
    async def load_all(cls, info: Info, keys: Sequence[int]) -> list[Self]:
        """Return those of the entries that the viewer may see, in order."""
        rows = await info.context.load_many(load_caused_actions_by_id, keys)
        return [cls.from_row(row) for row in rows if row is not None]

    @strawberry.field(description="Learner concerned.")
    @related
    def learner(self) -> Related[Learner]:
        """Lead to the learner."""
        return related_learner(self.row.learner_id)

    @strawberry.field(description="Content concerned.")
    @related
    def content(self) -> Related[LearningContent]:
        """Lead to the content."""
        return related_content(self.row.content_id)

    @strawberry.field(
        description="Rule that caused it, directly or through a path; null when none did, once deleted, and for those "
        "who may not see rules."
    )
    @related
    def rule(self) -> Related[Annotated["AutoAssignmentRule", strawberry.lazy("gql.auto_assignment.types")] | None]:
        """Lead to the rule."""
        return _related_rule(self.row.rule_id)

    @strawberry.field(description="Mandatory task that caused it, directly or through a path; null when none did.")
    @related
    def mandatory_task(
        self,
    ) -> Related[Annotated["MandatoryTask", strawberry.lazy("gql.mandatory_tasks.types")] | None]:
        """Lead to the task."""
        return _related_task(self.row.task_id)

    @strawberry.field(description="Path that brought the course; null when none did.")
    @related
    def learning_path(self) -> Related[LearningPath | None]:
        """Lead to the path."""
        return Related(load_contents_by_id, self.row.path_id, _path_of)

    @strawberry.field(description="Account that caused it; null when the system did.")
    @related
    def actor(self) -> Related[Actor | None]:
        """Lead to the account."""
        return related_actor(self.row.actor_learner_id, self.row.actor_service_account_id)


@strawberry.type(description="Item of a page of log entries.")
class ContentActionEdge(Edge[ContentAction]):
    """Item of a page of log entries."""


@strawberry.type(description="Page of log entries.")
class ContentActionConnection(LiveConnection[ContentAction, ContentActionEdge]):
    """Page of log entries."""


@strawberry.type(description="A learner's place in a course or learning path.")
class Enrollment(Node):
    """A learner's place in a content."""

    status: EnrollmentStatus = strawberry.field(description="How far the learner is.")
    progress_percent: int = strawberry.field(description="Progress in percent, from 0 to 100.")
    score: int | None = strawberry.field(
        description="Best score of the current attempt, from 0 to 100; null when nothing was scored."
    )
    is_active: bool = strawberry.field(description="Whether the learner has access now.")
    is_waitlisted: bool = strawberry.field(description="Whether the learner waits for a seat.")
    expires_at: datetime | None = strawberry.field(description="Timestamp at which access ends; null when it does not.")
    lessons_done: int | None = strawberry.field(
        description="Lessons worked on in the current attempt; null for a path."
    )
    enrolled_at: datetime = strawberry.field(
        description="Timestamp of the first enrollment; of joining the waitlist for who has only waited."
    )
    completed_at: datetime | None = strawberry.field(description="Timestamp of completion; null until completed.")
    version: int = strawberry.field(description="Version of the enrollment; grows with every change.")
    row: strawberry.Private[EnrollmentRow]

    @classmethod
    def from_row(cls, row: EnrollmentRow) -> Self:
        """Return the enrollment of a row."""
        return cls(
            id=encode(ENROLLMENT, row.id),
            status=EnrollmentStatus(row.status),
            progress_percent=row.progress_percent,
            score=row.score,
            is_active=row.is_active,
            is_waitlisted=row.is_waitlisted,
            expires_at=row.expires_at,
            lessons_done=row.lessons_done,
            enrolled_at=row.enrolled_at,
            completed_at=row.completed_at,
            version=row.version,
            row=row,
        )

    @classmethod
    async def load(cls, info: Info, key: int) -> Self | None:
        """Return an enrollment that is reached from another object, or that the viewer has just changed."""
        return await info.context.load_as(load_enrollments_by_id, key, cls.from_row)

    @strawberry.field(description="Learner who is enrolled.")
    @related
    def learner(self) -> Related[Learner]:
        """Lead to the learner."""
        return related_learner(self.row.learner_id)

    @strawberry.field(description="Content of the enrollment.")
    @related
    def content(self) -> Related[LearningContent]:
        """Lead to the content."""
        return related_content(self.row.content_id)

    @strawberry.field(description="Why the learner has access, one entry per independent reason; empty when inactive.")
    async def reasons(self, info: Info) -> list[EnrollmentReason]:
        """Load what holds the enrollment."""
        if not self.row.is_visible:
            return []
        rows = await info.context.load(load_reasons_by_enrollment, self.row.id)
        return [EnrollmentReason.from_row(row) for row in rows]

    @strawberry.field(description="Open mandatory tasks that need the enrollment, directly or through a path.")
    async def mandatory_tasks(
        self, info: Info
    ) -> list[Annotated["MandatoryTask", strawberry.lazy("gql.mandatory_tasks.types")]]:
        """Load the open tasks that need the enrollment."""
        from gql.mandatory_tasks.types import open_tasks_of_enrollment

        return await open_tasks_of_enrollment(info, self.row.id) if self.row.is_visible else []

    @strawberry.field(description="Every reason there has been, newest first, at most 100.")
    async def reason_history(self, info: Info) -> list[EnrollmentReason]:
        """Load what has held the enrollment."""
        if not self.row.is_visible:
            return []
        rows = await info.context.load(load_reason_history_by_enrollment, self.row.id)
        return [EnrollmentReason.from_row(row) for row in rows]

    @strawberry.field(description="Log entries of the enrollment, newest first.")
    async def content_actions(self, info: Info, first: First = 25, after: After = None) -> ContentActionConnection:
        """List what the log says about the enrollment."""
        paging = paging_of(info, first, after, self.row.id)
        about = ActionsOf(hashable(paging.request), learner_id=self.row.learner_id, content_id=self.row.content_id)
        page = await info.context.load(load_action_pages, about)
        return ContentActionConnection.of(page, paging, ContentActionEdge, ContentAction.from_row)


@strawberry.type(description="Item of a page of enrollments.")
class EnrollmentEdge(Edge[Enrollment]):
    """Item of a page of enrollments."""


@strawberry.type(description="Page of enrollments.")
class EnrollmentConnection(LiveConnection[Enrollment, EnrollmentEdge]):
    """Page of enrollments."""


async def own_enrollment(info: Info, content_id: int) -> Enrollment | None:
    """Return the viewer's own enrollment in a content."""
    row = await info.context.load(load_own_enrollments_by_content, content_id)
    return None if row is None else Enrollment.from_row(row)
