"""Rules of mandatory tasks: time zones, and tasks that rest while their learner is inactive."""

import pytest

from domain.content.models import Content
from domain.foundation.access import Principal
from tests.support.assigning import Assigning, in_lines, reminder
from tests.support.company import Company, learner_id
from tests.support.passing_time import midnight

DUE = "2026-03-16"
AUCKLAND = "Pacific/Auckland"


@pytest.fixture
async def course(company: Company) -> Content:
    """A course."""
    return await company.course("A", lesson_count=4)


async def move(assigning: Assigning, person: Principal, zone: str | None) -> None:
    """Give somebody a time zone."""
    await assigning.company.change(person, timeZone=zone)


@pytest.mark.parametrize(
    ("zone", "due_on", "due_at"),
    [
        ("Europe/Berlin", "2026-03-28", "2026-03-28T23:00:00Z"),
        ("Europe/Berlin", "2026-03-29", "2026-03-29T22:00:00Z"),
        ("Pacific/Auckland", "2026-03-16", "2026-03-16T11:00:00Z"),
        ("America/Los_Angeles", "2026-03-16", "2026-03-17T07:00:00Z"),
        ("Asia/Kathmandu", "2026-03-16", "2026-03-16T18:15:00Z"),
        # A day without a midnight begins later by the clock, at the same instant.
        ("America/Havana", "2026-03-07", "2026-03-08T05:00:00Z"),
        ("Asia/Beirut", "2026-03-28", "2026-03-28T22:00:00Z"),
        # A day with two midnights begins with the first.
        ("America/Havana", "2026-10-31", "2026-11-01T04:00:00Z"),
    ],
)
async def test_a_due_date_ends_with_the_first_instant_of_the_next_day_where_the_learner_is(
    assigning: Assigning, course: Content, zone: str, due_on: str, due_at: str
) -> None:
    """Summer time comes and goes; a reminder on the day after is planned for that same instant."""
    person = await assigning.person("Pia", time_zone=zone)
    task = await assigning.assign(person, course, due_on, reminders=[reminder(-1)])
    assert (task["dueOn"], task["dueAt"]) == (due_on, due_at)
    assert [entry["scheduledAt"] for entry in await assigning.ledger(task)] == [due_at]


@pytest.mark.parametrize(
    ("zone", "hours", "earliest"),
    [
        ("Pacific/Pago_Pago", 0, "2026-03-04"),
        ("Pacific/Kiritimati", 0, "2026-03-05"),
        ("Pacific/Kiritimati", 1, "2026-03-06"),
        (None, 13, "2026-03-05"),
        (None, 14, "2026-03-06"),
    ],
)
async def test_today_is_what_it_is_for_the_learner(
    company: Company, assigning: Assigning, course: Content, zone: str | None, hours: int, earliest: str
) -> None:
    """The lead counts from the learner's date; without a zone of their own they have the tenant's."""
    person = await assigning.person("Pia", time_zone=zone)
    company.api.advance(hours=hours)
    (fault,) = await assigning.cannot_assign(person, course, f"{earliest[:-2]}{int(earliest[-2:]) - 1:02}")
    assert (fault["code"], fault["earliestDueOn"]) == ("DUE_DATE_TOO_SOON", earliest)
    assert (await assigning.assign(person, course, earliest))["dueOn"] == earliest


async def test_when_the_learner_moves_everything_ahead_moves_with_them(
    assigning: Assigning, learner: Principal, course: Content
) -> None:
    """The end of the due date and the reminders; the date stays."""
    task = await assigning.assign(learner, course, DUE, reminders=[reminder(3), reminder(-1)])
    await move(assigning, learner, AUCKLAND)
    moved = await assigning.look_at(task)
    assert (moved["dueOn"], moved["dueAt"]) == (DUE, "2026-03-16T11:00:00Z")
    assert moved["version"] > task["version"]
    planned = [(entry["scheduledAt"], entry["status"]) for entry in await assigning.ledger(task)]
    assert planned == [("2026-03-12T11:00:00Z", "SCHEDULED"), ("2026-03-16T11:00:00Z", "SCHEDULED")]
    await move(assigning, learner, None)
    assert (await assigning.look_at(task))["dueAt"] == "2026-03-16T23:00:00Z"


