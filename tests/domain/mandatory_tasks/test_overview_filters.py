"""Lists, counts and groups of tasks agree with a plain evaluation in Python, for random tasks, filters and viewers."""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from domain.foundation.access import Principal, Role, Scope
from domain.foundation.database.sessions import ReadScope, writing
from domain.foundation.keys import ExternalId, Reference
from domain.foundation.paging import PageRequest
from domain.mandatory_tasks.models import MandatoryTask
from domain.mandatory_tasks.overview import filter as task_filter
from domain.mandatory_tasks.overview.counts import NO_DEPARTMENT, TaskGrouping, break_down_tasks, count_tasks
from domain.mandatory_tasks.overview.export import report_tasks
from domain.mandatory_tasks.overview.filter import TaskFilter
from domain.mandatory_tasks.overview.queries import (
    TaskOrderField,
    TasksOfLearner,
    list_tasks,
    load_tasks_of_learners,
    task_order,
)
from domain.mandatory_tasks.status import TaskStage, TaskStatus
from domain.mandatory_tasks.task_rows import status_of
from domain.people.models import Learner, PlaceKind
from domain.tenants.models import Tenant
from tests.support import factories
from tests.support.given_tasks import create_bulk_assignment, create_task

FILTERS = 25
UNKNOWN = 999_999_999


@dataclass(slots=True)
class Crowd:
    """Tasks of a company, with what the evaluation needs to know of it."""

    tenant_id: int
    now: datetime
    tasks: list[MandatoryTask]
    people: dict[int, Learner]
    #: By learner.
    departments: dict[int, int]
    groups: dict[int, set[int]]
    #: By place, content and bulk assignment: who owns, trains or has started it.
    owners: dict[int, int]
    trainers: dict[int, int]
    starters: dict[int, int | None]
    titles: dict[int, str]
    external_ids: dict[str, int]
    viewers: list[Principal]
    tool: Principal

    def status(self, task: MandatoryTask) -> TaskStatus:
        """Return how a task stands."""
        return status_of(task.stage, task.due_at, self.now, is_suspended=task.is_suspended)


async def make_crowd(tenant: Tenant, now: datetime, draw: random.Random) -> Crowd:
    """Make some eighty tasks of twenty people, with ties in every order."""
    staff = [
        await factories.create_person(tenant.id, role=role, name=f"{role.value.title()} {number}")
        for number, role in enumerate((Role.ADMIN, Role.TRAINER, Role.TRAINER, Role.LEARNER))
    ]
    tool = await factories.create_service_account(tenant.id, scopes=[Scope.READ], name="Tool")
    owner = staff[1].learner_id or 0
    departments = [
        await factories.create_place(tenant.id, kind=PlaceKind.DEPARTMENT, name=name, external_id=f"d{name}")
        for name in ("Sales", "Care", "Empty")
    ]
    groups = [
        await factories.create_place(tenant.id, kind=PlaceKind.LEARNING_GROUP, name=name, owner_id=owner_id)
        for name, owner_id in (("Own", owner), ("Other", staff[2].learner_id))
    ]
    courses = [
        await factories.create_course(
            tenant.id,
            title=f"Course {number}",
            external_id=f"c{number}",
            trainers=[owner] if number < 2 else [staff[3].learner_id or 0] if number == 2 else [],
        )
        for number in range(5)
    ]
    people: dict[int, Learner] = {}
    of_department: dict[int, int] = {}
    of_groups: dict[int, set[int]] = {}
    for number in range(20):
        places = [draw.choice(departments[:2])] if draw.random() < 0.8 else []
        belongs = [group for group in groups if draw.random() < 0.3]
        name = draw.choice(("Anna", "Bert", "Çelik", "O_Neil"))
        person = await factories.create_learner(
            tenant.id, name=f"{name} {number}", email=f"p{number}@x.test", places=[*places, *belongs],
            external_id=f"p{number}",
        )  # fmt: skip
        people[person.id] = person
        of_groups[person.id] = {group.id for group in belongs}
        if places:
            of_department[person.id] = places[0].id
    for principal in staff:
        of_groups[principal.learner_id or 0] = set()
    bulks = [
        await create_bulk_assignment(courses[0].id, by=starter, due_on=date(2026, 4, 1))
        for starter in (staff[0], staff[1])
    ]
    tasks = []
    for learner_id in [*people, *(principal.learner_id or 0 for principal in staff)]:
        for course in draw.sample(courses, k=draw.choice((2, 3, 5))):
            tasks.append(
                await create_task(
                    learner_id,
                    course.id,
                    by=draw.choice([*staff[:3], tool]),
                    due_on=now.date() + timedelta(days=draw.randint(-4, 4)),
                    stage=draw.choice(list(TaskStage)),
                    is_suspended=draw.random() < 0.1,
                    withdrawn_at=now if draw.random() < 0.1 else None,
                    bulk_assignment_id=draw.choice([None, None, *(bulk.id for bulk in bulks)]),
                    created_at=now - timedelta(hours=draw.randint(0, 5)),
                    updated_at=now + timedelta(microseconds=draw.randint(0, 5)),
                )
            )
    everybody = {row.id: row for row in await _all_learners(tenant.id)}
    return Crowd(
        tenant_id=tenant.id,
        now=now,
        tasks=tasks,
        people=everybody,
        departments=of_department,
        groups=of_groups,
        owners={group.id: group.owner_id or 0 for group in groups},
        trainers={courses[0].id: owner, courses[1].id: owner},
        starters={bulk.id: bulk.created_by_learner_id for bulk in bulks},
        titles={course.id: course.title for course in courses},
        external_ids={
            **{f"c{number}": course.id for number, course in enumerate(courses)},
            **{f"d{place.name}": place.id for place in departments},
            **{person.external_id or "": person.id for person in people.values()},
        },
        viewers=[*staff, tool],
        tool=tool,
    )


