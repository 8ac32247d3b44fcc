"""Rules of mandatory tasks: cycles, when the next one opens and is due, what opening does, and paths."""

import asyncio
from typing import Any

import pytest

from domain.content.models import Content
from domain.foundation.access import Principal
from tests.support.assigning import ASSIGN, Assigning, reminder
from tests.support.company import Company, key_of, mutation
from tests.support.passing_time import midnight
from tests.support.rounds import open_due_cycles

DUE = "2026-03-16"
#: Round 1 of a task of two weeks that began on the first day.
FIRST = (1, "2026-03-02", DUE, True)
CREATE_PATH = mutation("createLearningPath", "learningPath { id }")


@pytest.fixture
async def course(company: Company) -> Content:
    """A course."""
    return await company.course("A", lesson_count=4)


async def completed_task(assigning: Assigning, person: Principal, course: Content, **fields: Any) -> dict[str, Any]:
    """Return a task of two weeks, due in two weeks, completed on its eighth day."""
    task = await assigning.assign(person, course, DUE, **{"repeatEveryWeeks": 2, **fields})
    await assigning.pass_time(until=midnight("2026-03-10"))
    await assigning.finish(person, course)
    return task


@pytest.mark.parametrize(
    ("due_on", "weeks", "reminders", "completed_on", "next_due_on", "opens_on"),
    [
        pytest.param(DUE, 2, [], "2026-03-10", "2026-03-30", "2026-03-16", id="in time"),
        pytest.param(DUE, 2, [], "2026-03-16", "2026-03-30", "2026-03-17", id="on the due date"),
        pytest.param(DUE, 2, [], "2026-03-17", "2026-03-31", "2026-03-18", id="a day late"),
        pytest.param(DUE, 2, [], "2026-03-20", "2026-04-03", "2026-03-21", id="late"),
        pytest.param("2026-03-09", 4, [], "2026-03-03", "2026-04-06", "2026-03-30", id="a week of lead"),
        pytest.param("2026-03-30", 1, [], "2026-03-03", "2026-04-06", "2026-03-09", id="lead over the present cycle"),
        pytest.param("2026-03-30", 1, [], "2026-03-20", "2026-04-06", "2026-03-21", id="not before completion"),
        pytest.param("2026-03-05", 8, [14, 3], "2026-03-03", "2026-04-30", "2026-04-15", id="lead by a reminder"),
        pytest.param("2026-03-05", 8, [-14, 2], "2026-03-03", "2026-04-30", "2026-04-27", id="lead by assignment"),
        pytest.param(DUE, 520, [], "2026-03-10", "2036-03-03", "2036-02-18", id="ten years"),
    ],
)
async def test_completion_lays_down_the_next_dates(
    assigning: Assigning,
    learner: Principal,
    course: Content,
    due_on: str,
    weeks: int,
    reminders: list[int],
    completed_on: str,
    next_due_on: str,
    opens_on: str,
) -> None:
    """Due N weeks after the date, or after a late completion; open as many days before as the first assignment gave."""
    task = await assigning.assign(
        learner, course, due_on, repeatEveryWeeks=weeks, reminders=[reminder(days) for days in reminders]
    )
    assigning.outage(until=midnight(completed_on))
    await assigning.finish(learner, course)
    done = await assigning.look_at(task)
    assert (done["status"], done["dueOn"]) == ("COMPLETED", due_on)
    assert done["recurrence"] == {"everyWeeks": weeks, "nextDueOn": next_due_on, "nextOpensOn": opens_on}


