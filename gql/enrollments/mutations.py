"""Mutations of enrollments and progress."""

from typing import Annotated

import strawberry

from domain.enrollments.errors import LearnerInactive
from domain.enrollments.operations import enroll_learner, unenroll_learner
from domain.enrollments.progress.reports import (
    ProgressRowResult,
    bulk_record_course_progress,
    record_course_progress,
)
from domain.enrollments.seats.purchases import record_purchase
from domain.enrollments.seats.self_enrollment import enroll_self, unenroll_self
from domain.foundation.errors import DomainError
from domain.foundation.row_outcomes import RowError, RowOutcome
from gql.background_jobs.types import BackgroundJob
from gql.content.inputs import content_key
from gql.contract.arguments import INPUT
from gql.contract.mutations import Payload, RuleOutcomePayload, mutation, reevaluation_of
from gql.contract.user_errors import UserError, user_errors
from gql.enrollments.inputs import (
    BulkRecordCourseProgressInput,
    EnrollLearnerInput,
    EnrollSelfInput,
    RecordCourseProgressInput,
    RecordPurchaseInput,
    UnenrollLearnerInput,
    UnenrollSelfInput,
    progress_input,
)
from gql.enrollments.types import Enrollment
from gql.execution.context import Info
from gql.mandatory_tasks.types import MandatoryTask
from gql.people import enums  # noqa: F401 - publishes the outcomes of rows
from gql.people.inputs import learner_key


@strawberry.type(description="Payload of enrollSelf.")
class EnrollSelfPayload(RuleOutcomePayload):
    """Payload of enrollSelf."""

    enrollment: Enrollment | None = strawberry.field(default=None, description="Enrollment after the change.")


@strawberry.type(description="Payload of unenrollSelf.")
class UnenrollSelfPayload(RuleOutcomePayload):
    """Payload of unenrollSelf."""

    enrollment: Enrollment | None = strawberry.field(default=None, description="Enrollment after the change.")


@strawberry.type(description="Payload of recordPurchase.")
class RecordPurchasePayload(RuleOutcomePayload):
    """Payload of recordPurchase."""

    enrollment: Enrollment | None = strawberry.field(default=None, description="Enrollment after the change.")


@strawberry.type(description="Payload of enrollLearner.")
class EnrollLearnerPayload(RuleOutcomePayload):
    """Payload of enrollLearner."""

    enrollment: Enrollment | None = strawberry.field(default=None, description="Enrollment after the change.")


@strawberry.type(description="Payload of unenrollLearner.")
class UnenrollLearnerPayload(RuleOutcomePayload):
    """Payload of unenrollLearner."""

    enrollment: Enrollment | None = strawberry.field(default=None, description="Enrollment after the change.")


@strawberry.type(description="Payload of recordCourseProgress.")
class RecordCourseProgressPayload(RuleOutcomePayload):
    """Payload of recordCourseProgress."""

    enrollment: Enrollment | None = strawberry.field(
        default=None, description="Enrollment in the course after the change."
    )

    @strawberry.field(description="Mandatory tasks whose status changed.")
    async def changed_mandatory_tasks(self, info: Info) -> list[MandatoryTask]:
        """Load the tasks."""
        return await MandatoryTask.load_changed(info, self.done.changed_task_ids if self.done else ())


@strawberry.type(description="Outcome of one report.")
class CourseProgressRowResult:
    """Outcome of one report."""

    outcome: RowOutcome = strawberry.field(description="What happened to the row.")
    errors: list[UserError] = strawberry.field(description="Why the row was not applied; empty on success.")
    enrollment_id: strawberry.Private[int | None]

    @classmethod
    def of(cls, result: ProgressRowResult) -> "CourseProgressRowResult":
        """Return a row's outcome as the API shows it."""
        errors = [shown for error in result.errors for shown in user_errors(_failure(error), prefix=())]
        return cls(outcome=result.outcome, errors=errors, enrollment_id=result.enrollment_id)

    @strawberry.field(description="Enrollment after the change; null when the row failed.")
    async def enrollment(self, info: Info) -> Enrollment | None:
        """Load the enrollment."""
        return None if self.enrollment_id is None else await Enrollment.load(info, self.enrollment_id)


def _failure(error: RowError) -> DomainError:
    return LearnerInactive(path=error.path) if error.code == LearnerInactive.code else error.as_error()


