"""The guide on reminders. Which sentence is where: the table of `test_mandatory_tasks_guide`."""

from domain.foundation.access import Principal, Role
from tests.support.assigning import Assigning, reminder
from tests.support.company import Company
from tests.support.passing_time import midnight, text_of

DUE = "2026-03-16"


async def test_any_number_of_reminders_can_be_defined(
    company: Company, assigning: Assigning, learner: Principal
) -> None:
    """None, one, or fifty of them."""
    for count in (0, 1, 50):
        days = [*range(-count, 0)]
        task = await assigning.assign(
            learner, await company.course(f"C{count}"), DUE, reminders=[reminder(day) for day in days]
        )
        assert sorted(setting["daysBeforeDue"] for setting in await assigning.reminder_settings(task)) == days
        assert len(await assigning.reminders(task)) == count


async def test_the_default_is_one_to_the_person_three_days_before(
    company: Company, assigning: Assigning, learner: Principal
) -> None:
    """Without a word about reminders there is this one, planned for the first instant of its day."""
    task = await assigning.assign(learner, await company.course("Fire Safety"), DUE)
    (planned,) = await assigning.ledger(task)
    assert planned == {
        "dueOn": DUE,
        "daysBeforeDue": 3,
        "recipients": ["LEARNER"],
        "scheduledAt": "2026-03-12T23:00:00Z",
        "status": "SCHEDULED",
        "reason": None,
        "template": None,
        "deliveries": planned["deliveries"],
    }
    settings = [{"daysBeforeDue": 3, "template": None, "recipients": ["LEARNER"]}]
    assert await assigning.reminder_settings(task) == settings


async def test_positive_days_are_before_and_negative_ones_after_the_deadline(
    company: Company, assigning: Assigning, learner: Principal
) -> None:
    """A dunning notice lies behind the due date; the ledger is in the order of time."""
    task = await assigning.assign(
        learner, await company.course("Fire Safety"), DUE, reminders=[reminder(-2), reminder(5), reminder(0)]
    )
    times = [(entry["daysBeforeDue"], entry["scheduledAt"]) for entry in await assigning.ledger(task)]
    assert times == [
        (5, "2026-03-10T23:00:00Z"),
        (0, "2026-03-15T23:00:00Z"),
        (-2, "2026-03-17T23:00:00Z"),
    ]


async def test_a_reminder_uses_its_own_template_or_the_default_email(company: Company, assigning: Assigning) -> None:
    """What the template says is what arrives; without one an email arrives all the same."""
    template = await assigning.template("Mine", "Mind {{task.title}}", "Dear {{learner.name}}, do it.")
    person = await assigning.person("Pia")
    await assigning.assign(
        person, await company.course("A"), DUE, reminders=[reminder(3, template=template), reminder(2)]
    )
    await assigning.pass_time(until=midnight("2026-03-12"))
    assigning.mailbox.new()
    await assigning.pass_time(days=1, minutes=1)
    (mail,) = assigning.mailbox.new()
    assert mail["Subject"] == "Mind A"
    assert text_of(mail).strip() == "Dear Pia, do it."
    await assigning.pass_time(days=1)
    (mail,) = assigning.mailbox.new()
    assert mail["Subject"] != "Mind A"
    assert mail["To"].addresses[0].addr_spec == "pia@acme.test"


async def test_recipients_are_the_person_and_the_assigning_person(company: Company, assigning: Assigning) -> None:
    """Either of them, or both."""
    trainer, person = await assigning.person("Tina", role=Role.TRAINER), await assigning.person("Pia")
    course = await assigning.trained_by(trainer, "A")
    reminders = [reminder(5, "LEARNER"), reminder(4, "ASSIGNER"), reminder(3, "LEARNER", "ASSIGNER")]
    await assigning.acting_as(trainer).assign(person, course, DUE, reminders=reminders)
    await assigning.pass_time(minutes=1)
    assigning.mailbox.new()
    await assigning.pass_time(until=midnight("2026-03-14"))
    assert assigning.mailbox.new_recipients() == ["pia@acme.test"] * 2 + ["tina@acme.test"] * 2
    reminded = {
        name: (await assigning.notifications(who)).count("TASK_REMINDER A")
        for name, who in (("Pia", person), ("Tina", trainer))
    }
    assert reminded == {"Pia": 2, "Tina": 2}


