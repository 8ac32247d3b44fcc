"""How many tasks stand in each status: of all that a filter gives, and group by group."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from domain.foundation.access import Principal
from domain.foundation.database.sessions import Statements
from domain.foundation.errors import Invalid
from domain.foundation.paging import Query, plan_each_time
from domain.mandatory_tasks.overview.filter import TaskFilter, restrict
from domain.mandatory_tasks.overview.status_conditions import numbers_per_status
from domain.mandatory_tasks.rights import require_reading_role

MOST_GROUPS = 1_000
#: What people without a department are called.
NO_DEPARTMENT = "No department"


class TaskGrouping(Enum):
    """Ways to group tasks."""

    DEPARTMENT = "DEPARTMENT"
    TARGET = "TARGET"
    ASSIGNER = "ASSIGNER"


@dataclass(frozen=True, slots=True)
class TaskCounts:
    """Numbers of tasks per status."""

    assigned: int
    in_progress: int
    completed: int
    overdue: int


@dataclass(frozen=True, slots=True)
class TaskGroup:
    """Tasks of one group. Its key is that of the department or target, or one of the assigner's two."""

    key: int | None
    service_account_id: int | None
    label: str
    assigned: int
    in_progress: int
    completed: int
    overdue: int

    @property
    def counts(self) -> TaskCounts:
        """Numbers per status."""
        return TaskCounts(self.assigned, self.in_progress, self.completed, self.overdue)


@dataclass(frozen=True, slots=True)
class _Grouping:
    """How tasks are grouped: the key of the group, what is joined for it, and whose names the groups have."""

    key: str
    service_account_id: str
    join: str
    names: str
    label: str
    name_key: str


_GROUPINGS = {
    TaskGrouping.DEPARTMENT: _Grouping(
        key="p.place_id",
        service_account_id="NULL::bigint",
        join=" LEFT JOIN learner_place p ON p.tenant_id = t.tenant_id AND p.learner_id = t.learner_id AND p.kind = 'D'",
        names=" LEFT JOIN place n ON n.id = g.key",
        label=f"coalesce(n.name, '{NO_DEPARTMENT}')",
        name_key="n.name_key",
    ),
    TaskGrouping.TARGET: _Grouping(
        key="t.target_id",
        service_account_id="NULL::bigint",
        join="",
        names=" JOIN content n ON n.id = g.key",
        label="n.title",
        name_key="n.title_key",
    ),
    TaskGrouping.ASSIGNER: _Grouping(
        key="t.assigner_learner_id",
        service_account_id="t.assigner_service_account_id",
        join="",
        names=" LEFT JOIN learner n ON n.id = g.key LEFT JOIN service_account s ON s.id = g.service_account_id",
        label="coalesce(n.name, s.name)",
        name_key="coalesce(n.name_key, s.name_key)",
    ),
}


async def count_tasks(reads: Statements, principal: Principal, *, restriction: TaskFilter, now: datetime) -> TaskCounts:
    """Count the tasks that the viewer may see. Raises Forbidden, Invalid and TooManyItems."""
    query = await _counted(reads, principal, restriction, now)
    counts = await reads.row(TaskCounts, query.text, *query.args)
    assert counts is not None, "an aggregate has one row"
    return counts


async def break_down_tasks(
    reads: Statements,
    principal: Principal,
    *,
    by: TaskGrouping,
    restriction: TaskFilter,
    first: int,
    now: datetime,
) -> Sequence[TaskGroup]:
    """Count the tasks that the viewer may see group by group: most overdue ones first, then most open ones.

    Raises Forbidden, Invalid and TooManyItems.
    """
    if not 1 <= first <= MOST_GROUPS:
        raise Invalid(f"From 1 to {MOST_GROUPS:,}.", path=["first"])
    query = await _counted(reads, principal, restriction, now)
    grouping = _GROUPINGS[by]
    query.select = f"{grouping.key} AS key, {grouping.service_account_id} AS service_account_id, {query.select}"
    query.source += grouping.join
    return await reads.rows(
        TaskGroup,
        f"SELECT g.key, g.service_account_id, {grouping.label} AS label, g.assigned, g.in_progress, g.completed,"
        f" g.overdue FROM ({query.text} GROUP BY 1, 2) g{grouping.names}"
        f" ORDER BY g.overdue DESC, g.assigned + g.in_progress DESC, {grouping.name_key} NULLS LAST, g.key,"
        f" g.service_account_id LIMIT {first}",
        *query.args,
    )


async def _counted(reads: Statements, principal: Principal, restriction: TaskFilter, now: datetime) -> Query:
    """Return the query of the numbers per status; its statements are planned for their arguments."""
    require_reading_role(principal)
    numbers = numbers_per_status("$1", includes_suspended=restriction.includes_suspended)
    query = Query(numbers, "mandatory_task t", [now]).where("t.tenant_id = ?", principal.tenant_id)
    await restrict(reads, principal, query, restriction, now)
    await plan_each_time(reads)
    return query