async def test_the_next_cycle_opens_on_its_day_and_not_before(
    assigning: Assigning, learner: Principal, course: Content
) -> None:
    """At midnight of the learner; until then the task stays completed."""
    task = await completed_task(assigning, learner, course)
    await assigning.pass_time(until=midnight("2026-03-16").replace(hour=22, minute=59))
    assert await assigning.rounds(task) == [FIRST]
    assert await assigning.status(task) == "COMPLETED"
    await assigning.pass_time(minutes=1)
    assert await assigning.rounds(task) == [FIRST, (2, "2026-03-16", "2026-03-30", False)]
    other = await assigning.person("East", time_zone="Pacific/Auckland")
    task = await assigning.assign(other, course, "2026-03-30", repeatEveryWeeks=2)
    await assigning.finish(other, course)
    opens = midnight("2026-03-30", "Pacific/Auckland")
    assigning.outage(until=opens)
    assigning.company.api.advance(seconds=-1)
    await assigning.sweep()
    assert await assigning.status(task) == "COMPLETED"
    assigning.company.api.advance(seconds=1)
    await assigning.sweep()
    assert (await assigning.look_at(task))["dueOn"] == "2026-04-13"


async def test_opening_resets_assigns_notifies_and_logs(
    company: Company, assigning: Assigning, course: Content
) -> None:
    """By nobody: it is time that opens; the log keeps the completion of the cycle before."""
    person = await assigning.person("Pia")
    task = await completed_task(assigning, person, course)
    await assigning.pass_time(minutes=1)
    assigning.mailbox.new()
    before = len(await company.log(person))
    await assigning.pass_time(until=midnight("2026-03-16"))
    new = (await assigning.log(person))[before:]
    assert sorted(entry["action"] for entry in new) == ["RESET", "TASK_ASSIGNED"]
    assert {(entry["source"], str(entry["actor"])) for entry in new} == {("MANDATORY_TASK", "None")}
    assert {entry["mandatoryTask"]["id"] for entry in new} == {task["id"]}
    assert "COMPLETED A MANAGER" in await company.log(person)
    enrollment = await assigning.enrollment(task)
    assert (enrollment["status"], enrollment["progressPercent"], enrollment["lessonsDone"], enrollment["score"]) == (
        "NOT_STARTED",
        0,
        0,
        None,
    )
    again = await assigning.look_at(task)
    assert (again["status"], again["dueOn"], again["completedAt"]) == ("ASSIGNED", "2026-03-30", None)
    assert again["recurrence"] == {"everyWeeks": 2, "nextDueOn": None, "nextOpensOn": None}
    assert (await assigning.notifications(person))[-1] == "TASK_REOPENED A"
    company.api.advance(hours=1)
    await assigning.finish(person, course)
    assert (await assigning.look_at(task))["recurrence"]["nextDueOn"] == "2026-04-13"
    assert [cycle["completedAt"] for cycle in await assigning.cycles(task)] == [
        "2026-03-16T00:00:00Z",
        "2026-03-09T23:00:00Z",
    ]


async def test_opening_enrolls_again_where_needed(
    company: Company, assigning: Assigning, learner: Principal, course: Content
) -> None:
    """Who was unenrolled after completion has access again with the new cycle, which binds again."""
    task = await completed_task(assigning, learner, course)
    await company.unenroll(learner, course)
    assert await company.widget(learner) == []
    await assigning.pass_time(until=midnight("2026-03-16"))
    assert await company.reasons(learner) == {"A": ["MANDATORY_TASK"]}
    assert await company.log(learner, actions=["ENROLLED"]) == ["ENROLLED A MANDATORY_TASK"] * 2
    assert await assigning.status(task) == "ASSIGNED"


async def test_many_schedulers_at_once_open_one_cycle(
    assigning: Assigning, learner: Principal, course: Content
) -> None:
    """And notify once."""
    task = await completed_task(assigning, learner, course)
    assigning.outage(until=midnight("2026-03-16"))
    now = assigning.company.api.now
    assert sum(await asyncio.gather(*(open_due_cycles(now) for _ in range(5)))) == 1
    assert await open_due_cycles(now) == 0
    assert len(await assigning.rounds(task)) == 2
    assert await assigning.notifications(learner) == ["TASK_ASSIGNED A", "TASK_REOPENED A"]


