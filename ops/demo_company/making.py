"""The tenant of `mandate up`: a company with two months of history, made by the same operations that the API runs.

It is made in stages, each one transaction at an instant of its own. The audit log, which nobody can change, says which
stages are done: so a second start does nothing, and one after a crash goes on.
"""

import random
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from domain.auto_assignment.rules.editing import create_rule
from domain.content.fields import PathItem
from domain.content.operations import create_course, create_learning_path
from domain.content.queries import ContentKey
from domain.enrollments.operations import enroll_learner
from domain.enrollments.progress.reports import ProgressInput, bulk_record_course_progress
from domain.foundation.access import Principal, Role
from domain.foundation.database.sessions import ReadScope, refresh_statistics
from domain.foundation.keys import ExternalId
from domain.foundation.unit_of_work import UnitOfWork, perform
from domain.mandatory_tasks.bulk.assigning import bulk_assign_mandatory_tasks
from domain.mandatory_tasks.bulk.audience import AudiencePart
from domain.mandatory_tasks.reminders.schedule import ReminderRecipient
from domain.mandatory_tasks.terms import ReminderInput
from domain.notifications.templates.operations import create_template
from domain.people.learners.changes import LearnerChanges, RefChange
from domain.people.models import PlaceKind
from domain.people.operations import add_members, create_place, update_learner, upsert_learners
from domain.people.queries import LearnerKey, find_learner_by_key
from domain.tenants.accounts import find_tenant_id
from domain.tenants.operations import TenantChanges, create_tenant, set_auto_assignment, update_tenant
from ops.demo_company.catalogue import COURSES, PATHS, demo_rules, place_key
from ops.demo_company.people import ACCOUNTS, CLIENTS, GROUPS, JOB_ROLES, REF_LABELS, DemoPerson, demo_people

__all__ = ["ACCOUNTS", "SLUG", "create_demo_tenant"]

SLUG = "demo"
NAME = "Acme Industries"
TIME_ZONE = "Europe/Berlin"


async def create_demo_tenant(now: datetime) -> bool:
    """Make whatever is missing of the demo tenant; tell whether there was anything to do."""
    tenant_id = await find_tenant_id(SLUG)
    if tenant_id is None:
        begun = now - timedelta(days=60)
        tenant_id = await create_tenant(now=begun, slug=SLUG, name=NAME, time_zone=TIME_ZONE)
    async with ReadScope(tenant_id) as reads:
        done = set(await reads.values("SELECT DISTINCT operation FROM audit_entry WHERE tenant_id = $1", tenant_id))
    missing = [stage for stage in _STAGES if stage[0] not in done]
    for name, days_ago, account, stage in missing:
        principal = await _principal(tenant_id, account)
        await perform(principal, now - timedelta(days=days_ago), name, stage)
    if missing:
        await refresh_statistics()
    return bool(missing)


async def _principal(tenant_id: int, account: Role | None) -> Principal:
    operator = Principal.operator(tenant_id)
    if account is None:
        return operator
    async with ReadScope(tenant_id) as reads:
        person = await find_learner_by_key(reads, operator, LearnerKey(email=ACCOUNTS[account]))
    assert person is not None
    return Principal(tenant_id=tenant_id, learner_id=person.id, role=account)


async def _settings(work: UnitOfWork) -> None:
    # First of all, as it is the one that needs the rules for itself.
    await set_auto_assignment(work, is_enabled=True)
    await update_tenant(work, changes=TenantChanges(ref_field_labels=tuple(enumerate(REF_LABELS, start=1))))


async def _people(work: UnitOfWork) -> None:
    for department in JOB_ROLES:
        key = place_key(department)
        await create_place(work, kind=PlaceKind.DEPARTMENT, name=department, external_id=key)
    for client, sublicenses in CLIENTS.items():
        key = place_key(client)
        await create_place(work, kind=PlaceKind.CLIENT, name=client, external_id=key)
        for sublicense in sublicenses:
            await create_place(
                work,
                kind=PlaceKind.SUBLICENSE,
                name=sublicense,
                external_id=place_key(client, sublicense),
                client=key,
            )
    people = demo_people()
    written = await upsert_learners(work, rows=[_changes(person) for person in people])
    assert not any(result.errors for result in written), written
    for group in GROUPS:
        owner = next(person.external_id for person in people if person.role is Role.TRAINER)
        key = place_key(group)
        await create_place(work, kind=PlaceKind.LEARNING_GROUP, name=group, external_id=key, owner=ExternalId(owner))
        members = [LearnerKey(external_id=person.external_id) for person in people if group in person.groups]
        await add_members(work, kind=PlaceKind.LEARNING_GROUP, place=key, learners=members)


def _changes(person: DemoPerson) -> LearnerChanges:
    return LearnerChanges(
        external_id=person.external_id,
        name=person.name,
        email=person.email,
        role=person.role,
        department=place_key(person.department) if person.department else None,
        clients=[place_key(person.client)] if person.client else [],
        sublicenses=[place_key(person.client, person.sublicense)] if person.client and person.sublicense else [],
        ref_values=[RefChange(number, value) for number, value in enumerate(person.refs, start=1)],
    )


