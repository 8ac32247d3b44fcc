"""What follows from erasing a person: tasks, rules, queues, contents, and what streams are told."""

from domain.foundation.access import Principal, Role
from domain.foundation.feed.changes import sequence
from domain.tenants.models import Tenant
from gql.contract import ids
from tests.api.enrollments.voluntary import join
from tests.api.people.documents import (
    lrn,
)
from tests.api.people.erasing import AUDIT, erase
from tests.support import factories
from tests.support.api import Api, ApiClient
from tests.support.assigning import Assigning, reminder
from tests.support.catalogue import Connection
from tests.support.company import Company, key_of, learner_id, ref_is, ref_is_not
from tests.support.passing_time import address_of


async def test_open_tasks_are_withdrawn_without_a_word(assigning: Assigning, as_admin: ApiClient) -> None:
    """No mail, no notification; the enrollment ends with the task, and what is completed stays so and never repeats."""
    company = assigning.company
    lea = await assigning.person("Lea Learner")
    completed, opened, kept = [await company.course(title) for title in ("Completed", "Open", "Kept")]
    repeated = await assigning.assign(lea, completed, "2026-03-20", repeatEveryWeeks=2)
    await assigning.finish(lea, completed)
    task = await assigning.assign(lea, opened, "2026-03-20", note="Please, Lea")
    await company.enroll(lea, kept)
    await assigning.assign(lea, kept, "2026-03-20")
    await assigning.sweep()
    # Nobody is told any more about what was completed before anything was sent.
    assert assigning.mailbox.new_recipients() == ["lea.learner@acme.test"] * 2
    notified = await assigning.assign(lea, await company.course("Not told"), "2026-03-20")

    await erase(as_admin, lea)
    await assigning.pass_time(days=60)
    assert assigning.mailbox.new_recipients() == []
    assert await company.enrolled(lea) == ["Completed", "Kept"]
    for gone in (task, notified):
        left = await assigning.look_at(gone)
        assert (left["withdrawnAt"], left["note"]) == ("2026-03-02T09:00:00Z", None)
        assert left["learner"] == {"id": learner_id(lea), "name": "Erased learner"}
    assert [(r["status"], r["reason"]) for r in await assigning.ledger(task)] == [("CANCELLED", "TASK_WITHDRAWN")]
    left = await assigning.look_at(repeated)
    assert (left["status"], left["recurrence"]) == (
        "COMPLETED",
        {"everyWeeks": 2, "nextDueOn": None, "nextOpensOn": None},
    )
    assert await assigning.tasks(learnerIds=[learner_id(lea)], includesSuspended=True) == [left]
    lines = [f"{one['action']} {one['content']['title']} {one['source']}" for one in await assigning.log(lea)]
    assert lines[-5:] == [
        *("TASK_WITHDRAWN Open MANDATORY_TASK", "UNENROLLED Open MANDATORY_TASK"),
        "TASK_WITHDRAWN Kept MANDATORY_TASK",
        *("TASK_WITHDRAWN Not told MANDATORY_TASK", "UNENROLLED Not told MANDATORY_TASK"),
    ]


async def test_the_ledger_stays_without_addresses(assigning: Assigning, as_admin: ApiClient) -> None:
    """It still tells that a reminder went out, to whom in which part, and no longer where."""
    lea = await assigning.person("Lea Learner")
    task = await assigning.assign(
        lea, await assigning.company.course("Fire"), "2026-03-20", reminders=[reminder(10), reminder(1)]
    )
    await assigning.pass_time(days=9)
    [sent, _] = await assigning.ledger(task)
    assert [one["email"] for one in sent["deliveries"]] == ["lea.learner@acme.test"]
    await erase(as_admin, lea)
    [left, called_off] = await assigning.ledger(task)
    assert (left["status"], called_off["status"], called_off["reason"]) == ("SENT", "CANCELLED", "TASK_WITHDRAWN")
    [delivery] = left["deliveries"]
    assert (delivery["recipient"], delivery["status"], delivery["email"]) == ("LEARNER", "ACCEPTED", None)


async def test_rules_are_left_as_usual(company: Company, as_admin: ApiClient) -> None:
    """Each rule does what it does with everybody who leaves; nobody is enrolled by one again."""
    lea = await company.person("Lea Learner", {1: "Driver"})
    kept, released, unenrolled = [await company.course(title) for title in ("Kept", "Released", "Unenrolled")]
    for course, policy in ((kept, "KEEP"), (released, "RELEASE"), (unenrolled, "UNENROLL")):
        await company.rule(course.title, ref_is(1, "Driver"), gives=[course], when_unmet=policy)
    assert await company.enrolled(lea) == ["Kept", "Released", "Unenrolled"]
    await erase(as_admin, lea)
    assert await company.enrolled(lea) == ["Kept"]
    assert (await company.log(lea))[-2:] == [
        "UNENROLLED Released AUTO_UNENROLLMENT Released",
        "UNENROLLED Unenrolled AUTO_UNENROLLMENT Unenrolled",
    ]
    await company.rule("Everybody else", ref_is_not(1, "Driver"), gives=[released])
    assert await company.enrolled(lea) == ["Kept"]