@pytest.mark.parametrize(
    ("opened_on", "due_on", "after_that"),
    [
        ("2026-03-26", "2026-03-30", "2026-04-13"),
        ("2026-03-27", "2026-03-30", "2026-04-13"),
        ("2026-03-28", "2026-04-11", "2026-04-25"),
        ("2026-06-01", "2026-06-15", "2026-06-29"),
    ],
)
async def test_a_cycle_that_opens_late_leaves_time(
    assigning: Assigning, learner: Principal, course: Content, opened_on: str, due_on: str, after_that: str
) -> None:
    """With fewer than three days left it is due a full lead later, and the series goes on from there: no backlog."""
    task = await completed_task(assigning, learner, course, reminders=[])
    assigning.outage(until=midnight(opened_on))
    assigning.company.api.advance(hours=9)
    for _ in range(3):
        await assigning.sweep()
    assert await assigning.rounds(task) == [FIRST, (2, opened_on, due_on, False)]
    assigning.company.api.advance(hours=1)
    await assigning.finish(learner, course)
    assert (await assigning.look_at(task))["recurrence"]["nextDueOn"] == after_that
    assert (await assigning.notifications(learner)).count("TASK_REOPENED A") == 1


async def test_a_repetition_set_afterwards_opens_one_cycle_now(
    assigning: Assigning, learner: Principal, course: Content
) -> None:
    """A date long past is not one to be late for."""
    task = await completed_task(assigning, learner, course, repeatEveryWeeks=None, reminders=[])
    await assigning.pass_time(until=midnight("2026-05-01"))
    assert await assigning.rounds(task) == [FIRST]
    await assigning.edit(task, repeatEveryWeeks=2)
    await assigning.pass_time(hours=1)
    assert await assigning.rounds(task) == [FIRST, (2, "2026-05-01", "2026-05-15", False)]


async def test_setting_the_repetition_to_none_ends_it(
    assigning: Assigning, learner: Principal, course: Content
) -> None:
    """Also when the next cycle was laid down already."""
    task = await completed_task(assigning, learner, course)
    assert (await assigning.edit(task, repeatEveryWeeks=None))["recurrence"] is None
    await assigning.pass_time(until=midnight("2026-04-02"))
    assert await assigning.rounds(task) == [FIRST]
    assert await assigning.status(task) == "COMPLETED"


async def test_a_repetition_changed_between_cycles_moves_the_next_dates(
    assigning: Assigning, learner: Principal, course: Content
) -> None:
    """They follow at once."""
    task = await completed_task(assigning, learner, course)
    changed = await assigning.edit(task, repeatEveryWeeks=4)
    assert changed["recurrence"] == {"everyWeeks": 4, "nextDueOn": "2026-04-13", "nextOpensOn": "2026-03-30"}


async def test_what_is_changed_while_completed_concerns_the_next_cycle(
    assigning: Assigning, learner: Principal, course: Content
) -> None:
    """The reminders of the past cycle stay as they were."""
    task = await completed_task(assigning, learner, course, reminders=[reminder(10), reminder(3)])
    before = await assigning.reminders(task)
    assert before == ["2026-03-16 10 SENT", "2026-03-16 3 CANCELLED TASK_COMPLETED"]
    await assigning.edit(task, reminders=[reminder(5)], note="Once more")
    assert await assigning.reminders(task) == before
    await assigning.pass_time(until=midnight("2026-03-16"))
    assert await assigning.reminders(task) == ["2026-03-30 5 SCHEDULED"]
    assert (await assigning.look_at(task))["note"] == "Once more"


async def test_a_cycle_that_is_not_completed_stays_and_becomes_overdue(
    company: Company, assigning: Assigning, learner: Principal, course: Content
) -> None:
    """No further one opens over it, however late it is."""
    task = await assigning.assign(learner, course, "2026-03-09", repeatEveryWeeks=1)
    await assigning.pass_time(until=midnight("2026-04-09"))
    assert await assigning.rounds(task) == [(1, "2026-03-02", "2026-03-09", False)]
    assert await assigning.status(task) == "OVERDUE"