async def test_a_reminder_that_a_move_puts_into_the_past_goes_out_at_once_and_once(
    assigning: Assigning, course: Content
) -> None:
    """Three hours before its time the learner moves to where it has passed; moving back sends nothing again."""
    person = await assigning.person("Pia")
    task = await assigning.assign(person, course, DUE)
    await assigning.pass_time(until=midnight("2026-03-13").replace(hour=20))
    assert await assigning.reminders(task) == ["2026-03-16 3 SCHEDULED"]
    await move(assigning, person, AUCKLAND)
    await assigning.sweep()
    assert await assigning.reminders(task) == ["2026-03-16 3 SENT"]
    await move(assigning, person, "Europe/Berlin")
    await assigning.pass_time(days=2)
    assert await assigning.reminders(task) == ["2026-03-16 3 SENT"]
    assert await assigning.notifications(person) == ["TASK_ASSIGNED A", "TASK_REMINDER A"]


async def test_overdue_follows_the_learner(assigning: Assigning, learner: Principal, course: Content) -> None:
    """The day is over in the east earlier than at home."""
    task = await assigning.assign(learner, course, DUE)
    assigning.outage(until=midnight("2026-03-17").replace(hour=12))
    assert await assigning.status(task) == "ASSIGNED"
    await move(assigning, learner, AUCKLAND)
    assert await assigning.status(task) == "OVERDUE"
    await move(assigning, learner, "Europe/Berlin")
    assert await assigning.status(task) == "ASSIGNED"


async def test_when_the_tenant_moves_a_job_moves_who_has_no_zone_of_their_own(
    company: Company, assigning: Assigning, learner: Principal, course: Content
) -> None:
    """Due dates and reminders that lie ahead; what was sent is not sent again."""
    settled = await assigning.person("Settled", time_zone="Europe/Berlin")
    tasks = [
        await assigning.assign(person, course, DUE, reminders=[reminder(10), reminder(3)])
        for person in (learner, settled)
    ]
    await assigning.pass_time(until=midnight("2026-03-08"))
    payload = await assigning.change_tenant(timeZone=AUCKLAND)
    assert payload["tenant"]["timeZone"] == AUCKLAND
    assert payload["rescheduling"]["kind"] == "TIME_ZONE_CHANGE"
    await company.run_jobs()
    ends = [(await assigning.look_at(task))["dueAt"] for task in tasks]
    assert ends == ["2026-03-16T11:00:00Z", "2026-03-16T23:00:00Z"]
    sent, planned = await assigning.ledger(tasks[0])
    assert (sent["status"], sent["scheduledAt"]) == ("SENT", "2026-03-05T23:00:00Z")
    assert (planned["status"], planned["scheduledAt"]) == ("SCHEDULED", "2026-03-12T11:00:00Z")
    assert (await assigning.ledger(tasks[1]))[1]["scheduledAt"] == "2026-03-12T23:00:00Z"
    await assigning.pass_time(days=1)
    assert (await assigning.notifications(learner)).count("TASK_REMINDER A") == 1


async def test_tasks_of_an_inactive_learner_rest(company: Company, assigning: Assigning, course: Content) -> None:
    """Never overdue, no reminders, in no list or count unless asked for."""
    person = await assigning.person("Pia")
    task = await assigning.assign(person, course, DUE)
    await assigning.pass_time(minutes=1)
    assigning.mailbox.new()
    await assigning.deactivate(person)
    await assigning.pass_time(until=midnight("2026-03-18"))
    resting = await assigning.look_at(task)
    assert (resting["isSuspended"], resting["status"]) == (True, "ASSIGNED")
    assert await assigning.tasks() == []
    assert await assigning.counts() == (0, 0, 0, 0)
    assert await assigning.breakdown("TARGET") == []
    assert await assigning.names(includesSuspended=True) == ["Pia"]
    assert await assigning.counts(includesSuspended=True) == (1, 0, 0, 0)
    assert await company.log(person, actions=["TASK_OVERDUE"]) == []
    assert assigning.mailbox.new_recipients() == []