async def _all_learners(tenant_id: int) -> list[Learner]:
    async with writing(tenant_id):
        return await Learner.filter(tenant_id=tenant_id)


def draw_filter(crowd: Crowd, draw: random.Random) -> TaskFilter:
    """Return a filter with few or many fields, of which some name what is not there."""

    def some(values: Sequence[Any], most: int = 3) -> tuple[Any, ...]:
        return tuple(draw.choice(values) for _ in range(draw.randint(0 if draw.random() < 0.1 else 1, most)))

    def named(prefix: str, own: Sequence[int]) -> tuple[Reference, ...]:
        theirs = [ExternalId(key) for key in crowd.external_ids if key.startswith(prefix)]
        return some([*own, *theirs, UNKNOWN, ExternalId("nothing")])

    fields: dict[str, Callable[[], Any]] = {
        "statuses": lambda: some(list(TaskStatus)),
        "learner_ids": lambda: some([*named("p", list(crowd.people)), *crowd.people]),
        "department_ids": lambda: named("d", sorted(set(crowd.departments.values()))),
        "has_department": lambda: draw.random() < 0.5,
        "learning_group_ids": lambda: some([*crowd.owners, UNKNOWN]),
        "target_ids": lambda: named("c", list(crowd.titles)),
        "bulk_assignment_id": lambda: draw.choice([*crowd.starters, UNKNOWN]),
        "due_from": lambda: crowd.now.date() + timedelta(days=draw.randint(-4, 1)),
        "due_until": lambda: crowd.now.date() + timedelta(days=draw.randint(-1, 4)),
        "is_assigned_by_viewer": lambda: draw.random() < 0.5,
        "assigner_ids": lambda: (
            some([viewer.learner_id for viewer in crowd.viewers if viewer.learner_id]),
            (crowd.tool.service_account_id,) if draw.random() < 0.5 else (),
        ),
        "search": lambda: draw.choice(["anna", "ÇELIK", "celik", "o_n", "%", "@X.test", "p1", " ", "nobody"]),
        "includes_suspended": lambda: draw.random() < 0.7,
    }
    chosen = draw.sample(sorted(fields), k=draw.choice((0, 1, 1, 1, 2, 2, 3)))
    return TaskFilter(**{name: fields[name]() for name in chosen})


