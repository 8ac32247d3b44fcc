"""Inputs about enrollments, progress and the log, and how they become what the domain asks for."""

from collections.abc import Sequence
from datetime import datetime

import strawberry
from strawberry import ID

from domain.enrollments.action_log.filter import ActionFilter
from domain.enrollments.models import ContentActionKind, EnrollmentStatus
from domain.enrollments.progress.reports import ProgressInput
from domain.enrollments.queries import EnrollmentFilter
from domain.foundation.access import Source
from domain.foundation.keys import Reference
from gql.content.inputs import LearningContentKeyInput, content_key
from gql.contract import ids
from gql.enrollments import enums  # noqa: F401 - publishes the enums that the inputs below use
from gql.execution.context import MutationInput
from gql.people.inputs import LearnerKeyInput, learner_key


@strawberry.input(description="Filter of enrollments; fields combine with AND, list items with OR.")
class EnrollmentFilterInput:
    """Filter of enrollments."""

    learner_ids: list[ID] | None = strawberry.field(default=None, description="Learners enrolled.")
    content_ids: list[ID] | None = strawberry.field(default=None, description="Contents enrolled in.")
    statuses: list[EnrollmentStatus] | None = strawberry.field(default=None, description="States of the enrollment.")
    is_active: bool | None = strawberry.field(default=None, description="Whether the learner has access now.")
    sources: list[Source] | None = strawberry.field(default=None, description="Reasons of the enrollment.")
    rule_id: ID | None = strawberry.field(default=None, description="Rule that holds the enrollment.")
    learning_path_id: ID | None = strawberry.field(default=None, description="Learning path that holds the enrollment.")


@strawberry.input(description="Filter of log entries; fields combine with AND, list items with OR.")
class ContentActionFilterInput:
    """Filter of log entries."""

    learner_ids: list[ID] | None = strawberry.field(default=None, description="Learners concerned.")
    content_ids: list[ID] | None = strawberry.field(default=None, description="Contents concerned.")
    actions: list[ContentActionKind] | None = strawberry.field(default=None, description="What happened.")
    sources: list[Source] | None = strawberry.field(default=None, description="What caused it.")
    rule_id: ID | None = strawberry.field(
        default=None, description="Rule that caused it; a deleted one can be named too."
    )
    actor_ids: list[ID] | None = strawberry.field(default=None, description="Accounts that caused it.")
    mandatory_task_id: ID | None = strawberry.field(default=None, description="Task that caused it.")
    occurred_from: datetime | None = strawberry.field(default=None, description="Earliest timestamp.")
    occurred_before: datetime | None = strawberry.field(default=None, description="Timestamp before which it happened.")


@strawberry.input(description="Input of enrollLearner.")
class EnrollLearnerInput(MutationInput):
    """Who to enroll in what."""

    learner: LearnerKeyInput = strawberry.field(description="Learner concerned.")
    content: LearningContentKeyInput = strawberry.field(description="Content concerned.")


@strawberry.input(description="Input of unenrollLearner.")
class UnenrollLearnerInput(MutationInput):
    """Who to unenroll from what."""

    learner: LearnerKeyInput = strawberry.field(description="Learner concerned.")
    content: LearningContentKeyInput = strawberry.field(description="Content concerned.")


@strawberry.input(description="Input of enrollSelf.")
class EnrollSelfInput(MutationInput):
    """What to enroll oneself in."""

    course: LearningContentKeyInput = strawberry.field(description="Course concerned.")


@strawberry.input(description="Input of unenrollSelf.")
class UnenrollSelfInput(MutationInput):
    """What to leave."""

    content: LearningContentKeyInput = strawberry.field(description="Content concerned.")


@strawberry.input(description="Input of recordPurchase.")
class RecordPurchaseInput(MutationInput):
    """Who bought what."""

    learner: LearnerKeyInput = strawberry.field(description="Learner concerned.")
    course: LearningContentKeyInput = strawberry.field(description="Course concerned.")


