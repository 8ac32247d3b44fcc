"""Replay of what happens to tasks: the old snapshot with the changes that streams send is the new one."""

import pytest

from domain.tenants.models import Tenant
from tests.realtime.replayed import Plot, Story, begin, replay
from tests.support.api import Api
from tests.support.company import place_id
from tests.support.live import LiveServer
from tests.support.rounds import note_overdue_tasks, open_due_cycles, send_due_reminders

TASKS_PLOT = Plot()
step = TASKS_PLOT.step


@step("assignMandatoryTask", moves="tel")
async def a_task_is_assigned(story: Story) -> None:
    story.ids["bob"] = await story.assign("bob", "fire", "2026-03-25", by="trainer", repeatEveryWeeks=4)


@step("assignMandatoryTask", moves="teln")
async def a_trainer_gets_a_task(story: Story) -> None:
    await story.assign("trainer", "first aid", "2026-03-12", note="Soon")


@step("updateMandatoryTask", moves="tln")
async def a_task_gets_another_date(story: Story) -> None:
    await story.do("updateMandatoryTask", id=story.ids["task of lea"], changes={"dueOn": "2026-04-02"})


@step("updateMandatoryTask", moves="tl")
async def a_task_gets_a_note(story: Story) -> None:
    await story.do("updateMandatoryTask", by="trainer", id=story.ids["bob"], changes={"note": "Bring shoes"})


@step("updateMandatoryTask", moves="tl")
async def a_task_gets_other_reminders(story: Story) -> None:
    reminders = [{"daysBeforeDue": days, "recipients": ["LEARNER"]} for days in (7, -2)]
    changes = {"reminders": reminders, "dueOn": "2026-03-20"}
    await story.do("updateMandatoryTask", id=story.ids["task of lea"], changes=changes)


@step("updateMandatoryTask", moves="tl")
async def a_task_is_not_repeated_any_more(story: Story) -> None:
    await story.do("updateMandatoryTask", id=story.ids["task of cleo"], changes={"repeatEveryWeeks": 2})
    await story.do("updateMandatoryTask", id=story.ids["task of cleo"], changes={"repeatEveryWeeks": None})


@step("markNotificationsRead", moves="n")
async def notifications_are_read(story: Story) -> None:
    viewer = await story.api.acting_as(story.people["lea"]).value("{ viewer { notifications { nodes { id } } } }")
    first, *others = [node["id"] for node in viewer["notifications"]["nodes"]]
    await story.do("markNotificationsRead", by="lea", ids=others)
    await story.do("markNotificationsRead", by="lea", untilId=first)


@step("bulkAssignMandatoryTasks", moves="telnj")
async def a_few_get_a_task_at_once(story: Story) -> None:
    audience = [{"learner": story.who("lea")}, {"departmentId": place_id(story.places["office"])}]
    payload = await story.do(
        "bulkAssignMandatoryTasks",
        "bulkAssignment { id }",
        "trainer",
        target=story.what("tools"),
        audience=audience,
        dueOn="2026-03-30",
    )
    story.ids["bulk"] = payload["bulkAssignment"]["id"]


@step("bulkAssignMandatoryTasks", moves="j")
async def many_are_to_get_a_task(story: Story) -> None:
    story.let_jobs_begin_at(2)
    await story.do(
        "bulkAssignMandatoryTasks",
        target=story.what("ladder"),
        audience=[{"learner": story.who(name)} for name in ("lea", "bob", "cleo")],
        dueOn="2026-04-20",
    )


@step("cancelBackgroundJob", moves="j")
async def it_is_cancelled(story: Story) -> None:
    jobs = await story.api.acting_as(story.people["admin"]).value("{ backgroundJobs(first: 1) { nodes { id } } }")
    story.ids["job"] = jobs["nodes"][0]["id"]
    await story.do("cancelBackgroundJob", id=story.ids["job"])


@step("resumeBackgroundJob", moves="j")
async def it_goes_on(story: Story) -> None:
    await story.do("resumeBackgroundJob", id=story.ids["job"])


@step("BULK_ASSIGNMENT", moves="telnj")
async def many_get_a_task(story: Story) -> None:
    assert await story.run_jobs() == 1


@step("reminders sweep", moves="tn")
async def reminders_go_out(story: Story) -> None:
    # 13 March in Berlin: a week before the task of Lea.
    story.api.advance(days=11)
    await note_overdue_tasks(story.api.now)
    assert await send_due_reminders(story.api.now)


@step("overdue sweep", moves="tl")
async def a_date_passes(story: Story) -> None:
    story.api.advance(days=8)
    assert await note_overdue_tasks(story.api.now)


@step("recordCourseProgress", moves="tel")
async def a_late_task_is_begun(story: Story) -> None:
    await story.report("lea", "fire", lessonsDone=1)


@step("recordCourseProgress", moves="tel")
async def a_late_task_is_completed(story: Story) -> None:
    await story.report("lea", "fire", lessonsDone=2, score=70)


@step("recordCourseProgress", moves="te")
async def a_completed_task_gets_a_better_score(story: Story) -> None:
    await story.report("lea", "fire", score=90)


@step("recordCourseProgress", moves="te")
async def a_completed_task_is_dated_back(story: Story) -> None:
    await story.report("lea", "fire", lessonsDone=2, score=90, occurredAt="2026-03-10T08:00:00Z")


@step("bulkRecordCourseProgress", moves="tel")
async def a_repeated_task_is_completed(story: Story) -> None:
    rows = [{"learner": story.who("bob"), "course": story.what("fire"), "isFinished": True}]
    await story.do("bulkRecordCourseProgress", rows=rows)


@step("recurrence sweep", moves="tel")
async def the_next_cycle_opens(story: Story) -> None:
    story.api.advance(days=29)
    await note_overdue_tasks(story.api.now)
    assert await open_due_cycles(story.api.now)


@step("reminders sweep", "overdue sweep", moves="tln")
async def everything_is_late(story: Story) -> None:
    story.api.advance(days=40)
    await note_overdue_tasks(story.api.now)
    await send_due_reminders(story.api.now)


@step("withdrawMandatoryTask", moves="tel")
async def a_task_is_withdrawn(story: Story) -> None:
    await story.do("withdrawMandatoryTask", by="trainer", id=story.ids["bob"])


@step("withdrawMandatoryTask", moves="tel")
async def a_task_is_withdrawn_with_the_enrollment(story: Story) -> None:
    await story.do("withdrawMandatoryTask", id=story.ids["task of cleo"], keepsEnrollment=False)


@step("assignMandatoryTask", moves="tel")
async def a_task_is_assigned_again(story: Story) -> None:
    await story.assign("bob", "fire", "2026-06-25")


@step("updateTenant", moves="j")
async def the_company_moves(story: Story) -> None:
    await story.do("updateTenant", changes={"timeZone": "America/New_York"})


@step("TIME_ZONE_CHANGE", moves="tj")
async def dates_move_with_it(story: Story) -> None:
    await story.run_jobs()


async def test_replay(api: Api, live: LiveServer, tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever happens to tasks, and by time."""
    story = await begin(api, live, tenant, monkeypatch, filtered="tl")
    await replay(story, TASKS_PLOT)
