"""Mandatory tasks as the API shows them. What time makes of a task is worked out at the instant of the operation."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, Self

import strawberry

from domain.enrollments.models import EnrollmentStatus
from domain.enrollments.queries import load_enrollments_by_id
from domain.foundation.pages_of_many import hashable
from domain.mandatory_tasks.queries import (
    CycleRow,
    CyclesOfTask,
    TaskView,
    load_changed_tasks_by_id,
    load_cycles_of_tasks,
    load_open_tasks_by_enrollment,
    load_required_courses_by_task,
    load_tasks_by_id,
    load_visible_tasks_by_id,
)
from domain.mandatory_tasks.reminders.queries import load_reminders_by_cycle, load_settings_by_task
from domain.mandatory_tasks.status import TaskStatus
from domain.mandatory_tasks.task_rows import status_of
from gql.content.types import Course, LearningContent, load_contents, related_content
from gql.contract.actors import related_actor
from gql.contract.arguments import After, First
from gql.contract.ids import MANDATORY_TASK, encode
from gql.contract.interfaces import Actor, Node
from gql.contract.pagination import Connection, Edge, LiveConnection, paging_of
from gql.execution.context import Info
from gql.execution.related import Related, related
from gql.mandatory_tasks.reminder_types import ReminderSetting, TaskReminder
from gql.people.types import Learner, related_learner

if TYPE_CHECKING:
    from gql.enrollments.types import Enrollment
    from gql.mandatory_tasks.bulk_types import BulkAssignment


@strawberry.type(description="Repetition of a mandatory task.")
class TaskRecurrence:
    """Repetition of a task."""

    every_weeks: int = strawberry.field(description="Weeks between two due dates.")
    next_due_on: date | None = strawberry.field(
        description="Due date of the next cycle; null until the current one is completed."
    )
    next_opens_on: date | None = strawberry.field(
        description="Day on which the next cycle opens and the task is ASSIGNED again; null until the current one is "
        "completed."
    )


@strawberry.type(description="State of one required course of a learning path.")
class RequiredCourse:
    """State of one required course of a path."""

    course: Course = strawberry.field(description="Course required.")
    status: EnrollmentStatus = strawberry.field(description="How far the learner is in it.")


@strawberry.type(description="One round of a mandatory task.")
class TaskCycle:
    """One round of a task."""

    number: int = strawberry.field(description="Number of the cycle, from 1.")
    opened_on: date = strawberry.field(description="Day on which the cycle opened.")
    due_on: date = strawberry.field(description="Due date of the cycle.")
    completed_at: datetime | None = strawberry.field(description="Timestamp of completion; null when not completed.")
    row: strawberry.Private[CycleRow]

    @classmethod
    def from_row(cls, row: CycleRow) -> Self:
        """Return the cycle of a row."""
        return cls(
            number=row.number, opened_on=row.opened_on, due_on=row.due_on, completed_at=row.completed_at, row=row
        )

    @strawberry.field(description="Reminders of the cycle, in order of time.")
    async def reminders(self, info: Info) -> list[TaskReminder]:
        """Load the ledger of the cycle."""
        rows = await info.context.load(load_reminders_by_cycle, (self.row.task_id, self.row.number))
        return [TaskReminder.from_row(row) for row in rows]


@strawberry.type(description="Item of a page of cycles of a task.")
class TaskCycleEdge(Edge[TaskCycle]):
    """Item of a page of cycles."""


@strawberry.type(description="Page of cycles of a task.")
class TaskCycleConnection(Connection[TaskCycle, TaskCycleEdge]):
    """Page of cycles."""


@strawberry.type(description="Binding enrollment with a deadline.")
class MandatoryTask(Node):
    """Task in its current cycle."""

    due_on: date = strawberry.field(description="Last day on which completion is in time.")
    due_at: datetime = strawberry.field(
        description="End of the due date as an instant: midnight after `dueOn` in the learner's time zone."
    )
    note: str | None = strawberry.field(description="Note shown to the learner in the course player.")
    withdrawn_at: datetime | None = strawberry.field(description="Timestamp of withdrawal; null while in force.")
    is_suspended: bool = strawberry.field(
        description="Whether the task rests because its learner is inactive: not overdue, no reminders."
    )
    recurrence: TaskRecurrence | None = strawberry.field(
        description="Repetition of the task; null when it is not repeated."
    )
    can_update: bool = strawberry.field(description="Whether the viewer may change the task.")
    can_withdraw: bool = strawberry.field(description="Whether the viewer may withdraw the task; false once completed.")
    completed_at: datetime | None = strawberry.field(
        description="Timestamp of completion of the current cycle; null until completed."
    )
    created_at: datetime = strawberry.field(description="Timestamp of the assignment.")
    updated_at: datetime = strawberry.field(description="Timestamp of the latest change.")
    version: int = strawberry.field(description="Version of the task; grows with every change.")
    row: strawberry.Private[TaskView]

    @classmethod
    def from_row(cls, row: TaskView) -> Self:
        """Return the task of a row."""
        recurrence = None
        if row.every_weeks is not None:
            recurrence = TaskRecurrence(
                every_weeks=row.every_weeks, next_due_on=row.next_due_on, next_opens_on=row.next_opens_on
            )
        is_changeable = row.is_changeable and row.withdrawn_at is None
        return cls(
            id=encode(MANDATORY_TASK, row.id),
            due_on=row.due_on,
            due_at=row.due_at,
            note=row.note,
            withdrawn_at=row.withdrawn_at,
            is_suspended=row.is_suspended,
            recurrence=recurrence,
            can_update=is_changeable,
            can_withdraw=is_changeable and not row.is_completed,
            completed_at=row.completed_at,
            created_at=row.created_at,
            updated_at=row.updated_at,
            version=row.version,
            row=row,
        )

    @classmethod
    async def load(cls, info: Info, key: int) -> Self | None:
        """Return a task that is reached from another object, or that the viewer has just changed."""
        return await info.context.load_as(load_tasks_by_id, key, cls.from_row)

    @classmethod
    async def find(cls, info: Info, key: int) -> Self | None:
        """Return a task that the viewer may look up."""
        return await info.context.load_as(load_visible_tasks_by_id, key, cls.from_row)

    @classmethod
    async def load_changed(cls, info: Info, keys: Sequence[int]) -> list[Self]:
        """Return what the viewer may see of the tasks that a change has touched, in order."""
        rows = await info.context.load_many(load_changed_tasks_by_id, keys)
        return [cls.from_row(row) for row in rows if row is not None]

    @strawberry.field(description="Course or learning path to complete.")
    @related
    def target(self) -> Related[LearningContent]:
        """Lead to the target."""
        return related_content(self.row.target_id)

    @strawberry.field(description="Learner who has to complete it.")
    @related
    def learner(self) -> Related[Learner]:
        """Lead to the learner, whom nobody deletes."""
        return related_learner(self.row.learner_id)

    @strawberry.field(description="Account that assigned the task.")
    @related
    def assigned_by(self) -> Related[Actor]:
        """Lead to who assigned the task."""
        return related_actor(self.row.assigner_learner_id, self.row.assigner_service_account_id)

    @strawberry.field(description="Status of the current cycle.")
    def status(self, info: Info) -> TaskStatus:
        """Tell how the task stands now."""
        row = self.row
        return status_of(row.stage, row.due_at, info.context.now, is_suspended=row.is_suspended)

    @strawberry.field(description="Enrollment that the task follows; tells progress even when `status` is OVERDUE.")
    @related
    def enrollment(self) -> Related[Annotated["Enrollment", strawberry.lazy("gql.enrollments.types")]]:
        """Lead to the enrollment, which nobody deletes."""
        from gql.enrollments.types import Enrollment

        return Related(load_enrollments_by_id, self.row.enrollment_id, Enrollment.from_row)

    @strawberry.field(
        description="Courses that a learning path still requires or has had completed; empty for a course."
    )
    async def required_courses(self, info: Info) -> list[RequiredCourse]:
        """Load the mandatory courses of the target."""
        if not self.row.is_visible:
            return []
        rows = await info.context.load(load_required_courses_by_task, self.row.id)
        contents = await load_contents(info, [row.course_id for row in rows])
        courses = []
        for row, course in zip(rows, contents, strict=True):
            assert isinstance(course, Course)
            courses.append(RequiredCourse(course=course, status=EnrollmentStatus(row.status)))
        return courses

    @strawberry.field(description="Past and current cycles, newest first; one cycle when not repeated.")
    async def cycles(self, info: Info, first: First = 10, after: After = None) -> TaskCycleConnection:
        """List the cycles."""
        paging = paging_of(info, first, after, self.row.id)
        # Task 0 has none: what may not be looked up shows no history.
        task_id = self.row.id if self.row.is_visible else 0
        page = await info.context.load(load_cycles_of_tasks, CyclesOfTask(task_id, hashable(paging.request)))
        return TaskCycleConnection.of(page, paging, TaskCycleEdge, TaskCycle.from_row)

    @strawberry.field(
        description="Reminders as set up: what `changes.reminders` replaces; for the next cycle while the current one "
        "is completed."
    )
    async def reminder_settings(self, info: Info) -> list[ReminderSetting]:
        """Load the reminders that are set up."""
        if not self.row.is_visible:
            return []
        rows = await info.context.load(load_settings_by_task, self.row.id)
        return [ReminderSetting.from_row(row) for row in rows]

    @strawberry.field(
        description="Ledger of the reminders of the current cycle, in order of time: planned, sent, skipped and "
        "cancelled ones."
    )
    async def reminders(self, info: Info) -> list[TaskReminder]:
        """Load the ledger of the current cycle."""
        if not self.row.is_visible:
            return []
        rows = await info.context.load(load_reminders_by_cycle, (self.row.id, self.row.cycle_number))
        return [TaskReminder.from_row(row) for row in rows]

    @strawberry.field(
        description="Bulk assignment that created the task; null when none did, and for those who may not see it."
    )
    async def bulk_assignment(
        self, info: Info
    ) -> Annotated["BulkAssignment", strawberry.lazy("gql.mandatory_tasks.bulk_types")] | None:
        """Find the bulk assignment."""
        from gql.mandatory_tasks.bulk_types import BulkAssignment

        bulk_id = self.row.bulk_assignment_id
        return None if bulk_id is None else await BulkAssignment.find(info, bulk_id)


@strawberry.type(description="Item of a page of mandatory tasks.")
class MandatoryTaskEdge(Edge[MandatoryTask]):
    """Item of a page of tasks."""


@strawberry.type(description="Page of mandatory tasks.")
class MandatoryTaskConnection(LiveConnection[MandatoryTask, MandatoryTaskEdge]):
    """Page of tasks."""


async def open_tasks_of_enrollment(info: Info, enrollment_id: int) -> list[MandatoryTask]:
    """Return the open tasks that need an enrollment."""
    rows = await info.context.load(load_open_tasks_by_enrollment, enrollment_id)
    return [MandatoryTask.from_row(row) for row in rows]