async def _catalogue(work: UnitOfWork) -> None:
    trainers = [ExternalId(person.external_id) for person in demo_people() if person.role is Role.TRAINER]
    for number, (external_id, fields) in enumerate(COURSES.items()):
        # The trainer of `ACCOUNTS` trains every third course, so that there is something to see.
        trainer = trainers[0] if number % 3 == 0 else trainers[number % len(trainers)]
        await create_course(work, fields={**fields, "external_id": external_id, "trainers": [trainer]})
    for external_id, (title, mandatory, optional) in PATHS.items():
        items = [PathItem(ExternalId(course)) for course in mandatory]
        items += [PathItem(ExternalId(course), is_mandatory=False) for course in optional]
        await create_learning_path(
            work, fields={"title": title, "external_id": external_id, "trainers": trainers[:1], "items": items}
        )


async def _rules(work: UnitOfWork) -> None:
    for draft in demo_rules():
        await create_rule(work, draft=draft)


async def _first_tasks(work: UnitOfWork) -> None:
    """Give the trainer's newcomers the path that everybody begins with: by now, some are done and some are late."""
    template_id = await create_template(
        work,
        name="A friendly word",
        subject="{{ task.title }}: {{ task.daysLeft }} days left",
        body="Dear {{ learner.name }},\n\n{{ task.title }} is due on {{ task.dueOn }}. {{ task.note }}\n{{ task.url }}",
    )
    await bulk_assign_mandatory_tasks(
        work,
        target=ContentKey(external_id="PATH-START"),
        audience=[AudiencePart(learning_group=place_key("New starters"))],
        due_on=(work.now + timedelta(days=20)).date(),
        note="Please before you get your own projects.",
        reminders=[ReminderInput(days, template_id) for days in (7, 1)],
    )


async def _yearly_tasks(work: UnitOfWork) -> None:
    """Give two departments a course every year, due in a few days."""
    await create_template(
        work, name="Last call", subject="Last call: {{ task.title }}", body="Due on {{ task.dueOn }}: {{ task.url }}"
    )
    both = (ReminderRecipient.ASSIGNER, ReminderRecipient.LEARNER)
    await bulk_assign_mandatory_tasks(
        work,
        target=ContentKey(external_id="GDPR-101"),
        audience=[AudiencePart(department=place_key(name)) for name in ("Human Resources", "Customer Service")],
        due_on=(work.now + timedelta(days=10)).date(),
        every_weeks=52,
        reminders=[*(ReminderInput(days) for days in (14, 7, 3, 1)), ReminderInput(-1, recipients=both)],
    )


def _week(number: int) -> Callable[[UnitOfWork], Awaitable[None]]:
    async def live_through(work: UnitOfWork) -> None:
        """People learn, some change their job, and somebody is enrolled by hand."""
        dice = random.Random(f"{NAME}, week {number}")
        await _change_jobs(work, dice)
        for person in dice.sample([one for one in demo_people() if one.role is Role.LEARNER], 6):
            await enroll_learner(
                work,
                learner=LearnerKey(external_id=person.external_id),
                content=ContentKey(external_id=dice.choice(["SEC-101", "PATH-START", "PATH-LEAD", "QUAL-101"])),
            )
        await _learn(work, dice)

    return live_through


async def _change_jobs(work: UnitOfWork, dice: random.Random) -> None:
    """Let drivers become clerks and operators drivers: they leave one rule and enter another."""
    for before, after in (("Forklift driver", "Warehouse clerk"), ("Machine operator", "Forklift driver")):
        for person in dice.sample([one for one in demo_people() if one.refs[0] == before], 3):
            changes = LearnerChanges(ref_values=[RefChange(1, after)])
            await update_learner(work, key=LearnerKey(external_id=person.external_id), changes=changes)


async def _learn(work: UnitOfWork, dice: random.Random) -> None:
    """Have a third of those who are enrolled and not ready report something."""
    open_enrollments = await work.sql.fetch(
        """
        SELECT e.learner_id, e.content_id, c.lesson_count, e.lessons_done, c.minimum_score IS NOT NULL AS has_score
          FROM enrollment e JOIN content c ON c.id = e.content_id JOIN learner l ON l.id = e.learner_id
         WHERE e.tenant_id = $1 AND e.is_active AND e.status <> 'COMPLETED' AND c.kind = 'COURSE'
         ORDER BY l.external_id, c.external_id
        """,
        work.tenant_id,
    )
    reports = []
    for one in open_enrollments:
        if dice.random() < 0.35:
            is_last = dice.random() < 0.6
            reports.append(
                ProgressInput(
                    learner=LearnerKey(id=one["learner_id"]),
                    course=ContentKey(id=one["content_id"]),
                    lessons_done=one["lesson_count"] if is_last else min(one["lessons_done"] + 1, one["lesson_count"]),
                    score=dice.randint(55, 100) if is_last and one["has_score"] else None,
                )
            )
    if reports:
        await bulk_record_course_progress(work, rows=reports[:1_000])


#: Name of each stage in the audit log, days ago, who did it, and what.
_STAGES: tuple[tuple[str, int, Role | None, Callable[[UnitOfWork], Awaitable[None]]], ...] = (
    ("demoSettings", 60, None, _settings),
    ("demoPeople", 59, None, _people),
    ("demoCatalogue", 50, Role.ADMIN, _catalogue),
    ("demoRules", 40, Role.ADMIN, _rules),
    ("demoFirstTasks", 33, Role.TRAINER, _first_tasks),
    ("demoWeek1", 28, Role.ADMIN, _week(1)),
    ("demoWeek2", 21, Role.ADMIN, _week(2)),
    ("demoWeek3", 14, Role.ADMIN, _week(3)),
    ("demoWeek4", 7, Role.ADMIN, _week(4)),
    ("demoYearlyTasks", 6, Role.ADMIN, _yearly_tasks),
)
