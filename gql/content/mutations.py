"""Mutations of contents."""

from typing import Annotated

import strawberry

from domain.content.operations import create_course, create_learning_path, update_course
from domain.enrollments.path_changes import LearningPathUpdated, update_learning_path
from gql.background_jobs.types import BackgroundJob
from gql.content.inputs import (
    CreateCourseInput,
    CreateLearningPathInput,
    UpdateCourseInput,
    UpdateLearningPathInput,
    content_key,
)
from gql.content.types import Course, LearningPath, load_changed_content
from gql.contract.arguments import INPUT
from gql.contract.mutations import Payload, mutation
from gql.execution.context import Info


@strawberry.type(description="Payload of createCourse.")
class CreateCoursePayload(Payload):
    """Payload of createCourse."""

    course: Course | None = strawberry.field(default=None, description="Course as created.")


@strawberry.type(description="Payload of createLearningPath.")
class CreateLearningPathPayload(Payload):
    """Payload of createLearningPath."""

    learning_path: LearningPath | None = strawberry.field(default=None, description="Path as created.")


@strawberry.type(description="Payload of updateCourse.")
class UpdateCoursePayload(Payload):
    """Payload of updateCourse."""

    course: Course | None = strawberry.field(default=None, description="Course after the change.")


@strawberry.type(description="Payload of updateLearningPath.")
class UpdateLearningPathPayload(Payload):
    """Payload of updateLearningPath."""

    learning_path: LearningPath | None = strawberry.field(default=None, description="Path after the change.")
    propagation: BackgroundJob | None = strawberry.field(
        default=None,
        description="Work that makes enrollments follow, already SUCCEEDED for fewer than 100 learners; null when "
        "there is none.",
    )


async def _course(info: Info, key: int) -> Course | None:
    content = await load_changed_content(info, key)
    return content if isinstance(content, Course) else None


async def _path(info: Info, key: int) -> LearningPath | None:
    content = await load_changed_content(info, key)
    return content if isinstance(content, LearningPath) else None


@strawberry.type
class ContentMutation:
    """Mutations of contents."""

    @mutation("Creates a course. Needs ADMIN.")
    async def create_course(self, info: Info, input: Annotated[CreateCourseInput, INPUT]) -> CreateCoursePayload | None:
        """Create a course."""
        done = await info.context.perform(
            "createCourse", input, lambda work: create_course(work, fields=input.fields()), int
        )
        return CreateCoursePayload(course=await _course(info, done.result))

    @mutation("Creates a learning path. Needs ADMIN.")
    async def create_learning_path(
        self, info: Info, input: Annotated[CreateLearningPathInput, INPUT]
    ) -> CreateLearningPathPayload | None:
        """Create a learning path."""
        done = await info.context.perform(
            "createLearningPath", input, lambda work: create_learning_path(work, fields=input.fields()), int
        )
        return CreateLearningPathPayload(learning_path=await _path(info, done.result))

    @mutation("Changes a course. Needs ADMIN.")
    async def update_course(self, info: Info, input: Annotated[UpdateCourseInput, INPUT]) -> UpdateCoursePayload | None:
        """Change a course."""
        done = await info.context.perform(
            "updateCourse",
            input,
            lambda work: update_course(
                work,
                key=content_key(input.course),
                changes=input.changes.fields(),
                expected_version=input.expected_version,
            ),
            int,
        )
        return UpdateCoursePayload(course=await _course(info, done.result))

    @mutation("Changes a learning path; people enrolled in it follow. Needs ADMIN.")
    async def update_learning_path(
        self, info: Info, input: Annotated[UpdateLearningPathInput, INPUT]
    ) -> UpdateLearningPathPayload | None:
        """Change a learning path."""
        done = await info.context.perform(
            "updateLearningPath",
            input,
            lambda work: update_learning_path(
                work,
                key=content_key(input.learning_path),
                changes=input.changes.fields(),
                expected_version=input.expected_version,
            ),
            LearningPathUpdated,
        )
        job_id = done.result.propagation_id
        return UpdateLearningPathPayload(
            learning_path=await _path(info, done.result.path_id),
            propagation=None if job_id is None else await BackgroundJob.load(info, job_id),
        )
