"""The overview of tasks: lists, numbers per status, and groups, each for the same filter and of what one may see.

Withdrawn tasks are in none of them, and those that rest only when they are asked for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from domain.foundation.access import Principal
from domain.foundation.database.sessions import Statements
from domain.foundation.pages_of_many import read_alike, read_pages
from domain.foundation.paging import Order, Page, PageRequest, Query, plan_each_time
from domain.mandatory_tasks.overview.filter import TaskFilter, restrict
from domain.mandatory_tasks.overview.pages import CREATED_AT, DUE_ON, ID, UPDATED_AT, read_tasks
from domain.mandatory_tasks.queries import TaskView, tasks
from domain.mandatory_tasks.rights import require_reading_role


class TaskOrderField(Enum):
    """Fields that tasks can be sorted by."""

    DUE_ON = "DUE_ON"
    CREATED_AT = "CREATED_AT"
    UPDATED_AT = "UPDATED_AT"


_KEYS = {
    TaskOrderField.DUE_ON: DUE_ON,
    TaskOrderField.CREATED_AT: CREATED_AT,
    TaskOrderField.UPDATED_AT: UPDATED_AT,
}


@dataclass(frozen=True, slots=True)
class TasksOfLearner:
    """Key of one page of one learner's tasks."""

    learner_id: int
    restriction: TaskFilter
    request: PageRequest
    #: Instant at which statuses are judged.
    now: datetime


def task_order(field: TaskOrderField = TaskOrderField.DUE_ON, *, is_descending: bool = False) -> Order:
    """Return the order of a list of tasks."""
    return Order((_KEYS[field], ID), is_descending)


async def list_tasks(
    reads: Statements,
    principal: Principal,
    *,
    restriction: TaskFilter,
    order: Order,
    request: PageRequest,
    now: datetime,
) -> Page[TaskView]:
    """Return a page of the tasks that the viewer may see. Raises Forbidden, Invalid and TooManyItems."""
    require_reading_role(principal)
    # No more is read of them than finding them takes.
    query = Query(", ".join(key.expression for key in order.keys), "mandatory_task t")
    query.where("t.tenant_id = ?", principal.tenant_id)
    where = await restrict(reads, principal, query, restriction, now)
    if where.is_known or _is_selective(restriction):
        await plan_each_time(reads)
    return await read_tasks(reads, principal, query, where, order, request)


def _is_selective(by: TaskFilter) -> bool:
    """Tell whether it depends on the values of the filter which plan is good."""
    return by != TaskFilter(
        statuses=by.statuses, due_from=by.due_from, due_until=by.due_until, includes_suspended=by.includes_suspended
    )


async def load_tasks_of_learners(
    reads: Statements, principal: Principal, keys: Sequence[TasksOfLearner]
) -> list[Page[TaskView]]:
    """Return a page of each learner's tasks that the viewer may see, by due date."""

    async def read(alike: list[TasksOfLearner]) -> list[Page[TaskView]]:
        query = tasks(principal)
        await restrict(reads, principal, query, alike[0].restriction, alike[0].now)
        parents = [(key.learner_id,) for key in alike]
        return await read_pages(
            reads, TaskView, query, task_order(), alike[0].request, columns=["t.learner_id"], parents=parents
        )

    return await read_alike(keys, lambda key: (key.restriction, key.request, key.now), read)