async def test_casual_task_one_email_three_days_before(company: Company, assigning: Assigning) -> None:
    """The person gets one reminder over the whole life of the task, also when it becomes overdue."""
    person = await assigning.person("Pia")
    task = await assigning.assign(person, await company.course("A"), DUE)
    await assigning.pass_time(minutes=1)
    assigning.mailbox.new()
    await assigning.pass_time(days=30)
    assert assigning.mailbox.new_recipients() == ["pia@acme.test"]
    assert await assigning.reminders(task) == ["2026-03-16 3 SENT"]
    assert await assigning.notifications(person) == ["TASK_ASSIGNED A", "TASK_REMINDER A"]


async def test_important_training_14_7_3_1_days_before_and_one_day_after(
    company: Company, assigning: Assigning
) -> None:
    """Four emails to the person on their days, and one to both when it is overdue."""
    boss, person = await assigning.person("Boss", role=Role.ADMIN), await assigning.person("Pia")
    reminders = [*(reminder(days) for days in (14, 7, 3, 1)), reminder(-1, "LEARNER", "ASSIGNER")]
    task = await assigning.acting_as(boss).assign(person, await company.course("A"), "2026-03-20", reminders=reminders)
    await assigning.pass_time(minutes=1)
    assigning.mailbox.new()
    got: dict[str, list[str]] = {}
    for day in range(3, 25):
        await assigning.pass_time(until=midnight(f"2026-03-{day:02}"))
        await assigning.pass_time(minutes=1)
        if mails := assigning.mailbox.new_recipients():
            got[f"03-{day:02}"] = mails
    assert got == {
        "03-06": ["pia@acme.test"],
        "03-13": ["pia@acme.test"],
        "03-17": ["pia@acme.test"],
        "03-19": ["pia@acme.test"],
        "03-21": ["boss@acme.test", "pia@acme.test"],
    }
    assert [entry["status"] for entry in await assigning.ledger(task)] == ["SENT"] * 5


async def test_onboarding_only_when_overdue(company: Company, assigning: Assigning) -> None:
    """A reminder seven days after the deadline goes to who has not finished, and to nobody else."""
    course = await company.course("A")
    late, done = await assigning.person("Late"), await assigning.person("Done")
    tasks = [await assigning.assign(person, course, DUE, reminders=[reminder(-7)]) for person in (late, done)]
    await assigning.finish(done, course)
    await assigning.pass_time(until=midnight("2026-03-23"))
    assert await assigning.notifications(done) == ["TASK_ASSIGNED A"]
    await assigning.pass_time(minutes=1)
    assert [await assigning.reminders(task) for task in tasks] == [
        ["2026-03-16 -7 SENT"],
        ["2026-03-16 -7 CANCELLED TASK_COMPLETED"],
    ]
    assert await assigning.notifications(late) == ["TASK_ASSIGNED A", "TASK_REMINDER A"]
    assert await assigning.notifications(done) == ["TASK_ASSIGNED A"]


async def test_reminders_run_automatically_shortly_after_midnight_and_once(
    company: Company, assigning: Assigning
) -> None:
    """Not before midnight of the day, within a minute after it, and not again however often it is looked."""
    person = await assigning.person("Pia")
    task = await assigning.assign(person, await company.course("A"), DUE)
    await assigning.pass_time(minutes=1)
    assigning.mailbox.new()
    await assigning.pass_time(until=midnight("2026-03-13").replace(minute=59, hour=22))
    assert assigning.mailbox.new_recipients() == []
    assert await assigning.reminders(task) == ["2026-03-16 3 SCHEDULED"]
    await assigning.pass_time(minutes=2)
    assert assigning.mailbox.new_recipients() == ["pia@acme.test"]
    for _ in range(3):
        await assigning.pass_time(hours=5)
    assert assigning.mailbox.new_recipients() == []
    assert await assigning.notifications(person) == ["TASK_ASSIGNED A", "TASK_REMINDER A"]
