"""Rules of mandatory tasks: filters, orders and pages of the overview, and numbers that agree with it."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest

from domain.content.models import Content
from domain.foundation.access import Principal
from domain.people.models import PlaceKind
from tests.support import factories
from tests.support.assigning import BREAKDOWN, LIST, Assigning, account_id
from tests.support.company import Company, content_id, learner_id, place_id
from tests.support.passing_time import midnight

STATUSES = ("ASSIGNED", "IN_PROGRESS", "COMPLETED", "OVERDUE")
OPEN = ["ASSIGNED", "IN_PROGRESS", "OVERDUE"]


@dataclass(slots=True)
class Overview:
    """A company in which every filter finds something else."""

    assigning: Assigning
    ids: dict[str, str]

    def filter(self, **fields: Any) -> dict[str, Any]:
        """Return a filter whose IDs are given by name."""
        return {
            name: [self.ids[key] for key in value] if name.endswith("Ids") else value for name, value in fields.items()
        }


@pytest.fixture
async def overview(company: Company, assigning: Assigning, trainer: Principal, sync_account: Principal) -> Overview:
    """Six tasks of five people, of three assigners, on the day on which two of them are overdue."""
    sales = await company.place(PlaceKind.DEPARTMENT, "Sales")
    care = await company.place(PlaceKind.DEPARTMENT, "Care")
    group = await company.place(PlaceKind.LEARNING_GROUP, "Night shift", owner_id=trainer.learner_id)
    fire = await company.course("Fire", trainers=[trainer.learner_id], lesson_count=2)
    data = await company.course("Data", lesson_count=2)
    anna = await assigning.person("Anna Berg", places=[sales])
    bert = await assigning.person("Bert Cole", places=[sales, group])
    cleo = await assigning.person("Cleo Dahl", places=[care, group], email="c.berg@acme.test")
    dora = await assigning.person("Dora Eich")
    emil = await assigning.person("Emil Fink", places=[care])
    as_trainer, as_tool = assigning.acting_as(trainer), assigning.acting_as(sync_account)
    plan: list[tuple[Assigning, Principal, Content, str]] = [
        (assigning, anna, fire, "2026-03-09"),
        (as_trainer, bert, fire, "2026-03-10"),
        (as_trainer, cleo, fire, "2026-03-20"),
        (as_tool, dora, data, "2026-03-21"),
        (assigning, anna, data, "2026-03-22"),
        (assigning, emil, fire, "2026-03-09"),
    ]
    for who, person, course, due_on in plan:
        await who.assign(person, course, due_on, reminders=[])
        company.api.advance(minutes=1)
    await assigning.report(cleo, fire, lessonsDone=1)
    await assigning.finish(dora, data)
    await assigning.deactivate(emil)
    assigning.outage(until=midnight("2026-03-11"))
    ids = {
        "Sales": place_id(sales),
        "Care": place_id(care),
        "Night shift": place_id(group),
        "Fire": content_id(fire),
        "Data": content_id(data),
        "Anna": learner_id(anna),
        "Dora": learner_id(dora),
        "admin": learner_id(company.admin),
        "trainer": learner_id(trainer),
        "tool": account_id(sync_account),
    }
    return Overview(assigning, ids)


FILTERS: list[tuple[dict[str, Any], list[str]]] = [
    ({}, ["Anna Berg/Data", "Anna Berg/Fire", "Bert Cole/Fire", "Cleo Dahl/Fire", "Dora Eich/Data"]),
    ({"statuses": OPEN}, ["Anna Berg/Data", "Anna Berg/Fire", "Bert Cole/Fire", "Cleo Dahl/Fire"]),
    ({"statuses": ["OVERDUE"]}, ["Anna Berg/Fire", "Bert Cole/Fire"]),
    ({"statuses": ["IN_PROGRESS", "COMPLETED"]}, ["Cleo Dahl/Fire", "Dora Eich/Data"]),
    ({"learnerIds": ["Anna", "Dora"]}, ["Anna Berg/Data", "Anna Berg/Fire", "Dora Eich/Data"]),
    ({"departmentIds": ["Sales"]}, ["Anna Berg/Data", "Anna Berg/Fire", "Bert Cole/Fire"]),
    ({"departmentIds": ["Care"], "includesSuspended": True}, ["Cleo Dahl/Fire", "Emil Fink/Fire"]),
    ({"hasDepartment": False}, ["Dora Eich/Data"]),
    ({"hasDepartment": True, "targetIds": ["Data"]}, ["Anna Berg/Data"]),
    ({"learningGroupIds": ["Night shift"]}, ["Bert Cole/Fire", "Cleo Dahl/Fire"]),
    ({"targetIds": ["Fire"]}, ["Anna Berg/Fire", "Bert Cole/Fire", "Cleo Dahl/Fire"]),
    ({"dueFrom": "2026-03-10", "dueUntil": "2026-03-20"}, ["Bert Cole/Fire", "Cleo Dahl/Fire"]),
    ({"dueFrom": "2026-03-22"}, ["Anna Berg/Data"]),
    ({"isAssignedByViewer": True}, ["Anna Berg/Data", "Anna Berg/Fire"]),
    ({"isAssignedByViewer": False}, ["Bert Cole/Fire", "Cleo Dahl/Fire", "Dora Eich/Data"]),
    ({"assignerIds": ["trainer"]}, ["Bert Cole/Fire", "Cleo Dahl/Fire"]),
    ({"assignerIds": ["tool", "admin"]}, ["Anna Berg/Data", "Anna Berg/Fire", "Dora Eich/Data"]),
    ({"search": "BERG"}, ["Anna Berg/Data", "Anna Berg/Fire", "Cleo Dahl/Fire"]),
    ({"search": "berg", "statuses": OPEN, "dueUntil": "2026-03-20"}, ["Anna Berg/Fire", "Cleo Dahl/Fire"]),
    ({"search": "nobody"}, []),
]


@pytest.mark.parametrize(("fields", "expected"), FILTERS, ids=[" ".join(fields) or "none" for fields, _ in FILTERS])
async def test_filters_and_numbers_agree(overview: Overview, fields: dict[str, Any], expected: list[str]) -> None:
    """A filter gives its tasks; counts, and every breakdown, are those of the same tasks."""
    filter = overview.filter(**fields)
    tasks = await overview.assigning.tasks(**filter)
    assert sorted(f"{task['learner']['name']}/{task['target']['title']}" for task in tasks) == expected
    tally = Counter(task["status"] for task in tasks)
    numbers = tuple(tally[status] for status in STATUSES)
    assert await overview.assigning.counts(**filter) == numbers
    for by in ("DEPARTMENT", "TARGET", "ASSIGNER"):
        groups = await overview.assigning.breakdown(by, **filter)
        assert tuple(sum(counts[place] for _, counts in groups) for place in range(4)) == numbers


async def test_groups_are_most_overdue_first_then_most_open(overview: Overview) -> None:
    """With the ID of what they are grouped by; people without a department are a group without one."""
    ids = overview.ids
    expected: dict[str, list[tuple[str | None, tuple[int, ...]]]] = {
        "DEPARTMENT": [(ids["Sales"], (1, 0, 0, 2)), (ids["Care"], (0, 1, 0, 0)), (None, (0, 0, 1, 0))],
        "TARGET": [(ids["Fire"], (0, 1, 0, 2)), (ids["Data"], (1, 0, 1, 0))],
        "ASSIGNER": [(ids["tool"], (0, 0, 1, 0)), (ids["admin"], (1, 0, 0, 1)), (ids["trainer"], (0, 1, 0, 1))],
    }
    for by, groups in expected.items():
        answer = await overview.assigning.client.value(BREAKDOWN, by=by)
        found = [(group["key"], tuple(group["counts"].values())) for group in answer]
        if by == "ASSIGNER":
            # Two of them are behind alike.
            assert found[-1] == groups[0]
            assert sorted(found[:2]) == sorted(groups[1:])
        else:
            assert found == groups
    labels = [label for label, _ in await overview.assigning.breakdown("TARGET")]
    assert labels == ["Fire", "Data"]


@pytest.mark.parametrize(
    ("field", "ascending"),
    [
        ("DUE_ON", ["Anna Berg", "Bert Cole", "Cleo Dahl", "Dora Eich", "Anna Berg"]),
        ("CREATED_AT", ["Anna Berg", "Bert Cole", "Cleo Dahl", "Dora Eich", "Anna Berg"]),
    ],
)
async def test_tasks_are_sorted_and_paged(overview: Overview, field: str, ascending: list[str]) -> None:
    """Both ways; pages follow each other without a gap."""
    for direction, expected in (("ASC", ascending), ("DESC", ascending[::-1])):
        order = {"field": field, "direction": direction}
        tasks = await overview.assigning.tasks(order_by=order)
        assert [task["learner"]["name"] for task in tasks] == expected
        found, after = [], None
        while True:
            page = await overview.assigning.client.value(LIST, first=2, after=after, orderBy=order)
            assert page["totalCount"] == 5
            found += page["nodes"]
            if not page["pageInfo"]["hasNextPage"]:
                break
            after = page["pageInfo"]["endCursor"]
        assert found == tasks


async def test_the_latest_change_comes_first(overview: Overview) -> None:
    """By the timestamp of the latest change."""
    tasks = await overview.assigning.tasks()
    await overview.assigning.edit(tasks[2], note="N")
    order = {"field": "UPDATED_AT", "direction": "DESC"}
    assert (await overview.assigning.tasks(order_by=order))[0]["id"] == tasks[2]["id"]


async def test_an_id_that_is_none_is_invalid_and_an_unknown_one_matches_nothing(
    overview: Overview, another_admin: Principal
) -> None:
    """In lists, counts and breakdowns alike."""
    client = overview.assigning.client
    for fields in ({"learnerIds": ["nonsense"]}, {"targetIds": [overview.ids["Anna"]]}, {"assignerIds": ["cnt_1"]}):
        assert await client.errors(LIST, filter=fields) == ["INVALID"], fields
        assert await client.errors(BREAKDOWN, by="TARGET", filter=fields) == ["INVALID"], fields
    assert await overview.assigning.tasks(learnerIds=[learner_id(another_admin)]) == []
    assert await overview.assigning.counts(learnerIds=[learner_id(another_admin)]) == (0, 0, 0, 0)


async def test_a_trainers_numbers_are_those_of_what_they_see(overview: Overview, trainer: Principal) -> None:
    """Tasks of what they train, whoever assigned them."""
    as_trainer = overview.assigning.acting_as(trainer)
    assert await as_trainer.names() == ["Anna Berg", "Bert Cole", "Cleo Dahl"]
    assert await as_trainer.counts() == (0, 1, 0, 2)
    assert await as_trainer.breakdown("TARGET") == [("Fire", (0, 1, 0, 2))]
    assert await as_trainer.names(isAssignedByViewer=True) == ["Bert Cole", "Cleo Dahl"]
    assert await as_trainer.names(targetIds=[overview.ids["Data"]]) == []


async def test_another_company_has_its_own_overview(overview: Overview, another_admin: Principal) -> None:
    """Nothing of this one is in it."""
    elsewhere = overview.assigning.acting_as(another_admin)
    assert await elsewhere.tasks() == []
    assert await elsewhere.counts() == (0, 0, 0, 0)
    person = await factories.create_person(another_admin.tenant_id, name="Otto's learner")
    course = await factories.create_course(another_admin.tenant_id, title="Theirs")
    await elsewhere.assign(person, course, "2026-03-20")
    assert len(await elsewhere.tasks()) == 1
    assert len(await overview.assigning.tasks()) == 5
