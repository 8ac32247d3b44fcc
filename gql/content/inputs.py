"""Inputs about contents, and how they become what the domain asks for.

An ID that can name no such object becomes a key that nothing has, so that the domain reports it together with whatever
else is wrong.
"""

from collections.abc import Sequence
from typing import Any

import strawberry
from strawberry import ID

from domain.content.fields import CourseFields, PathFields, PathItem
from domain.content.models import ContentKind
from domain.content.queries import ContentFilter, ContentKey
from domain.foundation.errors import NotFound, ProblemList
from gql.contract import ids
from gql.contract.enums import publish_enum
from gql.contract.mutations import UpdateInput
from gql.execution.context import MutationInput
from gql.people.inputs import reference

publish_enum(
    ContentKind,
    name="LearningContentKind",
    description="Kinds of content.",
    values={"COURSE": "Single training.", "LEARNING_PATH": "Sequence of courses."},
)


@strawberry.input(one_of=True, description="Content by exactly one key.")
class LearningContentKeyInput:
    """Content by exactly one key."""

    id: strawberry.Maybe[ID] = strawberry.field(description="ID of the course or learning path.")
    external_id: strawberry.Maybe[str] = strawberry.field(description="ID of the content in the partner's system.")


@strawberry.input(description="Filter of contents; fields combine with AND.")
class LearningContentFilterInput:
    """Filter of contents."""

    search: str | None = strawberry.field(default=None, description="Part of the title, ignoring case.")
    kind: ContentKind | None = strawberry.field(default=None, description="Kind of content.")
    is_assignable: bool | None = strawberry.field(
        default=None, description="Whether the viewer may assign it as a mandatory task."
    )
    is_self_enrollable: bool | None = strawberry.field(
        default=None, description="Whether learners may enroll themselves."
    )


@strawberry.input(description="Input of createCourse.")
class CreateCourseInput(MutationInput):
    """Course to create."""

    title: str = strawberry.field(description="Title of the course.")
    external_id: str | None = strawberry.field(default=None, description="ID of the course in the partner's system.")
    minimum_score: int | None = strawberry.field(default=None, description="Score from 0 to 100 needed to complete.")
    lesson_count: int = strawberry.field(default=1, description="Number of lessons.")
    trainer_ids: list[ID] | None = strawberry.field(default=None, description="Trainers of the course.")
    is_self_enrollable: bool = strawberry.field(default=False, description="Whether learners may enroll themselves.")
    seat_limit: int | None = strawberry.field(
        default=None, description="Number of seats for self-enrollment and purchase; left out for no limit."
    )
    has_waitlist: bool = strawberry.field(
        default=False, description="Whether a full course puts learners on a waitlist."
    )
    access_days: int | None = strawberry.field(
        default=None, description="Days of access after self-enrollment or purchase; left out for no limit."
    )

    def fields(self) -> CourseFields:
        """Return the course for the domain."""
        return CourseFields(
            title=self.title,
            external_id=self.external_id,
            minimum_score=self.minimum_score,
            lesson_count=self.lesson_count,
            trainers=[reference(ids.LEARNER, text) for text in self.trainer_ids or ()],
            is_self_enrollable=self.is_self_enrollable,
            seat_limit=self.seat_limit,
            has_waitlist=self.has_waitlist,
            access_days=self.access_days,
        )


@strawberry.input(description="Place of a course in a learning path.")
class LearningPathItemInput:
    """Place of a course in a learning path."""

    course_id: ID = strawberry.field(description="Course at this place.")
    is_mandatory: bool = strawberry.field(
        default=True, description="Whether the path is complete only when this course is."
    )

    def item(self) -> PathItem:
        """Return the place for the domain."""
        return PathItem(reference(ids.CONTENT, self.course_id), self.is_mandatory)


@strawberry.input(description="Input of createLearningPath.")
class CreateLearningPathInput(MutationInput):
    """Learning path to create."""

    title: str = strawberry.field(description="Title of the path.")
    external_id: str | None = strawberry.field(default=None, description="ID of the path in the partner's system.")
    items: list[LearningPathItemInput] = strawberry.field(description="Courses in order, from 1 to 100.")
    trainer_ids: list[ID] | None = strawberry.field(default=None, description="Trainers of the path.")

    def fields(self) -> PathFields:
        """Return the path for the domain."""
        return PathFields(
            title=self.title,
            external_id=self.external_id,
            trainers=[reference(ids.LEARNER, text) for text in self.trainer_ids or ()],
            items=[item.item() for item in self.items],
        )


