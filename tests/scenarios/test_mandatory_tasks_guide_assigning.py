"""The guide on giving one person a task. Which sentence is where: the table of `test_mandatory_tasks_guide`."""

import pytest

from domain.foundation.access import Principal
from tests.support.api import ApiClient
from tests.support.assigning import ASSIGN, BULK_ASSIGN, LIST, Assigning, just
from tests.support.company import Company, key_of, learner_id

LEARNERS = """
query($filter: LearnerFilterInput) { learners(first: 100, filter: $filter) { nodes { name email } } }
"""
PATH_ITEMS = """
query($id: ID!) { node(id: $id) { ... on LearningPath { items { course { title } isMandatory } } } }
"""


@pytest.mark.parametrize("kind", ["course", "path"])
async def test_a_course_or_path_is_assigned_with_a_deadline(
    company: Company, assigning: Assigning, learner: Principal, kind: str
) -> None:
    """The task has target, learner, due date, note and who assigned it, and is found in the overview."""
    course = await company.course("Fire Safety")
    target = course if kind == "course" else await company.path("Safety", course)
    task = await assigning.assign(learner, target, "2026-03-16", note="Before the meeting")
    expected = {
        "status": "ASSIGNED",
        "dueOn": "2026-03-16",
        "dueAt": "2026-03-16T23:00:00Z",
        "note": "Before the meeting",
        "withdrawnAt": None,
        "isSuspended": False,
        "completedAt": None,
        "createdAt": "2026-03-02T09:00:00Z",
        "canUpdate": True,
        "canWithdraw": True,
        "target": {"id": key_of(target)["id"], "title": target.title},
        "learner": {"id": learner_id(learner), "name": "Lea Learner"},
        "recurrence": None,
    }
    assert {name: task[name] for name in expected} == expected
    assert task["assignedBy"]["name"] == "Ada Admin"
    assert await assigning.tasks() == [task]


async def test_the_area_is_visible_from_the_trainer_role_upwards(
    company: Company, assigning: Assigning, trainer: Principal, learner: Principal
) -> None:
    """Trainers and administrators assign and follow up; a learner assigns nothing and sees their own tasks only."""
    course = await assigning.trained_by(trainer, "Fire Safety")
    people = [await assigning.person(name) for name in ("Pia", "Tom")]
    await assigning.acting_as(trainer).assign(people[0], course, "2026-03-16")
    await assigning.assign(people[1], course, "2026-03-16")
    for who in (trainer, company.admin):
        assert await assigning.acting_as(who).names() == ["Pia", "Tom"]
    as_learner = assigning.acting_as(learner)
    assert await as_learner.tasks() == []
    assignment = assigning.assignment(learner, course, "2026-03-16")
    assert await as_learner.client.errors(ASSIGN, input=assignment) == ["FORBIDDEN"]
    bulk = {"target": key_of(course), "audience": [just(learner)], "dueOn": "2026-03-16"}
    assert await as_learner.client.errors(BULK_ASSIGN, input=bulk) == ["FORBIDDEN"]
    assert await assigning.acting_as(people[0]).names() == ["Pia"]


async def test_who_is_assigned_is_enrolled_without_anything_else(
    company: Company, assigning: Assigning, learner: Principal
) -> None:
    """The task itself is the reason of the enrollment, and the learner finds the course in their own list at once."""
    course = await company.course("Fire Safety")
    assert await company.widget(learner) == []
    await assigning.assign(learner, course, "2026-03-16")
    assert await company.widget(learner) == ["Fire Safety"]
    assert await company.reasons(learner) == {"Fire Safety": ["MANDATORY_TASK"]}


async def test_a_path_task_enrolls_in_the_mandatory_courses_and_is_done_once_the_path_is(
    company: Company, assigning: Assigning, learner: Principal
) -> None:
    """One of two courses makes it IN_PROGRESS; both make it COMPLETED."""
    first, second = await company.course("First"), await company.course("Second")
    path = await company.path("Path", first, second)
    task = await assigning.assign(learner, path, "2026-03-16")
    assert await company.reasons(learner) == {
        "First": ["LEARNING_PATH"],
        "Path": ["MANDATORY_TASK"],
        "Second": ["LEARNING_PATH"],
    }
    await assigning.finish(learner, first)
    assert await assigning.status(task) == "IN_PROGRESS"
    assert await assigning.required_courses(task) == [("First", "COMPLETED"), ("Second", "NOT_STARTED")]
    await assigning.finish(learner, second)
    assert await assigning.status(task) == "COMPLETED"


async def test_a_path_is_a_sequence_of_courses_in_a_fixed_order(
    company: Company, assigning: Assigning, learner: Principal
) -> None:
    """The path and its task list the courses in the order of the path, whatever they are called."""
    courses = [await company.course(title) for title in ("C", "A", "B")]
    path = await company.path("Path", *courses)
    task = await assigning.assign(learner, path, "2026-03-16")
    items = (await company.client.value(PATH_ITEMS, id=task["target"]["id"]))["items"]
    assert [item["course"]["title"] for item in items] == ["C", "A", "B"]
    assert [title for title, _ in await assigning.required_courses(task)] == ["C", "A", "B"]


