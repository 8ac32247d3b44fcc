"""The guide on following up, changing and withdrawing, and its questions. Which sentence is where: the table of
`test_mandatory_tasks_guide`."""

import pytest

from domain.content.models import Content
from domain.foundation.access import Principal, Role
from domain.tenants.models import Tenant
from tests.support import factories
from tests.support.assigning import ASSIGN, UNENROLL_SELF, WITHDRAW, Assigning, codes, reminder
from tests.support.company import CREATE_LEARNER, Company, key_of, learner_id
from tests.support.passing_time import midnight

DUE = "2026-03-16"
FOUND = "query($search: String!) { learners(first: 100, filter: { search: $search }) { nodes { name } } }"
PROGRESS = """
query($filter: EnrollmentFilterInput) { enrollments(first: 100, filter: $filter) { nodes {
  content { title } status progressPercent score lessonsDone } } }
"""


@pytest.fixture
async def course(company: Company) -> Content:
    """A course of four lessons that needs a score of 80."""
    return await company.course("Fire Safety", lesson_count=4, minimum_score=80)


async def test_each_status_means_what_the_table_says(assigning: Assigning, learner: Principal, course: Content) -> None:
    """Enrolled: assigned; a lesson: in progress; deadline passed: overdue; finished with the score: completed."""
    task = await assigning.assign(learner, course, DUE)
    assert task["status"] == "ASSIGNED"
    await assigning.report(learner, course, lessonsDone=1)
    assert await assigning.status(task) == "IN_PROGRESS"
    await assigning.pass_time(until=midnight("2026-03-17"))
    assert await assigning.status(task) == "OVERDUE"
    assert (await assigning.enrollment(task))["status"] == "IN_PROGRESS"
    await assigning.report(learner, course, isFinished=True, score=79)
    assert await assigning.status(task) == "OVERDUE"
    payload = await assigning.report(learner, course, score=80)
    assert [changed["status"] for changed in payload["changedMandatoryTasks"]] == ["COMPLETED"]
    assert await assigning.status(task) == "COMPLETED"


async def test_completed_means_finished_with_the_minimum_score(
    assigning: Assigning, learner: Principal, course: Content
) -> None:
    """All lessons without the score are not enough, nor is the score without the lessons."""
    task = await assigning.assign(learner, course, DUE)
    await assigning.report(learner, course, lessonsDone=4, score=79)
    assert await assigning.status(task) == "IN_PROGRESS"
    await assigning.report(learner, course, score=80)
    assert await assigning.status(task) == "COMPLETED"
    assert (await assigning.look_at(task))["completedAt"] == "2026-03-02T09:00:00Z"


async def test_open_and_overdue_tasks_are_filtered_for_follow_up(company: Company, assigning: Assigning) -> None:
    """The filter leaves out what is completed, and the list begins with what was due first."""
    course = await company.course("A", lesson_count=2)
    people = {name: await assigning.person(name) for name in ("Assigned", "Begun", "Done", "Late")}
    for name, person in people.items():
        await assigning.assign(person, course, "2026-03-09" if name == "Late" else DUE)
    await assigning.report(people["Begun"], course, lessonsDone=1)
    await assigning.finish(people["Done"], course)
    await assigning.pass_time(until=midnight("2026-03-10"))
    statuses = ["ASSIGNED", "IN_PROGRESS", "OVERDUE"]
    tasks = await assigning.tasks(statuses=statuses)
    assert tasks[0]["learner"]["name"] == "Late"
    assert {task["learner"]["name"]: task["status"] for task in tasks} == {
        "Assigned": "ASSIGNED",
        "Begun": "IN_PROGRESS",
        "Late": "OVERDUE",
    }
    assert await assigning.counts(statuses=statuses) == (1, 1, 0, 1)


async def test_more_detail_per_person_is_in_the_enrollments(
    assigning: Assigning, learner: Principal, course: Content
) -> None:
    """Progress in percent, lessons and score, of the person in all that they take."""
    await assigning.assign(learner, course, DUE)
    await assigning.report(learner, course, lessonsDone=2, score=35)
    detail = await assigning.client.value(PROGRESS, filter={"learnerIds": [learner_id(learner)]})
    assert detail["nodes"] == [
        {
            "content": {"title": "Fire Safety"},
            "status": "IN_PROGRESS",
            "progressPercent": 50,
            "score": 35,
            "lessonsDone": 2,
        }
    ]