async def test_reactivated_tasks_resume(company: Company, assigning: Assigning, course: Content) -> None:
    """Status by the date; reminders whose time has passed meanwhile are skipped, those ahead are sent."""
    person = await assigning.person("Pia")
    task = await assigning.assign(person, course, DUE, reminders=[reminder(3), reminder(-1), reminder(-10)])
    await assigning.deactivate(person)
    await assigning.pass_time(until=midnight("2026-03-18"))
    await assigning.reactivate(person)
    resumed = await assigning.look_at(task)
    assert (resumed["isSuspended"], resumed["status"]) == (False, "OVERDUE")
    assert await assigning.names() == ["Pia"]
    await assigning.pass_time(until=midnight("2026-03-27"))
    assert await assigning.reminders(task) == [
        "2026-03-16 3 SKIPPED TASK_SUSPENDED",
        "2026-03-16 -1 SKIPPED TASK_SUSPENDED",
        "2026-03-16 -10 SENT",
    ]
    assert await company.log(person, actions=["TASK_OVERDUE"]) == ["TASK_OVERDUE A SYSTEM"]


async def test_reminders_that_lie_ahead_survive_an_absence(assigning: Assigning, course: Content) -> None:
    """Away and back before its time: it is sent as planned, and once."""
    person = await assigning.person("Pia")
    task = await assigning.assign(person, course, DUE)
    await assigning.deactivate(person)
    await assigning.pass_time(days=3)
    await assigning.reactivate(person)
    await assigning.pass_time(until=midnight("2026-03-14"))
    assert await assigning.reminders(task) == ["2026-03-16 3 SENT"]
    assert (await assigning.notifications(person)).count("TASK_REMINDER A") == 1


async def test_an_absence_opens_no_cycle_and_the_return_opens_one(
    company: Company, assigning: Assigning, course: Content
) -> None:
    """However many rounds went by; it is due as many days later as the first assignment gave."""
    person = await assigning.person("Pia")
    task = await assigning.assign(person, course, "2026-03-09", repeatEveryWeeks=1, reminders=[])
    await assigning.finish(person, course)
    await assigning.deactivate(person)
    await assigning.pass_time(until=midnight("2026-04-10"))
    assert await assigning.rounds(task) == [(1, "2026-03-02", "2026-03-09", True)]
    await assigning.reactivate(person)
    await assigning.pass_time(days=3)
    assert await assigning.rounds(task) == [
        (1, "2026-03-02", "2026-03-09", True),
        (2, "2026-04-10", "2026-04-17", False),
    ]
    assert (await assigning.notifications(person)).count("TASK_REOPENED A") == 1


async def test_the_learner_sees_resting_tasks_again_after_the_return(
    company: Company, assigning: Assigning, learner: Principal, course: Content
) -> None:
    """What was done before stays done."""
    await assigning.assign(learner, course, DUE)
    await assigning.report(learner, course, lessonsDone=2)
    await assigning.deactivate(learner)
    await assigning.reactivate(learner)
    assert await assigning.acting_as(learner).tasks_of(learner) == ["A 2026-03-16 IN_PROGRESS"]


async def test_cycles_keep_their_reminders(assigning: Assigning, course: Content) -> None:
    """Each cycle has its own ledger, also when the next one is open."""
    person = await assigning.person("Pia")
    task = await assigning.assign(person, course, DUE, repeatEveryWeeks=2)
    await assigning.pass_time(until=midnight("2026-03-14"))
    await assigning.finish(person, course)
    await assigning.pass_time(until=midnight("2026-03-16"))
    second, first = await assigning.cycles(task)
    assert in_lines(first["reminders"]) == ["2026-03-16 3 SENT"]
    assert in_lines(second["reminders"]) == ["2026-03-30 3 SCHEDULED"]
    assert learner_id(person) == (await assigning.look_at(task))["learner"]["id"]
