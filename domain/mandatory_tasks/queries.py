"""Tasks as viewers see them: own ones, for trainers those they assigned or whose target they train, all for admins."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace

from domain.foundation.access import Principal
from domain.foundation.database.sessions import Statements
from domain.foundation.pages_of_many import read_alike, read_pages
from domain.foundation.paging import Order, Page, PageRequest, Query, SortKey
from domain.mandatory_tasks.rights import changeability, visibility
from domain.mandatory_tasks.status import TaskStage


@dataclass(frozen=True, slots=True)
class TaskView:
    """A task in its current cycle. The status at an instant is worked out by `status_of`."""

    id: int
    learner_id: int
    target_id: int
    assigner_learner_id: int | None
    assigner_service_account_id: int | None
    bulk_assignment_id: int | None
    note: str | None
    every_weeks: int | None
    cycle_number: int
    due_on: dt.date
    due_at: dt.datetime
    stage: str
    completed_at: dt.datetime | None
    is_suspended: bool
    next_due_on: dt.date | None
    next_opens_on: dt.date | None
    withdrawn_at: dt.datetime | None
    created_at: dt.datetime
    updated_at: dt.datetime
    version: int
    enrollment_id: int
    #: Whether the viewer may look the task up; what hangs on it is shown only then.
    is_visible: bool
    #: Whether the account may change the task, as far as the account goes.
    is_changeable: bool

    @property
    def is_completed(self) -> bool:
        """Whether the current cycle is completed."""
        return self.stage == TaskStage.COMPLETED


@dataclass(frozen=True, slots=True)
class CycleRow:
    """One round of a task."""

    id: int
    task_id: int
    number: int
    opened_on: dt.date
    due_on: dt.date
    completed_at: dt.datetime | None


@dataclass(frozen=True, slots=True)
class CyclesOfTask:
    """Key of one page of a task's cycles."""

    task_id: int
    request: PageRequest


@dataclass(frozen=True, slots=True)
class RequiredCourseRow:
    """A course that a learning path requires, and how far the learner is in it."""

    course_id: int
    status: str


SOURCE = (
    "mandatory_task t JOIN enrollment e ON e.tenant_id = t.tenant_id AND e.learner_id = t.learner_id"
    " AND e.content_id = t.target_id"
)
_CYCLE_ORDER = Order((SortKey("c.number", "number"),), is_descending=True)


def tasks(principal: Principal, source: str = SOURCE) -> Query:
    """Return the query of the tenant's tasks, withdrawn ones too, visible or not."""
    seen = visibility(principal)
    columns = (
        "t.id, t.learner_id, t.target_id, t.assigner_learner_id, t.assigner_service_account_id, t.bulk_assignment_id,"
        " t.note, t.every_weeks, t.cycle_number, t.due_on, t.due_at, t.stage, t.completed_at, t.is_suspended,"
        " t.next_due_on, t.next_opens_on, t.withdrawn_at, t.created_at, t.updated_at, t.version,"
        f" e.id AS enrollment_id, {seen} AS is_visible, {changeability(principal)} AS is_changeable"
    )
    return Query(columns, source).where("t.tenant_id = ?", principal.tenant_id)


async def load_tasks_by_id(reads: Statements, principal: Principal, ids: Sequence[int]) -> list[TaskView | None]:
    """Return tasks that are reached from something visible, in short form where they cannot be looked up themselves."""
    query = tasks(principal).where("t.id = ANY (?::bigint[])", list(ids))
    rows = {row.id: _shown(row, principal) for row in await reads.rows(TaskView, query.text, *query.args)}
    return [rows.get(task_id) for task_id in ids]


async def load_visible_tasks_by_id(
    reads: Statements, principal: Principal, ids: Sequence[int]
) -> list[TaskView | None]:
    """Return tasks that the viewer may look up, also withdrawn ones, aligned with their IDs."""
    rows = await load_tasks_by_id(reads, principal, ids)
    return [row if row is not None and row.is_visible else None for row in rows]


async def load_changed_tasks_by_id(
    reads: Statements, principal: Principal, ids: Sequence[int]
) -> list[TaskView | None]:
    """Return tasks that a change of the account has touched: a tool sees its work, people what they may look up."""
    if principal.is_person:
        return await load_visible_tasks_by_id(reads, principal, ids)
    return await load_tasks_by_id(reads, principal, ids)


