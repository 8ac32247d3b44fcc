"""Many people with a reminder that comes due, and what happens to their tasks meanwhile."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from domain.content.queries import ContentKey
from domain.enrollments.progress.reports import ProgressInput, record_course_progress
from domain.foundation import clock
from domain.foundation.access import Principal, Role
from domain.foundation.unit_of_work import perform
from domain.mandatory_tasks.bulk.assigning import bulk_assign_mandatory_tasks
from domain.mandatory_tasks.bulk.audience import AudiencePart
from domain.mandatory_tasks.reminders.schedule import ReminderRecipient
from domain.mandatory_tasks.terms import ReminderInput
from domain.mandatory_tasks.withdrawing import withdraw_mandatory_task
from domain.people.operations import deactivate_learner
from domain.people.queries import LearnerKey
from domain.tenants.models import Tenant
from tests.support import factories
from tests.support.catalogue import Connection
from tests.support.jobs import run_all_jobs

ASSIGNERS = 5
BOTH = (ReminderRecipient.LEARNER, ReminderRecipient.ASSIGNER)


@dataclass(frozen=True, slots=True)
class Reminded:
    """A task with one reminder to learner and assigner."""

    task_id: int
    reminder_id: int
    learner_id: int
    assigner_id: int


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of a task meanwhile, and an instant at which that was committed."""

    kind: str
    at: datetime


@dataclass(slots=True)
class RemindedPeople:
    """Everybody who has such a task; the administrator changes some of them."""

    tenant: Tenant
    admin: Principal
    superuser: Connection
    tasks: list[Reminded] = field(default_factory=list)
    #: By task; most have none.
    fates: dict[int, Fate] = field(default_factory=dict)
    #: By person.
    addresses: dict[int, str] = field(default_factory=dict)
    _course_id: int = 0

    async def assign(self, count: int) -> None:
        """Give people tasks ten days ago, each a reminder on the day before the due date, which is today.

        What they were told ten days ago has long gone out.
        """
        then = clock.now() - timedelta(days=10)
        due_on = clock.now().astimezone(ZoneInfo(self.tenant.time_zone)).date() + timedelta(days=1)
        reminders = [ReminderInput(days_before_due=1, recipients=BOTH)]
        self._course_id = await assign_many(
            self.tenant, self.superuser, count, now=then, due_on=due_on, reminders=reminders
        )
        await self.superuser.execute("UPDATE email_delivery SET status = 'ACCEPTED', attempted_at = created_at")
        await self.superuser.execute("DELETE FROM notification")
        await self.superuser.execute("UPDATE task_reminder SET scheduled_at = $1", clock.now() + timedelta(days=1))
        self.tasks = [
            Reminded(**record)
            for record in await self.superuser.fetch(
                "SELECT t.id AS task_id, r.id AS reminder_id, t.learner_id, t.assigner_learner_id AS assigner_id"
                " FROM mandatory_task t JOIN task_reminder r ON r.task_id = t.id AND r.status = 'SCHEDULED'"
            )
        ]
        assert len(self.tasks) == count // ASSIGNERS * ASSIGNERS
        addressed = await self.superuser.fetch("SELECT id, email FROM learner WHERE email IS NOT NULL")
        self.addresses = {person["id"]: person["email"] for person in addressed}

    async def come_due_within(self, seconds: float) -> None:
        """Let reminders come due one after another from now on, as if midnight came to each at another time."""
        await self.superuser.execute(
            "UPDATE task_reminder SET scheduled_at = $1::timestamptz + random() * make_interval(secs => $2)",
            clock.now(),
            seconds,
        )

    async def live(self, random: Random, *, share: float, seconds: float) -> None:
        """Let a share of the tasks be completed, as many withdrawn, and as many learners become inactive."""
        count = int(share * len(self.tasks))
        touched = random.sample(self.tasks, 3 * count)
        kinds = ["completed", "withdrawn", "suspended"] * count
        for number, (task, kind) in enumerate(zip(touched, kinds, strict=True)):
            begun = asyncio.get_running_loop().time()
            await self._befall(task, kind)
            self.fates[task.task_id] = Fate(kind, clock.now())
            took = asyncio.get_running_loop().time() - begun
            await asyncio.sleep(max(0.0, 2 * seconds / len(kinds) * random.random() - took) if number else 0)

    async def _befall(self, task: Reminded, kind: str) -> None:
        now = clock.now()
        learner = LearnerKey(id=task.learner_id)
        if kind == "completed":
            report = ProgressInput(learner=learner, course=ContentKey(id=self._course_id), is_finished=True)
            await perform(self.admin, now, kind, lambda work: record_course_progress(work, report=report))
        elif kind == "withdrawn":
            await perform(self.admin, now, kind, lambda work: withdraw_mandatory_task(work, task_id=task.task_id))
        else:
            await perform(self.admin, now, kind, lambda work: deactivate_learner(work, key=learner))


async def assign_many(tenant: Tenant, superuser: Connection, count: int, *, now: datetime, **terms: Any) -> int:
    """Give a course to so many people with addresses, by a few assigners in a bulk each; return the course."""
    course = await factories.create_course(tenant.id)
    for number in range(ASSIGNERS):
        email = f"assigner{number}@acme.example"
        assigner = await factories.create_person(tenant.id, role=Role.ADMIN, email=email)
        department = await factories.create_place(tenant.id)
        people = await factories.create_learners(tenant.id, count // ASSIGNERS)
        await factories.place_learners(tenant.id, department, people)
        await superuser.execute(
            "UPDATE learner SET email = 'p' || id || '@acme.example', email_key = 'p' || id || '@acme.example'"
            " WHERE id = ANY ($1::bigint[])",
            people,
        )
        await _bulk_assign(assigner, course.id, department.id, now, terms)
    await run_all_jobs(tenant, lambda: now)
    course_id: int = course.id
    return course_id


async def _bulk_assign(
    assigner: Principal, course_id: int, department_id: int, now: datetime, terms: dict[str, Any]
) -> None:
    await perform(
        assigner,
        now,
        "bulkAssignMandatoryTasks",
        lambda work: bulk_assign_mandatory_tasks(
            work, target=ContentKey(id=course_id), audience=[AudiencePart(department=department_id)], **terms
        ),
    )
