"""Another time zone: what moves with it, and what says that it has moved."""

from domain.content.models import Content
from domain.foundation.access import Principal
from tests.support.assigning import Assigning, reminder
from tests.support.company import Company


async def test_a_reminder_that_moves_alone_is_a_change_of_the_task(
    company: Company, assigning: Assigning, learner: Principal, course: Content
) -> None:
    """The zones are alike on the due date and differ on the day of the reminder, when one of them has summer."""
    task = await assigning.assign(learner, course, "2026-03-20", reminders=[reminder(-30)])
    await company.change(learner, timeZone="Africa/Lagos")
    [entry] = await assigning.ledger(task)
    seen = await assigning.look_at(task)
    assert (seen["dueAt"], entry["scheduledAt"]) == (task["dueAt"], "2026-04-18T23:00:00Z")
    assert seen["version"] == task["version"] + 1
    await company.change(learner, timeZone="Africa/Douala")
    assert (await assigning.look_at(task))["version"] == seen["version"]
