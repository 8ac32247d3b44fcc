"""Enrolling and unenrolling by hand, and what it does to facts, paths and the log."""

import asyncio

from domain.enrollments.models import EnrollmentStatus
from domain.foundation.access import Principal, Scope, Source
from domain.tenants.models import Tenant
from tests.api.enrollments.operations import (
    ENROLL,
    UNENROLL,
    about,
    enroll,
    facts_of,
    log_of,
    statuses_of,
    tell,
    unenroll,
)
from tests.support import factories
from tests.support.api import Api, ApiClient


async def test_a_manager_enrolls_and_everything_says_so(
    as_admin: ApiClient, tenant: Tenant, learner: Principal
) -> None:
    """The reason, the log and the status fact are there when the mutation answers."""
    course = await factories.create_course(tenant.id, title="A")
    enrollment = await enroll(as_admin, learner, course)
    assert (enrollment["status"], enrollment["isActive"], enrollment["version"]) == ("NOT_STARTED", True, 1)
    assert enrollment["reasons"] == [
        {"source": "MANAGER", "untilAt": None, "learningPath": None, "actor": {"name": "Ada Admin"}}
    ]
    assert await log_of(tenant.id) == [("A", "ENROLLED", "MANAGER")]
    assert await facts_of(tenant.id, learner) == {"A": "NOT_STARTED"}


async def test_enrolling_twice_is_a_success_that_changes_nothing(
    as_admin: ApiClient, as_sync: ApiClient, tenant: Tenant, learner: Principal
) -> None:
    """One manager reason per enrollment; a tool adds its own reason and logs nothing."""
    course = await factories.create_course(tenant.id, title="A")
    await enroll(as_admin, learner, course)
    assert (await enroll(as_admin, learner, course))["version"] == 1
    enrollment = await enroll(as_sync, learner, course)
    assert [reason["source"] for reason in enrollment["reasons"]] == ["MANAGER", "INTEGRATION"]
    assert enrollment["version"] == 2
    assert await log_of(tenant.id) == [("A", "ENROLLED", "MANAGER")]


async def test_enrolling_on_top_of_a_rule_writes_the_fact(
    as_admin: ApiClient, tenant: Tenant, learner: Principal
) -> None:
    """What a rule gave is no fact; a manager's enrollment on top makes the status one."""
    course = await factories.create_course(tenant.id, title="A")
    await factories.create_enrollment(
        tenant.id, learner.learner_id or 0, course.id, source=Source.AUTO_ENROLLMENT, fact_status=None
    )
    assert await facts_of(tenant.id, learner) == {}
    await enroll(as_admin, learner, course)
    assert await facts_of(tenant.id, learner) == {"A": "NOT_STARTED"}


async def test_unenrolling_ends_every_reason_and_keeps_progress(
    as_admin: ApiClient, tenant: Tenant, learner: Principal
) -> None:
    """Whatever held it: the enrollment ends, its progress stays, and enrolling again goes on from there."""
    course = await factories.create_course(tenant.id, title="A", lesson_count=2)
    await factories.create_enrollment(
        tenant.id, learner.learner_id or 0, course.id, source=Source.AUTO_ENROLLMENT, fact_status=None
    )
    await enroll(as_admin, learner, course)
    await tell(as_admin, learner, course, lessonsDone=1)
    ended = await unenroll(as_admin, learner, course)
    assert (ended["isActive"], ended["status"], ended["progressPercent"], ended["reasons"]) == (
        False,
        "IN_PROGRESS",
        50,
        [],
    )
    assert [reason["source"] for reason in ended["reasonHistory"]] == ["MANAGER", "AUTO_ENROLLMENT"]
    assert await facts_of(tenant.id, learner) == {"A": "IN_PROGRESS"}
    again = await enroll(as_admin, learner, course)
    assert (again["id"], again["status"], again["progressPercent"]) == (ended["id"], "IN_PROGRESS", 50)
    assert [row[1:] for row in await log_of(tenant.id)] == [
        ("STARTED", "MANAGER"),
        ("UNENROLLED", "MANAGER"),
        ("ENROLLED", "MANAGER"),
    ]


async def test_ending_what_nobody_began_clears_the_fact(
    as_admin: ApiClient, tenant: Tenant, learner: Principal
) -> None:
    """NOT_STARTED is a fact while the enrollment is active; unenrolling again is a success without a trace."""
    course = await factories.create_course(tenant.id, title="A")
    await enroll(as_admin, learner, course)
    ended = await unenroll(as_admin, learner, course)
    assert await facts_of(tenant.id, learner) == {}
    assert (await unenroll(as_admin, learner, course))["version"] == ended["version"]
    assert len(await log_of(tenant.id)) == 2