def _shown(row: TaskView, principal: Principal) -> TaskView:
    """Return a task as it is seen from elsewhere; that it is withdrawn is told, or it would seem to be in force."""
    if row.is_visible or not principal.is_person:
        return row
    return replace(row, note=None, every_weeks=None, completed_at=None, next_due_on=None, next_opens_on=None)


async def load_open_tasks_by_enrollment(
    reads: Statements, principal: Principal, enrollment_ids: Sequence[int]
) -> list[list[TaskView]]:
    """Return the open tasks that need each enrollment, directly or through a path, by due date."""
    needed = await reads.fetch(
        """
        SELECT r.enrollment_id, b.task_id FROM enrollment_reason r
          JOIN enrollment_reason b ON b.tenant_id = $1 AND b.learner_id = r.learner_id AND b.is_binding
           AND b.until_at IS NULL
           AND b.content_id = CASE WHEN r.source = 'LEARNING_PATH' THEN r.path_id ELSE r.content_id END
         WHERE r.tenant_id = $1 AND r.enrollment_id = ANY ($2::bigint[]) AND r.until_at IS NULL
           AND (r.id = b.id OR r.source = 'LEARNING_PATH')
        """,
        principal.tenant_id,
        list(enrollment_ids),
    )
    found = await load_tasks_by_id(reads, principal, sorted({row["task_id"] for row in needed}))
    by_id = {task.id: task for task in found if task is not None}
    by_enrollment: dict[int, list[TaskView]] = {enrollment_id: [] for enrollment_id in enrollment_ids}
    for row in needed:
        if row["task_id"] in by_id:
            by_enrollment[row["enrollment_id"]].append(by_id[row["task_id"]])
    return [sorted(by_enrollment[key], key=lambda task: (task.due_on, task.id)) for key in enrollment_ids]


async def load_cycles_of_tasks(
    reads: Statements, principal: Principal, keys: Sequence[CyclesOfTask]
) -> list[Page[CycleRow]]:
    """Return a page of the cycles of each task, newest first; the tasks have to be visible."""
    query = Query("c.id, c.task_id, c.number, c.opened_on, c.due_on, c.completed_at", "task_cycle c").where(
        "c.tenant_id = ?", principal.tenant_id
    )

    async def read(alike: list[CyclesOfTask]) -> list[Page[CycleRow]]:
        columns, parents = ["c.task_id"], [(key.task_id,) for key in alike]
        return await read_pages(
            reads, CycleRow, query, _CYCLE_ORDER, alike[0].request, columns=columns, parents=parents
        )

    return await read_alike(keys, lambda key: key.request, read)


async def load_all_cycles_by_task(reads: Statements, principal: Principal, ids: Sequence[int]) -> list[list[CycleRow]]:
    """Return every cycle of each task from the first on; the tasks have to be visible."""
    cycles: dict[int, list[CycleRow]] = {task_id: [] for task_id in ids}
    for row in await reads.rows(
        CycleRow,
        "SELECT c.id, c.task_id, c.number, c.opened_on, c.due_on, c.completed_at FROM task_cycle c"
        " WHERE c.tenant_id = $1 AND c.task_id = ANY ($2::bigint[]) ORDER BY c.task_id, c.number",
        principal.tenant_id,
        list(ids),
    ):
        cycles[row.task_id].append(row)
    return [cycles[task_id] for task_id in ids]


async def load_required_courses_by_task(
    reads: Statements, principal: Principal, ids: Sequence[int]
) -> list[list[RequiredCourseRow]]:
    """Return the mandatory courses of the path that each task targets, in order; none for a course."""
    courses: dict[int, list[RequiredCourseRow]] = {task_id: [] for task_id in ids}
    for record in await reads.fetch(
        """
        SELECT t.id, i.course_id, coalesce(e.status, 'NOT_STARTED') AS status FROM mandatory_task t
          JOIN learning_path_item i ON i.tenant_id = $1 AND i.path_id = t.target_id AND i.is_mandatory
          LEFT JOIN enrollment e ON e.tenant_id = $1 AND e.learner_id = t.learner_id AND e.content_id = i.course_id
         WHERE t.tenant_id = $1 AND t.id = ANY ($2::bigint[]) ORDER BY t.id, i.position
        """,
        principal.tenant_id,
        list(ids),
    ):
        courses[record["id"]].append(RequiredCourseRow(record["course_id"], record["status"]))
    return [courses[task_id] for task_id in ids]
