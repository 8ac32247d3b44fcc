"""Seats under fire: many at once, commits that cross each other, and a crash between freeing a seat and giving it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any

import pytest

from domain.content.events import SeatsFreed
from domain.content.models import Content
from domain.content.queries import ContentKey
from domain.enrollments.seats.promotion import promote_waiting
from domain.enrollments.seats.self_enrollment import enroll_self, unenroll_self
from domain.foundation.access import Principal
from domain.foundation.database.sessions import writing
from domain.foundation.unit_of_work import UnitOfWork
from domain.reactions import FOLLOW_UPS
from domain.tenants.models import Tenant
from tests.api.enrollments.voluntary import ENROLL_SELF, access_of, change_course, join, leave, steps_of, to_course
from tests.support import factories
from tests.support.api import Api, ApiClient
from tests.support.rounds import give_free_seats
from tests.support.tasks import PATIENCE, held


async def open_course(tenant: Tenant, seats: int, *, has_waitlist: bool = True) -> Content:
    """Make an open course."""
    return await factories.create_course(
        tenant.id, is_self_enrollable=True, seat_limit=seats, has_waitlist=has_waitlist
    )


async def people_of(tenant: Tenant, count: int) -> list[Principal]:
    """Make learners; IDs grow."""
    return [await factories.create_person(tenant.id, name=f"P{number}") for number in range(1, count + 1)]


def ids(people: Sequence[Principal]) -> list[int]:
    """Return the IDs of people."""
    return [person.learner_id or 0 for person in people]


def joining(course: Content) -> Callable[[UnitOfWork], Awaitable[int]]:
    """Return what enrolls the account itself."""
    return lambda work: enroll_self(work, course=ContentKey(id=course.id))


def leaving(course: Content) -> Callable[[UnitOfWork], Awaitable[int]]:
    """Return what ends the account's own enrollment."""
    return lambda work: unenroll_self(work, content=ContentKey(id=course.id))


async def test_twenty_at_once_for_five_seats(api: Api, tenant: Tenant) -> None:
    """Five are seated, fifteen wait, in the order in which they came in."""
    course = await open_course(tenant, 5)
    people = await people_of(tenant, 20)
    places = await asyncio.gather(*(join(api.acting_as(person), course) for person in people))
    assert sorted((place["isActive"], place["isWaitlisted"]) for place in places) == (
        [(False, True)] * 15 + [(True, False)] * 5
    )
    active, waiting = await access_of(tenant.id, course)
    assert (len(active), len(waiting)) == (5, 15)
    async with writing(tenant.id) as sql:
        logged = await sql.values("SELECT learner_id FROM content_action WHERE action = 'WAITLISTED' ORDER BY id")
        numbers = await sql.values("SELECT waiting_number FROM enrollment WHERE is_waitlisted ORDER BY 1")
    assert waiting == logged
    assert numbers == list(range(1, 16))
    seated = [person for person in people if person.learner_id in active]
    await asyncio.gather(*(leave(api.acting_as(person), course) for person in seated))
    assert await access_of(tenant.id, course) == (sorted(waiting[:5]), waiting[5:])
    assert [step[1] for step in await steps_of(tenant.id)].count("ENROLLED") == 10


async def test_one_gets_the_last_seat(api: Api, tenant: Tenant) -> None:
    """Without a waitlist the others are refused, and leave nothing behind."""
    course = await open_course(tenant, 1, has_waitlist=False)
    results = await asyncio.gather(
        *(api.acting_as(person).execute(ENROLL_SELF, input=to_course(course)) for person in await people_of(tenant, 10))
    )
    codes = [[error["code"] for error in result["data"]["enrollSelf"]["errors"]] for result in results]
    assert sorted(codes) == [[], *([["SEATS_EXHAUSTED"]] * 9)]
    assert len(await steps_of(tenant.id)) == 1
    async with writing(tenant.id) as sql:
        assert await sql.value("SELECT count(*) FROM enrollment") == 1


async def test_promotions_at_once_give_each_seat_once(api: Api, now: datetime, tenant: Tenant) -> None:
    """Three that run at the same time give exactly the two seats that are free, to the first two."""
    course = await open_course(tenant, 0)
    people = await people_of(tenant, 4)
    for person in people:
        await join(api.acting_as(person), course)
    await give_seats_silently(tenant, course, 2)
    await asyncio.gather(
        promote_waiting(tenant.id, now, course.id), give_free_seats(now), promote_waiting(tenant.id, now, course.id)
    )
    assert await access_of(tenant.id, course) == (ids(people[:2]), ids(people[2:]))
    assert [step[1] for step in await steps_of(tenant.id)] == ["WAITLISTED"] * 4 + ["ENROLLED"] * 2