async def test_deadline_note_and_reminders_are_edited(
    assigning: Assigning, learner: Principal, course: Content
) -> None:
    """Existing reminders are recalculated from the new deadline; a new list replaces the old one."""
    task = await assigning.assign(learner, course, DUE, note="Old")
    changed = await assigning.edit(task, dueOn="2026-03-20", note="New")
    assert (changed["dueOn"], changed["note"], changed["dueAt"]) == ("2026-03-20", "New", "2026-03-20T23:00:00Z")
    planned = [entry for entry in await assigning.ledger(task) if entry["status"] == "SCHEDULED"]
    assert [(entry["dueOn"], entry["scheduledAt"]) for entry in planned] == [("2026-03-20", "2026-03-16T23:00:00Z")]
    await assigning.edit(task, reminders=[reminder(1), reminder(-2)])
    settings = [setting["daysBeforeDue"] for setting in await assigning.reminder_settings(task)]
    assert sorted(settings) == [-2, 1]
    planned = [entry for entry in await assigning.ledger(task) if entry["status"] == "SCHEDULED"]
    assert [entry["daysBeforeDue"] for entry in planned] == [1, -2]
    assert await assigning.tasks_of(learner) == ["Fire Safety 2026-03-20 ASSIGNED"]


async def test_a_withdrawn_task_is_removed_and_the_person_notified(
    assigning: Assigning, learner: Principal, course: Content
) -> None:
    """It is in no list any more; the notification still names the course."""
    task = await assigning.assign(learner, course, DUE)
    assert await assigning.withdraw(task) == task["id"]
    assert await assigning.tasks() == []
    assert await assigning.acting_as(learner).tasks() == []
    assert await assigning.notifications(learner) == ["TASK_ASSIGNED Fire Safety", "TASK_WITHDRAWN Fire Safety"]


async def test_a_completed_task_cannot_be_withdrawn(
    company: Company, assigning: Assigning, learner: Principal, course: Content
) -> None:
    """The completion stays in the history, and so does the task."""
    task = await assigning.assign(learner, course, DUE)
    await assigning.finish(learner, course, score=90)
    done = await assigning.look_at(task)
    assert done["canWithdraw"] is False
    assert [fault["code"] for fault in await assigning.cannot_withdraw(task)] == ["TASK_ALREADY_COMPLETED"]
    assert await assigning.look_at(task) == done
    assert "COMPLETED Fire Safety MANAGER" in await company.log(learner)


async def test_an_existing_enrollment_is_recognised(
    company: Company, assigning: Assigning, learner: Principal, course: Content
) -> None:
    """Nobody gets the course twice: the task begins where the person is."""
    await company.enroll(learner, course)
    await assigning.report(learner, course, lessonsDone=2)
    task = await assigning.assign(learner, course, DUE)
    assert task["status"] == "IN_PROGRESS"
    assert await company.reasons(learner) == {"Fire Safety": ["MANAGER", "MANDATORY_TASK"]}
    assert await company.widget(learner) == ["Fire Safety"]


async def test_a_course_completed_before_fulfils_the_task_right_away(
    company: Company, assigning: Assigning, learner: Principal, course: Content
) -> None:
    """The task is created, and is COMPLETED when the mutation answers; nobody is reminded of it."""
    await company.enroll(learner, course)
    await assigning.finish(learner, course, score=90)
    task = await assigning.assign(learner, course, DUE)
    assert task["status"] == "COMPLETED"
    assert task["completedAt"] is not None
    assert await assigning.tasks_of(learner) == ["Fire Safety 2026-03-16 COMPLETED"]
    await assigning.pass_time(until=midnight("2026-03-18"))
    assert "TASK_REMINDER Fire Safety" not in await assigning.notifications(learner)


async def test_why_somebody_got_no_reminder_is_told(company: Company, assigning: Assigning) -> None:
    """The ledger says to which address it was accepted, or that it was switched off; the deadline stays."""
    course = await company.course("A")
    on, off = await assigning.person("On"), await assigning.person("Off")
    await assigning.acting_as(off).switch_email(False)
    tasks = [await assigning.assign(person, course, DUE) for person in (on, off)]
    await assigning.pass_time(until=midnight("2026-03-14"))
    assert assigning.mailbox.new_recipients() == ["on@acme.test"] * 2
    entries = [(await assigning.ledger(task))[0] for task in tasks]
    assert [entry["status"] for entry in entries] == ["SENT", "SENT"]
    ((accepted,), (suppressed,)) = [entry["deliveries"] for entry in entries]
    assert (accepted["recipient"], accepted["status"], accepted["email"]) == ("LEARNER", "ACCEPTED", "on@acme.test")
    assert accepted["failureReason"] is None
    assert suppressed["status"] == "SUPPRESSED"
    assert suppressed["failureReason"]
    assert await assigning.notifications(off) == ["TASK_ASSIGNED A", "TASK_REMINDER A"]
    await assigning.pass_time(until=midnight("2026-03-17"))
    assert [await assigning.status(task) for task in tasks] == ["OVERDUE", "OVERDUE"]


