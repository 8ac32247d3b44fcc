"""People enrolled in a learning path follow its changes."""

from typing import Any

import pytest

from domain.content.models import Content
from domain.enrollments.path_changes import follow_path_chunk
from domain.foundation.access import Principal, Source
from domain.foundation.database.sessions import writing
from domain.foundation.jobs.running import run_job
from domain.foundation.models import JobKind
from domain.tenants.models import Tenant
from gql.contract.ids import BACKGROUND_JOB, decode
from tests.api.enrollments.operations import content_id, enroll, facts_of, log_of, statuses_of, tell, unenroll
from tests.support import factories
from tests.support.api import Api, ApiClient

UPDATE = """
mutation ($input: UpdateLearningPathInput!) { updateLearningPath(input: $input) {
  learningPath { version } propagation { id kind status totalCount processedCount subjectName subject { id } }
  errors { code path } } }
"""


@pytest.fixture
async def courses(tenant: Tenant) -> list[Content]:
    """Three courses."""
    return [await factories.create_course(tenant.id, title=title) for title in ("A", "B", "C")]


@pytest.fixture
async def path(tenant: Tenant, courses: list[Content]) -> Content:
    """A path of the courses A and B."""
    return await factories.create_path(tenant.id, title="Path", courses=courses[:2])


async def change(client: ApiClient, path: Content, *items: tuple[Content, bool]) -> dict[str, Any]:
    """Give a path other courses and return the payload."""
    given = [{"courseId": content_id(course), "isMandatory": is_mandatory} for course, is_mandatory in items]
    payload: dict[str, Any] = await client.value(
        UPDATE, input={"learningPath": {"id": content_id(path)}, "changes": {"items": given}}
    )
    return payload


async def test_courses_come_and_go_with_the_path(
    as_admin: ApiClient, tenant: Tenant, learner: Principal, path: Content, courses: list[Content]
) -> None:
    """A removed or optional course loses the reason "path", a new mandatory one gets it; the job is done already."""
    a, b, c = courses
    await enroll(as_admin, learner, path)
    await tell(as_admin, learner, b, isFinished=True)
    before = len(await log_of(tenant.id))
    payload = await change(as_admin, path, (b, True), (c, True), (a, False))
    assert payload["propagation"] | {"id": None} == {
        "id": None,
        "kind": "LEARNING_PATH_CHANGE",
        "status": "SUCCEEDED",
        "totalCount": 1,
        "processedCount": 1,
        "subjectName": "Path",
        "subject": {"id": content_id(path)},
    }
    assert await statuses_of(tenant.id, learner) == {
        "A": ("NOT_STARTED", 0, False),
        "B": ("COMPLETED", 100, True),
        "C": ("NOT_STARTED", 0, True),
        "Path": ("IN_PROGRESS", 50, True),
    }
    assert (await log_of(tenant.id))[before:] == [
        ("A", "UNENROLLED", "LEARNING_PATH"),
        ("C", "ENROLLED", "LEARNING_PATH"),
    ]
    async with writing(tenant.id) as sql:
        assert await sql.values(
            "SELECT DISTINCT path_id FROM content_action WHERE id > (SELECT min(id) FROM content_action)"
            " AND source = 'LEARNING_PATH' AND content_id <> $1",
            path.id,
        ) == [path.id]
    assert await facts_of(tenant.id, learner) == {"B": "COMPLETED", "C": "NOT_STARTED", "Path": "IN_PROGRESS"}


async def test_a_completion_of_the_path_is_never_taken_away(
    as_admin: ApiClient, tenant: Tenant, learner: Principal, path: Content, courses: list[Content]
) -> None:
    """Losing the open course completes the path; a new course does not open it again."""
    a, b, c = courses
    await enroll(as_admin, learner, path)
    await tell(as_admin, learner, a, isFinished=True, occurredAt="2026-02-01T10:00:00Z")
    await change(as_admin, path, (a, True))
    assert (await statuses_of(tenant.id, learner))["Path"] == ("COMPLETED", 100, True)
    assert (await log_of(tenant.id))[-1] == ("Path", "COMPLETED", "LEARNING_PATH")
    await change(as_admin, path, (a, True), (c, True))
    assert (await statuses_of(tenant.id, learner))["Path"] == ("COMPLETED", 100, True)
    assert (await statuses_of(tenant.id, learner))["C"] == ("NOT_STARTED", 0, True)
    assert (await log_of(tenant.id))[-1] == ("C", "ENROLLED", "LEARNING_PATH")
    assert b.title == "B"


async def test_whom_only_rules_hold_follows_without_a_fact(
    as_admin: ApiClient, tenant: Tenant, learner: Principal, path: Content, courses: list[Content]
) -> None:
    """Rules never trigger rules: not by the courses of a path that they gave either."""
    a, _, c = courses
    # Made without its courses, so that what comes is what the change has brought.
    await factories.create_enrollment(
        tenant.id, learner.learner_id or 0, path.id, source=Source.AUTO_ENROLLMENT, fact_status=None
    )
    await change(as_admin, path, (a, True), (c, True))
    assert await statuses_of(tenant.id, learner) == {
        "C": ("NOT_STARTED", 0, True),
        "Path": ("NOT_STARTED", 0, True),
    }
    assert await facts_of(tenant.id, learner) == {}


async def test_a_hundred_people_follow_in_the_background(
    api: Api, as_admin: ApiClient, tenant: Tenant, admin: Principal, path: Content, courses: list[Content]
) -> None:
    """The job counts people, and running it twice does nothing twice."""
    for person in await factories.create_learners(tenant.id, 100):
        await factories.create_enrollment(tenant.id, person, path.id)
    payload = await change(as_admin, path, (courses[2], True))
    job = payload["propagation"]
    assert (job["status"], job["totalCount"], job["processedCount"]) == ("QUEUED", 100, 0)
    assert await log_of(tenant.id) == []
    decoded = decode(job["id"])
    assert decoded is not None
    for _ in range(2):
        await run_job(tenant.id, decoded[1], {JobKind.LEARNING_PATH_CHANGE: follow_path_chunk}, lambda: api.now)
    done = await as_admin.value(
        "query ($id: ID!) { backgroundJob(id: $id) { status totalCount processedCount } }", id=job["id"]
    )
    assert done == {"status": "SUCCEEDED", "totalCount": 100, "processedCount": 100}
    assert await log_of(tenant.id) == [("C", "ENROLLED", "LEARNING_PATH")] * 100
    async with writing(tenant.id) as sql:
        assert await sql.values("SELECT DISTINCT actor_learner_id FROM content_action") == [admin.learner_id]
    assert decoded[0] == BACKGROUND_JOB


async def test_who_leaves_a_path_before_its_job_runs_is_not_counted(
    api: Api, as_admin: ApiClient, tenant: Tenant, learner: Principal, path: Content, courses: list[Content]
) -> None:
    """The job has then done all that there is to do."""
    await enroll(as_admin, learner, path)
    for person in await factories.create_learners(tenant.id, 99):
        await factories.create_enrollment(tenant.id, person, path.id)
    job = (await change(as_admin, path, (courses[2], True)))["propagation"]
    await unenroll(as_admin, learner, path)
    decoded = decode(job["id"])
    assert decoded is not None
    await run_job(tenant.id, decoded[1], {JobKind.LEARNING_PATH_CHANGE: follow_path_chunk}, lambda: api.now)
    done = await as_admin.value(
        "query ($id: ID!) { backgroundJob(id: $id) { status totalCount processedCount } }", id=job["id"]
    )
    assert done == {"status": "SUCCEEDED", "totalCount": 99, "processedCount": 99}
