"""Erasing somebody while others change, tell or count them, on real locks."""

import asyncio
from collections.abc import Awaitable
from datetime import datetime
from typing import Any

import pytest

from domain.auto_assignment.conditions.atoms import ConditionKind, RefOperator
from domain.auto_assignment.conditions.input import ConditionInput
from domain.auto_assignment.models import ConditionMatch, UnmetPolicy
from domain.auto_assignment.rules.editing import RuleDraft, create_rule
from domain.content.models import Content
from domain.content.operations import update_course
from domain.content.queries import ContentKey
from domain.foundation.access import Principal, Role
from domain.foundation.database.sessions import writing
from domain.foundation.errors import DomainError, Forbidden, Invalid
from domain.foundation.jobs.running import run_job
from domain.foundation.unit_of_work import UnitOfWork, perform
from domain.mandatory_tasks.assigning import assign_mandatory_task
from domain.notifications.deliveries.rows import begin_attempt, lease_emails, note_accepted, note_failure
from domain.notifications.models import NotificationCategory
from domain.notifications.preferences import set_preference
from domain.people.errors import LastAdmin, LearnerIsErased
from domain.people.learners.changes import LearnerChanges, RefChange
from domain.people.operations import bulk_upsert_learners, erase_learner, update_learner
from domain.people.queries import LearnerKey
from domain.reactions import CHUNKS
from domain.tenants.models import Tenant
from tests.domain.people.test_races import Action, first_then_second
from tests.support import factories
from tests.support.catalogue import Connection
from tests.support.traces import traces_of

WORDS = ["Zora Quimby", "ZQ-7714", "quimby@acme.test", "Nebula"]


@pytest.fixture
async def zora(tenant: Tenant) -> Principal:
    """Somebody who is easy to recognise."""
    return await factories.create_person(
        tenant.id, name="Zora Quimby", external_id="ZQ-7714", email="quimby@acme.test", refs={1: "Nebula"}
    )


def erase(person: Principal) -> Action:
    """Return the change that erases somebody."""
    return lambda work: erase_learner(work, key=LearnerKey(id=person.learner_id))


def make_trainer(person: Principal, course: Content) -> Action:
    """Return the change that makes somebody the trainer of a course."""
    return lambda work: update_course(
        work, key=ContentKey(id=course.id), changes={"trainers": [person.learner_id or 0]}, expected_version=None
    )


def assign(person: Principal, course: Content, now: datetime) -> Action:
    """Return the change that gives somebody a task."""
    return lambda work: assign_mandatory_task(
        work,
        target=ContentKey(id=course.id),
        learner=LearnerKey(id=person.learner_id),
        due_on=now.date().replace(day=30),
    )


async def test_two_who_erase_the_same_person_erase_once(
    admin: Principal, zora: Principal, now: datetime, superuser: Connection
) -> None:
    """Both succeed, and there is one entry, whoever came second, by ID or by the partner's."""
    by_number: Action = lambda work: erase_learner(work, key=LearnerKey(external_id="ZQ-7714"))  # noqa: E731
    both = await first_then_second(admin, now, erase(zora), by_number)
    assert [done.result for done in both] == [zora.learner_id, zora.learner_id]
    assert await superuser.fetchval("SELECT count(*) FROM audit_entry") == 1
    assert await superuser.fetchval("SELECT version FROM learner WHERE id = $1", zora.learner_id) == 2


async def test_two_admins_cannot_erase_each_other(
    admin: Principal, tenant: Tenant, now: datetime, superuser: Connection
) -> None:
    """Whoever is the last one stays."""
    other = await factories.create_person(tenant.id, role=Role.ADMIN)
    results = await first_then_second(admin, now, erase(admin), erase(other))
    assert isinstance(results[1], LastAdmin)
    assert await superuser.fetchval("SELECT count(*) FROM learner WHERE role = 'ADMIN' AND is_active") == 1


async def test_whoever_changes_them_comes_too_late_or_is_forgotten(
    admin: Principal, zora: Principal, now: datetime, superuser: Connection
) -> None:
    """A change that waits for the erasure is refused; one that the erasure waits for is erased with everything else."""

    def change(work: UnitOfWork) -> Awaitable[Any]:
        changes = LearnerChanges(name="Zora Quimby", ref_values=[RefChange(2, "Nebula")])
        return update_learner(work, key=LearnerKey(id=zora.learner_id), changes=changes)

    results = await first_then_second(admin, now, change, erase(zora))
    assert not [result for result in results if isinstance(result, Exception)]
    assert await traces_of(superuser, WORDS) == []
    assert isinstance((await first_then_second(admin, now, erase(zora), change))[1], LearnerIsErased)


async def test_an_import_that_waits_makes_somebody_new(
    admin: Principal, zora: Principal, now: datetime, superuser: Connection
) -> None:
    """The number is free by then."""
    results = await first_then_second(
        admin,
        now,
        erase(zora),
        lambda work: bulk_upsert_learners(work, rows=[LearnerChanges(external_id="ZQ-7714", name="Somebody new")]),
    )
    [row] = results[1].result
    assert row.outcome == "CREATED"
    assert row.learner_id != zora.learner_id