async def test_the_deadline_can_be_extended_after_reminders_were_sent(company: Company, assigning: Assigning) -> None:
    """What was sent stays in the history; the same reminder comes again for the new deadline."""
    person = await assigning.person("Pia")
    task = await assigning.assign(person, await company.course("A"), DUE)
    await assigning.pass_time(until=midnight("2026-03-14"))
    await assigning.edit(task, dueOn="2026-03-25")
    assert await assigning.reminders(task) == ["2026-03-16 3 SENT", "2026-03-25 3 SCHEDULED"]
    await assigning.pass_time(until=midnight("2026-03-23"))
    assert await assigning.reminders(task) == ["2026-03-16 3 SENT", "2026-03-25 3 SENT"]
    assert (await assigning.notifications(person)).count("TASK_REMINDER A") == 2


async def test_learners_cannot_cancel_a_task(assigning: Assigning, learner: Principal, course: Content) -> None:
    """Neither the task nor the enrollment that it holds."""
    task = await assigning.assign(learner, course, DUE)
    client = assigning.acting_as(learner).client
    assert await client.errors(WITHDRAW, input={"id": task["id"]}) == ["FORBIDDEN"]
    leaving = await client.user_errors(UNENROLL_SELF, input={"content": key_of(course)})
    assert codes(leaving) == ["ENROLLMENT_IS_MANDATORY"]
    own = await assigning.acting_as(learner).look_at(task)
    assert (own["status"], own["canUpdate"], own["canWithdraw"]) == ("ASSIGNED", False, False)


async def test_only_the_assigner_or_an_administrator_withdraws(
    company: Company, assigning: Assigning, trainer: Principal
) -> None:
    """A second trainer of the course sees the task and may not; the first one and an administrator may."""
    other = await company.person("Other", role=Role.TRAINER)
    course = await company.course("A", trainers=[trainer.learner_id, other.learner_id])
    first, second = await assigning.person("First"), await assigning.person("Second")
    tasks = [await assigning.acting_as(trainer).assign(person, course, DUE) for person in (first, second)]
    as_other = assigning.acting_as(other)
    seen = await as_other.look_at(tasks[0])
    assert (seen["status"], seen["canWithdraw"], seen["canUpdate"]) == ("ASSIGNED", False, False)
    assert [fault["code"] for fault in await as_other.cannot_withdraw(tasks[0])] == ["NOT_PERMITTED"]
    await assigning.acting_as(trainer).withdraw(tasks[0])
    await assigning.withdraw(tasks[1])
    assert await assigning.tasks() == []


async def test_people_of_the_company_can_be_assigned_as_soon_as_they_have_an_account(
    company: Company, assigning: Assigning, trainer: Principal, another_tenant: Tenant
) -> None:
    """Who has none is not found until an administrator has created it; another company's people never are."""
    course = await assigning.trained_by(trainer, "A")
    as_trainer = assigning.acting_as(trainer)
    stranger = await factories.create_person(another_tenant.id, name="Newcomer Elsewhere")
    assert await as_trainer.client.value(FOUND, search="Newcomer") == {"nodes": []}
    assignment = {"learner": {"email": "new@acme.test"}, "target": key_of(course), "dueOn": DUE}
    assert codes(await as_trainer.client.user_errors(ASSIGN, input=assignment)) == ["NOT_FOUND"]
    assert [fault["code"] for fault in await as_trainer.cannot_assign(stranger, course, DUE)] == ["NOT_FOUND"]
    assert await as_trainer.client.errors(CREATE_LEARNER, input={"name": "N", "email": "new@acme.test"}) == [
        "FORBIDDEN"
    ]
    await company.do(CREATE_LEARNER, name="Newcomer", email="new@acme.test")
    assert await as_trainer.client.value(FOUND, search="Newcomer") == {"nodes": [{"name": "Newcomer"}]}
    await as_trainer.client.value(ASSIGN, input=assignment)
    assert await assigning.names() == ["Newcomer"]