async def test_who_was_never_enrolled_cannot_be_unenrolled(
    as_admin: ApiClient, tenant: Tenant, learner: Principal
) -> None:
    """There is nothing to end."""
    course = await factories.create_course(tenant.id)
    assert await as_admin.user_errors(UNENROLL, input=about(learner, course)) == [("NOT_FOUND", "")]


async def test_an_inactive_person_is_not_enrolled(as_admin: ApiClient, tenant: Tenant) -> None:
    """Who cannot sign in cannot learn."""
    course = await factories.create_course(tenant.id)
    gone = await factories.create_person(tenant.id, is_active=False)
    assert await as_admin.user_errors(ENROLL, input=about(gone, course)) == [("LEARNER_INACTIVE", "input.learner")]
    assert await log_of(tenant.id) == []


async def test_a_path_brings_its_mandatory_courses(as_admin: ApiClient, tenant: Tenant, learner: Principal) -> None:
    """Each gets the reason "path"; the path counts what was done before."""
    done, new = [await factories.create_course(tenant.id, title=title, lesson_count=1) for title in ("Done", "New")]
    await enroll(as_admin, learner, done)
    await tell(as_admin, learner, done, lessonsDone=1, occurredAt="2026-02-01T10:00:00Z")
    path = await factories.create_path(tenant.id, title="Path", courses=[done, new])
    enrollment = await enroll(as_admin, learner, path)
    assert (enrollment["status"], enrollment["progressPercent"], enrollment["lessonsDone"]) == ("IN_PROGRESS", 50, None)
    assert await statuses_of(tenant.id, learner) == {
        "Done": ("COMPLETED", 100, True),
        "New": ("NOT_STARTED", 0, True),
        "Path": ("IN_PROGRESS", 50, True),
    }
    assert await log_of(tenant.id) == [
        ("Done", "ENROLLED", "MANAGER"),
        ("Done", "COMPLETED", "MANAGER"),
        ("Path", "ENROLLED", "MANAGER"),
        ("New", "ENROLLED", "LEARNING_PATH"),
        ("Path", "STARTED", "LEARNING_PATH"),
    ]
    assert await facts_of(tenant.id, learner) == {"Done": "COMPLETED", "New": "NOT_STARTED", "Path": "IN_PROGRESS"}


async def test_courses_end_with_the_path_that_alone_held_them(
    as_admin: ApiClient, tenant: Tenant, learner: Principal
) -> None:
    """A course that something else holds stays; an ended path catches up when enrolled again, never downwards."""
    kept, gone = [await factories.create_course(tenant.id, title=title) for title in ("Kept", "Gone")]
    path = await factories.create_path(tenant.id, title="Path", courses=[kept, gone])
    await enroll(as_admin, learner, kept)
    await enroll(as_admin, learner, path)
    await unenroll(as_admin, learner, path)
    assert await statuses_of(tenant.id, learner) == {
        "Kept": ("NOT_STARTED", 0, True),
        "Gone": ("NOT_STARTED", 0, False),
        "Path": ("NOT_STARTED", 0, False),
    }
    assert await facts_of(tenant.id, learner) == {"Kept": "NOT_STARTED"}
    assert (await log_of(tenant.id))[-2:] == [
        ("Path", "UNENROLLED", "MANAGER"),
        ("Gone", "UNENROLLED", "LEARNING_PATH"),
    ]
    await tell(as_admin, learner, gone, isFinished=True, occurredAt="2026-02-03T10:00:00Z")
    await tell(as_admin, learner, kept, isFinished=True, occurredAt="2026-02-02T10:00:00Z")
    # An ended path stands still.
    assert (await statuses_of(tenant.id, learner))["Path"] == ("NOT_STARTED", 0, False)
    again = await enroll(as_admin, learner, path)
    assert (again["status"], again["progressPercent"], again["completedAt"]) == (
        "COMPLETED",
        100,
        "2026-02-03T10:00:00Z",
    )


async def test_trainers_enroll_in_what_they_train_only(
    as_trainer: ApiClient, tenant: Tenant, trainer: Principal, learner: Principal
) -> None:
    """They see the other title, so it is NOT_PERMITTED and not NOT_FOUND; nothing happens."""
    trained = await factories.create_course(tenant.id, title="T", trainers=[trainer.learner_id or 0])
    other = await factories.create_course(tenant.id)
    await enroll(as_trainer, learner, trained)
    for document in (ENROLL, UNENROLL):
        assert await as_trainer.user_errors(document, input=about(learner, other)) == [
            ("NOT_PERMITTED", "input.content")
        ]
    assert await log_of(tenant.id) == [("T", "ENROLLED", "MANAGER")]


