"""Tasks as a report: all that a filter gives and the viewer may see, by due date, with what they name.

One snapshot, read in batches, and nothing is kept from one batch to the next: memory stays flat however many there are.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime

from domain.content.queries import ContentRow, load_contents_by_id
from domain.enrollments.queries import load_enrollments_by_id
from domain.foundation.access import Principal
from domain.foundation.database.sessions import ReadScope
from domain.foundation.paging import plan_each_time
from domain.mandatory_tasks.overview.filter import TaskFilter, restrict
from domain.mandatory_tasks.queries import TaskView, tasks
from domain.mandatory_tasks.rights import require_reading_role
from domain.people.models import PlaceKind
from domain.people.queries import LearnerRow, PlaceRow, load_learners_by_id, load_places_by_learner
from domain.tenants.queries import load_service_accounts_by_id

#: Tasks that are in memory at once.
BATCH = 1_000


@dataclass(frozen=True, slots=True)
class ReportedTask:
    """A task with what it names, each as far as the viewer sees it."""

    task: TaskView
    learner: LearnerRow
    department: PlaceRow | None
    target: ContentRow
    #: None when a tool assigned it.
    assigner: LearnerRow | None
    #: Name of the tool that assigned it.
    tool_name: str | None
    progress_percent: int | None
    score: int | None


async def report_tasks(
    reads: ReadScope, principal: Principal, restriction: TaskFilter, now: datetime
) -> AsyncGenerator[list[ReportedTask], None]:
    """Yield the tasks batch by batch. Raises Forbidden for tools without READ, Invalid and TooManyItems."""
    require_reading_role(principal)
    query = tasks(principal)
    await restrict(reads, principal, query, restriction, now)
    await plan_each_time(reads)
    statement = f"{query.text} ORDER BY t.due_on, t.id"
    async with aclosing(reads.batches(statement, *query.args, size=BATCH)) as batches:
        async for records in batches:
            yield await _complete(reads, principal, [TaskView(**record) for record in records])


async def _complete(reads: ReadScope, principal: Principal, batch: Sequence[TaskView]) -> list[ReportedTask]:
    learner_ids = sorted({task.learner_id for task in batch})
    people_ids = sorted({*learner_ids, *(task.assigner_learner_id for task in batch if task.assigner_learner_id)})
    target_ids = sorted({task.target_id for task in batch})
    people = {row.id: row for row in await load_learners_by_id(reads, principal, people_ids) if row is not None}
    targets = {row.id: row for row in await load_contents_by_id(reads, principal, target_ids) if row is not None}
    places = await load_places_by_learner(reads, principal, learner_ids)
    departments = {
        learner_id: place
        for learner_id, found in zip(learner_ids, places, strict=True)
        for place in found
        if place.kind == PlaceKind.DEPARTMENT
    }
    enrollments = {
        row.id: row
        for row in await load_enrollments_by_id(reads, principal, [task.enrollment_id for task in batch])
        if row is not None
    }
    tool_ids = sorted({task.assigner_service_account_id for task in batch if task.assigner_service_account_id})
    tools = {row.id: row for row in await load_service_accounts_by_id(reads, principal, tool_ids) if row is not None}
    return [
        ReportedTask(
            task=task,
            learner=people[task.learner_id],
            department=departments.get(task.learner_id),
            target=targets[task.target_id],
            assigner=None if task.assigner_learner_id is None else people[task.assigner_learner_id],
            tool_name=tools[task.assigner_service_account_id].name if task.assigner_service_account_id else None,
            progress_percent=enrollments[task.enrollment_id].progress_percent,
            # In its short form an enrollment tells no score.
            score=enrollments[task.enrollment_id].score if enrollments[task.enrollment_id].is_visible else None,
        )
        for task in batch
    ]
