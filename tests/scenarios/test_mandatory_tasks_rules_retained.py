"""Rules of Auto Assignment that would take what a mandatory task needs: RETAINED is logged, and access stays."""

import pytest

from domain.content.models import Content
from domain.foundation.access import Principal
from tests.scenarios.histories import UPDATE_PATH
from tests.support.assigning import Assigning
from tests.support.company import Company, content_id, key_of, ref_is

DUE = "2026-03-16"


@pytest.fixture
async def course(company: Company) -> Content:
    """A course."""
    return await company.course("A", lesson_count=4)


@pytest.mark.parametrize("option", ["UNENROLL", "RELEASE"])
async def test_leaving_a_rule_does_not_take_what_an_open_task_needs(
    company: Company, assigning: Assigning, course: Content, option: str
) -> None:
    """The rule's reason ends, the task's stays, and RETAINED tells that a rule would have taken access away."""
    person = await company.person("Pia", {1: "x"})
    await company.rule("R", ref_is(1, "x"), gives=[course], when_unmet=option)
    await assigning.assign(person, course, DUE)
    assert await company.set_ref(person, 1, "y") == ["RETAINED A AUTO_UNENROLLMENT R"]
    assert await company.reasons(person) == {"A": ["MANDATORY_TASK"]}
    assert await company.log(person, actions=["RETAINED", "UNENROLLED"]) == ["RETAINED A AUTO_UNENROLLMENT R"]


async def test_unenroll_ends_what_else_held_the_enrollment(
    company: Company, assigning: Assigning, course: Content
) -> None:
    """However they had been enrolled: only the task's reason is left."""
    person = await company.person("Pia", {1: "x"})
    await company.enroll(person, course)
    await company.rule("R", ref_is(1, "x"), gives=[course], when_unmet="UNENROLL")
    await assigning.assign(person, course, DUE)
    assert await company.set_ref(person, 1, "y") == ["RETAINED A AUTO_UNENROLLMENT R"]
    assert await company.reasons(person) == {"A": ["MANDATORY_TASK"]}


async def test_release_logs_nothing_where_it_would_have_ended_nothing(
    company: Company, assigning: Assigning, course: Content
) -> None:
    """A manager's reason would have held the enrollment without the task too."""
    person = await company.person("Pia", {1: "x"})
    await company.enroll(person, course)
    await company.rule("R", ref_is(1, "x"), gives=[course], when_unmet="RELEASE")
    await assigning.assign(person, course, DUE)
    assert await company.set_ref(person, 1, "y") == []
    assert await company.reasons(person) == {"A": ["MANAGER", "MANDATORY_TASK"]}


@pytest.mark.parametrize("option", ["UNENROLL", "RELEASE"])
async def test_a_course_that_a_path_task_needs_is_retained(
    company: Company, assigning: Assigning, course: Content, option: str
) -> None:
    """The "path" reason through which the task needs it stays."""
    person = await company.person("Pia", {1: "x"})
    path = await company.path("P", course)
    await company.rule("R", ref_is(1, "x"), gives=[course], when_unmet=option)
    await assigning.assign(person, path, DUE)
    assert await company.set_ref(person, 1, "y") == ["RETAINED A AUTO_UNENROLLMENT R"]
    assert await company.reasons(person) == {"A": ["LEARNING_PATH"], "P": ["MANDATORY_TASK"]}


async def test_a_path_that_a_task_needs_is_retained_with_its_courses(
    company: Company, assigning: Assigning, course: Content
) -> None:
    """The rule gives the path, and so does the task."""
    person = await company.person("Pia", {1: "x"})
    path = await company.path("P", course)
    await company.rule("R", ref_is(1, "x"), gives=[path], when_unmet="UNENROLL")
    await assigning.assign(person, path, DUE)
    assert await company.set_ref(person, 1, "y") == ["RETAINED P AUTO_UNENROLLMENT R"]
    assert await company.reasons(person) == {"A": ["LEARNING_PATH"], "P": ["MANDATORY_TASK"]}


