"""The overview of mandatory tasks: lists, numbers per status and groups, and the list under a learner."""

from typing import Annotated, Self

import strawberry
from strawberry import ID

from domain.foundation.pages_of_many import hashable
from domain.mandatory_tasks.overview.counts import TaskCounts, TaskGroup, TaskGrouping, break_down_tasks, count_tasks
from domain.mandatory_tasks.overview.queries import TaskOrderField, TasksOfLearner, list_tasks, load_tasks_of_learners
from gql.contract import ids
from gql.contract.arguments import FILTER, ORDER_BY, After, First
from gql.contract.enums import SortDirection
from gql.contract.pagination import paging_of
from gql.execution.context import Info
from gql.mandatory_tasks.list_inputs import (
    MandatoryTaskFilterInput,
    MandatoryTaskOrderInput,
    task_filter,
    tasks_in_order,
)
from gql.mandatory_tasks.types import MandatoryTask, MandatoryTaskConnection, MandatoryTaskEdge

_PREFIXES = {
    TaskGrouping.DEPARTMENT: ids.DEPARTMENT,
    TaskGrouping.TARGET: ids.CONTENT,
    TaskGrouping.ASSIGNER: ids.LEARNER,
}


@strawberry.type(description="Number of mandatory tasks per status.")
class MandatoryTaskCounts:
    """Numbers of tasks per status."""

    assigned: int = strawberry.field(description="Tasks in status ASSIGNED.")
    in_progress: int = strawberry.field(description="Tasks in status IN_PROGRESS.")
    completed: int = strawberry.field(description="Tasks in status COMPLETED.")
    overdue: int = strawberry.field(description="Tasks in status OVERDUE.")

    @classmethod
    def of(cls, counts: TaskCounts) -> Self:
        """Return the numbers as the API shows them."""
        return cls(
            assigned=counts.assigned,
            in_progress=counts.in_progress,
            completed=counts.completed,
            overdue=counts.overdue,
        )


@strawberry.type(description="Mandatory tasks of one group.")
class MandatoryTaskGroup:
    """Tasks of one group."""

    key: ID | None = strawberry.field(
        description="ID of the department, content or account; null for learners without a department."
    )
    label: str = strawberry.field(description="Name of the group.")
    counts: MandatoryTaskCounts = strawberry.field(description="Number of tasks per status.")

    @classmethod
    def of(cls, group: TaskGroup, grouping: TaskGrouping) -> Self:
        """Return a group as the API shows it."""
        key = None if group.key is None else ids.encode(_PREFIXES[grouping], group.key)
        if group.service_account_id is not None:
            key = ids.encode(ids.SERVICE_ACCOUNT, group.service_account_id)
        return cls(key=key, label=group.label, counts=MandatoryTaskCounts.of(group.counts))


async def learner_tasks(
    info: Info, learner_id: int, first: int, after: str | None, filter: MandatoryTaskFilterInput | None
) -> MandatoryTaskConnection:
    """List a learner's tasks that the viewer may see, by due date."""
    paging = paging_of(info, first, after, learner_id, filter)
    key = TasksOfLearner(learner_id, task_filter(filter), hashable(paging.request), info.context.now)
    page = await info.context.load(load_tasks_of_learners, key)
    return MandatoryTaskConnection.of(page, paging, MandatoryTaskEdge, MandatoryTask.from_row)


@strawberry.type
class TaskOverviewQuery:
    """Queries of many tasks at once."""

    @strawberry.field(
        description="Mandatory tasks the viewer may see. The to-do view is "
        "`filter: {statuses: [ASSIGNED, IN_PROGRESS, OVERDUE]}`."
    )
    async def mandatory_tasks(
        self,
        info: Info,
        first: First = 25,
        after: After = None,
        filter: Annotated[MandatoryTaskFilterInput | None, FILTER] = None,
        order_by: Annotated[MandatoryTaskOrderInput, ORDER_BY] = MandatoryTaskOrderInput(  # noqa: B008 - never changed
            field=TaskOrderField.DUE_ON, direction=SortDirection.ASC
        ),
    ) -> MandatoryTaskConnection | None:
        """List tasks."""
        context = info.context
        paging = paging_of(info, first, after, filter, order_by)
        page = await list_tasks(
            context.reads,
            context.principal,
            restriction=task_filter(filter),
            order=tasks_in_order(order_by),
            request=paging.request,
            now=context.now,
        )
        return MandatoryTaskConnection.of(page, paging, MandatoryTaskEdge, MandatoryTask.from_row)

    @strawberry.field(description="How many mandatory tasks stand in each status.")
    async def mandatory_task_counts(
        self, info: Info, filter: Annotated[MandatoryTaskFilterInput | None, FILTER] = None
    ) -> MandatoryTaskCounts | None:
        """Count tasks."""
        context = info.context
        counts = await count_tasks(context.reads, context.principal, restriction=task_filter(filter), now=context.now)
        return MandatoryTaskCounts.of(counts)

    @strawberry.field(
        description="Mandatory tasks counted per status for each department, target or assigner: most overdue ones "
        "first, then most open ones."
    )
    async def mandatory_task_breakdown(
        self,
        info: Info,
        by: Annotated[TaskGrouping, strawberry.argument(description="What to group by.")],
        filter: Annotated[MandatoryTaskFilterInput | None, FILTER] = None,
        first: Annotated[int, strawberry.argument(description="Number of groups, from 1 to 1,000.")] = 100,
    ) -> list[MandatoryTaskGroup] | None:
        """Count tasks group by group."""
        context = info.context
        groups = await break_down_tasks(
            context.reads,
            context.principal,
            by=by,
            restriction=task_filter(filter),
            first=first,
            now=context.now,
        )
        return [MandatoryTaskGroup.of(group, by) for group in groups]
