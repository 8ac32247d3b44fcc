"""Bulk assignments as the API shows them: before, as a preview, and after, with what became of each learner."""

from datetime import date, datetime
from typing import Annotated, Self

import strawberry

from domain.foundation.pages_of_many import hashable
from domain.mandatory_tasks.bulk.outcomes import BulkOutcome, BulkResultRow, OutcomeCounts, wanted_outcomes
from domain.mandatory_tasks.bulk.preview import (
    BulkPreview,
    count_previewed,
    list_previewed_learners,
    list_previewed_results,
)
from domain.mandatory_tasks.bulk.queries import (
    BulkAssignmentRow,
    ResultsOfBulk,
    load_bulk_assignments_by_id,
    load_results_of_bulk_assignments,
    load_visible_bulk_assignments_by_id,
)
from gql.background_jobs.types import BackgroundJob
from gql.content.types import LearningContent, load_content
from gql.contract.actors import load_actor
from gql.contract.arguments import After, First
from gql.contract.enums import publish_enum
from gql.contract.ids import BULK_ASSIGNMENT, encode
from gql.contract.interfaces import Actor, Node
from gql.contract.pagination import Connection, Edge, paging_of
from gql.contract.user_errors import UserError, user_errors
from gql.execution.context import Info
from gql.mandatory_tasks.types import MandatoryTask
from gql.people.types import Learner, LearnerConnection, LearnerEdge

publish_enum(
    BulkOutcome,
    name="BulkAssignmentOutcome",
    description="Outcomes of a bulk assignment for one learner.",
    values={
        "CREATED": "A task was created.",
        "SKIPPED": "The learner already had a task for this target.",
        "FAILED": "No task could be created.",
    },
)

Outcomes = Annotated[list[BulkOutcome] | None, strawberry.argument(description="Outcomes to list; left out for all.")]


@strawberry.type(description="Outcome of a bulk assignment for one learner.")
class BulkAssignmentResult:
    """Outcome for one learner."""

    outcome: BulkOutcome = strawberry.field(description="What happened, or in a preview would happen.")
    error: UserError | None = strawberry.field(description="Why it failed or would fail; null otherwise.")
    row: strawberry.Private[BulkResultRow]

    @classmethod
    def from_row(cls, row: BulkResultRow) -> Self:
        """Return the result of a row."""
        errors = [] if row.error is None else user_errors(row.error)
        return cls(outcome=BulkOutcome(row.outcome), error=errors[0] if errors else None, row=row)

    @strawberry.field(description="Learner concerned.")
    async def learner(self, info: Info) -> Learner:
        """Load the learner."""
        learner = await Learner.load(info, self.row.learner_id)
        assert learner is not None, "people are never deleted"
        return learner

    @strawberry.field(
        description="Task of the learner: the new one or the one that was there; null when failed, and for a new one "
        "in a preview."
    )
    async def mandatory_task(self, info: Info) -> MandatoryTask | None:
        """Load the task."""
        return None if self.row.task_id is None else await MandatoryTask.load(info, self.row.task_id)


@strawberry.type(description="Item of a page of results of a bulk assignment.")
class BulkAssignmentResultEdge(Edge[BulkAssignmentResult]):
    """Item of a page of results."""


@strawberry.type(description="Page of results of a bulk assignment.")
class BulkAssignmentResultConnection(Connection[BulkAssignmentResult, BulkAssignmentResultEdge]):
    """Page of results."""