async def test_deleting_a_rule_with_its_access_retains_too(
    company: Company, assigning: Assigning, course: Content
) -> None:
    """Who has a task keeps the course; who has none loses it."""
    tasked, other = await company.person("Tasked", {1: "x"}), await company.person("Other", {1: "x"})
    rule = await company.rule("R", ref_is(1, "x"), gives=[course])
    await assigning.assign(tasked, course, DUE)
    await company.delete(rule, revokes=True)
    assert await company.reasons(tasked) == {"A": ["MANDATORY_TASK"]}
    assert await company.reasons(other) == {}
    actions = ["RETAINED", "UNENROLLED"]
    assert await company.log(tasked, actions=actions) == ["RETAINED A AUTO_UNENROLLMENT R"]
    assert await company.log(other, actions=actions) == ["UNENROLLED A AUTO_UNENROLLMENT R"]


@pytest.mark.parametrize("way", ["UNENROLL", "RELEASE", "revoked"])
async def test_a_target_that_is_also_in_a_path_of_the_rule_is_retained(
    company: Company, assigning: Assigning, course: Content, way: str
) -> None:
    """The "path" reason ends with the path, so that nothing but the task holds the course."""
    person = await company.person("Pia", {1: "x"})
    path = await company.path("P", course)
    when_unmet = "KEEP" if way == "revoked" else way
    rule = await company.rule("R", ref_is(1, "x"), gives=[course, path], when_unmet=when_unmet)
    await assigning.assign(person, course, DUE)
    if way == "revoked":
        await company.delete(rule, revokes=True)
    else:
        await company.set_ref(person, 1, "y")
    assert await company.reasons(person) == {"A": ["MANDATORY_TASK"]}
    assert sorted(await company.log(person, actions=["RETAINED", "UNENROLLED"])) == [
        "RETAINED A AUTO_UNENROLLMENT R",
        "UNENROLLED P AUTO_UNENROLLMENT R",
    ]


async def test_a_path_that_gives_up_a_course_retains_nothing(
    company: Company, assigning: Assigning, course: Content
) -> None:
    """Only a rule holds the path, but no rule takes anything: the "path" reason ends, and the log is silent."""
    person = await company.person("Pia", {1: "x"})
    other = await company.course("B")
    path = await company.path("P", course, other)
    await company.rule("R", ref_is(1, "x"), gives=[path])
    await assigning.assign(person, course, DUE)
    await company.do(UPDATE_PATH, learningPath=key_of(path), changes={"items": [{"courseId": content_id(other)}]})
    assert (await company.reasons(person))["A"] == ["MANDATORY_TASK"]
    assert await company.log(person, actions=["RETAINED", "UNENROLLED"]) == []


@pytest.mark.parametrize("ending", ["completed", "withdrawn"])
async def test_an_ended_task_holds_nothing_against_rules(
    company: Company, assigning: Assigning, course: Content, ending: str
) -> None:
    """A completed task binds nobody, and a withdrawn one is none."""
    person = await company.person("Pia", {1: "x"})
    await company.rule("R", ref_is(1, "x"), gives=[course], when_unmet="UNENROLL")
    task = await assigning.assign(person, course, DUE)
    if ending == "completed":
        await assigning.finish(person, course)
    else:
        await assigning.withdraw(task)
    assert await company.set_ref(person, 1, "y") == ["UNENROLLED A AUTO_UNENROLLMENT R"]
    assert await company.reasons(person) == {}


async def test_a_retained_enrollment_ends_with_the_task(
    company: Company, assigning: Assigning, learner: Principal, course: Content
) -> None:
    """Withdrawn without keeping the enrollment, nothing holds it any more."""
    await company.rule("R", ref_is(1, "x"), gives=[course], when_unmet="UNENROLL")
    await company.set_ref(learner, 1, "x")
    task = await assigning.assign(learner, course, DUE)
    await company.set_ref(learner, 1, "y")
    await assigning.withdraw(task, keeps_enrollment=False)
    assert await company.reasons(learner) == {}
    assert await company.widget(learner) == []
