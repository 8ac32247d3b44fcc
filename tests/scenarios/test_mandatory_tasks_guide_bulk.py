"""The guide on bulk assignment. Which sentence is where: the table of `test_mandatory_tasks_guide`."""

import pytest

from domain.foundation.access import Principal
from domain.people.models import PlaceKind
from tests.support.assigning import BULK_ASSIGN, Assigning, codes, just, members_of, outcomes, reminder
from tests.support.company import Company, key_of

DUE = "2026-03-16"


@pytest.mark.parametrize("kind", ["course", "path"])
async def test_target_due_date_and_note_are_those_of_every_task(
    company: Company, assigning: Assigning, kind: str
) -> None:
    """A whole cohort gets the same course or path, due date and note in one step."""
    course = await company.course("A")
    target = course if kind == "course" else await company.path("P", course)
    people = [await assigning.person(name) for name in ("Pia", "Tom", "Zoe")]
    bulk = await assigning.bulk(target, map(just, people), DUE, note="Welcome")
    assert (bulk["dueOn"], bulk["createdCount"], bulk["skippedCount"], bulk["failedCount"]) == (DUE, 3, 0, 0)
    tasks = await assigning.tasks(bulkAssignmentId=bulk["id"])
    assert sorted(task["learner"]["name"] for task in tasks) == ["Pia", "Tom", "Zoe"]
    assert {(task["target"]["title"], task["dueOn"], task["note"]) for task in tasks} == {
        (target.title, DUE, "Welcome")
    }
    assert [await company.enrolled(person) for person in people] == [["A"] if kind == "course" else ["A", "P"]] * 3


async def test_people_are_selected_individually_by_department_and_by_learning_group(
    company: Company, assigning: Assigning, trainer: Principal
) -> None:
    """Three ways at once; who is in several parts counts once."""
    course = await assigning.trained_by(trainer, "A")
    department = await company.place(PlaceKind.DEPARTMENT, "Sales")
    group = await company.place(PlaceKind.LEARNING_GROUP, "Mine", owner_id=trainer.learner_id)
    one = await assigning.person("One")
    await assigning.person("Seller", places=[department])
    await assigning.person("Member", places=[group])
    await assigning.person("Both", places=[department, group])
    await assigning.person("Nobody")
    bulk = await assigning.acting_as(trainer).bulk(
        course, [just(one), members_of(department), members_of(group), just(one)], DUE
    )
    assert outcomes(bulk["results"]) == {"Both": "CREATED", "Member": "CREATED", "One": "CREATED", "Seller": "CREATED"}
    assert await assigning.names() == ["Both", "Member", "One", "Seller"]


async def test_a_trainer_takes_one_of_their_own_learning_groups(
    company: Company, assigning: Assigning, trainer: Principal
) -> None:
    """Somebody else's group does not exist for them."""
    course = await assigning.trained_by(trainer, "A")
    foreign = await company.place(PlaceKind.LEARNING_GROUP, "Foreign", owner_id=company.admin.learner_id)
    await assigning.person("Member", places=[foreign])
    as_trainer = assigning.acting_as(trainer)
    groups = await as_trainer.client.value("{ learningGroups { nodes { name } } }")
    assert groups == {"nodes": []}
    input = {"target": key_of(course), "audience": [members_of(foreign)], "dueOn": DUE}
    assert codes(await as_trainer.client.user_errors(BULK_ASSIGN, input=input)) == ["NOT_FOUND"]
    assert await assigning.tasks() == []


async def test_reminders_apply_equally_to_all_created_tasks(company: Company, assigning: Assigning) -> None:
    """Each task has the same ones, and each person gets them."""
    people = [await assigning.person(name) for name in ("Pia", "Tom")]
    await assigning.bulk(await company.course("A"), map(just, people), DUE, reminders=[reminder(7), reminder(-1)])
    for task in await assigning.tasks():
        assert await assigning.reminders(task) == ["2026-03-16 7 SCHEDULED", "2026-03-16 -1 SCHEDULED"]
    await assigning.pass_time(days=7)
    for person in people:
        assert await assigning.notifications(person) == ["TASK_ASSIGNED A", "TASK_REMINDER A"]


async def test_the_preview_shows_number_and_list_of_all_people(company: Company, assigning: Assigning) -> None:
    """By name, each once, and nothing has happened yet."""
    course = await company.course("A")
    department = await company.place(PlaceKind.DEPARTMENT, "Sales")
    people = [await assigning.person(name, places=[department]) for name in ("Zoe", "Pia", "Tom")]
    preview = await assigning.preview(course, [members_of(department), just(people[0])], DUE)
    assert preview["learnerCount"] == 3
    assert preview["learners"]["totalCount"] == 3
    assert [person["name"] for person in preview["learners"]["nodes"]] == ["Pia", "Tom", "Zoe"]
    assert await assigning.tasks() == []
    assert await company.count_enrolled(course) == 0


async def test_existing_tasks_are_skipped_and_the_result_tells_created_skipped_and_failed(
    company: Company, assigning: Assigning
) -> None:
    """No duplicate assignment: who has a task for the target keeps it as it is."""
    course = await company.course("A")
    new, old, gone = [await assigning.person(name) for name in ("New", "Old", "Gone")]
    existing = await assigning.assign(old, course, "2026-03-09", note="First")
    await assigning.deactivate(gone)
    bulk = await assigning.bulk(course, map(just, (new, old, gone)), DUE, note="Second")
    assert (bulk["createdCount"], bulk["skippedCount"], bulk["failedCount"]) == (1, 1, 1)
    assert outcomes(bulk["results"]) == {"New": "CREATED", "Old": "SKIPPED", "Gone": "FAILED LEARNER_INACTIVE"}
    tasks = {node["learner"]["name"]: node["mandatoryTask"] for node in bulk["results"]["nodes"]}
    assert tasks["Old"] == {"id": existing["id"]}
    assert tasks["Gone"] is None
    assert await assigning.look_at(existing) == existing
    assert await assigning.tasks_of(new) == ["A 2026-03-16 ASSIGNED"]
    assert len(await assigning.tasks(includesSuspended=True)) == 2


async def test_the_system_creates_all_tasks_at_once(company: Company, assigning: Assigning) -> None:
    """One confirmation; when it answers, everybody of a cohort has the task, the enrollment and the notification."""
    course = await company.course("A")
    people = [await assigning.person(f"P{number:02}") for number in range(20)]
    bulk = await assigning.bulk(course, map(just, people), DUE)
    assert (bulk["job"]["kind"], bulk["job"]["status"]) == ("BULK_ASSIGNMENT", "SUCCEEDED")
    assert await assigning.counts() == (20, 0, 0, 0)
    assert await company.count_enrolled(course) == 20
    assert await assigning.notifications(people[-1]) == ["TASK_ASSIGNED A"]
