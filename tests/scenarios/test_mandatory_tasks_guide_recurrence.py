"""The guide on recurring tasks. Which sentence is where: the table of `test_mandatory_tasks_guide`."""

from domain.foundation.access import Principal
from tests.support.assigning import Assigning, just
from tests.support.company import Company
from tests.support.passing_time import midnight


async def test_a_yearly_briefing_is_due_again_52_weeks_later(
    company: Company, assigning: Assigning, learner: Principal
) -> None:
    """Until it is completed no further date is shown; then the next due date and the day on which it opens are."""
    course = await company.course("Data protection")
    task = await assigning.assign(learner, course, "2026-03-16", repeatEveryWeeks=52)
    assert task["recurrence"] == {"everyWeeks": 52, "nextDueOn": None, "nextOpensOn": None}
    await assigning.finish(learner, course)
    done = await assigning.look_at(task)
    assert done["status"] == "COMPLETED"
    assert done["recurrence"] == {"everyWeeks": 52, "nextDueOn": "2027-03-15", "nextOpensOn": "2027-03-01"}
    assert done["dueOn"] == "2026-03-16"
    assigning.outage(until=midnight("2027-02-28"))
    await assigning.pass_time(hours=23)
    assert await assigning.status(task) == "COMPLETED"
    await assigning.pass_time(hours=2)
    again = await assigning.look_at(task)
    assert (again["status"], again["dueOn"]) == ("ASSIGNED", "2027-03-15")


async def test_the_task_is_assigned_again_the_person_notified_and_reminded_again(
    company: Company, assigning: Assigning
) -> None:
    """Every two weeks: completion, reset at the opening, notification, and the same reminder for the new date."""
    person = await assigning.person("Pia")
    course = await company.course("A", lesson_count=2)
    task = await assigning.assign(person, course, "2026-03-16", repeatEveryWeeks=2)
    await assigning.pass_time(until=midnight("2026-03-14"))
    await assigning.finish(person, course)
    assert await assigning.status(task) == "COMPLETED"
    await assigning.pass_time(until=midnight("2026-03-16"))
    again = await assigning.look_at(task)
    assert (again["status"], again["dueOn"], again["completedAt"]) == ("ASSIGNED", "2026-03-30", None)
    enrollment = await assigning.enrollment(task)
    assert (enrollment["status"], enrollment["lessonsDone"], enrollment["isActive"]) == ("NOT_STARTED", 0, True)
    assert await assigning.reminders(task) == ["2026-03-30 3 SCHEDULED"]
    await assigning.pass_time(until=midnight("2026-03-28"))
    assert await assigning.reminders(task) == ["2026-03-30 3 SENT"]
    assert await assigning.notifications(person) == [
        "TASK_ASSIGNED A",
        "TASK_REMINDER A",
        "TASK_REOPENED A",
        "TASK_REMINDER A",
    ]
    assert await assigning.rounds(task) == [
        (1, "2026-03-02", "2026-03-16", True),
        (2, "2026-03-16", "2026-03-30", False),
    ]


async def test_without_repetition_nothing_comes_after_completion(company: Company, assigning: Assigning) -> None:
    """The field is optional: a task without it is done for good."""
    person = await assigning.person("Pia")
    course = await company.course("A")
    task = await assigning.assign(person, course, "2026-03-16")
    await assigning.finish(person, course)
    assigning.outage(days=300)
    await assigning.sweep()
    assert await assigning.status(task) == "COMPLETED"
    assert await assigning.rounds(task) == [(1, "2026-03-02", "2026-03-16", True)]


async def test_a_whole_group_gets_a_recurring_task(company: Company, assigning: Assigning) -> None:
    """Each task of a bulk assignment goes its own way, by the completion of its own person."""
    course = await company.course("A")
    early, never = await assigning.person("Early"), await assigning.person("Never")
    await assigning.bulk(course, map(just, (early, never)), "2026-03-16", repeatEveryWeeks=2)
    await assigning.finish(early, course)
    await assigning.pass_time(until=midnight("2026-03-17"))
    assert await assigning.tasks_of(early) == ["A 2026-03-30 ASSIGNED"]
    assert await assigning.tasks_of(never) == ["A 2026-03-16 OVERDUE"]
    assert (await assigning.notifications(early)).count("TASK_REOPENED A") == 1
    assert "TASK_REOPENED A" not in await assigning.notifications(never)
