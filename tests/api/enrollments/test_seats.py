"""Seats and waitlists: who asks gets a seat, waits or is refused; whatever frees a seat gives it to who waits."""

from collections.abc import Sequence

import pytest

from domain.content.models import Content
from domain.enrollments.models import EnrollmentStatus
from domain.foundation.access import Principal, Source
from domain.foundation.database.sessions import writing
from domain.tenants.models import Tenant
from tests.api.enrollments.operations import (
    BULK,
    REPORT,
    content_id,
    enroll,
    facts_of,
    learner_id,
    log_of,
    report,
    tell,
    unenroll,
)
from tests.api.enrollments.test_rules_react import CREATE_RULE, give
from tests.api.enrollments.voluntary import (
    ENROLL_SELF,
    UNENROLL_SELF,
    buy,
    change_course,
    from_content,
    join,
    leave,
    names_of,
    steps_of,
    to_course,
)
from tests.support import factories
from tests.support.api import Api, ApiClient
from tests.support.rounds import give_free_seats

DEACTIVATE = "mutation ($input: DeactivateLearnerInput!) { deactivateLearner(input: $input) { errors { code path } } }"
REACTIVATE = "mutation ($input: ReactivateLearnerInput!) { reactivateLearner(input: $input) { errors { code path } } }"


@pytest.fixture
async def course(tenant: Tenant) -> Content:
    """An open course with one seat and a waitlist."""
    return await factories.create_course(tenant.id, title="A", is_self_enrollable=True, seat_limit=1, has_waitlist=True)


async def people_of(tenant: Tenant, *names: str) -> list[Principal]:
    """Make learners."""
    return [await factories.create_person(tenant.id, name=name) for name in names]


async def join_all(api: Api, course: Content, people: Sequence[Principal]) -> None:
    """Have people enroll themselves, one after the other."""
    for person in people:
        await join(api.acting_as(person), course)


async def test_full_courses_refuse(api: Api, tenant: Tenant) -> None:
    """Without a waitlist there is nothing but the refusal, and nothing happens."""
    course = await factories.create_course(tenant.id, title="A", is_self_enrollable=True, seat_limit=1)
    first, second = await people_of(tenant, "First", "Second")
    await join(api.acting_as(first), course)
    assert await api.acting_as(second).user_errors(ENROLL_SELF, input=to_course(course)) == [
        ("SEATS_EXHAUSTED", "input.course")
    ]
    assert len(await log_of(tenant.id)) == 1
    assert await facts_of(tenant.id, second) == {}


async def test_full_courses_let_wait(api: Api, as_learner: ApiClient, tenant: Tenant, course: Content) -> None:
    """Waiting gives no access and no fact; asking again keeps the place and changes nothing."""
    await join_all(api, course, await people_of(tenant, "First", "Second"))
    waiting = await join(as_learner, course)
    assert (waiting["isActive"], waiting["isWaitlisted"], waiting["status"], waiting["reasons"]) == (
        False,
        True,
        "NOT_STARTED",
        [],
    )
    assert await join(as_learner, course) == waiting
    assert await names_of(tenant.id, course) == (["First"], ["Second", "Lea Learner"])
    assert await steps_of(tenant.id) == [
        ("First", "ENROLLED", "LEARNER", "First"),
        ("Second", "WAITLISTED", "LEARNER", "Second"),
        ("Lea Learner", "WAITLISTED", "LEARNER", "Lea Learner"),
    ]
    async with writing(tenant.id) as sql:
        assert await sql.value("SELECT count(value) FROM fact WHERE kind = 'T'") == 1


async def test_a_left_seat_goes_to_the_first_who_waits(
    api: Api, as_admin: ApiClient, tenant: Tenant, course: Content
) -> None:
    """At once, with the source of who waited and no actor; the status becomes a fact and rules react."""
    target = await factories.create_course(tenant.id, title="Target")
    await give(as_admin, target, when=course, status="IN_PROGRESS")
    first, second, third = await people_of(tenant, "First", "Second", "Third")
    await factories.create_enrollment(
        tenant.id, second.learner_id or 0, course.id, source=None, is_active=False, status=EnrollmentStatus.IN_PROGRESS
    )
    await join_all(api, course, [first, second, third])
    before = len(await steps_of(tenant.id))
    await leave(api.acting_as(first), course)
    assert await names_of(tenant.id, course) == (["Second"], ["Third"])
    assert (await steps_of(tenant.id))[before:] == [
        ("First", "UNENROLLED", "LEARNER", "First"),
        ("Second", "ENROLLED", "LEARNER", None),
        ("Second", "ENROLLED", "AUTO_ENROLLMENT", None),
    ]
    assert await facts_of(tenant.id, second) == {"A": "IN_PROGRESS"}


