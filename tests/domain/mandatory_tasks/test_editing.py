"""Edits at moments when something else is about to happen to the task."""

from datetime import timedelta

from domain.content.models import Content
from domain.foundation.access import Principal
from tests.support.assigning import Assigning, reminder
from tests.support.passing_time import midnight

DUE = "2026-03-16"


async def test_a_new_list_takes_no_reminder_away_that_is_about_to_go_out(
    assigning: Assigning, learner: Principal, course: Content
) -> None:
    """Its time has come and nobody has given it out yet: in the new list it is the same, and goes out."""
    task = await assigning.assign(learner, course, DUE, reminders=[reminder(3), reminder(1)])
    assigning.outage(until=midnight("2026-03-13") + timedelta(seconds=20))
    await assigning.edit(task, reminders=[reminder(3), reminder(2), reminder(9)])
    await assigning.sweep()
    assert await assigning.reminders(task) == [
        "2026-03-16 9 SKIPPED TIME_PASSED",
        "2026-03-16 3 SENT",
        "2026-03-16 2 SCHEDULED",
        "2026-03-16 1 CANCELLED SETTING_REMOVED",
    ]
    assert (await assigning.notifications(learner)).count("TASK_REMINDER A") == 1
