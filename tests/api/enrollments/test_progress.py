"""Reports of progress through the API: rights, dates, facts, paths and bulk."""

from typing import Any

import pytest

from domain.content.models import Content
from domain.foundation.access import Principal, Role, Scope, Source
from domain.foundation.database.sessions import writing
from domain.tenants.models import Tenant
from tests.api.enrollments.operations import (
    BULK,
    REPORT,
    about,
    content_id,
    enroll,
    facts_of,
    learner_id,
    log_of,
    report,
    statuses_of,
    tell,
    unenroll,
)
from tests.support import factories
from tests.support.api import Api, ApiClient


@pytest.fixture
async def course(tenant: Tenant, trainer: Principal) -> Content:
    """A course of four lessons with a minimum score of 70."""
    return await factories.create_course(
        tenant.id, title="A", external_id="a", lesson_count=4, minimum_score=70, trainers=[trainer.learner_id or 0]
    )


async def bulk(client: ApiClient, *rows: dict[str, Any]) -> list[tuple[str, str | None, list[tuple[str, str]]]]:
    """Report in bulk and return outcome, status and errors of each row."""
    payload = await client.value(BULK, input={"rows": list(rows)})
    assert payload["reevaluation"] is None
    return [
        (
            row["outcome"],
            row["enrollment"] and row["enrollment"]["status"],
            [(error["code"], ".".join(error["path"])) for error in row["errors"]],
        )
        for row in payload["results"]
    ]


async def test_lessons_and_score_complete_a_course(
    api: Api, as_sync: ApiClient, tenant: Tenant, learner: Principal, course: Content
) -> None:
    """Status, percent, score and dates follow the reports; the log has one line per step."""
    await enroll(as_sync, learner, course)
    begun = await tell(as_sync, learner, course, lessonsDone=1, occurredAt="2026-02-02T10:00:00Z")
    assert (begun["status"], begun["progressPercent"], begun["lessonsDone"], begun["score"]) == (
        "IN_PROGRESS",
        25,
        1,
        None,
    )
    failed = await tell(as_sync, learner, course, lessonsDone=4, score=60, occurredAt="2026-02-03T10:00:00Z")
    assert (failed["status"], failed["progressPercent"], failed["score"]) == ("IN_PROGRESS", 100, 60)
    done = await tell(as_sync, learner, course, score=70, occurredAt="2026-02-05T12:00:00+01:00")
    assert (done["status"], done["score"], done["completedAt"]) == ("COMPLETED", 70, "2026-02-05T11:00:00Z")
    late = await tell(as_sync, learner, course, lessonsDone=2, score=10, occurredAt="2026-02-04T10:00:00Z")
    assert late == done
    async with writing(tenant.id) as sql:
        rows = await sql.fetch(
            "SELECT action, source, resulting_status, occurred_at::date::text, recorded_at"
            " FROM content_action ORDER BY id"
        )
    assert [tuple(row)[:4] for row in rows[1:]] == [
        ("STARTED", "INTEGRATION", "IN_PROGRESS", "2026-02-02"),
        ("FAILED", "INTEGRATION", "IN_PROGRESS", "2026-02-03"),
        ("COMPLETED", "INTEGRATION", "COMPLETED", "2026-02-05"),
    ]
    assert {row["recorded_at"] for row in rows} == {api.now}


async def test_a_repeated_report_leaves_no_trace(
    as_sync: ApiClient, tenant: Tenant, learner: Principal, course: Content
) -> None:
    """The same report twice: one version, one FAILED; a new attempt at the same score fails again."""
    await enroll(as_sync, learner, course)
    said = {"isFinished": True, "score": 50, "occurredAt": "2026-02-02T10:00:00Z"}
    first = await tell(as_sync, learner, course, **said)
    assert await tell(as_sync, learner, course, **said) == first
    await tell(as_sync, learner, course, score=50, occurredAt="2026-02-03T10:00:00Z")
    assert [row[1] for row in await log_of(tenant.id)] == ["ENROLLED", "STARTED", "FAILED", "FAILED"]