def expected(crowd: Crowd, viewer: Principal, by: TaskFilter) -> list[MandatoryTask]:
    """Return the tasks of a filter that the viewer may see, one field after the other."""

    def ids(references: Sequence[Reference], *, is_directory: bool = False) -> set[int]:
        # Partners' IDs of people are none of a trainer's business, and titles and departments everybody's.
        hidden = is_directory and viewer.is_trainer
        return {
            crowd.external_ids.get(one, 0) if isinstance(one, ExternalId) else one
            for one in references
            if not (hidden and isinstance(one, ExternalId))
        }

    def is_own(task: MandatoryTask) -> bool:
        if viewer.service_account_id is not None:
            return bool(task.assigner_service_account_id == viewer.service_account_id)
        return bool(task.assigner_learner_id == viewer.learner_id)

    def is_seen(task: MandatoryTask) -> bool:
        trains = viewer.is_trainer and crowd.trainers.get(task.target_id) == viewer.learner_id
        assigned = viewer.is_trainer and is_own(task)
        return viewer.sees_all or task.learner_id == viewer.learner_id or trains or assigned

    def is_found(task: MandatoryTask) -> bool:
        person = crowd.people[task.learner_id]
        text = (by.search or "").strip().lower().replace("ç", "c")
        words = (person.name.lower().replace("ç", "c"), (person.email or "").lower())
        groups = {key for key in ids(by.learning_group_ids or ()) if viewer.sees_all or _owns(crowd, viewer, key)}
        sees_bulk = viewer.sees_all or (
            viewer.is_trainer and crowd.starters.get(by.bulk_assignment_id or 0) == viewer.learner_id
        )
        people, tools = by.assigner_ids or ((), ())
        return (
            task.withdrawn_at is None
            and (by.includes_suspended or not task.is_suspended)
            and (by.statuses is None or crowd.status(task) in by.statuses)
            and (by.learner_ids is None or task.learner_id in ids(by.learner_ids, is_directory=True))
            and (by.department_ids is None or crowd.departments.get(task.learner_id) in ids(by.department_ids))
            and (by.has_department is None or (task.learner_id in crowd.departments) is by.has_department)
            and (by.learning_group_ids is None or bool(crowd.groups[task.learner_id] & groups))
            and (by.target_ids is None or task.target_id in ids(by.target_ids))
            and (by.bulk_assignment_id is None or (sees_bulk and task.bulk_assignment_id == by.bulk_assignment_id))
            and (by.due_from is None or task.due_on >= by.due_from)
            and (by.due_until is None or task.due_on <= by.due_until)
            and (by.is_assigned_by_viewer is None or is_own(task) is by.is_assigned_by_viewer)
            and (
                by.assigner_ids is None
                or task.assigner_learner_id in people
                or task.assigner_service_account_id in tools
            )
            and (not text or any(text in word for word in words))
        )

    return [task for task in crowd.tasks if is_seen(task) and is_found(task)]


def _owns(crowd: Crowd, viewer: Principal, group: int) -> bool:
    return crowd.owners.get(group) == viewer.learner_id


async def listed(
    reads: ReadScope, crowd: Crowd, viewer: Principal, by: TaskFilter, field: TaskOrderField, is_descending: bool
) -> list[int]:
    """Return all tasks of a list, page by page."""
    order = task_order(field, is_descending=is_descending)
    found: list[int] = []
    after: list[Any] | None = None
    while True:
        page = await list_tasks(
            reads, viewer, restriction=by, order=order, request=PageRequest(7, after), now=crowd.now
        )
        found += [row.id for row in page.rows]
        if not page.has_next:
            assert await page.query.count(reads) == len(found)
            return found
        after = order.position(page.rows[-1])


def tally(crowd: Crowd, tasks: Sequence[MandatoryTask]) -> tuple[int, ...]:
    """Return numbers per status."""
    counts = Counter(crowd.status(task) for task in tasks)
    return tuple(
        counts[status]
        for status in (TaskStatus.ASSIGNED, TaskStatus.IN_PROGRESS, TaskStatus.COMPLETED, TaskStatus.OVERDUE)
    )