async def test_others_neither_need_nor_take_seats(api: Api, as_admin: ApiClient, tenant: Tenant) -> None:
    """A manager enrolls in a full course, and who was enrolled so takes no seat from others."""
    course = await factories.create_course(tenant.id, is_self_enrollable=True, seat_limit=1)
    first, second, third = await people_of(tenant, "First", "Second", "Third")
    await enroll(as_admin, first, course)
    await join(api.acting_as(second), course)
    await enroll(as_admin, third, course)
    assert await names_of(tenant.id, course) == (["First", "Second", "Third"], [])


async def test_who_has_access_cannot_wait(
    api: Api, as_admin: ApiClient, as_learner: ApiClient, tenant: Tenant, learner: Principal, course: Content
) -> None:
    """Full is full for who is enrolled for other reasons; with a free seat their own reason takes it."""
    [first] = await people_of(tenant, "First")
    await join(api.acting_as(first), course)
    await enroll(as_admin, learner, course)
    assert await as_learner.user_errors(ENROLL_SELF, input=to_course(course)) == [("SEATS_EXHAUSTED", "input.course")]
    await leave(api.acting_as(first), course)
    assert [reason["source"] for reason in (await join(as_learner, course))["reasons"]] == ["MANAGER", "LEARNER"]
    await join(api.acting_as(first), course)
    assert await names_of(tenant.id, course) == (["Lea Learner"], ["First"])


@pytest.mark.parametrize("by", ["learner", "manager"])
async def test_who_waits_can_leave_the_waitlist(
    api: Api, as_admin: ApiClient, tenant: Tenant, course: Content, by: str
) -> None:
    """No access ends, so the log tells nothing of it; who asks again stands at the end."""
    first, second, third = await people_of(tenant, "First", "Second", "Third")
    await join_all(api, course, [first, second, third])
    if by == "learner":
        left = await leave(api.acting_as(second), course)
        assert (left["isActive"], left["isWaitlisted"], left["version"]) == (False, False, 2)
        refused = await api.acting_as(second).user_errors(UNENROLL_SELF, input=from_content(course))
        assert refused == [("NOT_PERMITTED", "input.content")]
    else:
        assert (await unenroll(as_admin, second, course))["version"] == 2
        assert (await unenroll(as_admin, second, course))["version"] == 2
    assert await names_of(tenant.id, course) == (["First"], ["Third"])
    assert len(await log_of(tenant.id)) == 3
    await join(api.acting_as(second), course)
    assert await names_of(tenant.id, course) == (["First"], ["Third", "Second"])


@pytest.mark.parametrize("by", ["manager", "rule"])
async def test_access_in_another_way_ends_the_waiting(
    api: Api, as_admin: ApiClient, as_learner: ApiClient, tenant: Tenant, learner: Principal, course: Content, by: str
) -> None:
    """Rules and managers know no seats; whoever left the waitlist so is passed over when one is free."""
    first, last = await people_of(tenant, "First", "Last")
    await join(api.acting_as(first), course)
    await join(as_learner, course)
    await join(api.acting_as(last), course)
    if by == "manager":
        await enroll(as_admin, learner, course)
    else:
        other = await factories.create_course(tenant.id, title="B")
        await give(as_admin, course, when=other, status="NOT_STARTED")
        await enroll(as_admin, learner, other)
    assert await names_of(tenant.id, course) == (["First", "Lea Learner"], ["Last"])
    await leave(api.acting_as(first), course)
    assert await names_of(tenant.id, course) == (["Last", "Lea Learner"], [])


