"""Pages of the overview of mandatory tasks, and numbers of tasks per status, beside the same as plain SQL.

A page has fifty tasks with their learners and targets, as the list of the API reads them: in one snapshot, bound by row
level security. The floor is one statement, written out for the one case, as the owner of the tables. Both take turns.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from time import perf_counter
from typing import Any

from bench.database import Addresses, Connection, settle, without_indexes
from bench.report import Figure, Spread
from bench.size import Size
from bench.tasks import TASKS_PER_LEARNER, GivenTasks, give_tasks
from bench.world import Company, found_company
from domain.content.queries import load_contents_by_id
from domain.foundation import clock
from domain.foundation.access import Principal
from domain.foundation.database.sessions import ReadScope
from domain.foundation.paging import PageRequest
from domain.mandatory_tasks.overview.counts import TaskGrouping, break_down_tasks, count_tasks
from domain.mandatory_tasks.overview.filter import TaskFilter
from domain.mandatory_tasks.overview.queries import TaskOrderField, list_tasks, task_order
from domain.mandatory_tasks.status import TaskStatus
from domain.people.queries import load_learners_by_id

NAME = "overview"
FILLED = ("learner", "learner_ref", "learner_place", "enrollment", "enrollment_reason", "content_action")
PAGE = 50
DEEP_PAGE = 1_000
#: Of pages, and of what reads all tasks.
PAGES, COUNTS = 200, 10
#: Statements are planned anew a few times before PostgreSQL keeps a plan, on each connection.
WARM_UP = 15

OPEN = (TaskStatus.ASSIGNED, TaskStatus.IN_PROGRESS, TaskStatus.OVERDUE)
IN_FORCE = "t.tenant_id = $1 AND t.withdrawn_at IS NULL AND NOT t.is_suspended"

_PLAIN_PAGE = """
SELECT t.id, t.due_on, t.stage, t.due_at, l.name, c.title FROM mandatory_task t
  JOIN learner l ON l.id = t.learner_id JOIN content c ON c.id = t.target_id
 WHERE {} ORDER BY {} LIMIT 51