@strawberry.input
class _Progress:
    """What any report of progress says."""

    learner: LearnerKeyInput = strawberry.field(description="Learner concerned.")
    course: LearningContentKeyInput = strawberry.field(description="Course concerned.")
    lessons_done: int | None = strawberry.field(
        default=None, description="Lessons worked on in total; lower than before is ignored."
    )
    score: int | None = strawberry.field(default=None, description="Score from 0 to 100; the best one counts.")
    is_finished: bool = strawberry.field(
        default=False,
        description="Whether the learner has finished; completes the course when the minimum score is reached.",
    )
    occurred_at: datetime | None = strawberry.field(
        default=None,
        description="Timestamp of the progress in the reporting system, from the year 1900 to now; left out for now, "
        "and always by who reports their own.",
    )


@strawberry.input(description="Input of recordCourseProgress.")
class RecordCourseProgressInput(_Progress, MutationInput):
    """Report of progress."""


@strawberry.input(description="Report of progress.")
class CourseProgressRowInput(_Progress):
    """Report of progress in a list of such."""

    enrolls: bool = strawberry.field(
        default=False, description="Whether a learner who was never enrolled is enrolled first."
    )


@strawberry.input(description="Input of bulkRecordCourseProgress.")
class BulkRecordCourseProgressInput(MutationInput):
    """Reports of progress."""

    rows: list[CourseProgressRowInput] = strawberry.field(
        description="Reports, from 1 to 1,000, applied in this order."
    )


def progress_input(report: RecordCourseProgressInput | CourseProgressRowInput) -> ProgressInput:
    """Return a report for the domain."""
    return ProgressInput(
        learner=learner_key(report.learner),
        course=content_key(report.course),
        lessons_done=report.lessons_done,
        score=report.score,
        is_finished=report.is_finished,
        occurred_at=report.occurred_at,
        enrolls=isinstance(report, CourseProgressRowInput) and report.enrolls,
    )


def enrollment_filter(filter: EnrollmentFilterInput | None) -> EnrollmentFilter:
    """Return the restriction of a list; raises Invalid for an ID that is malformed or of another type."""
    if filter is None:
        return EnrollmentFilter()
    path = filter.learning_path_id
    return EnrollmentFilter(
        learners=_references(ids.LEARNER, filter.learner_ids, "learnerIds"),
        contents=_references(ids.CONTENT, filter.content_ids, "contentIds"),
        statuses=None if filter.statuses is None else tuple(filter.statuses),
        is_active=filter.is_active,
        sources=None if filter.sources is None else tuple(filter.sources),
        rule_id=_rule(filter.rule_id),
        learning_path=None if path is None else ids.filter_key(ids.CONTENT, path, path=["filter", "learningPathId"]),
    )


def action_filter(filter: ContentActionFilterInput | None) -> ActionFilter:
    """Return the restriction of the log; raises Invalid for an ID that is malformed or of another type."""
    if filter is None:
        return ActionFilter()
    actors = None
    if filter.actor_ids is not None:
        actors = [
            ids.filter_typed_key((ids.LEARNER, ids.SERVICE_ACCOUNT), text, path=["filter", "actorIds", number])
            for number, text in enumerate(filter.actor_ids)
        ]
    return ActionFilter(
        learners=_references(ids.LEARNER, filter.learner_ids, "learnerIds"),
        contents=_references(ids.CONTENT, filter.content_ids, "contentIds"),
        actions=None if filter.actions is None else tuple(filter.actions),
        sources=None if filter.sources is None else tuple(filter.sources),
        rule_id=_rule(filter.rule_id),
        task_id=_task(filter.mandatory_task_id),
        actor_learner_ids=_of_type(ids.LEARNER, actors),
        actor_service_account_ids=_of_type(ids.SERVICE_ACCOUNT, actors),
        occurred_from=filter.occurred_from,
        occurred_before=filter.occurred_before,
    )


def _references(prefix: str, texts: Sequence[str] | None, name: str) -> tuple[Reference, ...] | None:
    return None if texts is None else tuple(ids.filter_keys(prefix, texts, path=["filter", name]))


def _rule(text: str | None) -> int | None:
    return None if text is None else ids.filter_own_key(ids.RULE, text, path=["filter", "ruleId"])


def _task(text: str | None) -> int | None:
    path = ["filter", "mandatoryTaskId"]
    return None if text is None else ids.filter_own_key(ids.MANDATORY_TASK, text, path=path)


def _of_type(prefix: str, actors: Sequence[tuple[str, int]] | None) -> tuple[int, ...] | None:
    return None if actors is None else tuple(key for of, key in actors if of == prefix)
