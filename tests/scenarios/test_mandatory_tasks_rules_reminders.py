"""Rules of mandatory tasks: which reminders are planned, given out, skipped and cancelled, and what became of them."""

import asyncio
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest

from domain.content.models import Content
from domain.foundation.access import Principal, Role
from domain.notifications.deliveries.mails import HandOverFailed, Mail, Transport
from jobs.emails import deliver_due_emails
from tests.support.assigning import Assigning, reminder
from tests.support.company import Company
from tests.support.passing_time import midnight
from tests.support.rounds import send_due_reminders

DUE = "2026-03-16"


@pytest.fixture
async def course(company: Company) -> Content:
    """A course."""
    return await company.course("A", lesson_count=4)


@pytest.fixture
async def pia(assigning: Assigning) -> Principal:
    """A learner with an email address."""
    return await assigning.person("Pia")


class FailingTransport:
    """Takes no mail, or keeps one and fails all the same."""

    def __init__(self, *, keeps: bool = False) -> None:
        self.keeps = keeps
        self.kept: list[EmailMessage] = []
        self.attempts = 0

    async def send(self, mail: Mail) -> None:
        """Fail."""
        self.attempts += 1
        if self.keeps:
            self.kept.append(message_from_bytes(mail.content, policy=policy.default))
        raise HandOverFailed("The mail server is away.")


async def deliver(assigning: Assigning, transport: Transport | None = None) -> None:
    """Hand over the mails that are due."""
    await deliver_due_emails(assigning.company.api.now, transport or assigning.mailbox.transport)


async def remind(assigning: Assigning) -> int:
    """Give out the reminders that are due, without handing over a mail, and return how many they are."""
    count: int = await send_due_reminders(assigning.company.api.now)
    return count


@pytest.mark.parametrize(
    "reminders",
    [
        [reminder(3), reminder(3)],
        [reminder(3, "LEARNER", "ASSIGNER"), reminder(3, "ASSIGNER", "LEARNER")],
        [reminder(3) | {"recipients": []}],
    ],
    ids=["equal", "equal in another order", "nobody"],
)
async def test_equal_reminders_and_reminders_to_nobody_are_invalid(
    assigning: Assigning, pia: Principal, course: Content, reminders: list[dict[str, object]]
) -> None:
    """Equal means days, template and recipients; what differs in one of them is another reminder."""
    faults = await assigning.cannot_assign(pia, course, DUE, reminders=reminders)
    assert [fault["code"] for fault in faults] == ["INVALID"]
    template = await assigning.template("T", "S", "B")
    different = [reminder(3), reminder(2), reminder(3, "ASSIGNER"), reminder(3, template=template)]
    task = await assigning.assign(pia, course, DUE, reminders=different)
    assert len(await assigning.reminders(task)) == 4


async def test_an_empty_list_means_none(assigning: Assigning, pia: Principal, course: Content) -> None:
    """Nothing is planned and nothing comes."""
    task = await assigning.assign(pia, course, DUE, reminders=[])
    await assigning.pass_time(until=midnight("2026-03-20"))
    assert await assigning.reminders(task) == []
    assert await assigning.notifications(pia) == ["TASK_ASSIGNED A"]


async def test_a_reminder_whose_time_has_passed_at_assignment_is_skipped(
    assigning: Assigning, pia: Principal, course: Content
) -> None:
    """Due in five days: five days before was this midnight; four days before is tonight."""
    task = await assigning.assign(pia, course, "2026-03-07", reminders=[reminder(6), reminder(5), reminder(4)])
    assert await assigning.reminders(task) == [
        "2026-03-07 6 SKIPPED TIME_PASSED",
        "2026-03-07 5 SKIPPED TIME_PASSED",
        "2026-03-07 4 SCHEDULED",
    ]
    await assigning.pass_time(days=1)
    assert (await assigning.notifications(pia)).count("TASK_REMINDER A") == 1


