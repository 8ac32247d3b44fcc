"""Rules of mandatory tasks: editing, withdrawing, and what an open task holds against managers and learners."""

import pytest

from domain.content.models import Content
from domain.foundation.access import Principal
from tests.support.assigning import EDIT, UNENROLL_SELF, Assigning, codes, reminder
from tests.support.company import UNENROLL, Company, key_of, learner_id, mutation
from tests.support.passing_time import midnight

DUE = "2026-03-16"
ENROLL_SELF = mutation("enrollSelf", "enrollment { isActive }")


@pytest.fixture
async def course(company: Company) -> Content:
    """A course that learners may also take by themselves."""
    return await company.course("A", lesson_count=4, is_self_enrollable=True)


async def test_moved_reminders_are_planned_again_and_what_was_sent_stays(
    assigning: Assigning, learner: Principal, course: Content
) -> None:
    """What had not been sent for the old date is cancelled for it."""
    task = await assigning.assign(learner, course, DUE, reminders=[reminder(7), reminder(1)])
    await assigning.pass_time(until=midnight("2026-03-10"))
    await assigning.edit(task, dueOn="2026-03-30")
    assert await assigning.reminders(task) == [
        "2026-03-16 7 SENT",
        "2026-03-16 1 CANCELLED TASK_RESCHEDULED",
        "2026-03-30 7 SCHEDULED",
        "2026-03-30 1 SCHEDULED",
    ]
    await assigning.pass_time(until=midnight("2026-03-30"))
    assert (await assigning.reminders(task))[2:] == ["2026-03-30 7 SENT", "2026-03-30 1 SENT"]
    assert (await assigning.notifications(learner)).count("TASK_REMINDER A") == 3


async def test_moving_there_and_back_sends_what_lies_ahead_once(
    assigning: Assigning, learner: Principal, course: Content
) -> None:
    """Back on its old date the reminder is planned again."""
    task = await assigning.assign(learner, course, DUE)
    await assigning.edit(task, dueOn="2026-03-20")
    await assigning.edit(task, dueOn=DUE)
    planned = [line for line in await assigning.reminders(task) if line.endswith(" SCHEDULED")]
    assert planned == ["2026-03-16 3 SCHEDULED"]
    await assigning.pass_time(until=midnight("2026-03-20"))
    sent = [line for line in await assigning.reminders(task) if line.endswith("SENT")]
    assert sent == ["2026-03-16 3 SENT"]
    assert (await assigning.notifications(learner)).count("TASK_REMINDER A") == 1


async def test_moving_there_and_back_sends_nothing_again(
    assigning: Assigning, learner: Principal, course: Content
) -> None:
    """One message for a reminder and a due date, even if the date comes back."""
    task = await assigning.assign(learner, course, DUE)
    await assigning.pass_time(until=midnight("2026-03-13"))
    await assigning.edit(task, dueOn="2026-03-20")
    await assigning.edit(task, dueOn=DUE)
    await assigning.pass_time(until=midnight("2026-03-22"))
    assert (await assigning.notifications(learner)).count("TASK_REMINDER A") == 1
    assert [line for line in await assigning.reminders(task) if line.endswith("SENT")] == ["2026-03-16 3 SENT"]


async def test_an_equal_entry_of_a_new_list_is_the_same_reminder(
    assigning: Assigning, learner: Principal, course: Content
) -> None:
    """It keeps its state; others are cancelled, new ones are planned, or skipped where their time has passed."""
    task = await assigning.assign(learner, course, DUE, reminders=[reminder(7), reminder(3), reminder(1)])
    await assigning.pass_time(until=midnight("2026-03-10"))
    await assigning.edit(task, reminders=[reminder(1), reminder(7), reminder(2), reminder(10)])
    assert await assigning.reminders(task) == [
        "2026-03-16 10 SKIPPED TIME_PASSED",
        "2026-03-16 7 SENT",
        "2026-03-16 3 CANCELLED SETTING_REMOVED",
        "2026-03-16 2 SCHEDULED",
        "2026-03-16 1 SCHEDULED",
    ]
    days = [setting["daysBeforeDue"] for setting in await assigning.reminder_settings(task)]
    assert sorted(days) == [1, 2, 7, 10]
    await assigning.pass_time(until=midnight("2026-03-17"))
    assert (await assigning.notifications(learner)).count("TASK_REMINDER A") == 3