async def test_added_seats_go_to_who_waits(api: Api, as_admin: ApiClient, tenant: Tenant, course: Content) -> None:
    """A higher limit promotes as many as it adds, none promotes all; a lower one takes nobody's seat."""
    people = await people_of(tenant, "P1", "P2", "P3", "P4", "P5")
    await join_all(api, course, people)
    await change_course(as_admin, course, seatLimit=3)
    assert await names_of(tenant.id, course) == (["P1", "P2", "P3"], ["P4", "P5"])
    await change_course(as_admin, course, seatLimit=1)
    await leave(api.acting_as(people[0]), course)
    assert await names_of(tenant.id, course) == (["P2", "P3"], ["P4", "P5"])
    await change_course(as_admin, course, seatLimit=None)
    assert await names_of(tenant.id, course) == (["P2", "P3", "P4", "P5"], [])


async def test_a_waitlist_that_is_closed_still_serves_who_waits(
    api: Api, as_admin: ApiClient, as_learner: ApiClient, tenant: Tenant, course: Content
) -> None:
    """Neither closing the waitlist nor the course sends anybody away; nobody else comes in."""
    first, second = await people_of(tenant, "First", "Second")
    await join_all(api, course, [first, second])
    await change_course(as_admin, course, hasWaitlist=False)
    assert await as_learner.user_errors(ENROLL_SELF, input=to_course(course)) == [("SEATS_EXHAUSTED", "input.course")]
    await change_course(as_admin, course, isSelfEnrollable=False)
    await leave(api.acting_as(first), course)
    assert await names_of(tenant.id, course) == (["Second"], [])


async def test_people_who_are_inactive_are_passed_over(
    api: Api, as_admin: ApiClient, tenant: Tenant, course: Content
) -> None:
    """They keep their place in the queue; a seat that is free when they are back is theirs at once."""
    first, second, third = await people_of(tenant, "First", "Second", "Third")
    await join_all(api, course, [first, second, third])
    await as_admin.run(DEACTIVATE, input={"learner": {"id": learner_id(second)}})
    await leave(api.acting_as(first), course)
    assert await names_of(tenant.id, course) == (["Third"], ["Second"])
    await leave(api.acting_as(third), course)
    assert await names_of(tenant.id, course) == ([], ["Second"])
    await give_free_seats(api.now)
    assert await names_of(tenant.id, course) == ([], ["Second"])
    await as_admin.run(REACTIVATE, input={"learner": {"id": learner_id(second)}})
    assert await names_of(tenant.id, course) == (["Second"], [])


async def test_an_inactive_person_who_waits_keeps_no_seat_from_others(
    api: Api, as_admin: ApiClient, as_learner: ApiClient, tenant: Tenant, course: Content
) -> None:
    """A free seat that only they wait for goes to whoever asks."""
    first, second = await people_of(tenant, "First", "Second")
    await join_all(api, course, [first, second])
    await as_admin.run(DEACTIVATE, input={"learner": {"id": learner_id(second)}})
    await leave(api.acting_as(first), course)
    await join(as_learner, course)
    assert await names_of(tenant.id, course) == (["Lea Learner"], ["Second"])


async def test_a_rule_that_unenrolls_frees_the_seat(
    api: Api, as_admin: ApiClient, as_learner: ApiClient, tenant: Tenant, learner: Principal, course: Content
) -> None:
    """UNENROLL ends the learner's own reason too, and the next one gets the seat."""
    rule = {
        "name": "Ref is x",
        "contents": [{"id": content_id(course)}],
        "conditions": [{"refValue": {"fieldNumber": 1, "operator": "EQUALS", "values": ["x"]}}],
        "match": "ALL",
        "whenUnmet": "UNENROLL",
    }
    await as_admin.run(CREATE_RULE, input=rule)
    update = "mutation ($input: UpdateLearnerInput!) { updateLearner(input: $input) { errors { code path } } }"

    async def set_ref(value: str | None) -> None:
        changes = {"refValues": [{"number": 1, "value": value}]}
        await as_admin.run(update, input={"learner": {"id": learner_id(learner)}, "changes": changes})

    await join(as_learner, course)
    await set_ref("x")
    [second] = await people_of(tenant, "Second")
    await join(api.acting_as(second), course)
    await set_ref(None)
    assert await names_of(tenant.id, course) == (["Second"], [])