async def test_whoever_waits_waits_no_longer(api: Api, as_admin: ApiClient, tenant: Tenant) -> None:
    """The place in the queue is the next one's, and the seat that gets free is too."""
    course = await factories.create_course(
        tenant.id, title="A", is_self_enrollable=True, seat_limit=1, has_waitlist=True
    )
    first, second, third = [
        await factories.create_person(tenant.id, name=name) for name in ("First", "Second", "Third")
    ]
    for person in (first, second, third):
        await join(api.acting_as(person), course)
    await erase(as_admin, second)
    unenroll = """
    mutation($input: UnenrollLearnerInput!) { unenrollLearner(input: $input) { errors { code path message } } }"""
    await as_admin.run(unenroll, input={"learner": {"id": learner_id(first)}, "content": key_of(course)})
    waiting = """
    query($ids: [ID!]!) {
      enrollments(filter: { contentIds: $ids }) { nodes { learner { name } isActive isWaitlisted } } }"""
    nodes = (await as_admin.value(waiting, ids=[ids.encode(ids.CONTENT, course.id)]))["nodes"]
    assert sorted((one["learner"]["name"], one["isActive"], one["isWaitlisted"]) for one in nodes) == [
        *(("Erased learner", False, False), ("First", False, False), ("Third", True, False)),
    ]


async def test_what_they_trained_has_a_trainer_less(
    as_admin: ApiClient, tenant: Tenant, trainer: Principal, zora: Principal
) -> None:
    """The others stay; the audit log tells it by ID."""
    course = await factories.create_course(
        tenant.id, title="Fire", trainers=[trainer.learner_id or 0, zora.learner_id or 0]
    )
    course_id = ids.encode(ids.CONTENT, course.id)
    await erase(as_admin, zora)
    found = await as_admin.value(
        "query($id: ID!) { node(id: $id) { ... on Course { version trainers { name } } } }", id=course_id
    )
    assert found == {"version": 2, "trainers": [{"name": "Tina Trainer"}]}
    [entry] = (await as_admin.value(AUDIT, ids=[course_id]))["nodes"]
    assert (entry["operation"], entry["changes"][0]["after"]) == ("eraseLearner", f'["{lrn(trainer.learner_id)}"]')


async def test_what_a_trainer_leaves_behind_goes_on(assigning: Assigning, as_admin: ApiClient) -> None:
    """A task that an erased trainer assigned stays in force; its mails have another name, and go to the learner."""
    theo = await assigning.person("Theo Trainer", role=Role.TRAINER)
    lea, course = await assigning.person("Lea Learner"), await assigning.trained_by(theo, "Trained")
    both = reminder(3, "LEARNER", "ASSIGNER")
    task = await assigning.acting_as(theo).assign(lea, course, "2026-03-20", reminders=[both])
    await erase(as_admin, theo)
    assert (await assigning.look_at(task))["assignedBy"] == {"id": learner_id(theo), "name": "Erased learner"}
    await assigning.pass_time(days=20)
    mails = assigning.mailbox.new()
    assert [address_of(mail) for mail in mails] == ["lea.learner@acme.test"] * 2
    assert [mail for mail in mails if "Theo" in mail.as_string()] == []


async def test_nobody_enrolls_or_assigns_them_any_more(assigning: Assigning, as_admin: ApiClient) -> None:
    """They are inactive for good."""
    lea, course = await assigning.person("Lea Learner"), await assigning.company.course("Fire")
    await erase(as_admin, lea)
    [fault] = await assigning.cannot_assign(lea, course, "2026-03-20")
    assert fault["code"] == "LEARNER_INACTIVE"
    enroll = "mutation($input: EnrollLearnerInput!) { enrollLearner(input: $input) { errors { code path message } } }"
    refused = await as_admin.user_errors(enroll, input={"learner": {"id": learner_id(lea)}, "content": key_of(course)})
    assert refused == [("LEARNER_INACTIVE", "input.learner")]


async def test_streams_are_told(
    assigning: Assigning, as_admin: ApiClient, tenant: Tenant, superuser: Connection
) -> None:
    """The person, the account, and everything that shows their name, each with a version that is new."""
    lea, fire, data = await assigning.person("Lea"), *[await assigning.company.course(t) for t in ("Fire", "Data")]
    await assigning.assign(lea, fire, "2026-03-20")
    await assigning.company.enroll(lea, data)
    await sequence(tenant.id)
    head = await superuser.fetchval("SELECT position FROM feed_head WHERE tenant_id = $1", tenant.id)
    await erase(as_admin, lea)
    await sequence(tenant.id)
    told = await superuser.fetch(
        "SELECT object_type, object_id, max(version) FROM change WHERE position > $1 GROUP BY 1, 2", head
    )
    assert {(record[0], record[1]) for record in told if record[0] in ("LEARNER", "ACCOUNT")} == {
        *(("LEARNER", lea.learner_id), ("ACCOUNT", lea.learner_id)),
    }
    for kind, table in (("ENROLLMENT", "enrollment"), ("MANDATORY_TASK", "mandatory_task")):
        present = await superuser.fetch(f"SELECT id, version FROM {table} WHERE learner_id = $1", lea.learner_id)
        assert sorted(tuple(record) for record in present) == sorted(
            (record[1], record[2]) for record in told if record[0] == kind
        )
        assert present