async def test_a_report_writes_the_fact_even_where_a_rule_enrolled(
    as_sync: ApiClient, tenant: Tenant, learner: Principal, course: Content
) -> None:
    """What a rule gave becomes a fact by working on it, also after the enrollment has ended."""
    await factories.create_enrollment(
        tenant.id, learner.learner_id or 0, course.id, source=Source.AUTO_ENROLLMENT, fact_status=None
    )
    await tell(as_sync, learner, course, lessonsDone=0)
    assert await facts_of(tenant.id, learner) == {}
    await tell(as_sync, learner, course, lessonsDone=1)
    assert await facts_of(tenant.id, learner) == {"A": "IN_PROGRESS"}


async def test_reports_count_after_the_enrollment_has_ended(
    as_sync: ApiClient, tenant: Tenant, learner: Principal, course: Content
) -> None:
    """The report is accepted and makes nobody active."""
    await factories.create_enrollment(tenant.id, learner.learner_id or 0, course.id)
    await unenroll(as_sync, learner, course)
    done = await tell(as_sync, learner, course, isFinished=True, score=100)
    assert (done["status"], done["isActive"], done["reasons"]) == ("COMPLETED", False, [])
    assert await facts_of(tenant.id, learner) == {"A": "COMPLETED"}


async def test_a_report_of_a_former_attempt_changes_nothing(
    as_sync: ApiClient, tenant: Tenant, learner: Principal, course: Content
) -> None:
    """It is accepted, changes nothing and logs nothing."""
    began = factories.LONG_AGO
    await factories.create_enrollment(tenant.id, learner.learner_id or 0, course.id, attempt=2, attempt_began_at=began)
    before = await tell(as_sync, learner, course, isFinished=True, score=99, occurredAt="2026-01-05T07:59:59Z")
    assert (before["status"], before["version"]) == ("NOT_STARTED", 1)
    assert await log_of(tenant.id) == []


async def test_paths_follow_their_courses_whoever_holds_the_path(
    as_admin: ApiClient, tenant: Tenant, learner: Principal, course: Content
) -> None:
    """A path that a rule holds gets its fact by the report, and completes with the latest of its courses."""
    other = await factories.create_course(tenant.id, title="B", lesson_count=2)
    extra = await factories.create_course(tenant.id, title="C")
    path = await factories.create_path(tenant.id, title="Path", courses=[course, other])
    async with writing(tenant.id) as sql:
        await sql.execute(
            "INSERT INTO learning_path_item (path_id, course_id, tenant_id, position, is_mandatory)"
            " VALUES ($1, $2, $3, 9, false)",
            path.id,
            extra.id,
            tenant.id,
        )
    for content in (course, other, extra, path):
        await factories.create_enrollment(
            tenant.id, learner.learner_id or 0, content.id, source=Source.AUTO_ENROLLMENT, fact_status=None
        )
    await tell(as_admin, learner, extra, isFinished=True)
    # An optional course moves no path, but it is a report about the path all the same.
    assert await facts_of(tenant.id, learner) == {"C": "COMPLETED", "Path": "NOT_STARTED"}
    await tell(as_admin, learner, other, lessonsDone=1, occurredAt="2026-02-01T10:00:00Z")
    assert (await statuses_of(tenant.id, learner))["Path"] == ("IN_PROGRESS", 25, True)
    await tell(as_admin, learner, course, isFinished=True, score=80, occurredAt="2026-02-04T10:00:00Z")
    await tell(as_admin, learner, other, lessonsDone=2, occurredAt="2026-02-03T10:00:00Z")
    assert (await statuses_of(tenant.id, learner))["Path"] == ("COMPLETED", 100, True)
    async with writing(tenant.id) as sql:
        steps = await sql.fetch(
            "SELECT action, source, path_id, occurred_at::date::text FROM content_action"
            " WHERE content_id = $1 ORDER BY id",
            path.id,
        )
    assert [tuple(step) for step in steps] == [
        ("STARTED", "LEARNING_PATH", path.id, "2026-02-01"),
        ("COMPLETED", "LEARNING_PATH", path.id, "2026-02-04"),
    ]
    assert (await facts_of(tenant.id, learner))["Path"] == "COMPLETED"


