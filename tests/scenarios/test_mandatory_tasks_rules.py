"""Rules of mandatory tasks: who assigns what to whom, one task at a time, due dates, status, and what is told."""

import asyncio

import pytest

from domain.content.models import Content
from domain.foundation.access import Principal, Role
from tests.support.assigning import ASSIGN, Assigning, reminder
from tests.support.company import Company
from tests.support.passing_time import midnight

DUE = "2026-03-16"


@pytest.fixture
async def course(company: Company, trainer: Principal) -> Content:
    """A course that the trainer trains."""
    return await company.course("A", trainers=[trainer.learner_id], lesson_count=4)


@pytest.mark.parametrize("role", list(Role))
async def test_a_trainer_assigns_to_any_active_person(
    assigning: Assigning, trainer: Principal, course: Content, role: Role
) -> None:
    """Trainers and administrators learn too."""
    person = await assigning.person("Pia", role=role)
    task = await assigning.acting_as(trainer).assign(person, course, DUE)
    assert (task["learner"]["name"], task["assignedBy"]["name"]) == ("Pia", "Tina Trainer")


async def test_trainers_and_administrators_assign_themselves(
    assigning: Assigning, trainer: Principal, course: Content
) -> None:
    """The assigner may be the learner."""
    task = await assigning.acting_as(trainer).assign(trainer, course, DUE)
    assert task["learner"]["name"] == task["assignedBy"]["name"] == "Tina Trainer"


async def test_an_inactive_person_is_assigned_nothing(
    company: Company, assigning: Assigning, learner: Principal, course: Content
) -> None:
    """The error names why, and nobody is enrolled."""
    await assigning.deactivate(learner)
    assert [fault["code"] for fault in await assigning.cannot_assign(learner, course, DUE)] == ["LEARNER_INACTIVE"]
    assert await company.enrolled(learner) == []


async def test_a_service_account_needs_the_scope(
    assigning: Assigning, learner: Principal, course: Content, sync_account: Principal, read_account: Principal
) -> None:
    """With it, it assigns anything in its own name; without it, it may never."""
    refusal = await assigning.acting_as(read_account).client.errors(
        ASSIGN, input=assigning.assignment(learner, course, DUE)
    )
    assert refusal == ["FORBIDDEN"]
    task = await assigning.acting_as(sync_account).assign(learner, course, DUE)
    assert task["assignedBy"]["name"] == "HR sync"
    tasks = await assigning.acting_as(read_account).tasks()
    assert [seen["id"] for seen in tasks] == [task["id"]]


async def test_a_second_task_for_the_same_target_is_refused_with_the_first_one(
    assigning: Assigning, learner: Principal, course: Content
) -> None:
    """Also once it is completed; a withdrawn one does not count, nor do other people and contents."""
    task = await assigning.assign(learner, course, DUE)
    fault = {"code": "TASK_ALREADY_ASSIGNED", "existingTask": {"id": task["id"]}}
    for _ in range(2):
        (refused,) = await assigning.cannot_assign(learner, course, "2026-04-01")
        del refused["path"]
        assert refused == fault
        await assigning.finish(learner, course)
    other = await assigning.person("Other")
    first = await assigning.assign(other, course, DUE)
    await assigning.withdraw(first)
    second = await assigning.assign(other, course, DUE)
    assert second["id"] != first["id"]
    assert await assigning.tasks_of(other) == ["A 2026-03-16 ASSIGNED"]


async def test_two_at_once_assign_one_task(assigning: Assigning, learner: Principal, course: Content) -> None:
    """Whoever comes second is told of the task of the first."""
    answers = await asyncio.gather(
        *(assigning.client.execute(ASSIGN, input=assigning.assignment(learner, course, DUE)) for _ in range(4))
    )
    payloads = [answer["data"]["assignMandatoryTask"] for answer in answers]
    ((task,), refused) = (
        [payload["mandatoryTask"] for payload in payloads if payload["mandatoryTask"]],
        [error for payload in payloads for error in payload["errors"]],
    )
    assert [error["code"] for error in refused] == ["TASK_ALREADY_ASSIGNED"] * 3
    assert [error["existingTask"] for error in refused] == [{"id": task["id"]}] * 3


@pytest.mark.parametrize(("days", "earliest"), [(0, "2026-03-02"), (1, "2026-03-03"), (10, "2026-03-12")])
async def test_the_lead_is_a_setting_of_the_tenant(
    assigning: Assigning, learner: Principal, course: Content, days: int, earliest: str
) -> None:
    """Counted from today; the day before the earliest one is refused with it."""
    await assigning.change_tenant(minimumLeadDays=days)
    early = f"2026-03-{int(earliest[-2:]) - 1:02}"
    (fault,) = await assigning.cannot_assign(learner, course, early)
    assert (fault["code"], fault["earliestDueOn"]) == ("DUE_DATE_TOO_SOON", earliest)
    assert (await assigning.assign(learner, course, earliest))["dueOn"] == earliest