async def test_a_completed_task_keeps_its_due_date(assigning: Assigning, learner: Principal, course: Content) -> None:
    """Note, reminders and repetition can change, and send nothing for what is completed."""
    task = await assigning.assign(learner, course, DUE)
    await assigning.finish(learner, course)
    assert [fault["code"] for fault in await assigning.cannot_edit(task, dueOn="2026-03-20")] == [
        "TASK_ALREADY_COMPLETED"
    ]
    changed = await assigning.edit(task, note="Next", repeatEveryWeeks=4, reminders=[reminder(1)])
    assert (changed["status"], changed["dueOn"], changed["note"]) == ("COMPLETED", DUE, "Next")
    assert changed["recurrence"]["nextDueOn"] == "2026-04-13"
    assert [setting["daysBeforeDue"] for setting in await assigning.reminder_settings(task)] == [1]
    await assigning.pass_time(until=midnight("2026-03-17"))
    assert "TASK_REMINDER A" not in await assigning.notifications(learner)


async def test_a_version_of_another_edit_conflicts_and_one_of_progress_does_not(
    assigning: Assigning, learner: Principal, course: Content
) -> None:
    """Who has seen the task before it was begun can still save; who has not seen an edit cannot."""
    task = await assigning.assign(learner, course, DUE)
    await assigning.report(learner, course, lessonsDone=1)
    fields = {"id": task["id"], "expectedVersion": task["version"], "changes": {"note": "First"}}
    saved = (await assigning.client.value(EDIT, input=fields))["mandatoryTask"]
    assert (saved["note"], saved["version"] > task["version"]) == ("First", True)
    (fault,) = await assigning.faults(EDIT, **(fields | {"changes": {"note": "Second"}}))
    assert (fault["code"], fault["currentVersion"]) == ("VERSION_CONFLICT", saved["version"])


@pytest.mark.parametrize(
    ("keeps", "held_before", "held_after"),
    [
        (None, [], ["MANAGER"]),
        (True, [], ["MANAGER"]),
        (True, ["MANAGER"], ["MANAGER"]),
        (False, [], None),
        (False, ["MANAGER"], ["MANAGER"]),
    ],
)
async def test_withdrawing_ends_the_reason_or_turns_it_into_one_of_who_withdraws(
    company: Company,
    assigning: Assigning,
    learner: Principal,
    course: Content,
    keeps: bool | None,
    held_before: list[str],
    held_after: list[str] | None,
) -> None:
    """By default the learner stays enrolled; without that, only if another reason holds. Progress stays anyway."""
    if held_before:
        await company.enroll(learner, course)
    task = await assigning.assign(learner, course, DUE)
    await assigning.report(learner, course, lessonsDone=2)
    await assigning.withdraw(task, keeps_enrollment=keeps)
    assert await company.reasons(learner) == ({} if held_after is None else {"A": held_after})
    log = await company.log(learner, actions=["TASK_WITHDRAWN", "UNENROLLED"])
    ended = ["UNENROLLED A MANDATORY_TASK"] if held_after is None else []
    assert sorted(log) == ["TASK_WITHDRAWN A MANDATORY_TASK", *ended]
    assert (await assigning.enrollment(task))["lessonsDone"] == 2


async def test_a_service_account_that_withdraws_keeps_the_enrollment_as_its_own(
    company: Company, assigning: Assigning, learner: Principal, course: Content, sync_account: Principal
) -> None:
    """The reason is INTEGRATION; it may withdraw what others have assigned."""
    task = await assigning.assign(learner, course, DUE)
    await assigning.acting_as(sync_account).withdraw(task)
    assert await company.reasons(learner) == {"A": ["INTEGRATION"]}


async def test_a_withdrawn_task_is_seen_by_its_id_and_in_the_log_only(
    company: Company, assigning: Assigning, learner: Principal, course: Content
) -> None:
    """Changing it again is NOT_FOUND; its reminders are cancelled."""
    task = await assigning.assign(learner, course, DUE)
    company.api.advance(hours=1)
    await assigning.withdraw(task)
    seen = await assigning.look_at(task)
    assert seen["withdrawnAt"] == "2026-03-02T10:00:00Z"
    assert await assigning.reminders(task) == ["2026-03-16 3 CANCELLED TASK_WITHDRAWN"]
    assert [fault["code"] for fault in await assigning.cannot_edit(task, note="N")] == ["NOT_FOUND"]
    assert [fault["code"] for fault in await assigning.cannot_withdraw(task)] == ["NOT_FOUND"]
    (entry,) = await assigning.log(learner, actions=["TASK_WITHDRAWN"])
    assert (entry["mandatoryTask"], entry["actor"]) == ({"id": task["id"]}, {"name": "Ada Admin"})
    assert await assigning.counts() == (0, 0, 0, 0)
    assert await assigning.names(includesSuspended=True) == []