@pytest.mark.parametrize(
    ("said", "refused"),
    [
        ({"score": 101}, ("INVALID", "input.score")),
        ({"score": -1}, ("INVALID", "input.score")),
        ({"lessonsDone": -1}, ("INVALID", "input.lessonsDone")),
        ({"occurredAt": "2026-03-02T09:00:01Z"}, ("INVALID", "input.occurredAt")),
    ],
)
async def test_what_a_report_says_is_checked(
    as_admin: ApiClient, learner: Principal, course: Content, said: dict[str, Any], refused: tuple[str, str]
) -> None:
    """Scores from 0 to 100, lessons from 0 on, never the future."""
    await enroll(as_admin, learner, course)
    assert await as_admin.user_errors(REPORT, input=report(learner, course, **said)) == [refused]


async def test_a_report_needs_an_enrollment(
    as_admin: ApiClient, tenant: Tenant, learner: Principal, course: Content
) -> None:
    """Who was never enrolled has no progress; a path takes no reports."""
    path = await factories.create_path(tenant.id, courses=[course])
    assert await as_admin.user_errors(REPORT, input=report(learner, course, score=1)) == [("NOT_FOUND", "input.course")]
    assert await as_admin.user_errors(REPORT, input=report(learner, path, score=1)) == [("NOT_FOUND", "input.course")]


async def test_learners_report_for_themselves_while_the_tenant_accepts_it(
    as_learner: ApiClient, as_admin: ApiClient, tenant: Tenant, learner: Principal, trainer: Principal, course: Content
) -> None:
    """Never for others, never dated, and not once the tenant has switched it off."""
    await enroll(as_admin, learner, course)
    await enroll(as_admin, trainer, course)
    await tell(as_learner, learner, course, lessonsDone=1)
    assert (await log_of(tenant.id))[-1] == ("A", "STARTED", "LEARNER")
    assert await as_learner.user_errors(REPORT, input=report(trainer, course, score=9)) == [
        ("NOT_FOUND", "input.learner")
    ]
    dated = report(learner, course, score=9, occurredAt="2026-03-01T10:00:00Z")
    assert await as_learner.user_errors(REPORT, input=dated) == [("NOT_PERMITTED", "input.occurredAt")]
    async with writing(tenant.id) as sql:
        await sql.execute("UPDATE tenant SET accepts_learner_progress = false WHERE id = $1", tenant.id)
    assert await as_learner.user_errors(REPORT, input=report(learner, course, score=9)) == [
        ("NOT_PERMITTED", "input.learner")
    ]


async def test_nobody_dates_their_own_progress(
    as_admin: ApiClient, admin: Principal, as_trainer: ApiClient, trainer: Principal, course: Content
) -> None:
    """Trainers and admins included, one by one and in bulk."""
    for client, person in ((as_admin, admin), (as_trainer, trainer)):
        await enroll(as_admin, person, course)
        dated = report(person, course, score=80, occurredAt="2026-03-01T10:00:00Z")
        assert await client.user_errors(REPORT, input=dated) == [("NOT_PERMITTED", "input.occurredAt")]
    assert await bulk(as_admin, report(admin, course, score=80, occurredAt="2026-03-01T10:00:00Z")) == [
        ("FAILED", None, [("NOT_PERMITTED", "occurredAt")])
    ]


async def test_trainers_report_on_what_they_train(
    as_trainer: ApiClient, as_admin: ApiClient, tenant: Tenant, learner: Principal, course: Content
) -> None:
    """On other courses they may not; tools need the scope; nobody but admins and tools reports in bulk."""
    other = await factories.create_course(tenant.id)
    for content in (course, other):
        await enroll(as_admin, learner, content)
    await tell(as_trainer, learner, course, lessonsDone=1)
    assert await as_trainer.user_errors(REPORT, input=report(learner, other, score=1)) == [
        ("NOT_PERMITTED", "input.course")
    ]
    assert await as_trainer.errors(BULK, input={"rows": [report(learner, course, score=1)]}) == ["FORBIDDEN"]


async def test_tools_need_the_scope_to_report(
    api: Api, as_reader: ApiClient, as_admin: ApiClient, tenant: Tenant, learner: Principal, course: Content
) -> None:
    """READ does not write; WRITE_ENROLLMENTS does, without READ."""
    await enroll(as_admin, learner, course)
    for document, given in ((REPORT, report(learner, course, score=1)), (BULK, {"rows": [report(learner, course)]})):
        assert await as_reader.errors(document, input=given) == ["FORBIDDEN"]
    writer = await factories.create_service_account(tenant.id, scopes=[Scope.WRITE_ENROLLMENTS])
    assert (await tell(api.acting_as(writer), learner, course, score=1))["status"] == "IN_PROGRESS"