async def test_an_edit_moves_the_due_date_to_any_day_from_today_on(
    assigning: Assigning, learner: Principal, course: Content
) -> None:
    """The lead concerns assignments only; yesterday is refused."""
    task = await assigning.assign(learner, course, DUE)
    fault = {"code": "DUE_DATE_TOO_SOON", "path": ["input", "changes", "dueOn"], "earliestDueOn": "2026-03-02"}
    assert await assigning.cannot_edit(task, dueOn="2026-03-01") == [fault]
    assert (await assigning.edit(task, dueOn="2026-03-02"))["dueAt"] == "2026-03-02T23:00:00Z"


@pytest.mark.parametrize(
    ("input", "code", "place"),
    [
        ({"note": "x" * 501}, "INVALID", ["input", "note"]),
        ({"repeatEveryWeeks": 0}, "INVALID", ["input", "repeatEveryWeeks"]),
        ({"repeatEveryWeeks": 521}, "INVALID", ["input", "repeatEveryWeeks"]),
        ({"reminders": [reminder(366)]}, "INVALID", ["input", "reminders", "0", "daysBeforeDue"]),
        ({"reminders": [reminder(1), reminder(-366)]}, "INVALID", ["input", "reminders", "1", "daysBeforeDue"]),
        ({"reminders": [reminder(n) for n in range(51)]}, "TOO_MANY_ITEMS", ["input", "reminders"]),
    ],
    ids=["note", "weeks 0", "weeks 521", "366 days", "-366 days", "51 reminders"],
)
async def test_bounds_of_an_assignment(
    company: Company,
    assigning: Assigning,
    learner: Principal,
    course: Content,
    input: dict[str, object],
    code: str,
    place: list[str],
) -> None:
    """What is beyond them is refused at its place, and nothing is done; what is at them is accepted."""
    (fault,) = await assigning.cannot_assign(learner, course, DUE, **input)
    assert (fault["code"], fault["path"]) == (code, place)
    assert await company.enrolled(learner) == []
    at_the_bounds = {"note": "x" * 500, "repeatEveryWeeks": 520, "reminders": [reminder(365), reminder(-365)]}
    assert (await assigning.assign(learner, course, DUE, **at_the_bounds))["note"] == "x" * 500


async def test_assigning_enrolls_and_writes_the_log(
    company: Company, assigning: Assigning, learner: Principal, course: Content
) -> None:
    """Both entries name the task and the account; courses that come with a path have it as their source."""
    task = await assigning.assign(learner, course, DUE)
    entries = await assigning.log(learner)
    assert sorted(entry["action"] for entry in entries) == ["ENROLLED", "TASK_ASSIGNED"]
    for entry in entries:
        assert (entry["source"], entry["actor"]) == ("MANDATORY_TASK", {"name": "Ada Admin"})
        assert (entry["mandatoryTask"], entry["occurredAt"]) == ({"id": task["id"]}, "2026-03-02T09:00:00Z")
        assert entry["content"] == {"title": "A"}
    person = await assigning.person("Pia")
    path_task = await assigning.assign(person, await company.path("P", course), DUE)
    assert sorted(await company.log(person)) == [
        "ENROLLED A LEARNING_PATH",
        "ENROLLED P MANDATORY_TASK",
        "TASK_ASSIGNED P MANDATORY_TASK",
    ]
    assert {entry["mandatoryTask"]["id"] for entry in await assigning.log(person)} == {path_task["id"]}


@pytest.mark.parametrize(
    ("changes", "is_told"),
    [
        ({"dueOn": "2026-03-20"}, True),
        ({"note": "New"}, True),
        ({"note": None}, True),
        ({"repeatEveryWeeks": 4}, False),
        ({"reminders": []}, False),
        ({"note": "Old", "dueOn": DUE}, None),
    ],
    ids=["due date", "note", "no note", "repetition", "reminders", "nothing"],
)
async def test_a_change_of_due_date_or_note_is_told_to_the_person(
    company: Company, assigning: Assigning, course: Content, changes: dict[str, object], is_told: bool | None
) -> None:
    """In the platform and by email; every change is logged; what was so already is no change."""
    person = await assigning.person("Pia")
    task = await assigning.assign(person, course, DUE, note="Old")
    await assigning.pass_time(minutes=1)
    assigning.mailbox.new()
    changed = await assigning.edit(task, **changes)
    await assigning.pass_time(minutes=1)
    assert (changed["version"] > task["version"]) is (is_told is not None)
    assert await company.log(person, actions=["TASK_CHANGED"]) == (
        [] if is_told is None else ["TASK_CHANGED A MANDATORY_TASK"]
    )
    assert await assigning.notifications(person) == ["TASK_ASSIGNED A", *(["TASK_CHANGED A"] if is_told else [])]
    assert assigning.mailbox.new_recipients() == (["pia@acme.test"] if is_told else [])