@strawberry.type(description="Who a bulk assignment would reach.")
class BulkAssignmentPreview:
    """Who a bulk assignment would reach."""

    preview: strawberry.Private[BulkPreview]

    async def _counts(self, info: Info) -> OutcomeCounts:
        return await info.context.load(count_previewed, self.preview)

    @strawberry.field(description="Number of distinct learners in the audience.")
    async def learner_count(self, info: Info) -> int:
        """Count the audience."""
        return (await self._counts(info)).total

    @strawberry.field(description="Number of them who would get a task.")
    async def new_task_count(self, info: Info) -> int:
        """Count who would get a task."""
        return (await self._counts(info)).created

    @strawberry.field(description="Number of them who would be skipped because they already have one for this target.")
    async def skipped_count(self, info: Info) -> int:
        """Count who has a task."""
        return (await self._counts(info)).skipped

    @strawberry.field(description="Number of them for whom no task could be created.")
    async def failing_count(self, info: Info) -> int:
        """Count who could not get a task."""
        return (await self._counts(info)).failed

    @strawberry.field(description="Learners of the audience, by name.")
    async def learners(self, info: Info, first: First = 25, after: After = None) -> LearnerConnection:
        """List the audience."""
        paging = paging_of(info, first, after, self.preview.criteria)
        page = await list_previewed_learners(info.context.reads, info.context.principal, self.preview, paging.request)
        return LearnerConnection.of(page, paging, LearnerEdge, Learner.from_row)

    @strawberry.field(description="Outcome that each learner would have, by name.")
    async def results(
        self, info: Info, first: First = 25, after: After = None, outcomes: Outcomes = None
    ) -> BulkAssignmentResultConnection:
        """List the outcomes."""
        paging = paging_of(info, first, after, self.preview.criteria, outcomes)
        page = await list_previewed_results(info.context.reads, self.preview, outcomes, paging.request)
        return BulkAssignmentResultConnection.of(page, paging, BulkAssignmentResultEdge, BulkAssignmentResult.from_row)


@strawberry.type(description="Mandatory tasks given to an audience at once.")
class BulkAssignment(Node):
    """Tasks given to an audience at once."""

    due_on: date = strawberry.field(description="Due date assigned.")
    created_count: int = strawberry.field(description="Tasks created so far.")
    skipped_count: int = strawberry.field(description="Learners skipped so far.")
    failed_count: int = strawberry.field(description="Learners failed so far.")
    created_at: datetime = strawberry.field(description="Timestamp of the assignment.")
    row: strawberry.Private[BulkAssignmentRow]

    @classmethod
    def from_row(cls, row: BulkAssignmentRow) -> Self:
        """Return the bulk assignment of a row."""
        return cls(
            id=encode(BULK_ASSIGNMENT, row.id),
            due_on=row.due_on,
            created_count=row.created_count,
            skipped_count=row.skipped_count,
            failed_count=row.failed_count,
            created_at=row.created_at,
            row=row,
        )

    @classmethod
    async def load(cls, info: Info, key: int) -> Self | None:
        """Return a bulk assignment that the viewer has just made."""
        return await info.context.load_as(load_bulk_assignments_by_id, key, cls.from_row)

    @classmethod
    async def find(cls, info: Info, key: int) -> Self | None:
        """Return a bulk assignment that the viewer may see."""
        return await info.context.load_as(load_visible_bulk_assignments_by_id, key, cls.from_row)

    @strawberry.field(description="Course or learning path assigned.")
    async def target(self, info: Info) -> LearningContent:
        """Load the target."""
        return await load_content(info, self.row.target_id)

    @strawberry.field(description="Job that creates the tasks.")
    async def job(self, info: Info) -> BackgroundJob:
        """Load the job."""
        job = await BackgroundJob.load(info, self.row.job_id)
        assert job is not None, "jobs are never deleted"
        return job

    @strawberry.field(description="Outcome per learner.")
    async def results(
        self, info: Info, first: First = 25, after: After = None, outcomes: Outcomes = None
    ) -> BulkAssignmentResultConnection:
        """List what has become of the learners so far, by name."""
        paging = paging_of(info, first, after, self.row.id, outcomes)
        # Bulk assignment 0 has none: what may not be looked up shows no results.
        bulk_id = self.row.id if self.row.is_visible else 0
        key = ResultsOfBulk(bulk_id, wanted_outcomes(outcomes), hashable(paging.request))
        page = await info.context.load(load_results_of_bulk_assignments, key)
        return BulkAssignmentResultConnection.of(page, paging, BulkAssignmentResultEdge, BulkAssignmentResult.from_row)

    @strawberry.field(description="Account that assigned.")
    async def created_by(self, info: Info) -> Actor:
        """Load who assigned."""
        actor = await load_actor(info, self.row.created_by_learner_id, self.row.created_by_service_account_id)
        assert actor is not None, "accounts are never deleted"
        return actor


@strawberry.type(description="Item of a page of bulk assignments.")
class BulkAssignmentEdge(Edge[BulkAssignment]):
    """Item of a page of bulk assignments."""


@strawberry.type(description="Page of bulk assignments.")
class BulkAssignmentConnection(Connection[BulkAssignment, BulkAssignmentEdge]):
    """Page of bulk assignments."""
