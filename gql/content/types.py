"""Courses and learning paths as the API shows them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Self

import strawberry

from domain.content.models import ContentKind
from domain.content.queries import (
    ContentRow,
    load_changed_contents_by_id,
    load_contents_by_id,
    load_items_by_path,
    load_trainer_ids_by_content,
)
from gql.contract.ids import CONTENT, encode
from gql.contract.interfaces import Node
from gql.contract.pagination import Connection, Edge
from gql.execution.context import Info
from gql.execution.related import Related, RelatedList
from gql.people.types import Learner

if TYPE_CHECKING:
    from gql.enrollments.types import Enrollment


@strawberry.interface(description="Something to learn: a course or a learning path.")
class LearningContent(Node):
    """Course or learning path."""

    external_id: str | None = strawberry.field(
        description="ID of the content in the partner's system; unique within the tenant."
    )
    title: str = strawberry.field(description="Title of the content.")
    can_assign: bool = strawberry.field(description="Whether the viewer may assign the content as a mandatory task.")
    version: int = strawberry.field(description="Version of the content; grows with every change.")
    row: strawberry.Private[ContentRow]

    @strawberry.field(description="Trainers of the content: they may assign it and see who takes it.")
    async def trainers(self, info: Info) -> list[Learner]:
        """Load the trainers."""
        return await self._trainers(info)

    @strawberry.field(description="Enrollment of the viewer; null when there never was one.")
    async def viewer_enrollment(
        self, info: Info
    ) -> Annotated["Enrollment", strawberry.lazy("gql.enrollments.types")] | None:
        """Load the viewer's own enrollment."""
        from gql.enrollments.types import own_enrollment

        return await own_enrollment(info, self.row.id)

    async def _trainers(self, info: Info) -> list[Learner]:
        if not self.row.is_visible:
            return []
        return await Learner.load_all(info, await info.context.load(load_trainer_ids_by_content, self.row.id))


@strawberry.type(description="Single training.")
class Course(LearningContent):
    """Single training."""

    minimum_score: int | None = strawberry.field(
        description="Score from 0 to 100 needed to complete the course; null when no score is needed."
    )
    lesson_count: int = strawberry.field(description="Number of lessons of the course.")
    is_self_enrollable: bool = strawberry.field(description="Whether learners may enroll themselves.")
    seat_limit: int | None = strawberry.field(
        description="Number of seats for self-enrollment and purchase; null when unlimited. Rules, tasks and managers "
        "ignore it."
    )
    has_waitlist: bool = strawberry.field(description="Whether a full course puts learners on a waitlist.")
    access_days: int | None = strawberry.field(
        description="Days of access after self-enrollment or purchase; null when unlimited. Rules, tasks and managers "
        "ignore it."
    )

    @classmethod
    def from_row(cls, row: ContentRow) -> Self:
        """Return the course of a row."""
        return cls(
            id=encode(CONTENT, row.id),
            external_id=row.external_id,
            title=row.title,
            can_assign=row.can_assign,
            version=row.version,
            row=row,
            minimum_score=row.minimum_score,
            lesson_count=row.lesson_count,
            is_self_enrollable=row.is_self_enrollable,
            seat_limit=row.seat_limit,
            has_waitlist=row.has_waitlist,
            access_days=row.access_days,
        )

    @strawberry.field(description="Trainers of the course: they may assign it and see who takes it.")
    async def trainers(self, info: Info) -> list[Learner]:
        """Load the trainers."""
        return await self._trainers(info)


@strawberry.type(description="Place of a course in a learning path.")
class LearningPathItem:
    """Place of a course in a learning path."""

    course: Course = strawberry.field(description="Course at this place.")
    is_mandatory: bool = strawberry.field(description="Whether the path is complete only when this course is.")


@strawberry.type(description="Sequence of courses.")
class LearningPath(LearningContent):
    """Sequence of courses."""

    @classmethod
    def from_row(cls, row: ContentRow) -> Self:
        """Return the path of a row."""
        return cls(
            id=encode(CONTENT, row.id),
            external_id=row.external_id,
            title=row.title,
            can_assign=row.can_assign,
            version=row.version,
            row=row,
        )

    @strawberry.field(description="Courses of the path, in order.")
    async def items(self, info: Info) -> list[LearningPathItem]:
        """Load the courses."""
        if not self.row.is_visible:
            return []
        items = await info.context.load(load_items_by_path, self.row.id)
        courses = await load_contents(info, [item.course_id for item in items])
        return [
            LearningPathItem(course=course, is_mandatory=item.is_mandatory)
            for item, course in zip(items, courses, strict=True)
            if isinstance(course, Course)
        ]

    @strawberry.field(description="Trainers of the path: they may assign it and see who takes it.")
    async def trainers(self, info: Info) -> list[Learner]:
        """Load the trainers."""
        return await self._trainers(info)


@strawberry.type(description="Item of a page of contents.")
class LearningContentEdge(Edge[LearningContent]):
    """Item of a page of contents."""


@strawberry.type(description="Page of contents.")
class LearningContentConnection(Connection[LearningContent, LearningContentEdge]):
    """Page of contents."""


def content_of(row: ContentRow) -> Course | LearningPath:
    """Return the course or path of a row."""
    return Course.from_row(row) if row.kind == ContentKind.COURSE else LearningPath.from_row(row)


async def load_content(info: Info, key: int) -> Course | LearningPath:
    """Return a content that is reached from another object; contents are never deleted."""
    content = await info.context.load_as(load_contents_by_id, key, content_of)
    assert content is not None
    return content


def related_content(key: int) -> Related[LearningContent]:
    """Lead to a content that is reached from another object."""
    return Related(load_contents_by_id, key, content_of)


def related_contents(keys: Sequence[int]) -> RelatedList[LearningContent]:
    """Lead to contents that are reached from another object, in order."""
    return RelatedList(load_contents_by_id, keys, content_of)


async def load_contents(info: Info, keys: Sequence[int]) -> list[LearningContent]:
    """Return contents that are reached from another object, in order."""
    contents: list[LearningContent] = []
    for content in await info.context.load_many_as(load_contents_by_id, keys, content_of):
        assert content is not None
        contents.append(content)
    return contents


async def load_changed_content(info: Info, key: int) -> Course | LearningPath | None:
    """Return a content that the viewer has just changed; None when it is gone, as a replay may find."""
    row = await info.context.load(load_changed_contents_by_id, key)
    return None if row is None else content_of(row)
