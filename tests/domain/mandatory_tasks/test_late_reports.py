"""Reports that come out of order: a task tells the same, whatever came first."""

from domain.content.models import Content
from domain.foundation.access import Principal
from tests.support.assigning import Assigning
from tests.support.company import Company
from tests.support.passing_time import midnight

DUE = "2026-03-16"


async def test_earlier_evidence_dates_the_completion_of_the_task_back(
    assigning: Assigning, learner: Principal, course: Content
) -> None:
    """It was in time after all, so the next cycle follows the due date, as if the reports had come in order."""
    task = await assigning.assign(learner, course, DUE, repeatEveryWeeks=4)
    assigning.outage(until=midnight("2026-03-20"))
    await assigning.finish(learner, course)
    assert (await assigning.look_at(task))["recurrence"]["nextDueOn"] == "2026-04-17"
    await assigning.finish(learner, course, occurredAt="2026-03-14T10:00:00Z")
    seen = await assigning.look_at(task)
    assert (seen["completedAt"], seen["status"]) == ("2026-03-14T10:00:00Z", "COMPLETED")
    assert seen["recurrence"] == {"everyWeeks": 4, "nextDueOn": "2026-04-13", "nextOpensOn": "2026-03-30"}
    assert [cycle["completedAt"] for cycle in await assigning.cycles(task)] == ["2026-03-14T10:00:00Z"]


async def test_an_earlier_cycle_is_not_dated_back_by_a_later_attempt(
    assigning: Assigning, learner: Principal, course: Content
) -> None:
    """Evidence from before an attempt changes nothing any more."""
    task = await assigning.assign(learner, course, DUE, repeatEveryWeeks=4)
    await assigning.finish(learner, course)
    first = (await assigning.look_at(task))["completedAt"]
    await assigning.pass_time(until=midnight("2026-04-01"))
    await assigning.finish(learner, course, occurredAt="2026-03-01T10:00:00Z")
    assert await assigning.status(task) == "ASSIGNED"
    assert [cycle["completedAt"] for cycle in await assigning.cycles(task)] == [None, first]


async def test_earlier_evidence_of_the_last_course_dates_the_task_of_a_path_back(
    company: Company, assigning: Assigning, learner: Principal, course: Content
) -> None:
    """A path has the date of the course completed last, and so has its task, whatever was reported first."""
    other = await company.course("B")
    task = await assigning.assign(learner, await company.path("Path", course, other), DUE, repeatEveryWeeks=4)
    assigning.outage(until=midnight("2026-03-20"))
    await assigning.finish(learner, course, occurredAt="2026-03-10T10:00:00Z")
    await assigning.finish(learner, other)
    assert (await assigning.look_at(task))["recurrence"]["nextDueOn"] == "2026-04-17"
    for occurred_at, completed_at in (("14", "14"), ("12", "12"), ("08", "10")):
        await assigning.finish(learner, other, occurredAt=f"2026-03-{occurred_at}T10:00:00Z")
        seen = await assigning.look_at(task)
        assert (seen["completedAt"], seen["status"]) == (f"2026-03-{completed_at}T10:00:00Z", "COMPLETED")
        assert seen["recurrence"]["nextDueOn"] == "2026-04-13"
    await assigning.finish(learner, other, occurredAt="2026-03-05T10:00:00Z")
    assert (await assigning.look_at(task))["completedAt"] == "2026-03-10T10:00:00Z"