async def test_a_reminder_whose_time_has_passed_at_a_move_is_skipped(
    assigning: Assigning, pia: Principal, course: Content
) -> None:
    """Moved to the day after tomorrow: three days before lies in the past, one day before is still to come."""
    task = await assigning.assign(pia, course, DUE, reminders=[reminder(3), reminder(1)])
    await assigning.edit(task, dueOn="2026-03-04")
    ledger = [entry for entry in await assigning.ledger(task) if entry["dueOn"] == "2026-03-04"]
    assert [(entry["daysBeforeDue"], entry["status"], entry["reason"]) for entry in ledger] == [
        (3, "SKIPPED", "TIME_PASSED"),
        (1, "SCHEDULED", None),
    ]
    await assigning.pass_time(until=midnight("2026-03-20"))
    assert (await assigning.notifications(pia)).count("TASK_REMINDER A") == 1


async def test_after_an_outage_the_reminders_of_the_latest_day_are_sent(
    company: Company, assigning: Assigning, pia: Principal, course: Content
) -> None:
    """Three days without a worker: all of that day, none of the earlier ones; what lies ahead stays planned."""
    boss = await assigning.person("Boss", role=Role.ADMIN)
    reminders = [reminder(12), reminder(9), reminder(8), reminder(7), reminder(7, "ASSIGNER"), reminder(1)]
    task = await assigning.acting_as(boss).assign(pia, course, DUE, reminders=reminders)
    await assigning.pass_time(until=midnight("2026-03-06"))
    assigning.outage(until=midnight("2026-03-09"))
    company.api.advance(hours=9)
    assert await assigning.reminders(task) == [
        "2026-03-16 12 SENT",
        *(f"2026-03-16 {days} SCHEDULED" for days in (9, 8, 7, 7, 1)),
    ]
    await assigning.sweep()
    assert await assigning.reminders(task) == [
        "2026-03-16 12 SENT",
        "2026-03-16 9 SKIPPED SUPERSEDED",
        "2026-03-16 8 SKIPPED SUPERSEDED",
        "2026-03-16 7 SENT",
        "2026-03-16 7 SENT",
        "2026-03-16 1 SCHEDULED",
    ]
    assert (await assigning.notifications(pia)).count("TASK_REMINDER A") == 2
    assert (await assigning.notifications(boss)).count("TASK_REMINDER A") == 1


async def test_an_outage_over_the_due_date_leaves_the_latest_of_each_kind(
    company: Company, assigning: Assigning, pia: Principal, course: Content
) -> None:
    """Reminders before and after the deadline are judged apart; at each moment in between the status was right."""
    reminders = [reminder(days) for days in (2, 1, -1, -2, -9)]
    task = await assigning.assign(pia, course, DUE, reminders=reminders)
    await assigning.pass_time(until=midnight("2026-03-13"))
    for day, status in (("15", "ASSIGNED"), ("16", "ASSIGNED"), ("17", "OVERDUE"), ("18", "OVERDUE")):
        assigning.outage(until=midnight(f"2026-03-{day}"))
        company.api.advance(hours=1)
        assert await assigning.status(task) == status
        assert await assigning.reminders(task) == [f"2026-03-16 {days} SCHEDULED" for days in (2, 1, -1, -2, -9)]
    await assigning.sweep()
    assert await assigning.reminders(task) == [
        "2026-03-16 2 SKIPPED SUPERSEDED",
        "2026-03-16 1 SENT",
        "2026-03-16 -1 SKIPPED SUPERSEDED",
        "2026-03-16 -2 SENT",
        "2026-03-16 -9 SCHEDULED",
    ]
    assert await company.log(pia, actions=["TASK_OVERDUE"]) == ["TASK_OVERDUE A SYSTEM"]


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ("completed", "CANCELLED TASK_COMPLETED"),
        ("withdrawn", "CANCELLED TASK_WITHDRAWN"),
        ("suspended", "SKIPPED TASK_SUSPENDED"),
    ],
)
async def test_a_task_that_ended_or_rests_sends_none(
    assigning: Assigning, pia: Principal, course: Content, what: str, expected: str
) -> None:
    """The ledger tells why, of the task that can be seen by its ID."""
    task = await assigning.assign(pia, course, DUE)
    await assigning.pass_time(minutes=1)
    assigning.mailbox.new()
    await _end(assigning, task, pia, course, what)
    await assigning.pass_time(until=midnight("2026-03-14"))
    assert await assigning.reminders(task) == [f"2026-03-16 3 {expected}"]
    if what == "suspended":
        await assigning.reactivate(pia)
    assert "TASK_REMINDER A" not in await assigning.notifications(pia)