async def test_withdrawing_a_path_task_takes_its_courses_along(
    company: Company, assigning: Assigning, learner: Principal, course: Content
) -> None:
    """Unless the enrollment in the path is kept."""
    path = await company.path("P", course)
    task = await assigning.assign(learner, path, DUE)
    await assigning.withdraw(task, keeps_enrollment=False)
    assert await company.reasons(learner) == {}
    task = await assigning.assign(learner, path, DUE)
    await assigning.withdraw(task)
    assert await company.reasons(learner) == {"A": ["LEARNING_PATH"], "P": ["MANAGER"]}


async def test_an_overdue_task_can_be_withdrawn(assigning: Assigning, learner: Principal, course: Content) -> None:
    """Only completion protects it."""
    task = await assigning.assign(learner, course, DUE)
    await assigning.pass_time(until=midnight("2026-03-18"))
    await assigning.withdraw(task)
    assert await assigning.tasks() == []


@pytest.mark.parametrize("through_a_path", [False, True])
async def test_managers_cannot_take_what_an_open_task_needs(
    company: Company, assigning: Assigning, learner: Principal, course: Content, through_a_path: bool
) -> None:
    """Directly or through a path, until the task is completed; then they can."""
    target = await company.path("P", course) if through_a_path else course
    await company.enroll(learner, course)
    await assigning.assign(learner, target, DUE)
    before = await company.reasons(learner)
    for content in (target, course):
        refusal = await company.refused(UNENROLL, learner={"id": learner_id(learner)}, content=key_of(content))
        assert codes(refusal) == ["ENROLLMENT_IS_MANDATORY"]
    assert await company.reasons(learner) == before
    await assigning.finish(learner, course)
    await company.unenroll(learner, course)
    assert "A" not in await company.enrolled(learner)


@pytest.mark.parametrize("through_a_path", [False, True])
async def test_learners_cannot_end_what_an_open_task_needs(
    company: Company, assigning: Assigning, learner: Principal, course: Content, through_a_path: bool
) -> None:
    """Not their own voluntary enrollment either, while the task is open; afterwards their own reason ends."""
    client = assigning.acting_as(learner).client
    await client.value(ENROLL_SELF, input={"course": key_of(course)})
    target = await company.path("P", course) if through_a_path else course
    await assigning.assign(learner, target, DUE)
    leaving = {"content": key_of(course)}
    assert codes(await client.user_errors(UNENROLL_SELF, input=leaving)) == ["ENROLLMENT_IS_MANDATORY"]
    await assigning.finish(learner, course)
    held = "LEARNING_PATH" if through_a_path else "MANDATORY_TASK"
    assert (await company.reasons(learner))["A"] == sorted(["LEARNER", held])
    await client.value(UNENROLL_SELF, input=leaving)
    assert (await company.reasons(learner))["A"] == [held]


async def test_after_completion_access_stays_and_binds_nobody(
    company: Company, assigning: Assigning, learner: Principal, course: Content
) -> None:
    """The learner has no reason of their own to end; the enrollment names no open task any more."""
    await assigning.assign(learner, course, DUE)
    await assigning.finish(learner, course)
    assert await company.reasons(learner) == {"A": ["MANDATORY_TASK"]}
    client = assigning.acting_as(learner).client
    leaving = await client.user_errors(UNENROLL_SELF, input={"content": key_of(course)})
    assert codes(leaving) == ["NOT_PERMITTED"]
    assert await company.widget(learner) == ["A"]
    await company.unenroll(learner, course)
    assert await company.widget(learner) == []


async def test_an_enrollment_names_the_open_tasks_that_need_it(
    company: Company, assigning: Assigning, learner: Principal, course: Content
) -> None:
    """Directly or through a path, as long as they are open."""
    path = await company.path("P", course)
    direct, through = [await assigning.assign(learner, target, DUE) for target in (course, path)]
    document = """query($filter: EnrollmentFilterInput) { enrollments(filter: $filter) { nodes {
      content { title } mandatoryTasks { id } } } }"""

    async def needed() -> dict[str, list[str]]:
        page = await company.client.value(document, filter={"learnerIds": [learner_id(learner)]})
        return {
            node["content"]["title"]: sorted(task["id"] for task in node["mandatoryTasks"]) for node in page["nodes"]
        }

    assert await needed() == {"A": sorted([direct["id"], through["id"]]), "P": [through["id"]]}
    await assigning.withdraw(through)
    assert await needed() == {"A": [direct["id"]], "P": []}
    await assigning.finish(learner, course)
    assert await needed() == {"A": [], "P": []}