async def test_a_report_from_before_the_present_attempt_changes_nothing(
    assigning: Assigning, learner: Principal, course: Content
) -> None:
    """What was done in the past cycle does not complete the present one."""
    task = await completed_task(assigning, learner, course)
    await assigning.pass_time(until=midnight("2026-03-17"))
    await assigning.finish(learner, course, occurredAt="2026-03-12T12:00:00Z")
    assert await assigning.status(task) == "ASSIGNED"
    await assigning.finish(learner, course, occurredAt="2026-03-16T12:00:00Z")
    assert await assigning.status(task) == "COMPLETED"


async def test_a_recurring_path_resets_its_mandatory_courses(company: Company, assigning: Assigning) -> None:
    """All of them, and the path; an optional course stays as it is."""
    person = await assigning.person("Pia")
    courses = [await company.course(title) for title in ("First", "Second", "Extra")]
    items = [{"courseId": key_of(course)["id"], "isMandatory": course.title != "Extra"} for course in courses]
    created = await company.do(CREATE_PATH, title="P", items=items)
    await company.enroll(person, courses[2])
    assignment = assigning.assignment(person, courses[0], DUE, repeatEveryWeeks=2)
    assignment["target"] = {"id": created["learningPath"]["id"]}
    task = (await company.do(ASSIGN, **assignment))["mandatoryTask"]
    await assigning.finish(person, *courses)
    assert await assigning.status(task) == "COMPLETED"
    await assigning.pass_time(until=midnight("2026-03-16"))
    assert await assigning.status(task) == "ASSIGNED"
    assert await assigning.required_courses(task) == [("First", "NOT_STARTED"), ("Second", "NOT_STARTED")]
    assert sorted(await company.log(person, actions=["RESET"])) == [
        f"RESET {title} MANDATORY_TASK" for title in ("First", "P", "Second")
    ]
    assert await assigning.tasks_of(person) == ["P 2026-03-30 ASSIGNED"]
    company.api.advance(hours=1)
    await assigning.finish(person, courses[0])
    assert await assigning.status(task) == "IN_PROGRESS"
    await assigning.finish(person, courses[1])
    assert await assigning.status(task) == "COMPLETED"


@pytest.mark.parametrize("done_before", [1, 2])
async def test_what_was_completed_before_counts_for_a_path(
    company: Company, assigning: Assigning, learner: Principal, done_before: int
) -> None:
    """One of two courses makes the task IN_PROGRESS from the start, both fulfil it at once."""
    courses = [await company.course(title) for title in ("First", "Second")]
    for course in courses[:done_before]:
        await company.enroll(learner, course)
        await assigning.finish(learner, course)
    task = await assigning.assign(learner, await company.path("P", *courses), DUE)
    assert task["status"] == ("IN_PROGRESS" if done_before == 1 else "COMPLETED")
    await assigning.finish(learner, courses[1])
    assert await assigning.status(task) == "COMPLETED"


async def test_a_path_is_completed_when_all_courses_are_at_one_moment(
    company: Company, assigning: Assigning, learner: Principal
) -> None:
    """A course that its own recurring task has reset meanwhile has to be completed again."""
    first, second = await company.course("First"), await company.course("Second")
    path_task = await assigning.assign(learner, await company.path("P", first, second), "2026-04-20", reminders=[])
    await assigning.assign(learner, first, "2026-03-05", repeatEveryWeeks=1, reminders=[])
    await assigning.finish(learner, first)
    await assigning.pass_time(until=midnight("2026-03-09"))
    assert await assigning.required_courses(path_task) == [("First", "NOT_STARTED"), ("Second", "NOT_STARTED")]
    company.api.advance(hours=1)
    await assigning.finish(learner, second)
    assert await assigning.status(path_task) == "IN_PROGRESS"
    await assigning.finish(learner, first)
    assert await assigning.status(path_task) == "COMPLETED"
