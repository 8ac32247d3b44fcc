"""Access days: when they run out, who keeps access all the same, and how often it is done."""

import asyncio
import time
from datetime import datetime, timedelta

import pytest

from domain.content.models import Content
from domain.enrollments.seats.expiry import end_expired_access
from domain.foundation import clock
from domain.foundation.access import Principal, Source
from domain.foundation.database.sessions import across_tenants, writing
from domain.foundation.unit_of_work import UnitOfWork
from domain.tenants.models import Tenant
from jobs import rounds
from tests.api.enrollments.operations import enroll, facts_of, log_of, tell, unenroll
from tests.api.enrollments.test_rules_react import give
from tests.api.enrollments.voluntary import buy, change_course, join, leave, names_of, steps_of
from tests.jobs.conftest import SCHEDULER, WORKER, Processes
from tests.support import factories
from tests.support.api import Api, ApiClient
from tests.support.catalogue import Connection
from tests.support.rounds import end_access_that_is_over
from tests.support.tasks import PATIENCE, held


@pytest.fixture
async def course(tenant: Tenant) -> Content:
    """An open course with ten days of access."""
    return await factories.create_course(tenant.id, title="A", is_self_enrollable=True, access_days=10)


async def look(tenant: Tenant, course: Content) -> list[tuple[bool, datetime | None, int]]:
    """Return activity, expiry and version of the enrollments in a course."""
    async with writing(tenant.id) as sql:
        records = await sql.fetch(
            "SELECT is_active, expires_at, version FROM enrollment WHERE content_id = $1 ORDER BY id", course.id
        )
    return [(record[0], record[1], record[2]) for record in records]


async def test_access_ends_when_its_days_are_over(
    api: Api, as_learner: ApiClient, tenant: Tenant, learner: Principal, course: Content
) -> None:
    """Not a second before; by the system and no actor; what nobody began is no fact any more."""
    assert (await join(as_learner, course))["expiresAt"] == "2026-03-12T09:00:00Z"
    assert await end_access_that_is_over(api.now + timedelta(days=10, seconds=-1)) == 0
    assert await facts_of(tenant.id, learner) == {"A": "NOT_STARTED"}
    assert await end_access_that_is_over(api.now + timedelta(days=10)) == 1
    assert await look(tenant, course) == [(False, None, 2)]
    assert await steps_of(tenant.id) == [
        ("Lea Learner", "ENROLLED", "LEARNER", "Lea Learner"),
        ("Lea Learner", "EXPIRED", "SYSTEM", None),
    ]
    assert await facts_of(tenant.id, learner) == {}
    assert await end_access_that_is_over(api.now + timedelta(days=11)) == 0


async def test_who_comes_back_has_all_days_again(
    api: Api, as_learner: ApiClient, learner: Principal, tenant: Tenant, course: Content
) -> None:
    """Progress stays a fact, and access begins anew."""
    await join(as_learner, course)
    await tell(as_learner, learner, course, score=3)
    await end_access_that_is_over(api.advance(days=12))
    assert await facts_of(tenant.id, learner) == {"A": "IN_PROGRESS"}
    again = await join(as_learner, course)
    assert (again["isActive"], again["status"], again["expiresAt"]) == (True, "IN_PROGRESS", "2026-03-24T09:00:00Z")


async def test_the_later_end_counts(
    api: Api, as_admin: ApiClient, as_learner: ApiClient, tenant: Tenant, learner: Principal, course: Content
) -> None:
    """Each reason ends by itself; the enrollment with the last of them."""
    await join(as_learner, course)
    api.advance(days=4)
    bought = await buy(as_admin, learner, course)
    assert (bought["expiresAt"], bought["version"]) == ("2026-03-16T09:00:00Z", 2)
    assert await end_access_that_is_over(api.advance(days=6)) == 1
    expires_at = datetime.fromisoformat("2026-03-16T09:00:00Z")
    assert await look(tenant, course) == [(True, expires_at, 3)]
    assert await end_access_that_is_over(api.advance(days=4)) == 1
    assert await look(tenant, course) == [(False, None, 4)]
    assert await log_of(tenant.id) == [("A", "ENROLLED", "LEARNER"), ("A", "EXPIRED", "SYSTEM")]


async def test_both_over_at_once_end_it_once(
    api: Api, as_admin: ApiClient, as_learner: ApiClient, tenant: Tenant, learner: Principal, course: Content
) -> None:
    """A sweep that comes late writes one log row."""
    await join(as_learner, course)
    await buy(as_admin, learner, course)
    assert await end_access_that_is_over(api.advance(days=30)) == 2
    assert await look(tenant, course) == [(False, None, 3)]
    assert await log_of(tenant.id) == [("A", "ENROLLED", "LEARNER"), ("A", "EXPIRED", "SYSTEM")]