async def test_learners_and_tools_without_the_scope_enroll_nobody(
    api: Api, as_learner: ApiClient, as_reader: ApiClient, tenant: Tenant, learner: Principal
) -> None:
    """They are FORBIDDEN, for themselves too."""
    course = await factories.create_course(tenant.id, is_self_enrollable=True)
    for client in (as_learner, as_reader):
        for document in (ENROLL, UNENROLL):
            assert await client.errors(document, input=about(learner, course)) == ["FORBIDDEN"]
    assert await log_of(tenant.id) == []


async def test_a_tool_without_read_sees_what_it_did_in_short_form(api: Api, tenant: Tenant, learner: Principal) -> None:
    """Own scalars of the enrollment; reasons empty, learner and content in short form."""
    course = await factories.create_course(tenant.id, title="A", external_id="a", minimum_score=9)
    account = await factories.create_service_account(tenant.id, scopes=[Scope.WRITE_ENROLLMENTS])
    document = """
    mutation ($input: EnrollLearnerInput!) { enrollLearner(input: $input) {
      enrollment { status isActive reasons { source } reasonHistory { source } contentActions { totalCount }
                   learner { name email externalId } content { title externalId ... on Course { minimumScore } } }
      errors { code } } }
    """
    payload = await api.acting_as(account).value(document, input=about(learner, course))
    assert payload["enrollment"] == {
        "status": "NOT_STARTED",
        "isActive": True,
        "reasons": [],
        "reasonHistory": [],
        "contentActions": {"totalCount": 0},
        "learner": {"name": "Lea Learner", "email": None, "externalId": None},
        "content": {"title": "A", "externalId": None, "minimumScore": None},
    }


async def test_people_and_contents_of_another_tenant_do_not_exist(
    as_admin: ApiClient, tenant: Tenant, learner: Principal, another_tenant: Tenant, another_admin: Principal
) -> None:
    """Both are reported at once."""
    foreign = await factories.create_course(another_tenant.id)
    assert await as_admin.user_errors(ENROLL, input=about(another_admin, foreign)) == [
        ("NOT_FOUND", "input.learner"),
        ("NOT_FOUND", "input.content"),
    ]


async def test_partners_name_everything_by_their_own_ids(as_sync: ApiClient, tenant: Tenant) -> None:
    """External IDs and email addresses reach the same enrollment."""
    await factories.create_course(tenant.id, external_id="c1")
    await factories.create_learner(tenant.id, external_id="p1", email="P@x.test")
    found = [
        (await as_sync.value(ENROLL, input={"learner": learner, "content": {"externalId": "c1"}}))["enrollment"]["id"]
        for learner in ({"externalId": "p1"}, {"email": "p@X.test"}, {"id": "ext:p1"})
    ]
    assert len(set(found)) == 1


async def test_a_replayed_enrollment_shows_what_is_now(as_admin: ApiClient, tenant: Tenant, learner: Principal) -> None:
    """The key's first result comes again, read anew; the work is not repeated."""
    course = await factories.create_course(tenant.id)
    given = about(learner, course, idempotencyKey="once")
    await as_admin.run(ENROLL, input=given)
    await unenroll(as_admin, learner, course)
    replayed = (await as_admin.value(ENROLL, input=given))["enrollment"]
    assert (replayed["isActive"], replayed["status"]) == (False, EnrollmentStatus.NOT_STARTED)
    assert len(await log_of(tenant.id)) == 2


async def test_enrolling_and_reporting_at_once_is_as_one_after_the_other(
    as_admin: ApiClient, tenant: Tenant, learner: Principal
) -> None:
    """Eight at the same time: one enrollment, one reason, one beginning, and the most lessons of all."""
    course = await factories.create_course(tenant.id, title="A", lesson_count=20)
    await asyncio.gather(*(enroll(as_admin, learner, course) for _ in range(8)))
    reported = await asyncio.gather(*(tell(as_admin, learner, course, lessonsDone=n) for n in range(1, 9)))
    assert max(one["lessonsDone"] for one in reported) == 8
    assert await log_of(tenant.id) == [("A", "ENROLLED", "MANAGER"), ("A", "STARTED", "MANAGER")]
    final = await enroll(as_admin, learner, course)
    assert (final["lessonsDone"], final["progressPercent"], len(final["reasons"])) == (8, 40, 1)