@strawberry.type(description="Payload of bulkRecordCourseProgress.")
class BulkRecordCourseProgressPayload(Payload):
    """Payload of bulkRecordCourseProgress."""

    results: list[CourseProgressRowResult] = strawberry.field(
        default_factory=list, description="Outcome per row, in the order of `rows`."
    )
    reevaluation: BackgroundJob | None = strawberry.field(
        default=None, description="Evaluation of the rules; null when it was done in the same transaction."
    )


@strawberry.type
class EnrollmentsMutation:
    """Mutations of enrollments and progress."""

    @mutation("Enrolls the viewer in a self-enrollable course, or puts them on its waitlist.")
    async def enroll_self(self, info: Info, input: Annotated[EnrollSelfInput, INPUT]) -> EnrollSelfPayload | None:
        """Enroll the viewer."""
        done = await info.context.perform(
            "enrollSelf", input, lambda work: enroll_self(work, course=content_key(input.course)), int
        )
        return EnrollSelfPayload(enrollment=await Enrollment.load(info, done.result), done=done)

    @mutation("Ends the viewer's voluntary enrollment; refused while a mandatory task needs it.")
    async def unenroll_self(self, info: Info, input: Annotated[UnenrollSelfInput, INPUT]) -> UnenrollSelfPayload | None:
        """Unenroll the viewer."""
        done = await info.context.perform(
            "unenrollSelf", input, lambda work: unenroll_self(work, content=content_key(input.content)), int
        )
        return UnenrollSelfPayload(enrollment=await Enrollment.load(info, done.result), done=done)

    @mutation("Records that a learner bought a course. Needs ADMIN.")
    async def record_purchase(
        self, info: Info, input: Annotated[RecordPurchaseInput, INPUT]
    ) -> RecordPurchasePayload | None:
        """Record a purchase."""
        done = await info.context.perform(
            "recordPurchase",
            input,
            lambda work: record_purchase(work, learner=learner_key(input.learner), course=content_key(input.course)),
            int,
        )
        return RecordPurchasePayload(enrollment=await Enrollment.load(info, done.result), done=done)

    @mutation("Enrolls a learner by hand. Needs a trainer of the content or ADMIN.")
    async def enroll_learner(
        self, info: Info, input: Annotated[EnrollLearnerInput, INPUT]
    ) -> EnrollLearnerPayload | None:
        """Enroll a learner."""
        done = await info.context.perform(
            "enrollLearner",
            input,
            lambda work: enroll_learner(work, learner=learner_key(input.learner), content=content_key(input.content)),
            int,
        )
        return EnrollLearnerPayload(enrollment=await Enrollment.load(info, done.result), done=done)

    @mutation(
        "Removes a learner's enrollment by hand; refused while a mandatory task needs it. Needs a trainer of the "
        "content or ADMIN."
    )
    async def unenroll_learner(
        self, info: Info, input: Annotated[UnenrollLearnerInput, INPUT]
    ) -> UnenrollLearnerPayload | None:
        """Unenroll a learner."""
        done = await info.context.perform(
            "unenrollLearner",
            input,
            lambda work: unenroll_learner(work, learner=learner_key(input.learner), content=content_key(input.content)),
            int,
        )
        return UnenrollLearnerPayload(enrollment=await Enrollment.load(info, done.result), done=done)

    @mutation(
        "Reports lessons done, a score or completion of a course. Needs a trainer of the course or ADMIN, or the "
        "learner where the tenant accepts it."
    )
    async def record_course_progress(
        self, info: Info, input: Annotated[RecordCourseProgressInput, INPUT]
    ) -> RecordCourseProgressPayload | None:
        """Record one report."""
        done = await info.context.perform(
            "recordCourseProgress",
            input,
            lambda work: record_course_progress(work, report=progress_input(input)),
            int,
        )
        return RecordCourseProgressPayload(enrollment=await Enrollment.load(info, done.result), done=done)

    @mutation(
        "Reports progress of up to 1,000 learners and courses, row by row; from 100 learners with a change on, rules "
        "are evaluated in a background job. Needs ADMIN."
    )
    async def bulk_record_course_progress(
        self, info: Info, input: Annotated[BulkRecordCourseProgressInput, INPUT]
    ) -> BulkRecordCourseProgressPayload | None:
        """Record many reports."""
        done = await info.context.perform(
            "bulkRecordCourseProgress",
            input,
            lambda work: bulk_record_course_progress(work, rows=[progress_input(row) for row in input.rows]),
            list[ProgressRowResult],
        )
        return BulkRecordCourseProgressPayload(
            results=[CourseProgressRowResult.of(result) for result in done.result],
            reevaluation=await reevaluation_of(info, done),
        )
