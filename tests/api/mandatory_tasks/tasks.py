"""Mandatory tasks given, changed and listed through the API."""

from typing import Any

from domain.content.models import Content
from domain.foundation.access import Principal
from tests.support.api import ApiClient
from tests.support.company import key_of, learner_id, mutation

ASSIGN = mutation("assignMandatoryTask", "mandatoryTask { id }")
WITHDRAW = mutation("withdrawMandatoryTask", "withdrawnMandatoryTaskId")
LIST = """
query ($first: Int! = 25, $after: String, $filter: MandatoryTaskFilterInput,
       $orderBy: MandatoryTaskOrderInput! = { field: DUE_ON, direction: ASC }) {
  mandatoryTasks(first: $first, after: $after, filter: $filter, orderBy: $orderBy) {
    totalCount changeCursor pageInfo { hasNextPage hasPreviousPage endCursor }
    nodes { id status dueOn isSuspended learner { name } target { title } } } }
"""
COUNTS = """
query ($filter: MandatoryTaskFilterInput) {
  mandatoryTaskCounts(filter: $filter) { assigned inProgress completed overdue } }
"""
BREAKDOWN = """
query ($by: MandatoryTaskGrouping!, $filter: MandatoryTaskFilterInput, $first: Int! = 100) {
  mandatoryTaskBreakdown(by: $by, filter: $filter, first: $first) {
    key label counts { assigned inProgress completed overdue } } }
"""


async def assign(client: ApiClient, person: Principal, content: Content, due_on: str, **terms: Any) -> str:
    """Give somebody a task and return its ID."""
    given = {"learner": {"id": learner_id(person)}, "target": key_of(content), "dueOn": due_on, **terms}
    payload = await client.value(ASSIGN, input=given)
    task_id: str = payload["mandatoryTask"]["id"]
    return task_id


async def listed(client: ApiClient, **variables: Any) -> list[str]:
    """Return learner and target of each task on a page."""
    nodes = (await client.value(LIST, **variables))["nodes"]
    return [f"{node['learner']['name']}: {node['target']['title']}" for node in nodes]


async def counted(client: ApiClient, **filter: Any) -> tuple[int, ...]:
    """Return the numbers of tasks that are assigned, in progress, completed and overdue."""
    return tuple((await client.value(COUNTS, filter=filter)).values())


async def grouped(client: ApiClient, by: str, **variables: Any) -> list[tuple[str | None, str, tuple[int, ...]]]:
    """Return key, label and numbers of each group."""
    groups = await client.value(BREAKDOWN, by=by, **variables)
    return [(group["key"], group["label"], tuple(group["counts"].values())) for group in groups]