async def test_overdue_is_right_when_nothing_runs(
    company: Company, assigning: Assigning, learner: Principal, course: Content
) -> None:
    """From 00:00 of the day after the due date in the learner's time zone, by the date alone; in counts too."""
    task = await assigning.assign(learner, course, DUE)
    await assigning.report(learner, course, lessonsDone=1)
    assigning.outage(until=midnight("2026-03-17"))
    company.api.advance(seconds=-1)
    assert await assigning.status(task) == "IN_PROGRESS"
    assert await assigning.counts() == (0, 1, 0, 0)
    company.api.advance(seconds=1)
    assert await assigning.status(task) == "OVERDUE"
    assert await assigning.counts() == (0, 0, 0, 1)
    assert await assigning.names(statuses=["IN_PROGRESS"]) == []
    assert await assigning.names(statuses=["OVERDUE"]) == ["Lea Learner"]
    assert await company.log(learner, actions=["TASK_OVERDUE"]) == []


async def test_a_sweep_logs_the_transition_once(
    company: Company, assigning: Assigning, learner: Principal, course: Content
) -> None:
    """As the system, without an actor; again only when the task was moved and passes its new date too."""
    task = await assigning.assign(learner, course, DUE, reminders=[])
    await assigning.pass_time(until=midnight("2026-03-17"))
    version = (await assigning.look_at(task))["version"]
    assert version > task["version"]
    await assigning.pass_time(days=2)
    (entry,) = await assigning.log(learner, actions=["TASK_OVERDUE"])
    assert (entry["source"], entry["actor"], entry["mandatoryTask"]) == ("SYSTEM", None, {"id": task["id"]})
    assert (await assigning.look_at(task))["version"] == version
    assert (await assigning.edit(task, dueOn="2026-03-21"))["status"] == "ASSIGNED"
    await assigning.pass_time(until=midnight("2026-03-22"))
    assert await company.log(learner, actions=["TASK_OVERDUE"]) == ["TASK_OVERDUE A SYSTEM"] * 2


async def test_completion_wins_over_the_date(assigning: Assigning, learner: Principal, course: Content) -> None:
    """Completed in time it never becomes overdue; completed late it is completed."""
    task = await assigning.assign(learner, course, DUE)
    late = await assigning.person("Late")
    late_task = await assigning.assign(late, course, DUE)
    await assigning.finish(learner, course)
    await assigning.pass_time(until=midnight("2026-03-20"))
    assert await assigning.status(task) == "COMPLETED"
    assert await assigning.status(late_task) == "OVERDUE"
    await assigning.finish(late, course)
    done = await assigning.look_at(late_task)
    assert (done["status"], done["completedAt"]) == ("COMPLETED", "2026-03-19T23:00:00Z")


async def test_a_late_report_dates_the_completion(assigning: Assigning, learner: Principal, course: Content) -> None:
    """What was done in time and reported late has been done in time."""
    task = await assigning.assign(learner, course, DUE)
    await assigning.pass_time(until=midnight("2026-03-20"))
    await assigning.finish(learner, course, occurredAt="2026-03-15T12:00:00Z")
    assert (await assigning.look_at(task))["completedAt"] == "2026-03-15T12:00:00Z"


@pytest.mark.parametrize("is_active", [True, False])
async def test_completed_content_fulfils_the_task_at_once(
    company: Company, assigning: Assigning, learner: Principal, course: Content, is_active: bool
) -> None:
    """Also where the enrollment had ended: then access comes back with the task, as what was completed."""
    await company.enroll(learner, course)
    await assigning.finish(learner, course)
    if not is_active:
        await company.unenroll(learner, course)
    task = await assigning.assign(learner, course, DUE)
    assert task["status"] == "COMPLETED"
    enrollment = await assigning.enrollment(task)
    assert (enrollment["isActive"], enrollment["status"]) == (True, "COMPLETED")
    entries = await company.log(learner, sources=["MANDATORY_TASK"])
    assert sorted(entries) == [*([] if is_active else ["ENROLLED A MANDATORY_TASK"]), "TASK_ASSIGNED A MANDATORY_TASK"]


async def test_started_content_makes_it_in_progress(
    company: Company, assigning: Assigning, learner: Principal, course: Content
) -> None:
    """And who had left it goes on from there."""
    await company.enroll(learner, course)
    await assigning.report(learner, course, lessonsDone=2)
    await company.unenroll(learner, course)
    task = await assigning.assign(learner, course, DUE)
    assert task["status"] == "IN_PROGRESS"
    enrollment = await assigning.enrollment(task)
    assert (enrollment["isActive"], enrollment["lessonsDone"]) == (True, 2)