@strawberry.input(description="Changes of a course; fields left out stay.")
class CourseChangesInput:
    """Changes of a course."""

    external_id: strawberry.Maybe[str | None] = strawberry.field(
        description="ID of the course in the partner's system; null removes it."
    )
    title: str | None = strawberry.field(default=None, description="Title of the course.")
    minimum_score: strawberry.Maybe[int | None] = strawberry.field(
        description="Score from 0 to 100 needed to complete; null for none."
    )
    lesson_count: int | None = strawberry.field(default=None, description="Number of lessons.")
    trainer_ids: list[ID] | None = strawberry.field(default=None, description="All trainers from now on.")
    is_self_enrollable: bool | None = strawberry.field(
        default=None, description="Whether learners may enroll themselves."
    )
    seat_limit: strawberry.Maybe[int | None] = strawberry.field(description="Number of seats; null for no limit.")
    has_waitlist: bool | None = strawberry.field(
        default=None, description="Whether a full course puts learners on a waitlist."
    )
    access_days: strawberry.Maybe[int | None] = strawberry.field(
        description="Days of access after self-enrollment or purchase; null for no limit."
    )

    def fields(self) -> CourseFields:
        """Return the changes for the domain."""
        fields = CourseFields()
        if self.external_id is not None:
            fields["external_id"] = self.external_id.value
        if self.title is not None:
            fields["title"] = self.title
        if self.minimum_score is not None:
            fields["minimum_score"] = self.minimum_score.value
        if self.lesson_count is not None:
            fields["lesson_count"] = self.lesson_count
        if self.trainer_ids is not None:
            fields["trainers"] = [reference(ids.LEARNER, text) for text in self.trainer_ids]
        if self.is_self_enrollable is not None:
            fields["is_self_enrollable"] = self.is_self_enrollable
        if self.seat_limit is not None:
            fields["seat_limit"] = self.seat_limit.value
        if self.has_waitlist is not None:
            fields["has_waitlist"] = self.has_waitlist
        if self.access_days is not None:
            fields["access_days"] = self.access_days.value
        return fields


@strawberry.input(description="Changes of a learning path; fields left out stay.")
class LearningPathChangesInput:
    """Changes of a learning path."""

    external_id: strawberry.Maybe[str | None] = strawberry.field(
        description="ID of the path in the partner's system; null removes it."
    )
    title: str | None = strawberry.field(default=None, description="Title of the path.")
    items: list[LearningPathItemInput] | None = strawberry.field(
        default=None, description="All courses in order from now on."
    )
    trainer_ids: list[ID] | None = strawberry.field(default=None, description="All trainers from now on.")

    def fields(self) -> PathFields:
        """Return the changes for the domain."""
        fields = PathFields()
        if self.external_id is not None:
            fields["external_id"] = self.external_id.value
        if self.title is not None:
            fields["title"] = self.title
        if self.items is not None:
            fields["items"] = [item.item() for item in self.items]
        if self.trainer_ids is not None:
            fields["trainers"] = [reference(ids.LEARNER, text) for text in self.trainer_ids]
        return fields


@strawberry.input(description="Input of updateCourse.")
class UpdateCourseInput(UpdateInput):
    """Course to change."""

    course: LearningContentKeyInput = strawberry.field(description="Course to change.")
    changes: CourseChangesInput = strawberry.field(description="What to change; fields left out stay.")


@strawberry.input(description="Input of updateLearningPath.")
class UpdateLearningPathInput(UpdateInput):
    """Learning path to change."""

    learning_path: LearningContentKeyInput = strawberry.field(description="Path to change.")
    changes: LearningPathChangesInput = strawberry.field(description="What to change; fields left out stay.")


def content_key(key: LearningContentKeyInput) -> ContentKey:
    """Return what a key names; one that can name nothing is a key that nothing has."""
    if key.id is not None:
        return ContentKey.of(reference(ids.CONTENT, key.id.value))
    assert key.external_id is not None, "the key has exactly one field"
    return ContentKey(external_id=key.external_id.value)


def content_keys(keys: Sequence[LearningContentKeyInput], *, path: Sequence[str]) -> list[ContentKey]:
    """Return what each key names; raises NotFound for IDs that can name no content, all together."""
    problems = ProblemList()
    for number, key in enumerate(keys):
        if key.id is not None and ids.find_key(ids.CONTENT, key.id.value) is None:
            problems.add(NotFound(path=[*path, str(number)]))
    problems.raise_if_any()
    return [content_key(key) for key in keys]


def content_filter(filter: LearningContentFilterInput | None) -> ContentFilter:
    """Return the restriction of a list."""
    given: Any = filter or LearningContentFilterInput()
    return ContentFilter(
        search=given.search,
        kind=given.kind,
        is_assignable=given.is_assignable,
        is_self_enrollable=given.is_self_enrollable,
    )