async def test_nothing_expires_while_something_else_holds(
    api: Api, as_admin: ApiClient, as_learner: ApiClient, tenant: Tenant, learner: Principal, course: Content
) -> None:
    """A manager's reason takes the end away; the learner's own ends without a word."""
    await join(as_learner, course)
    await enroll(as_admin, learner, course)
    assert await look(tenant, course) == [(True, None, 2)]
    assert await end_access_that_is_over(api.advance(days=10)) == 1
    assert await look(tenant, course) == [(True, None, 3)]
    assert await log_of(tenant.id) == [("A", "ENROLLED", "LEARNER")]
    # Voluntary again: its end shows as soon as nothing else holds.
    assert (await join(as_learner, course))["expiresAt"] is None
    await leave(as_learner, course)
    await unenroll(as_admin, learner, course)
    assert await look(tenant, course) == [(False, None, 6)]


@pytest.mark.parametrize("comes_first", [True, False])
async def test_the_end_shows_again_when_a_path_is_left(
    as_admin: ApiClient, as_learner: ApiClient, tenant: Tenant, learner: Principal, course: Content, comes_first: bool
) -> None:
    """Whichever reason came first: null while the path holds the course, the learner's own end afterwards."""
    path = await factories.create_path(tenant.id, title="Path", courses=[course])
    if comes_first:
        await join(as_learner, course)
        await enroll(as_admin, learner, path)
    else:
        await enroll(as_admin, learner, path)
        await join(as_learner, course)
    assert await look(tenant, course) == [(True, None, 2)]
    await unenroll(as_admin, learner, path)
    assert await look(tenant, course) == [(True, datetime.fromisoformat("2026-03-12T09:00:00Z"), 3)]


async def test_the_end_is_laid_down_when_access_begins(
    api: Api, as_admin: ApiClient, tenant: Tenant, course: Content
) -> None:
    """Other access days are for those who come later; a reason without an end keeps access for ever."""
    people = [await factories.create_person(tenant.id, name=name) for name in ("Ten", "Three", "Ever")]
    for person, days in zip(people, (10, 3, None), strict=True):
        await change_course(as_admin, course, accessDays=days)
        await join(api.acting_as(person), course)
    await change_course(as_admin, course, accessDays=1)
    ends = [expires_at and expires_at.day for _, expires_at, _ in await look(tenant, course)]
    assert ends == [12, 5, None]
    # Bought with an end, on top of what has none.
    assert (await buy(as_admin, people[2], course))["expiresAt"] is None
    await end_access_that_is_over(api.advance(days=400))
    assert await names_of(tenant.id, course) == (["Ever"], [])


async def test_managers_know_no_access_days(
    api: Api, as_admin: ApiClient, tenant: Tenant, learner: Principal, course: Content
) -> None:
    """What others than the learner give never ends by itself."""
    await enroll(as_admin, learner, course)
    assert await end_access_that_is_over(api.advance(days=400)) == 0
    assert await look(tenant, course) == [(True, None, 1)]


async def test_the_seat_goes_to_who_waits_with_all_its_days(api: Api, as_learner: ApiClient, tenant: Tenant) -> None:
    """At once; days are counted from the promotion."""
    course = await factories.create_course(
        tenant.id, title="A", is_self_enrollable=True, access_days=10, seat_limit=1, has_waitlist=True
    )
    await join(as_learner, course)
    second = await factories.create_person(tenant.id, name="Second")
    waiting = await join(api.acting_as(second), course)
    assert (waiting["isWaitlisted"], waiting["expiresAt"]) == (True, None)
    await end_access_that_is_over(api.advance(days=10))
    assert await names_of(tenant.id, course) == (["Second"], [])
    assert (await join(api.acting_as(second), course))["expiresAt"] == "2026-03-22T09:00:00Z"
    assert (await steps_of(tenant.id))[-1] == ("Second", "ENROLLED", "LEARNER", None)


async def test_rules_react_to_what_is_no_fact_any_more(
    api: Api, as_admin: ApiClient, as_learner: ApiClient, tenant: Tenant, learner: Principal, course: Content
) -> None:
    """Expiry is no rule's doing: who left a rule by it and comes back enters it again."""
    target = await factories.create_course(tenant.id, title="B")
    await give(as_admin, target, when=course, status="NOT_STARTED")
    await join(as_learner, course)
    await end_access_that_is_over(api.advance(days=10))
    await join(as_learner, course)
    assert [step for step in await log_of(tenant.id) if step[0] == "B"] == [("B", "ENROLLED", "AUTO_ENROLLMENT")] * 2