async def test_bulk_reports_are_applied_in_order_and_judged_one_by_one(
    as_sync: ApiClient, tenant: Tenant, learner: Principal, course: Content
) -> None:
    """A row enrolls who was never enrolled, from that row on; failed rows do not keep the others back."""
    gone = await factories.create_person(tenant.id, is_active=False)
    nobody = {"learner": {"externalId": "nobody"}, "course": {"externalId": "nothing"}, "score": 500}
    assert await bulk(
        as_sync,
        report(learner, course, score=10),
        report(learner, course, lessonsDone=1, enrolls=True),
        report(learner, course, lessonsDone=1),
        report(learner, course, isFinished=True, score=90),
        nobody,
        report(gone, course, score=10, enrolls=True),
    ) == [
        ("FAILED", None, [("NOT_FOUND", "course")]),
        ("CREATED", "COMPLETED", []),
        ("UNCHANGED", "COMPLETED", []),
        ("UPDATED", "COMPLETED", []),
        ("FAILED", None, [("NOT_FOUND", "learner"), ("NOT_FOUND", "course"), ("INVALID", "score")]),
        ("FAILED", None, [("LEARNER_INACTIVE", "learner")]),
    ]
    assert await log_of(tenant.id) == [
        ("A", "ENROLLED", "INTEGRATION"),
        ("A", "STARTED", "INTEGRATION"),
        ("A", "COMPLETED", "INTEGRATION"),
    ]
    assert await facts_of(tenant.id, learner) == {"A": "COMPLETED"}


async def test_a_replayed_bulk_report_tells_the_same(
    as_sync: ApiClient, tenant: Tenant, learner: Principal, course: Content
) -> None:
    """Row errors are part of the stored result."""
    rows = [report(learner, course, score=10), report(learner, course, score=10, enrolls=True)]
    given = {"idempotencyKey": "k", "rows": rows}
    first = await as_sync.value(BULK, input=given)
    assert [row["outcome"] for row in first["results"]] == ["FAILED", "CREATED"]
    assert await as_sync.value(BULK, input=given) == first
    assert len(await log_of(tenant.id)) == 2


async def test_bulk_reports_are_bounded(as_sync: ApiClient, learner: Principal, course: Content) -> None:
    """From 1 to 1,000 rows."""
    assert await as_sync.user_errors(BULK, input={"rows": []}) == [("INVALID", "input.rows")]
    rows = [report(learner, course, score=1)] * 1001
    assert await as_sync.user_errors(BULK, input={"rows": rows}) == [("TOO_MANY_ITEMS", "input.rows")]


async def test_a_thousand_reports_are_quick(as_sync: ApiClient, tenant: Tenant, course: Content) -> None:
    """A thousand people are enrolled and reported on in one call."""
    people = await factories.create_learners(tenant.id, 1000)
    rows = [
        {"learner": {"id": learner_id(person)}, "course": {"id": content_id(course)}, "lessonsDone": 2, "enrolls": True}
        for person in (Principal(tenant.id, learner_id=one, role=Role.LEARNER) for one in people)
    ]
    document = """
    mutation ($input: BulkRecordCourseProgressInput!) {
      bulkRecordCourseProgress(input: $input) { results { outcome } errors { code } } }
    """
    payload = await as_sync.value(document, input={"rows": rows})
    assert [row["outcome"] for row in payload["results"]] == ["CREATED"] * 1000
    async with writing(tenant.id) as sql:
        assert await sql.value("SELECT count(*) FROM enrollment WHERE status = 'IN_PROGRESS'") == 1000
        assert await sql.value("SELECT count(*) FROM content_action") == 2000


async def test_reports_of_people_of_another_tenant_are_not_found(
    as_admin: ApiClient, course: Content, another_tenant: Tenant, another_admin: Principal
) -> None:
    """Neither person nor course exists."""
    foreign = await factories.create_course(another_tenant.id)
    assert await as_admin.user_errors(REPORT, input=report(another_admin, foreign, score=1)) == [
        ("NOT_FOUND", "input.learner"),
        ("NOT_FOUND", "input.course"),
    ]
    assert about(another_admin, foreign)["content"] == {"id": content_id(foreign)}
