"""Filter and order of lists of mandatory tasks, and how they become what the domain asks for."""

from collections.abc import Sequence
from datetime import date

import strawberry
from strawberry import ID

from domain.foundation.keys import Reference
from domain.foundation.paging import Order
from domain.mandatory_tasks.overview.filter import TaskFilter
from domain.mandatory_tasks.overview.queries import TaskOrderField, task_order
from domain.mandatory_tasks.status import TaskStatus
from gql.contract import ids
from gql.contract.enums import SortDirection
from gql.mandatory_tasks import enums  # noqa: F401 - publishes the enums that the inputs below use


@strawberry.input(description="Filter of mandatory tasks; fields combine with AND, list items with OR.")
class MandatoryTaskFilterInput:
    """Filter of tasks."""

    statuses: list[TaskStatus] | None = strawberry.field(default=None, description="Statuses of the task.")
    learner_ids: list[ID] | None = strawberry.field(default=None, description="Learners of the task.")
    department_ids: list[ID] | None = strawberry.field(default=None, description="Departments of the learner.")
    has_department: bool | None = strawberry.field(default=None, description="Whether the learner is in a department.")
    learning_group_ids: list[ID] | None = strawberry.field(default=None, description="Learning groups of the learner.")
    target_ids: list[ID] | None = strawberry.field(default=None, description="Courses or learning paths of the task.")
    bulk_assignment_id: ID | None = strawberry.field(default=None, description="Bulk assignment that created the task.")
    due_from: date | None = strawberry.field(default=None, description="Earliest due date.")
    due_until: date | None = strawberry.field(default=None, description="Latest due date.")
    is_assigned_by_viewer: bool | None = strawberry.field(
        default=None, description="Whether the viewer assigned the task."
    )
    assigner_ids: list[ID] | None = strawberry.field(default=None, description="Accounts that assigned the task.")
    search: str | None = strawberry.field(
        default=None, description="Part of the learner's name or email address, ignoring case."
    )
    includes_suspended: bool = strawberry.field(
        default=False, description="Whether tasks that rest because their learner is inactive are in it too."
    )


@strawberry.input(description="Order of mandatory tasks; ties by ID.")
class MandatoryTaskOrderInput:
    """Order of tasks."""

    field: TaskOrderField = strawberry.field(description="Field to sort by.")
    direction: SortDirection = strawberry.field(description="Direction of the sort.")


def tasks_in_order(order_by: MandatoryTaskOrderInput) -> Order:
    """Return the order of a list."""
    return task_order(order_by.field, is_descending=order_by.direction is SortDirection.DESC)


def task_filter(filter: MandatoryTaskFilterInput | None) -> TaskFilter:
    """Return the restriction of a list; raises Invalid for an ID that is malformed or of another type."""
    if filter is None:
        return TaskFilter()
    bulk = filter.bulk_assignment_id
    return TaskFilter(
        statuses=None if filter.statuses is None else tuple(filter.statuses),
        learner_ids=_references(ids.LEARNER, filter.learner_ids, "learnerIds"),
        department_ids=_references(ids.DEPARTMENT, filter.department_ids, "departmentIds"),
        has_department=filter.has_department,
        learning_group_ids=_references(ids.LEARNING_GROUP, filter.learning_group_ids, "learningGroupIds"),
        target_ids=_references(ids.CONTENT, filter.target_ids, "targetIds"),
        bulk_assignment_id=None
        if bulk is None
        else ids.filter_own_key(ids.BULK_ASSIGNMENT, bulk, path=["filter", "bulkAssignmentId"]),
        due_from=filter.due_from,
        due_until=filter.due_until,
        is_assigned_by_viewer=filter.is_assigned_by_viewer,
        assigner_ids=None if filter.assigner_ids is None else _accounts(filter.assigner_ids),
        search=filter.search,
        includes_suspended=filter.includes_suspended,
    )


def _references(prefix: str, texts: Sequence[str] | None, name: str) -> tuple[Reference, ...] | None:
    return None if texts is None else tuple(ids.filter_keys(prefix, texts, path=["filter", name]))


def _accounts(texts: Sequence[str]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return people and service accounts."""
    accounts = [
        ids.filter_typed_key((ids.LEARNER, ids.SERVICE_ACCOUNT), text, path=["filter", "assignerIds", number])
        for number, text in enumerate(texts)
    ]
    people, tools = (
        tuple(key for of, key in accounts if of == prefix) for prefix in (ids.LEARNER, ids.SERVICE_ACCOUNT)
    )
    return people, tools