async def test_what_they_ask_for_themselves_meanwhile_is_refused(
    admin: Principal, zora: Principal, now: datetime, superuser: Connection
) -> None:
    """They signed in before; nothing with their name is written after."""

    async def switch_off(work: UnitOfWork) -> Any:
        hers = UnitOfWork(principal=zora, now=now, operation="setNotificationPreference", sql=work.sql)
        return await set_preference(hers, category=NotificationCategory.MANDATORY_TASKS, is_email_enabled=False)

    results = await first_then_second(admin, now, erase(zora), switch_off)
    assert isinstance(results[1], Forbidden)
    assert await traces_of(superuser, WORDS) == []


async def test_who_is_made_trainer_meanwhile_trains_nothing(
    admin: Principal, tenant: Tenant, now: datetime, superuser: Connection
) -> None:
    """The erasure begins anew with the content that it did not know of."""
    trainer = await factories.create_person(tenant.id, role=Role.TRAINER)
    course = await factories.create_course(tenant.id)
    results = await first_then_second(admin, now, make_trainer(trainer, course), erase(trainer))
    assert not [result for result in results if isinstance(result, Exception)]
    assert await superuser.fetchval("SELECT count(*) FROM content_trainer") == 0


async def test_who_is_being_erased_is_made_trainer_of_nothing(
    admin: Principal, tenant: Tenant, now: datetime, superuser: Connection
) -> None:
    """Whoever waits for the erasure finds somebody who is no trainer any more."""
    trainer = await factories.create_person(tenant.id, role=Role.TRAINER)
    course = await factories.create_course(tenant.id)
    results = await first_then_second(admin, now, erase(trainer), make_trainer(trainer, course))
    assert isinstance(results[1], Invalid)
    assert await superuser.fetchval("SELECT count(*) FROM content_trainer") == 0


async def test_people_who_assigned_to_each_other_are_erased_at_once(
    admin: Principal, tenant: Tenant, now: datetime, superuser: Connection
) -> None:
    """Ten people with tasks from each other, all erased at the same time: nobody waits in a circle for ever."""
    people = [
        await factories.create_person(tenant.id, role=Role.ADMIN, name=f"Zora {n}", email=f"zora{n}@acme.test")
        for n in range(10)
    ]
    course = await factories.create_course(tenant.id)
    for index, person in enumerate(people):
        by = people[index - 1]
        await perform(by, now, "assignMandatoryTask", assign(person, course, now))
    results = await asyncio.gather(
        *(perform(admin, now, "eraseLearner", erase(person)) for person in people), return_exceptions=True
    )
    assert not [result for result in results if isinstance(result, DomainError)]
    for person, result in zip(people, results, strict=True):
        if isinstance(result, BaseException):
            # Lost a deadlock twice, and nothing was done.
            await perform(admin, now, "eraseLearner", erase(person))
    assert await traces_of(superuser, ["zora"]) == []


@pytest.mark.parametrize("is_accepted", [True, False])
async def test_an_email_on_its_way_leaves_no_address(
    admin: Principal, zora: Principal, tenant: Tenant, now: datetime, superuser: Connection, is_accepted: bool
) -> None:
    """A worker that had it before tells of its attempt after; nobody attempts it again."""
    course = await factories.create_course(tenant.id)
    await perform(admin, now, "assignMandatoryTask", assign(zora, course, now))
    async with writing(tenant.id) as sql:
        ids = await sql.values("SELECT id FROM email_delivery")
    [email] = await lease_emails(tenant.id, ids, now)
    attempt = await begin_attempt(tenant.id, email, now)
    assert attempt is not None
    assert await traces_of(superuser, ["quimby"]) == ["email_delivery: quimby", "learner: quimby"]
    await perform(admin, now, "eraseLearner", erase(zora))
    if is_accepted:
        await note_accepted(tenant.id, email.id, attempt)
    else:
        await note_failure(tenant.id, email.id, attempt, "550 quimby@acme.test?", now, is_permanent=False)
    assert await traces_of(superuser, WORDS) == []
    assert await begin_attempt(tenant.id, email, now) is None


async def test_people_are_erased_while_a_backfill_runs(
    tenant: Tenant, admin: Principal, now: datetime, superuser: Connection
) -> None:
    """Whoever is erased has left the rule in the end, whether the backfill had come to them or not."""
    ids = await factories.create_learners(tenant.id, 400, refs={1: "Nebula"})
    course = await factories.create_course(tenant.id)
    draft = RuleDraft(
        name="Operators",
        contents=[ContentKey(id=course.id)],
        match=ConditionMatch.ALL,
        conditions=[
            ConditionInput(ConditionKind.REF_VALUE, field_number=1, operator=RefOperator.EQUALS, ref_values=["Nebula"])
        ],
        when_unmet=UnmetPolicy.RELEASE,
        backfills_existing_learners=True,
    )
    saved = (await perform(admin, now, "createAutoAssignmentRule", lambda work: create_rule(work, draft=draft))).result
    assert saved.backfill_id is not None
    erased = ids[::20]

    async def erase_all() -> None:
        for learner_id in erased:
            await perform(admin, now, "eraseLearner", erase(Principal(tenant_id=tenant.id, learner_id=learner_id)))

    await asyncio.gather(run_job(tenant.id, saved.backfill_id, CHUNKS, lambda: now), erase_all())
    rest = sorted(set(ids) - set(erased))
    for query in (
        "SELECT learner_id FROM rule_member",
        "SELECT learner_id FROM enrollment WHERE is_active",
        "SELECT learner_id FROM enrollment_reason WHERE until_at IS NULL",
    ):
        assert sorted(record[0] for record in await superuser.fetch(query)) == rest, query