def grouped(
    crowd: Crowd, tasks: Sequence[MandatoryTask], by: TaskGrouping
) -> list[tuple[int | None, str, tuple[int, ...]]]:
    """Return key, label and numbers of each group, most overdue first, then most open."""
    keys: dict[TaskGrouping, Callable[[MandatoryTask], int | None]] = {
        TaskGrouping.DEPARTMENT: lambda task: crowd.departments.get(task.learner_id),
        TaskGrouping.TARGET: lambda task: task.target_id,
        TaskGrouping.ASSIGNER: lambda task: task.assigner_learner_id or -(task.assigner_service_account_id or 0),
    }
    names = {value: key[1:] for key, value in crowd.external_ids.items() if key.startswith("d")}

    def label(key: int | None) -> str:
        if by is TaskGrouping.TARGET:
            return crowd.titles[key or 0]
        if by is TaskGrouping.DEPARTMENT:
            return NO_DEPARTMENT if key is None else names[key]
        person = crowd.people.get(key or 0)
        return "Tool" if person is None else person.name

    groups: dict[int | None, list[MandatoryTask]] = {}
    for task in tasks:
        groups.setdefault(keys[by](task), []).append(task)
    found = [(key, label(key), tally(crowd, members)) for key, members in groups.items()]
    return sorted(
        found, key=lambda group: (-group[2][3], -group[2][0] - group[2][1], group[0] is None, group[1].lower())
    )


@pytest.mark.parametrize(("seed", "few", "most"), [(1, 1_000, 200), (2, 4, 200), (3, 0, 0)])
async def test_lists_counts_and_groups_are_those_of_a_plain_evaluation(
    tenant: Tenant, now: datetime, monkeypatch: pytest.MonkeyPatch, seed: int, few: int, most: int
) -> None:
    """Whoever looks, whatever is asked for, in every order and by whichever way the tasks are found."""
    monkeypatch.setattr(task_filter, "FEW_LEARNERS", few)
    monkeypatch.setattr(task_filter, "MOST_VALUES", most)
    draw = random.Random(seed)
    crowd = await make_crowd(tenant, now, draw)
    found_something = 0
    for _ in range(FILTERS):
        by = draw_filter(crowd, draw)
        for viewer in crowd.viewers:
            tasks = expected(crowd, viewer, by)
            found_something += bool(tasks)
            field, is_descending = draw.choice(list(TaskOrderField)), draw.random() < 0.5
            attribute = field.value.lower()
            ordered = sorted(tasks, key=lambda task: (getattr(task, attribute), task.id), reverse=is_descending)
            async with ReadScope(crowd.tenant_id) as reads:
                told = (viewer, by, field, is_descending)
                assert await listed(reads, crowd, viewer, by, field, is_descending) == [t.id for t in ordered], told
                counts = await count_tasks(reads, viewer, restriction=by, now=crowd.now)
                assert _numbers(counts) == tally(crowd, tasks), told
                for grouping in TaskGrouping:
                    groups = await break_down_tasks(
                        reads, viewer, by=grouping, restriction=by, first=1_000, now=crowd.now
                    )
                    assert [
                        (group.key if group.service_account_id is None else -group.service_account_id, group.label,
                         _numbers(group.counts))
                        for group in groups
                    ] == grouped(crowd, tasks, grouping), (*told, grouping)  # fmt: skip
                reported = [one.task.id async for batch in report_tasks(reads, viewer, by, crowd.now) for one in batch]
                assert reported == [task.id for task in sorted(tasks, key=lambda task: (task.due_on, task.id))], told
                people = sorted(crowd.people)
                keys = [TasksOfLearner(person, by, PageRequest(100), crowd.now) for person in people]
                pages = await load_tasks_of_learners(reads, viewer, keys)
                assert {row.id for page in pages for row in page.rows} == {task.id for task in tasks}, told
    assert found_something > FILTERS


def _numbers(counts: Any) -> tuple[int, ...]:
    return counts.assigned, counts.in_progress, counts.completed, counts.overdue