async def test_what_was_a_fact_before_waiting_stays_one(
    api: Api, as_learner: ApiClient, tenant: Tenant, learner: Principal, course: Content
) -> None:
    """Who has begun the course once waits with the status and the date of then."""
    joined = await join(as_learner, course)
    await tell(as_learner, learner, course, score=3)
    await leave(as_learner, course)
    [first] = await people_of(tenant, "First")
    await join(api.acting_as(first), course)
    api.advance(days=1)
    waiting = await join(as_learner, course)
    assert (waiting["isWaitlisted"], waiting["status"]) == (True, "IN_PROGRESS")
    assert waiting["enrolledAt"] == joined["enrolledAt"]
    assert await facts_of(tenant.id, learner) == {"A": "IN_PROGRESS"}
    await leave(as_learner, course)
    assert await facts_of(tenant.id, learner) == {"A": "IN_PROGRESS"}


async def test_who_has_only_waited_is_enrolled_when_access_begins(
    api: Api, as_admin: ApiClient, as_learner: ApiClient, tenant: Tenant, learner: Principal, course: Content
) -> None:
    """`enrolledAt` is the date of joining the waitlist, then of the first enrollment, and stays that."""
    [first] = await people_of(tenant, "First")
    await join(api.acting_as(first), course)
    assert (await join(as_learner, course))["enrolledAt"] == "2026-03-02T09:00:00Z"
    api.advance(days=1)
    await leave(as_learner, course)
    assert (await join(as_learner, course))["enrolledAt"] == "2026-03-02T09:00:00Z"
    api.advance(days=1)
    await leave(api.acting_as(first), course)
    assert (await join(as_learner, course))["enrolledAt"] == "2026-03-04T09:00:00Z"
    await leave(as_learner, course)
    api.advance(days=1)
    assert (await join(as_learner, course))["enrolledAt"] == "2026-03-04T09:00:00Z"
    assert (await buy(as_admin, learner, course))["enrolledAt"] == "2026-03-04T09:00:00Z"


async def test_who_only_waits_cannot_report(api: Api, as_sync: ApiClient, tenant: Tenant) -> None:
    """They were never enrolled, so there is nothing to report on; a report in bulk can enroll them first."""
    course = await factories.create_course(
        tenant.id, title="A", is_self_enrollable=True, seat_limit=0, has_waitlist=True
    )
    [person] = await people_of(tenant, "Waiting")
    client = api.acting_as(person)
    refused = [("NOT_FOUND", "input.course")]
    await join(client, course)
    assert await client.user_errors(REPORT, input=report(person, course, isFinished=True)) == refused
    await leave(client, course)
    assert await client.user_errors(REPORT, input=report(person, course, isFinished=True)) == refused
    assert await facts_of(tenant.id, person) == {}
    await join(client, course)
    row = {**report(person, course, isFinished=True), "enrolls": True}
    [result] = (await as_sync.value(BULK, input={"rows": [row]}))["results"]
    assert (result["outcome"], result["enrollment"]) == ("CREATED", {"status": "COMPLETED"})
    assert await names_of(tenant.id, course) == (["Waiting"], [])


async def test_lists_show_who_waits(as_learner: ApiClient, as_admin: ApiClient, tenant: Tenant) -> None:
    """Among the enrollments, not active, and not among what one has access to."""
    course = await factories.create_course(tenant.id, is_self_enrollable=True, seat_limit=0, has_waitlist=True)
    await join(as_learner, course)
    document = """
    query ($filter: EnrollmentFilterInput) {
      enrollments(filter: $filter) { nodes { isWaitlisted isActive reasonHistory { source } } } }
    """
    shown = [{"isWaitlisted": True, "isActive": False, "reasonHistory": []}]
    assert await as_learner.value("{ viewer { access { totalCount } } }") == {"access": {"totalCount": 0}}
    for client in (as_learner, as_admin):
        assert (await client.value(document, filter={"isActive": False}))["nodes"] == shown
        assert (await client.value(document, filter={"isActive": True}))["nodes"] == []


async def test_who_leaves_without_a_seat_frees_none(as_learner: ApiClient, as_admin: ApiClient, tenant: Tenant) -> None:
    """What an import gave took no seat, so nobody comes in when it ends."""
    course = await factories.create_course(tenant.id, is_self_enrollable=True, seat_limit=0, has_waitlist=True)
    [other] = await people_of(tenant, "Other")
    await factories.create_enrollment(tenant.id, other.learner_id or 0, course.id, source=Source.IMPORT)
    await join(as_learner, course)
    await unenroll(as_admin, other, course)
    assert await names_of(tenant.id, course) == ([], ["Lea Learner"])