@pytest.mark.parametrize("typed", ["pia", "PIA@", "person"])
async def test_the_person_is_found_by_name_or_email(assigning: Assigning, trainer: Principal, typed: str) -> None:
    """A trainer finds people by a part of either, ignoring case."""
    await assigning.person("Pia Person", email="pia@acme.test")
    await assigning.person("Tom Other", email="tom@acme.test")
    found = await assigning.acting_as(trainer).client.value(LEARNERS, filter={"search": typed})
    assert found["nodes"] == [{"name": "Pia Person", "email": "pia@acme.test"}]


async def test_the_due_date_is_mandatory_and_a_few_days_ahead(
    company: Company, assigning: Assigning, learner: Principal
) -> None:
    """Without one the input is not valid; the answer to one that is too close names the earliest one."""
    course = await company.course("Fire Safety")
    assignment = assigning.assignment(learner, course, "2026-03-04")
    fault = {"code": "DUE_DATE_TOO_SOON", "path": ["input", "dueOn"], "earliestDueOn": "2026-03-05"}
    assert await assigning.faults(ASSIGN, **assignment) == [fault]
    del assignment["dueOn"]
    assert await assigning.client.errors(ASSIGN, input=assignment) == ["BAD_VARIABLES"]
    assert (await assigning.assign(learner, course, "2026-03-05"))["dueOn"] == "2026-03-05"


async def test_the_note_is_shown_to_the_person(company: Company, assigning: Assigning, learner: Principal) -> None:
    """The learner reads it with their own task; it is optional."""
    course, other = await company.course("Fire Safety"), await company.course("Other")
    await assigning.assign(learner, course, "2026-03-16", note="Please before the next team meeting")
    await assigning.assign(learner, other, "2026-03-17")
    tasks = await assigning.acting_as(learner).tasks()
    assert [task["note"] for task in tasks] == ["Please before the next team meeting", None]


@pytest.mark.parametrize("is_on", [True, False])
async def test_the_person_is_notified_in_the_platform_and_depending_on_the_setting_by_email(
    company: Company, assigning: Assigning, is_on: bool
) -> None:
    """The notification is there when the mutation answers; the mail follows unless it is switched off."""
    person = await assigning.person("Pia")
    if not is_on:
        await assigning.acting_as(person).switch_email(False)
    task = await assigning.assign(person, await company.course("Fire Safety"), "2026-03-16")
    (received,) = await assigning.received(person)
    assert (received["kind"], received["category"], received["isRead"]) == ("TASK_ASSIGNED", "MANDATORY_TASKS", False)
    assert received["content"] == {"title": "Fire Safety"}
    assert received["mandatoryTask"] == {"id": task["id"]}
    await assigning.pass_time(minutes=1)
    assert assigning.mailbox.new_recipients() == (["pia@acme.test"] if is_on else [])


async def test_trainers_steer_their_own_courses_and_administrators_the_whole_company(
    company: Company, assigning: Assigning, trainer: Principal, learner: Principal
) -> None:
    """A trainer assigns what they train and nothing else; an administrator assigns anything."""
    own, foreign = await assigning.trained_by(trainer, "Own"), await company.course("Foreign")
    as_trainer = assigning.acting_as(trainer)
    assert (await as_trainer.assign(learner, own, "2026-03-16"))["assignedBy"]["name"] == "Tina Trainer"
    (fault,) = await as_trainer.cannot_assign(learner, foreign, "2026-03-16")
    assert fault["code"] == "NOT_PERMITTED"
    await assigning.assign(learner, foreign, "2026-03-16")
    assert await assigning.tasks_of(learner) == ["Own 2026-03-16 ASSIGNED", "Foreign 2026-03-16 ASSIGNED"]
    assert await as_trainer.tasks_of(learner) == ["Own 2026-03-16 ASSIGNED"]


async def test_the_overview_shows_who_is_behind(company: Company, assigning: Assigning, as_admin: ApiClient) -> None:
    """Who has not finished by the cutoff date is overdue, in the list and in the counts; who has finished is not."""
    course = await company.course("Fire Safety")
    late, done = await assigning.person("Late"), await assigning.person("Done")
    for person in (late, done):
        await assigning.assign(person, course, "2026-03-16")
    await assigning.finish(done, course)
    await assigning.pass_time(until=assigning.company.api.now.replace(day=17))
    overdue = (await as_admin.value(LIST, filter={"statuses": ["OVERDUE"]}))["nodes"]
    assert [task["learner"]["name"] for task in overdue] == ["Late"]
    assert await assigning.counts() == (0, 0, 1, 1)