@pytest.mark.parametrize("what", ["completed", "withdrawn", "suspended", "switched off"])
async def test_what_happens_between_giving_out_and_mailing_suppresses_the_mail(
    assigning: Assigning, pia: Principal, course: Content, what: str
) -> None:
    """The reminder was given out in the platform; its mail is not sent, and the ledger tells why."""
    task = await assigning.assign(pia, course, DUE)
    await assigning.pass_time(minutes=1)
    assigning.mailbox.new()
    assigning.outage(until=midnight("2026-03-13"))
    assert await remind(assigning) == 1
    (entry,) = await assigning.ledger(task)
    assert (entry["status"], [delivery["status"] for delivery in entry["deliveries"]]) == ("SENT", ["PENDING"])
    await _end(assigning, task, pia, course, what)
    await deliver(assigning)
    (entry,) = await assigning.ledger(task)
    assert entry["status"] == "SENT"
    assert [delivery["status"] for delivery in entry["deliveries"]] == ["SUPPRESSED"]
    assert entry["deliveries"][0]["failureReason"]
    await assigning.pass_time(days=1)
    (entry,) = await assigning.ledger(task)
    assert [delivery["status"] for delivery in entry["deliveries"]] == ["SUPPRESSED"]


async def _end(assigning: Assigning, task: dict[str, object], person: Principal, course: Content, what: str) -> None:
    match what:
        case "completed":
            await assigning.finish(person, course)
        case "withdrawn":
            await assigning.withdraw(task)
        case "suspended":
            await assigning.deactivate(person)
        case _:
            await assigning.acting_as(person).switch_email(False)


async def test_many_workers_at_once_send_one_message(assigning: Assigning, pia: Principal, course: Content) -> None:
    """One notification and one mail for each recipient."""
    await assigning.assign(pia, course, DUE, reminders=[reminder(3, "LEARNER", "ASSIGNER")])
    await assigning.pass_time(minutes=1)
    assigning.mailbox.new()
    assigning.outage(until=midnight("2026-03-13"))
    assert sum(await asyncio.gather(*(remind(assigning) for _ in range(5)))) == 1
    await asyncio.gather(*(deliver(assigning) for _ in range(5)))
    await assigning.sweep()
    assert assigning.mailbox.new_recipients() == ["pia@acme.test"]
    assert await assigning.notifications(pia) == ["TASK_ASSIGNED A", "TASK_REMINDER A"]
    assert await assigning.notifications(assigning.company.admin) == ["TASK_REMINDER A"]


async def test_a_mail_that_may_have_arrived_is_sent_again_with_the_same_id(
    assigning: Assigning, pia: Principal, course: Content
) -> None:
    """At least once, and recognisable; different messages have different IDs."""
    task = await assigning.assign(pia, course, DUE)
    failing = FailingTransport(keeps=True)
    await deliver(assigning, failing)
    await assigning.pass_time(days=1)
    (assigned,) = assigning.mailbox.new()
    assert [mail["Message-ID"] for mail in failing.kept] == [assigned["Message-ID"]]
    await assigning.pass_time(until=midnight("2026-03-14"))
    (reminded,) = assigning.mailbox.new()
    await assigning.edit(task, dueOn="2026-03-25")
    await assigning.pass_time(until=midnight("2026-03-23"))
    identifiers = {assigned["Message-ID"], reminded["Message-ID"], *(m["Message-ID"] for m in assigning.mailbox.new())}
    # The change of the due date, and the reminder for the new one.
    assert len(identifiers) == 4


async def test_a_mail_that_cannot_be_handed_over_is_tried_again_and_given_up(
    assigning: Assigning, pia: Principal, course: Content
) -> None:
    """PENDING with the time of the latest attempt, FAILED with the reason in the end; the reminder stays SENT."""
    task = await assigning.assign(pia, course, DUE)
    await assigning.pass_time(until=midnight("2026-03-12"))
    assigning.outage(until=midnight("2026-03-13"))
    await remind(assigning)
    failing = FailingTransport()
    await deliver(assigning, failing)
    ((delivery,),) = [entry["deliveries"] for entry in await assigning.ledger(task)]
    assert (delivery["status"], delivery["attemptedAt"]) == ("PENDING", "2026-03-12T23:00:00Z")
    await deliver(assigning, failing)
    assert failing.attempts == 1, "it waits before it tries again"
    for _ in range(24 * 14):
        assigning.outage(hours=1)
        await deliver(assigning, failing)
    ((delivery,),) = [entry["deliveries"] for entry in await assigning.ledger(task)]
    assert delivery["status"] == "FAILED"
    assert delivery["failureReason"]
    attempts = failing.attempts
    assert attempts > 1
    assigning.outage(days=1)
    await deliver(assigning, failing)
    assert failing.attempts == attempts
    assert await assigning.reminders(task) == ["2026-03-16 3 SENT"]