"""


@dataclass(frozen=True, slots=True)
class _Case:
    """A question, and the same one in SQL."""

    name: str
    ask: Callable[[ReadScope], Awaitable[int]]
    statement: str
    args: Sequence[Any]
    repeats: int = PAGES


async def measure(owner: Connection, addresses: Addresses, size: Size) -> list[Figure]:
    """Measure each case."""
    now = clock.now()
    learners = size.overview_tasks // TASKS_PER_LEARNER
    async with without_indexes(owner, (*FILLED, "mandatory_task")):
        company = await found_company(owner, NAME, learners, now)
        given = await give_tasks(owner, company, now)
    await settle(owner)
    cases = [*await _pages(owner, company, given, now), *_numbers(company, given, now)]
    return [await _measure(owner, company, given, case) for case in cases]


async def _pages(owner: Connection, company: Company, given: GivenTasks, now: datetime) -> list[_Case]:
    tenant, admin = company.tenant_id, company.admin
    is_open = f"{IN_FORCE} AND t.stage <> 'COMPLETED'"
    # As many pages as there are, of which the last is no whole one.
    deep = await owner.fetchrow(
        f"SELECT t.due_on, t.id FROM mandatory_task t WHERE {is_open} ORDER BY t.due_on, t.id OFFSET $2 LIMIT 1",
        tenant,
        min(PAGE * (DEEP_PAGE - 1), given.count // 10),
    )
    assert deep is not None
    todo = TaskFilter(statuses=OPEN)
    rare = company.departments[-1]
    name = f"learner {company.learner_count // 2}"
    in_department = "t.learner_id IN (SELECT p.learner_id FROM learner_place p WHERE p.place_id = $2)"
    trained = "t.target_id IN (SELECT content_id FROM content_trainer WHERE learner_id = $2)"
    by_due, latest = "t.due_on, t.id", "t.updated_at DESC, t.id DESC"
    return [
        _Case("page 1 of what is open", _page(admin, todo, now), _PLAIN_PAGE.format(is_open, by_due), [tenant]),
        _Case(
            f"page {DEEP_PAGE:,}",
            _page(admin, todo, now, after=[deep["due_on"].isoformat(), deep["id"]]),
            _PLAIN_PAGE.format(f"{is_open} AND (t.due_on, t.id) > ($2, $3)", by_due),
            [tenant, deep["due_on"], deep["id"]],
        ),
        _Case(
            "page 1 of the latest changed",
            _page(admin, TaskFilter(), now, field=TaskOrderField.UPDATED_AT, is_descending=True),
            _PLAIN_PAGE.format(IN_FORCE, latest),
            [tenant],
        ),
        _Case(
            "page 1 of what is overdue",
            _page(admin, TaskFilter(statuses=(TaskStatus.OVERDUE,)), now, is_descending=True),
            _PLAIN_PAGE.format(f"{is_open} AND t.due_at <= $2", "t.due_on DESC, t.id DESC"),
            [tenant, now],
        ),
        _Case(
            "page 1 of a small department",
            _page(admin, TaskFilter(statuses=OPEN, department_ids=(rare,)), now),
            _PLAIN_PAGE.format(f"{is_open} AND {in_department}", by_due),
            [tenant, rare],
        ),
        _Case(
            "page 1 of a large department",
            _page(admin, TaskFilter(statuses=OPEN, department_ids=(company.departments[0],)), now),
            _PLAIN_PAGE.format(f"{is_open} AND {in_department}", by_due),
            [tenant, company.departments[0]],
        ),
        _Case(
            "page 1 by name",
            _page(admin, TaskFilter(statuses=OPEN, search=name), now),
            _PLAIN_PAGE.format(f"{is_open} AND l.name_key LIKE $2", by_due),
            [tenant, f"%{name}%"],
        ),
        _Case(
            "page 1 of a target",
            _page(admin, TaskFilter(statuses=OPEN, target_ids=(company.courses[5],)), now),
            _PLAIN_PAGE.format(f"{is_open} AND t.target_id = $2", by_due),
            [tenant, company.courses[5]],
        ),
        _Case(
            "page 1 of a trainer",
            _page(given.trainer, todo, now),
            _PLAIN_PAGE.format(f"{is_open} AND (t.learner_id = $2 OR t.assigner_learner_id = $2 OR {trained})", by_due),
            [tenant, given.trainer.learner_id],
        ),
    ]


def _page(
    principal: Principal,
    restriction: TaskFilter,
    now: datetime,
    *,
    field: TaskOrderField = TaskOrderField.DUE_ON,
    is_descending: bool = False,
    after: list[Any] | None = None,
) -> Callable[[ReadScope], Awaitable[int]]:
    async def ask(reads: ReadScope) -> int:
        page = await list_tasks(
            reads,
            principal,
            restriction=restriction,
            order=task_order(field, is_descending=is_descending),
            request=PageRequest(PAGE, after),
            now=now,
        )
        await load_learners_by_id(reads, principal, sorted({row.learner_id for row in page.rows}))
        await load_contents_by_id(reads, principal, sorted({row.target_id for row in page.rows}))
        return len(page.rows) + page.has_next

    return ask


def _numbers(company: Company, given: GivenTasks, now: datetime) -> list[_Case]:
    tenant, admin = company.tenant_id, company.admin
    counted = (
        "SELECT count(*) FILTER (WHERE t.stage <> 'COMPLETED' AND t.due_at <= $2), count(*) FILTER (WHERE t.stage ="
        " 'ASSIGNED' AND t.due_at > $2), count(*) FILTER (WHERE t.stage = 'IN_PROGRESS' AND t.due_at > $2), count(*)"
    )
    plain = f"{counted} FROM mandatory_task t WHERE {IN_FORCE}"

    def counts(principal: Principal, restriction: TaskFilter) -> Callable[[ReadScope], Awaitable[int]]:
        async def ask(reads: ReadScope) -> int:
            await count_tasks(reads, principal, restriction=restriction, now=now)
            return 1

        return ask

    def groups(by: TaskGrouping) -> Callable[[ReadScope], Awaitable[int]]:
        async def ask(reads: ReadScope) -> int:
            return len(await break_down_tasks(reads, admin, by=by, restriction=TaskFilter(), first=1_000, now=now))

        return ask

    rare, large = company.departments[-1], company.departments[0]
    in_department = "t.learner_id IN (SELECT p.learner_id FROM learner_place p WHERE p.place_id = $3)"
    return [
        _Case("counts of all", counts(admin, TaskFilter()), plain, [tenant, now], COUNTS),
        _Case(
            "counts of what is open",
            counts(admin, TaskFilter(statuses=OPEN)),
            f"{plain} AND t.stage <> 'COMPLETED'",
            [tenant, now],
            COUNTS,
        ),
        *(
            _Case(
                f"counts of a {kind} department",
                counts(admin, TaskFilter(department_ids=(department,))),
                f"{plain} AND {in_department}",
                [tenant, now, department],
                COUNTS,
            )
            for kind, department in (("small", rare), ("large", large))
        ),
        _Case(
            "counts of a trainer",
            counts(given.trainer, TaskFilter()),
            f"{plain} AND (t.learner_id = $3 OR t.assigner_learner_id = $3 OR t.target_id IN"
            " (SELECT content_id FROM content_trainer WHERE learner_id = $3))",
            [tenant, now, given.trainer.learner_id],
            COUNTS,
        ),
        _Case(
            "groups by department",
            groups(TaskGrouping.DEPARTMENT),
            f"{counted}, p.place_id FROM mandatory_task t LEFT JOIN learner_place p ON p.learner_id = t.learner_id"
            f" AND p.kind = 'D' WHERE {IN_FORCE} GROUP BY p.place_id",
            [tenant, now],
            COUNTS,
        ),
        _Case(
            "groups by target",
            groups(TaskGrouping.TARGET),
            f"{counted}, t.target_id FROM mandatory_task t WHERE {IN_FORCE} GROUP BY t.target_id",
            [tenant, now],
            COUNTS,
        ),
        _Case(
            "groups by assigner",
            groups(TaskGrouping.ASSIGNER),
            f"{counted}, t.assigner_learner_id FROM mandatory_task t WHERE {IN_FORCE} GROUP BY t.assigner_learner_id",
            [tenant, now],
            COUNTS,
        ),
    ]


async def _measure(owner: Connection, company: Company, given: GivenTasks, case: _Case) -> Figure:
    seconds: list[float] = []
    floor: list[float] = []
    warm_up = WARM_UP if case.repeats == PAGES else 1
    for _ in range(warm_up + case.repeats):
        begin = perf_counter()
        async with ReadScope(company.tenant_id) as reads:
            count = await case.ask(reads)
        seconds.append(perf_counter() - begin)
        begin = perf_counter()
        found = await owner.fetch(case.statement, *case.args)
        floor.append(perf_counter() - begin)
        if count != len(found):
            raise AssertionError(f"{case.name}: {count} rows instead of {len(found)}.")
    whole, plain = Spread.of(seconds[warm_up:]), Spread.of(floor[warm_up:])
    return Figure(
        NAME,
        f"{case.name}, {given.count:,} tasks",
        whole.median,
        "ms",
        plain.median,
        whole.median / plain.median,
        details={"first": round(seconds[0] * 1_000, 1), "p99": round(whole.p99, 1)},
    )
