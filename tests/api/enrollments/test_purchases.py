"""Purchases give a seat to somebody else, whether the course is open to self-enrollment or not."""

from domain.foundation.access import Principal, Scope
from domain.tenants.models import Tenant
from tests.api.enrollments.operations import facts_of, log_of
from tests.api.enrollments.voluntary import (
    PURCHASE,
    bought_by,
    buy,
    change_course,
    join,
    leave,
    names_of,
    steps_of,
)
from tests.support import factories
from tests.support.api import Api, ApiClient


async def test_a_purchase_enrolls_the_buyer(as_admin: ApiClient, tenant: Tenant, learner: Principal) -> None:
    """Source PURCHASE, the account that reported it as actor, the status as a fact."""
    course = await factories.create_course(tenant.id, title="A")
    enrollment = await buy(as_admin, learner, course)
    assert (enrollment["isActive"], enrollment["reasons"]) == (
        True,
        [{"source": "PURCHASE", "actor": {"name": "Ada Admin"}}],
    )
    assert await steps_of(tenant.id) == [("Lea Learner", "ENROLLED", "PURCHASE", "Ada Admin")]
    assert await facts_of(tenant.id, learner) == {"A": "NOT_STARTED"}


async def test_a_shop_reports_by_its_own_ids(api: Api, tenant: Tenant) -> None:
    """A tool with WRITE_ENROLLMENTS, names of its own, and a second report that is none."""
    shop = await factories.create_service_account(tenant.id, scopes=[Scope.WRITE_ENROLLMENTS], name="Shop")
    await factories.create_course(tenant.id, external_id="c1")
    await factories.create_learner(tenant.id, external_id="p1", name="Pia")
    given = {"learner": {"externalId": "p1"}, "course": {"externalId": "c1"}}
    enrollments = [(await api.acting_as(shop).value(PURCHASE, input=given))["enrollment"] for _ in range(2)]
    assert [(one["isActive"], one["version"]) for one in enrollments] == [(True, 1), (True, 1)]
    assert await steps_of(tenant.id) == [("Pia", "ENROLLED", "PURCHASE", "Shop")]


async def test_who_has_a_seat_needs_no_second_one(
    as_admin: ApiClient, as_learner: ApiClient, tenant: Tenant, learner: Principal
) -> None:
    """One enrollment, one seat: the purchase is another reason, and leaving ends both."""
    course = await factories.create_course(tenant.id, title="A", is_self_enrollable=True, seat_limit=1)
    await join(as_learner, course)
    bought = await buy(as_admin, learner, course)
    assert [reason["source"] for reason in bought["reasons"]] == ["LEARNER", "PURCHASE"]
    left = await leave(as_learner, course)
    assert (left["isActive"], left["reasons"]) == (False, [])
    assert await log_of(tenant.id) == [("A", "ENROLLED", "LEARNER"), ("A", "UNENROLLED", "LEARNER")]


async def test_full_courses_refuse_or_let_wait(as_admin: ApiClient, tenant: Tenant, learner: Principal) -> None:
    """The promotion keeps the source of who waits and has no actor."""
    course = await factories.create_course(tenant.id, title="A", seat_limit=0)
    assert await as_admin.user_errors(PURCHASE, input=bought_by(learner, course)) == [
        ("SEATS_EXHAUSTED", "input.course")
    ]
    assert await log_of(tenant.id) == []
    await change_course(as_admin, course, hasWaitlist=True)
    waiting = await buy(as_admin, learner, course)
    assert (waiting["isActive"], waiting["isWaitlisted"], waiting["reasons"]) == (False, True, [])
    assert await facts_of(tenant.id, learner) == {}
    await change_course(as_admin, course, seatLimit=1)
    assert await names_of(tenant.id, course) == (["Lea Learner"], [])
    assert await steps_of(tenant.id) == [
        ("Lea Learner", "WAITLISTED", "PURCHASE", "Ada Admin"),
        ("Lea Learner", "ENROLLED", "PURCHASE", None),
    ]


async def test_who_waits_and_buys_keeps_the_place_and_gets_what_was_bought(
    api: Api, as_admin: ApiClient, as_learner: ApiClient, tenant: Tenant, learner: Principal
) -> None:
    """Both are in the log; asking again for oneself changes nothing any more."""
    course = await factories.create_course(tenant.id, is_self_enrollable=True, seat_limit=0, has_waitlist=True)
    await join(as_learner, course)
    await join(api.acting_as(await factories.create_person(tenant.id, name="Later")), course)
    assert (await buy(as_admin, learner, course))["version"] == 2
    assert (await buy(as_admin, learner, course))["version"] == 2
    assert (await join(as_learner, course))["version"] == 2
    await change_course(as_admin, course, seatLimit=1)
    assert await names_of(tenant.id, course) == (["Lea Learner"], ["Later"])
    assert [step[:3] for step in await steps_of(tenant.id)] == [
        ("Lea Learner", "WAITLISTED", "LEARNER"),
        ("Later", "WAITLISTED", "LEARNER"),
        ("Lea Learner", "WAITLISTED", "PURCHASE"),
        ("Lea Learner", "ENROLLED", "PURCHASE"),
    ]


async def test_only_admins_and_tools_with_the_scope_record_purchases(
    as_learner: ApiClient,
    as_trainer: ApiClient,
    as_reader: ApiClient,
    tenant: Tenant,
    learner: Principal,
    trainer: Principal,
) -> None:
    """Not learners for themselves, not trainers for what they train."""
    course = await factories.create_course(tenant.id, trainers=[trainer.learner_id or 0])
    for client in (as_learner, as_trainer, as_reader):
        assert await client.errors(PURCHASE, input=bought_by(learner, course)) == ["FORBIDDEN"]
    assert await log_of(tenant.id) == []


async def test_everything_wrong_is_reported_together(
    as_admin: ApiClient, tenant: Tenant, another_tenant: Tenant, another_admin: Principal, learner: Principal
) -> None:
    """People and courses of other tenants do not exist, and a path is no course."""
    foreign = await factories.create_course(another_tenant.id)
    assert await as_admin.user_errors(PURCHASE, input=bought_by(another_admin, foreign)) == [
        ("NOT_FOUND", "input.learner"),
        ("NOT_FOUND", "input.course"),
    ]
    path = await factories.create_path(tenant.id, courses=[await factories.create_course(tenant.id)])
    assert await as_admin.user_errors(PURCHASE, input=bought_by(learner, path)) == [("NOT_FOUND", "input.course")]
    assert await log_of(tenant.id) == []


async def test_who_is_inactive_buys_nothing(as_admin: ApiClient, tenant: Tenant) -> None:
    """Who cannot sign in cannot learn."""
    course = await factories.create_course(tenant.id)
    gone = await factories.create_person(tenant.id, is_active=False)
    assert await as_admin.user_errors(PURCHASE, input=bought_by(gone, course)) == [
        ("LEARNER_INACTIVE", "input.learner")
    ]
    assert await log_of(tenant.id) == []