async def give_seats_silently(tenant: Tenant, course: Content, seats: int) -> None:
    """Change the number of seats with nothing that follows, as if the process had died after the commit."""
    async with writing(tenant.id) as sql:
        await sql.execute("UPDATE content SET seat_limit = $2 WHERE id = $1", course.id, seats)


async def test_a_seat_left_while_somebody_begins_to_wait(api: Api, now: datetime, tenant: Tenant) -> None:
    """Whichever commits last sees the other, so the seat is given at once."""
    for leaves_last in (True, False):
        course = await open_course(tenant, 1)
        first, second = await people_of(tenant, 2)
        await join(api.acting_as(first), course)
        if leaves_last:
            async with held(first, now, leaving(course)) as left:
                assert (await join(api.acting_as(second), course))["isWaitlisted"] is True
                await left.commit()
        else:
            async with held(second, now, joining(course)) as joined:
                await leave(api.acting_as(first), course)
                await joined.commit()
        assert await access_of(tenant.id, course) == (ids([second]), [])


async def test_newcomers_wait_for_who_takes_the_last_seat(api: Api, now: datetime, tenant: Tenant) -> None:
    """The course is locked by whoever takes a seat, so nobody counts it as free meanwhile."""
    course = await open_course(tenant, 1)
    first, second = await people_of(tenant, 2)
    async with held(first, now, joining(course)) as taking:
        asking = asyncio.ensure_future(join(api.acting_as(second), course))
        await asyncio.sleep(0.2)
        assert not asking.done()
        await taking.commit()
        assert (await asyncio.wait_for(asking, PATIENCE))["isWaitlisted"] is True
    assert await access_of(tenant.id, course) == (ids([first]), ids([second]))


async def test_newcomers_do_not_overtake_who_waits(api: Api, tenant: Tenant) -> None:
    """A seat that is free because a promotion got lost is the first one's, whoever asks meanwhile."""
    course = await open_course(tenant, 0)
    people = await people_of(tenant, 2)
    await join(api.acting_as(people[0]), course)
    await give_seats_silently(tenant, course, 1)
    assert (await join(api.acting_as(people[1]), course))["isWaitlisted"] is True
    assert await access_of(tenant.id, course) == (ids(people[:1]), ids(people[1:]))


async def test_a_crash_after_the_commit_is_made_good_by_the_sweep(
    api: Api, tenant: Tenant, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The change that freed the seat stands and answers; any number of sweeps give the seat once."""
    course = await open_course(tenant, 1)
    people = await people_of(tenant, 3)
    for person in people:
        await join(api.acting_as(person), course)

    async def crash(*_: Any) -> None:
        raise ConnectionResetError

    with monkeypatch.context() as patch:
        patch.setitem(FOLLOW_UPS, SeatsFreed, crash)
        assert (await leave(api.acting_as(people[0]), course))["isActive"] is False
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
        "what follows SeatsFreed failed: ConnectionResetError"
    ]
    assert await access_of(tenant.id, course) == ([], ids(people[1:]))
    await asyncio.gather(give_free_seats(api.now), give_free_seats(api.now))
    assert await access_of(tenant.id, course) == (ids(people[1:2]), ids(people[2:]))
    assert (await steps_of(tenant.id))[-1] == ("P2", "ENROLLED", "LEARNER", None)


async def test_hundreds_are_promoted_when_the_limit_goes(as_admin: ApiClient, tenant: Tenant) -> None:
    """More than one transaction's worth, all of them before the mutation answers."""
    course = await open_course(tenant, 0)
    people = await factories.create_learners(tenant.id, 600)
    async with writing(tenant.id) as sql:
        await sql.execute(
            "INSERT INTO enrollment (tenant_id, learner_id, content_id, status, is_active, is_waitlisted,"
            " waiting_source, waiting_number, progress_percent, lessons_done, attempt, enrolled_at, version)"
            " SELECT $1, id, $2, 'NOT_STARTED', false, true, 'LEARNER', number, 0, 0, 1, '2026-03-02Z', 1"
            "   FROM unnest($3::bigint[]) WITH ORDINALITY AS person (id, number)",
            tenant.id,
            course.id,
            people,
        )
    await change_course(as_admin, course, seatLimit=None)
    assert await access_of(tenant.id, course) == (sorted(people), [])
