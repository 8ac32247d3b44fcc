"""Replay of what happens to enrollments and contents: by people, tools, paths, seats, imports and time."""

from datetime import datetime

import pytest

from domain.enrollments.importing import EnrollmentImportRow, import_enrollments
from domain.foundation.access import Principal
from domain.foundation.unit_of_work import perform
from domain.tenants.models import Tenant
from tests.realtime.replayed import Plot, Story, begin, replay
from tests.support.api import Api
from tests.support.company import content_id, learner_id
from tests.support.live import LiveServer
from tests.support.rounds import end_access_that_is_over, give_free_seats, note_overdue_tasks

ENROLLMENTS_PLOT = Plot()
step = ENROLLMENTS_PLOT.step


@step("enrollSelf", moves="el")
async def somebody_takes_the_only_seat(story: Story) -> None:
    await story.do("enrollSelf", by="lea", course=story.what("yoga"))


@step("enrollSelf", moves="el")
async def somebody_waits(story: Story) -> None:
    await story.do("enrollSelf", by="trainer", course=story.what("yoga"))


@step("recordPurchase", moves="el")
async def somebody_buys_and_waits(story: Story) -> None:
    await story.do("recordPurchase", learner=story.who("bob"), course=story.what("yoga"))


@step("unenrollSelf", moves="e")
async def somebody_waits_no_longer(story: Story) -> None:
    await story.do("unenrollSelf", by="trainer", content=story.what("yoga"))


@step("unenrollSelf", moves="el")
async def the_seat_goes_to_who_waits(story: Story) -> None:
    await story.do("unenrollSelf", by="lea", content=story.what("yoga"))


@step("enrollSelf", "updateCourse", moves="el")
async def seats_are_added(story: Story) -> None:
    await story.do("enrollSelf", by="lea", course=story.what("yoga"))
    await story.do("updateCourse", course=story.what("yoga"), changes={"seatLimit": 2})


@step("enrollSelf", "unenrollSelf", "seats sweep", moves="el")
async def a_lost_seat_is_found(story: Story) -> None:
    await story.do("enrollSelf", by="trainer", course=story.what("yoga"))

    async def crash(tenant_id: int, now: datetime, content_id: int) -> None:
        raise RuntimeError("crashed")

    with story.monkeypatch.context() as patch:
        patch.setattr("domain.enrollments.seats.promotion.promote_waiting", crash)
        await story.do("unenrollSelf", by="lea", content=story.what("yoga"))
    await story.gallery.catch_up()
    await story.gallery.compare("the crash")
    await give_free_seats(story.api.now)


@step("enrollLearner", moves="e")
async def access_gets_another_reason(story: Story) -> None:
    await story.do("enrollLearner", learner=story.who("bob"), content=story.what("yoga"))


@step("expiry sweep", moves="el")
async def access_runs_out(story: Story) -> None:
    story.api.advance(days=31)
    # What is late by then is so by the clock; streams tell of it when it is noted.
    await note_overdue_tasks(story.api.now)
    assert await end_access_that_is_over(story.api.now)


@step("enrollLearner", moves="el")
async def somebody_is_enrolled_in_a_path(story: Story) -> None:
    await story.do("enrollLearner", learner=story.who("lea"), content=story.what("basics"))


@step("enrollLearner", moves="e")
async def and_in_one_of_its_courses_besides(story: Story) -> None:
    await story.do("enrollLearner", learner=story.who("lea"), content=story.what("ladder"))


@step("recordCourseProgress", moves="el")
async def a_course_of_the_path_is_begun(story: Story) -> None:
    await story.report("lea", "first aid", lessonsDone=1, score=20)


@step("recordCourseProgress", moves="el")
async def it_is_completed(story: Story) -> None:
    await story.report("lea", "first aid", score=80)


@step("updateLearningPath", moves="el")
async def the_path_needs_less(story: Story) -> None:
    items = [
        {"courseId": content_id(story.contents["first aid"]), "isMandatory": True},
        {"courseId": content_id(story.contents["ladder"]), "isMandatory": False},
    ]
    await story.do("updateLearningPath", learningPath=story.what("basics"), changes={"items": items})


@step("updateLearningPath", "LEARNING_PATH_CHANGE", moves="elj")
async def the_path_needs_something_else(story: Story) -> None:
    story.let_jobs_begin_at(1)
    items = [{"courseId": content_id(story.contents[title]), "isMandatory": True} for title in ("first aid", "fire")]
    await story.do("updateLearningPath", learningPath=story.what("basics"), changes={"items": items})
    assert await story.run_jobs() == 1
    story.let_jobs_begin_at(100)


@step("unenrollLearner", moves="el")
async def the_path_is_left(story: Story) -> None:
    await story.do("unenrollLearner", learner=story.who("lea"), content=story.what("basics"))


@step("enrollLearner", moves="el")
async def and_entered_again(story: Story) -> None:
    await story.do("enrollLearner", learner=story.who("lea"), content=story.what("basics"))


@step("unenrollLearner", "enrollLearner", moves="el")
async def a_trainer_lets_somebody_out_and_in(story: Story) -> None:
    for mutation in ("unenrollLearner", "enrollLearner"):
        await story.do(mutation, by="trainer", learner=story.who("bob"), content=story.what("tools"))


@step("bulkRecordCourseProgress", moves="tel")
async def many_report(story: Story) -> None:
    rows = [
        {"learner": story.who("cleo"), "course": story.what("first aid"), "score": 60, "isFinished": True},
        {"learner": story.who("lea"), "course": story.what("tools"), "isFinished": True, "enrolls": True},
        {"learner": story.who("trainer"), "course": story.what("tools"), "lessonsDone": 1, "enrolls": True},
    ]
    await story.do("bulkRecordCourseProgress", rows=rows)


@step("IMPORT", moves="el")
async def enrollments_are_imported(story: Story) -> None:
    rows = [
        EnrollmentImportRow(learner="bob", content="first aid", status="COMPLETED", score="99"),
        EnrollmentImportRow(learner="lea", content="ladder", status="IN_PROGRESS"),
        EnrollmentImportRow(learner="cleo", content="tour"),
    ]
    operator = Principal.operator(story.tenant.id)
    await perform(operator, story.api.now, "import", lambda work: import_enrollments(work, rows))


@step("updateCourse", moves="", resets=True)
async def somebody_trains_something_else(story: Story) -> None:
    trainers = [learner_id(story.people["trainer"])]
    await story.do("updateCourse", course=story.what("first aid"), changes={"trainerIds": trainers})


@step("createCourse", "createLearningPath", moves="", resets=True)
async def somebody_trains_something_new(story: Story) -> None:
    trainers = [learner_id(story.people["trainer"])]
    made = await story.do("createCourse", "course { id }", title="New", lessonCount=1, trainerIds=trainers)
    items = [{"courseId": made["course"]["id"], "isMandatory": True}]
    await story.do("createLearningPath", title="New path", items=items)


@step("updateCourse", "updateLearningPath", moves="")
async def contents_get_other_names(story: Story) -> None:
    await story.do("updateCourse", course=story.what("fire"), changes={"title": "Fire 2", "lessonCount": 5})
    await story.do("updateLearningPath", learningPath=story.what("tour"), changes={"title": "Tour 2"})


async def test_replay(api: Api, live: LiveServer, tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever happens to enrollments."""
    story = await begin(api, live, tenant, monkeypatch, filtered="e")
    await replay(story, ENROLLMENTS_PLOT)
