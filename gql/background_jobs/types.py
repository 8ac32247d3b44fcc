"""Background jobs as the API shows them."""

from datetime import datetime
from typing import Self

import strawberry

from domain.foundation.feed.changes import ObjectType
from domain.foundation.jobs.control import CANCELLABLE, may_control
from domain.foundation.jobs.queries import JobRow, load_jobs_by_id, load_resumable_by_id
from domain.foundation.jobs.running import TERMINAL
from domain.foundation.models import JobKind, JobStatus
from gql.contract.enums import publish_enum
from gql.contract.ids import BACKGROUND_JOB, encode
from gql.contract.interfaces import Actor, Node
from gql.contract.object_types import PREFIXES
from gql.contract.pagination import Edge, LiveConnection
from gql.execution.context import Info

publish_enum(
    JobKind,
    name="BackgroundJobKind",
    description="Kinds of background jobs.",
    values={
        "BULK_ASSIGNMENT": "Creates the mandatory tasks of a bulk assignment.",
        "RULE_BACKFILL": "Enrolls existing learners who meet a rule.",
        "RULE_REVOCATION": "Unenrolls learners whom a deleted rule had enrolled.",
        "RULE_REEVALUATION": "Evaluates all rules again for many learners, after an import or a switch.",
        "LEARNING_PATH_CHANGE": "Makes enrollments follow a learning path that has changed.",
        "RULE_PREPARATION": "Counts who meets a rule that does not enroll existing learners.",
        "TIME_ZONE_CHANGE": "Moves due dates and reminders to another time zone.",
    },
)

publish_enum(
    JobStatus,
    name="BackgroundJobStatus",
    description="States of a background job.",
    values={
        "QUEUED": "Waiting for a worker.",
        "RUNNING": "Being processed.",
        "SUCCEEDED": "Ended; single items may have failed, see `failedCount`.",
        "FAILED": "Given up after retries; what was processed stays.",
        "CANCELLED": "Cancelled; what was processed stays.",
    },
)


@strawberry.type(
    description="Work done outside the request; small work is done inside it and is reported here as SUCCEEDED."
)
class BackgroundJob(Node):
    """Background job."""

    kind: JobKind = strawberry.field(description="What the job does.")
    status: JobStatus = strawberry.field(description="State of the job.")
    total_count: int | None = strawberry.field(description="Items to process; null until counted.")
    processed_count: int = strawberry.field(description="Items processed so far, failed ones included.")
    failed_count: int = strawberry.field(description="Items that failed.")
    subject_name: str | None = strawberry.field(description="Name of the subject at the time; null when there is none.")
    failure_reason: str | None = strawberry.field(description="Why the job was given up; null unless FAILED.")
    created_at: datetime = strawberry.field(description="Timestamp of when the job was asked for.")
    finished_at: datetime | None = strawberry.field(description="Timestamp of when the job ended; null while it runs.")
    version: int = strawberry.field(description="Version of the job; grows with every change.")
    row: strawberry.Private[JobRow]

    @classmethod
    def from_row(cls, row: JobRow) -> Self:
        """Return the job of a row."""
        return cls(
            id=encode(BACKGROUND_JOB, row.id),
            kind=JobKind(row.kind),
            status=JobStatus(row.status),
            total_count=row.total_count,
            processed_count=row.processed_count,
            failed_count=row.failed_count,
            subject_name=row.subject_name,
            failure_reason=row.failure_reason if row.status == JobStatus.FAILED else None,
            created_at=row.created_at,
            finished_at=row.finished_at,
            version=row.version,
            row=row,
        )

    @classmethod
    async def load(cls, info: Info, key: int) -> Self | None:
        """Return a job by its key."""
        return await info.context.load_as(load_jobs_by_id, key, cls.from_row)

    @strawberry.field(
        description="Rule, bulk assignment or learning path that the job works for; null when there is none, and once "
        "deleted."
    )
    async def subject(self, info: Info) -> Node | None:
        """Find what the job works for."""
        from gql.nodes import find_node

        row = self.row
        if row.subject_type is None or row.subject_id is None:
            return None
        return await find_node(info, encode(PREFIXES[ObjectType(row.subject_type)], row.subject_id))

    @strawberry.field(description="Account that asked for the job; null when the system did.")
    async def started_by(self, info: Info) -> Actor | None:
        """Load who asked for the job."""
        from gql.contract.actors import load_actor

        return await load_actor(info, self.row.started_by_learner_id, self.row.started_by_service_account_id)

    @strawberry.field(description="Whether the viewer may cancel the job now.")
    def can_cancel(self, info: Info) -> bool:
        """Tell whether the viewer may cancel the job."""
        is_open = self.row.status not in TERMINAL and self.row.kind in CANCELLABLE
        return is_open and self._is_controlled(info)

    @strawberry.field(description="Whether the viewer may let the job go on now.")
    async def can_resume(self, info: Info) -> bool:
        """Tell whether the viewer may let the job go on."""
        return self._is_controlled(info) and await info.context.load(load_resumable_by_id, self.row.id)

    def _is_controlled(self, info: Info) -> bool:
        return may_control(
            info.context.principal,
            started_by_learner_id=self.row.started_by_learner_id,
            started_by_service_account_id=self.row.started_by_service_account_id,
        )


@strawberry.type(description="Item of a page of background jobs.")
class BackgroundJobEdge(Edge[BackgroundJob]):
    """Item of a page of background jobs."""


@strawberry.type(description="Page of background jobs.")
class BackgroundJobConnection(LiveConnection[BackgroundJob, BackgroundJobEdge]):
    """Page of background jobs."""


@strawberry.input(description="Filter of background jobs; fields combine with AND, list items with OR.")
class BackgroundJobFilterInput:
    """Filter of background jobs."""

    statuses: list[JobStatus] | None = strawberry.field(default=None, description="States of the job.")
    kinds: list[JobKind] | None = strawberry.field(default=None, description="Kinds of the job.")