async def test_assigner_and_learner_in_one_person_get_one_message(assigning: Assigning, course: Content) -> None:
    """Both recipients, one person."""
    boss = await assigning.person("Boss", role=Role.ADMIN)
    both = [reminder(3, "LEARNER", "ASSIGNER")]
    await assigning.acting_as(boss).assign(boss, course, DUE, reminders=both)
    await assigning.pass_time(minutes=1)
    assigning.mailbox.new()
    await assigning.pass_time(until=midnight("2026-03-14"))
    assert assigning.mailbox.new_recipients() == ["boss@acme.test"]
    assert (await assigning.notifications(boss)).count("TASK_REMINDER A") == 1


async def test_an_assigner_who_has_gone_is_left_out(assigning: Assigning, pia: Principal, course: Content) -> None:
    """Of two recipients the other one gets it; with none left it is skipped."""
    boss = await assigning.person("Boss", role=Role.ADMIN)
    reminders = [reminder(4, "LEARNER", "ASSIGNER"), reminder(3, "ASSIGNER")]
    task = await assigning.acting_as(boss).assign(pia, course, DUE, reminders=reminders)
    await assigning.pass_time(minutes=1)
    assigning.mailbox.new()
    await assigning.deactivate(boss)
    await assigning.pass_time(until=midnight("2026-03-14"))
    assert await assigning.reminders(task) == ["2026-03-16 4 SENT", "2026-03-16 3 SKIPPED NO_RECIPIENT"]
    assert assigning.mailbox.new_recipients() == ["pia@acme.test"]


async def test_a_service_account_cannot_be_reminded(
    assigning: Assigning, pia: Principal, course: Content, sync_account: Principal
) -> None:
    """ASSIGNER is INVALID where it assigns."""
    as_tool = assigning.acting_as(sync_account)
    faults = await as_tool.cannot_assign(pia, course, DUE, reminders=[reminder(3, "LEARNER", "ASSIGNER")])
    assert [fault["code"] for fault in faults] == ["INVALID"]
    await as_tool.assign(pia, course, DUE)


async def test_who_has_no_address_is_reminded_in_the_platform(assigning: Assigning, course: Content) -> None:
    """SENT all the same; the delivery is SUPPRESSED and says why."""
    person = await assigning.person("Nomail", email=None)
    task = await assigning.assign(person, course, DUE)
    await assigning.pass_time(until=midnight("2026-03-14"))
    (entry,) = await assigning.ledger(task)
    assert entry["status"] == "SENT"
    (delivery,) = entry["deliveries"]
    assert (delivery["status"], delivery["email"]) == ("SUPPRESSED", None)
    assert delivery["failureReason"]
    assert await assigning.notifications(person) == ["TASK_ASSIGNED A", "TASK_REMINDER A"]


async def test_the_ledger_keeps_the_address_that_was_used(
    company: Company, assigning: Assigning, pia: Principal, course: Content
) -> None:
    """An address that changes later is the one of later mails."""
    task = await assigning.assign(pia, course, DUE, reminders=[reminder(3), reminder(1)])
    await assigning.pass_time(until=midnight("2026-03-14"))
    await company.change(pia, email="pia.new@acme.test")
    await assigning.pass_time(until=midnight("2026-03-16"))
    deliveries = [entry["deliveries"][0] for entry in await assigning.ledger(task)]
    assert [(delivery["email"], delivery["status"]) for delivery in deliveries] == [
        ("pia@acme.test", "ACCEPTED"),
        ("pia.new@acme.test", "ACCEPTED"),
    ]
    assert deliveries[0]["attemptedAt"] == "2026-03-12T23:00:00Z"