async def test_two_at_once_end_each_access_once(
    now: datetime, tenant: Tenant, another_tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More than one list and one transaction hold, in two tenants, by two processes."""
    monkeypatch.setattr(rounds.EXPIRY, "together", 50)
    for company, count in ((tenant, 1_100), (another_tenant, 150)):
        await enroll_many(company, now, count)
    totals = await asyncio.gather(*(end_access_that_is_over(now) for _ in range(2)))
    # Whom the other has locked is left to the next look.
    totals.append(await end_access_that_is_over(now))
    assert sum(totals) == 1_250
    for company, count in ((tenant, 1_100), (another_tenant, 150)):
        async with writing(company.id) as sql:
            assert await sql.value("SELECT count(*) FROM enrollment WHERE NOT is_active AND version = 2") == count
            assert await sql.value("SELECT count(*) FROM content_action WHERE action = 'EXPIRED'") == count


async def enroll_many(tenant: Tenant, ends_at: datetime, count: int) -> None:
    """Enroll learners whose own reason ends at an instant."""
    course = await factories.create_course(tenant.id)
    people = await factories.create_learners(tenant.id, count)
    async with writing(tenant.id) as sql:
        await sql.execute(
            """
            WITH place AS (
              INSERT INTO enrollment (tenant_id, learner_id, content_id, status, fact_status, is_active, is_waitlisted,
                                      progress_percent, lessons_done, attempt, enrolled_at, expires_at, version)
              SELECT $1, person, $2, 'NOT_STARTED', 'NOT_STARTED', true, false, 0, 0, 1, $4, $4, 1
                FROM unnest($3::bigint[]) AS person RETURNING id, learner_id)
            INSERT INTO enrollment_reason (tenant_id, enrollment_id, learner_id, content_id, source, is_permanent,
                                           since_at, ends_at)
            SELECT $1, id, learner_id, $2, 'LEARNER', false, $4, $4 FROM place
            """,
            tenant.id,
            course.id,
            people,
            ends_at,
        )


async def test_people_whom_somebody_changes_are_left_for_the_next_time(
    api: Api, as_admin: ApiClient, as_learner: ApiClient, tenant: Tenant, learner: Principal, course: Content
) -> None:
    """The sweep waits for nobody, and nobody's change gets lost."""
    other = await factories.create_person(tenant.id, name="Other")
    await join(as_learner, course)
    await join(api.acting_as(other), course)
    later = api.advance(days=10)
    lock = "SELECT id FROM learner WHERE id = $1 FOR NO KEY UPDATE"
    async with held(learner, later, lambda work: work.sql.fetch(lock, learner.learner_id)) as change:
        assert await asyncio.wait_for(end_access_that_is_over(later), PATIENCE) == 1
        assert await names_of(tenant.id, course) == (["Lea Learner"], [])
        await change.commit()
    assert await end_access_that_is_over(later) == 1
    assert await names_of(tenant.id, course) == ([], [])


async def test_one_tenants_trouble_is_not_anothers(
    now: datetime, tenant: Tenant, another_tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The failure is reported when everybody has had a turn."""
    for company in (tenant, another_tenant):
        await enroll_many(company, now, 2)

    async def fail_for_the_first(work: UnitOfWork, *, reason_ids: list[int]) -> int:
        if work.tenant_id == tenant.id:
            raise RuntimeError("broken")
        return await end_expired_access(work, reason_ids=reason_ids)

    monkeypatch.setattr(rounds, "end_expired_access", fail_for_the_first)
    with pytest.raises(RuntimeError, match="broken"):
        await end_access_that_is_over(now)
    left = await across_tenants("SELECT DISTINCT tenant_id FROM reasons_to_expire($1)", now)
    assert [record[0] for record in left] == [tenant.id]


async def test_processes_do_it_by_themselves(processes: Processes, tenant: Tenant, superuser: Connection) -> None:
    """Two schedulers and two workers: access ends and free seats are given within seconds, each once."""
    await enroll_many(tenant, clock.now() + timedelta(seconds=1), 5)
    course = await factories.create_course(tenant.id, seat_limit=1, has_waitlist=True)
    person = await factories.create_person(tenant.id)
    await factories.create_enrollment(
        tenant.id,
        person.learner_id or 0,
        course.id,
        is_active=False,
        is_waitlisted=True,
        waiting_source=Source.PURCHASE,
        waiting_number=1,
    )
    for program in (WORKER, WORKER, SCHEDULER, SCHEDULER):
        processes.start(program)
    begun = time.monotonic()
    expected = [("ENROLLED", "PURCHASE", 1), ("EXPIRED", "SYSTEM", 5)]
    while True:
        records = await superuser.fetch(
            "SELECT action, source, count(*) FROM content_action GROUP BY 1, 2 ORDER BY 1, 2"
        )
        if [tuple(record) for record in records] == expected:
            break
        assert time.monotonic() < begun + 2 * PATIENCE, records
        await asyncio.sleep(0.05)
