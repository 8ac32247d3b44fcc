"""Learners enroll themselves in open courses and leave them again, in their own name alone."""

import pytest

from domain.foundation.access import Principal, Source
from domain.tenants.models import Tenant
from tests.api.enrollments.operations import enroll, facts_of, log_of, tell, unenroll
from tests.api.enrollments.voluntary import (
    ENROLL_SELF,
    UNENROLL_SELF,
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


async def test_a_learner_enrolls_and_leaves(as_learner: ApiClient, tenant: Tenant, learner: Principal) -> None:
    """Reason, log and status fact are the learner's own; leaving what nobody began takes the fact with it."""
    course = await factories.create_course(tenant.id, title="A", is_self_enrollable=True)
    enrollment = await join(as_learner, course)
    assert (enrollment["isActive"], enrollment["isWaitlisted"], enrollment["expiresAt"]) == (True, False, None)
    assert enrollment["reasons"] == [{"source": "LEARNER", "actor": {"name": "Lea Learner"}}]
    assert await facts_of(tenant.id, learner) == {"A": "NOT_STARTED"}
    ended = await leave(as_learner, course)
    assert (ended["isActive"], ended["reasons"], ended["version"]) == (False, [], 2)
    assert await facts_of(tenant.id, learner) == {}
    assert await steps_of(tenant.id) == [
        ("Lea Learner", "ENROLLED", "LEARNER", "Lea Learner"),
        ("Lea Learner", "UNENROLLED", "LEARNER", "Lea Learner"),
    ]


async def test_enrolling_again_is_a_success_that_changes_nothing(as_learner: ApiClient, tenant: Tenant) -> None:
    """One reason, one log row, the same version."""
    course = await factories.create_course(tenant.id, title="A", is_self_enrollable=True, seat_limit=1)
    first = await join(as_learner, course)
    assert await join(as_learner, course) == first
    assert len(await log_of(tenant.id)) == 1


async def test_what_was_reached_stays_and_goes_on(as_learner: ApiClient, tenant: Tenant, learner: Principal) -> None:
    """Progress survives leaving, is still a fact then, and coming back goes on from there."""
    course = await factories.create_course(tenant.id, title="A", lesson_count=2, is_self_enrollable=True)
    await join(as_learner, course)
    await tell(as_learner, learner, course, lessonsDone=1)
    await leave(as_learner, course)
    assert await facts_of(tenant.id, learner) == {"A": "IN_PROGRESS"}
    assert (await join(as_learner, course))["status"] == "IN_PROGRESS"


async def test_what_others_gave_stays(
    as_admin: ApiClient, as_learner: ApiClient, tenant: Tenant, learner: Principal
) -> None:
    """Leaving ends one's own reason only; where there is none of one's own, it is NOT_PERMITTED."""
    course = await factories.create_course(tenant.id, title="A", is_self_enrollable=True)
    await enroll(as_admin, learner, course)
    refusal = [("NOT_PERMITTED", "input.content")]
    assert await as_learner.user_errors(UNENROLL_SELF, input=from_content(course)) == refusal
    both = await join(as_learner, course)
    assert [reason["source"] for reason in both["reasons"]] == ["MANAGER", "LEARNER"]
    left = await leave(as_learner, course)
    assert (left["isActive"], [reason["source"] for reason in left["reasons"]]) == (True, ["MANAGER"])
    assert await as_learner.user_errors(UNENROLL_SELF, input=from_content(course)) == refusal
    # Access began and ended for nobody but the manager.
    assert await log_of(tenant.id) == [("A", "ENROLLED", "MANAGER")]


async def test_nothing_to_leave_is_not_permitted(as_learner: ApiClient, tenant: Tenant) -> None:
    """Never enrolled, or left already; a course that one cannot see does not exist."""
    course = await factories.create_course(tenant.id, is_self_enrollable=True)
    refusal = [("NOT_PERMITTED", "input.content")]
    assert await as_learner.user_errors(UNENROLL_SELF, input=from_content(course)) == refusal
    await join(as_learner, course)
    await leave(as_learner, course)
    assert await as_learner.user_errors(UNENROLL_SELF, input=from_content(course)) == refusal
    hidden = await factories.create_course(tenant.id)
    assert await as_learner.user_errors(UNENROLL_SELF, input=from_content(hidden)) == [("NOT_FOUND", "input.content")]


async def test_closed_courses_are_refused_to_those_who_see_them(
    api: Api, as_learner: ApiClient, as_trainer: ApiClient, as_admin: ApiClient, tenant: Tenant, learner: Principal
) -> None:
    """Outside a learner's catalogue it does not exist; inside, and for trainers and admins, it is not open."""
    course = await factories.create_course(tenant.id)
    assert await as_learner.user_errors(ENROLL_SELF, input=to_course(course)) == [("NOT_FOUND", "input.course")]
    for client in (as_trainer, as_admin):
        assert await client.user_errors(ENROLL_SELF, input=to_course(course)) == [
            ("NOT_SELF_ENROLLABLE", "input.course")
        ]
    await enroll(as_admin, learner, course)
    await unenroll(as_admin, learner, course)
    assert await as_learner.user_errors(ENROLL_SELF, input=to_course(course)) == [
        ("NOT_SELF_ENROLLABLE", "input.course")
    ]
    assert len(await log_of(tenant.id)) == 2


async def test_a_course_that_is_closed_again_keeps_who_is_in(
    as_admin: ApiClient, as_learner: ApiClient, tenant: Tenant
) -> None:
    """They stay, may leave, and cannot come back."""
    course = await factories.create_course(tenant.id, is_self_enrollable=True)
    await join(as_learner, course)
    await change_course(as_admin, course, isSelfEnrollable=False)
    assert await names_of(tenant.id, course) == (["Lea Learner"], [])
    await leave(as_learner, course)
    assert await as_learner.user_errors(ENROLL_SELF, input=to_course(course)) == [
        ("NOT_SELF_ENROLLABLE", "input.course")
    ]


async def test_paths_and_what_does_not_exist_are_not_found(
    as_learner: ApiClient, tenant: Tenant, another_tenant: Tenant
) -> None:
    """Courses only: a path, another tenant's course, another type's ID, garbage."""
    course = await factories.create_course(tenant.id, is_self_enrollable=True)
    path = await factories.create_path(tenant.id, courses=[course], is_self_enrollable=True)
    foreign = await factories.create_course(another_tenant.id, is_self_enrollable=True)
    keys = [to_course(path)["course"], to_course(foreign)["course"], {"id": "lrn_1"}, {"externalId": "nothing\x00"}]
    for key in keys:
        assert await as_learner.user_errors(ENROLL_SELF, input={"course": key}) == [("NOT_FOUND", "input.course")]
    assert await log_of(tenant.id) == []


async def test_tools_have_nothing_to_enroll(as_sync: ApiClient, tenant: Tenant) -> None:
    """Self-enrollment belongs to a person, whatever scopes a tool has."""
    course = await factories.create_course(tenant.id, is_self_enrollable=True)
    assert await as_sync.errors(ENROLL_SELF, input=to_course(course)) == ["FORBIDDEN"]
    assert await as_sync.errors(UNENROLL_SELF, input=from_content(course)) == ["FORBIDDEN"]
    assert await log_of(tenant.id) == []


@pytest.mark.parametrize("who", ["trainer", "admin"])
async def test_trainers_and_admins_learn_too(
    api: Api, tenant: Tenant, trainer: Principal, admin: Principal, who: str
) -> None:
    """They enroll themselves as learners, with the source that says so."""
    course = await factories.create_course(tenant.id, title="A", is_self_enrollable=True)
    client = api.acting_as(trainer if who == "trainer" else admin)
    await join(client, course)
    await leave(client, course)
    assert await log_of(tenant.id) == [("A", "ENROLLED", "LEARNER"), ("A", "UNENROLLED", "LEARNER")]


async def test_a_manager_ends_what_a_learner_began(
    as_admin: ApiClient, as_learner: ApiClient, tenant: Tenant, learner: Principal
) -> None:
    """A manager's unenrollment ends every reason, the learner's own too."""
    course = await factories.create_course(tenant.id, title="A", is_self_enrollable=True)
    await join(as_learner, course)
    assert (await unenroll(as_admin, learner, course))["isActive"] is False
    assert (await log_of(tenant.id))[-1] == ("A", "UNENROLLED", "MANAGER")


async def test_enrolling_on_top_of_a_rule_writes_the_fact(
    as_learner: ApiClient, tenant: Tenant, learner: Principal
) -> None:
    """What a rule gave is no fact; the learner's own enrollment on top makes the status one."""
    course = await factories.create_course(tenant.id, title="A", is_self_enrollable=True)
    await factories.create_enrollment(
        tenant.id, learner.learner_id or 0, course.id, source=Source.AUTO_ENROLLMENT, fact_status=None
    )
    await join(as_learner, course)
    assert await facts_of(tenant.id, learner) == {"A": "NOT_STARTED"}


async def test_a_replay_shows_what_is_now(as_learner: ApiClient, tenant: Tenant) -> None:
    """The same key does the work once, whatever has happened since."""
    course = await factories.create_course(tenant.id, title="A", is_self_enrollable=True)
    given = to_course(course, idempotencyKey="once")
    await as_learner.run(ENROLL_SELF, input=given)
    await leave(as_learner, course)
    assert (await as_learner.value(ENROLL_SELF, input=given))["enrollment"]["isActive"] is False
    assert len(await log_of(tenant.id)) == 2
