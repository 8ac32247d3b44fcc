"""Several changes of one person's access at the same time."""

import asyncio
from datetime import datetime, timedelta

from domain.content.queries import ContentKey
from domain.enrollments.operations import enroll_learner, unenroll_learner
from domain.foundation.access import Principal
from domain.foundation.database.sessions import writing
from domain.foundation.unit_of_work import UnitOfWork, perform
from domain.people.queries import LearnerKey
from domain.tenants.models import Tenant
from tests.support import factories
from tests.support.tasks import held


async def test_a_reason_never_ends_before_it_began(
    tenant: Tenant, admin: Principal, learner: Principal, now: datetime
) -> None:
    """Whoever took the time first and got the lock last goes on at the time of who was before."""
    course = await factories.create_course(tenant.id)
    person, content = LearnerKey(id=learner.learner_id), ContentKey(id=course.id)

    async def enroll(work: UnitOfWork) -> None:
        await enroll_learner(work, learner=person, content=content)

    async def end(work: UnitOfWork) -> None:
        await unenroll_learner(work, learner=person, content=content)

    later = now + timedelta(milliseconds=40)
    async with held(admin, later, enroll) as first:
        ending = asyncio.ensure_future(perform(admin, now, "unenroll", end))
        await asyncio.sleep(0.2)
        await first.commit()
        await ending
    await perform(admin, now, "enroll", enroll)
    async with writing(tenant.id) as sql:
        reasons = await sql.fetch("SELECT since_at, until_at FROM enrollment_reason ORDER BY id")
        logged = await sql.fetch("SELECT action, recorded_at FROM content_action ORDER BY id")
    assert [tuple(row) for row in reasons] == [(later, later), (later, None)]
    assert [tuple(row) for row in logged] == [("ENROLLED", later), ("UNENROLLED", later), ("ENROLLED", later)]


async def test_a_clock_that_is_far_ahead_moves_nobody(
    tenant: Tenant, admin: Principal, learner: Principal, now: datetime
) -> None:
    """Its reason ends when it began, and everything else goes on at the time that it is."""
    course, other = await factories.create_course(tenant.id), await factories.create_course(tenant.id)
    person = LearnerKey(id=learner.learner_id)
    ahead = now + timedelta(days=3)

    async def enroll(work: UnitOfWork) -> None:
        await enroll_learner(work, learner=person, content=ContentKey(id=course.id))

    async def change(work: UnitOfWork) -> None:
        await unenroll_learner(work, learner=person, content=ContentKey(id=course.id))
        await enroll_learner(work, learner=person, content=ContentKey(id=other.id))

    await perform(admin, ahead, "enroll", enroll)
    await perform(admin, now, "change", change)
    async with writing(tenant.id) as sql:
        reasons = await sql.fetch("SELECT since_at, until_at FROM enrollment_reason ORDER BY id")
    assert [tuple(row) for row in reasons] == [(ahead, ahead), (now, None)]
