"""The Content Actions Log through the API: filters, orders, pages and who sees what."""

from typing import Any

import asyncpg
import pytest

from domain.content.models import Content
from domain.enrollments.models import ContentAction, ContentActionKind
from domain.foundation.access import Principal, Source
from domain.foundation.database.sessions import writing
from domain.tenants.models import Tenant
from gql.contract.ids import CONTENT_ACTION, RULE, SERVICE_ACCOUNT, encode
from tests.api.enrollments.operations import content_id, enroll, learner_id, tell, unenroll
from tests.support import factories
from tests.support.api import ApiClient

LOG = """
query ($first: Int! = 25, $after: String, $filter: ContentActionFilterInput,
       $order: ContentActionOrder! = NEWEST_FIRST) {
  contentActions(first: $first, after: $after, filter: $filter, orderBy: $order) {
    totalCount pageInfo { hasNextPage endCursor }
    nodes { action source content { title } learner { name } actor { name } resultingStatus } } }
"""


async def told(client: ApiClient, **variables: Any) -> list[str]:
    """Return action and title of each entry on a page."""
    nodes = (await client.value(LOG, **variables))["nodes"]
    return [f"{node['action']} {node['content']['title']}" for node in nodes]


@pytest.fixture
async def course(tenant: Tenant, trainer: Principal) -> Content:
    """A course of the trainer."""
    return await factories.create_course(tenant.id, title="A", trainers=[trainer.learner_id or 0])


async def test_the_log_is_read_newest_first_and_filtered(
    as_admin: ApiClient,
    as_sync: ApiClient,
    admin: Principal,
    sync_account: Principal,
    tenant: Tenant,
    learner: Principal,
    course: Content,
) -> None:
    """Who, what, which action, source, actor and when; with the status after it."""
    other = await factories.create_course(tenant.id, title="B")
    await enroll(as_admin, learner, course)
    await tell(as_sync, learner, course, isFinished=True, occurredAt="2026-02-01T10:00:00Z")
    await enroll(as_sync, learner, other)
    await unenroll(as_admin, learner, other)
    assert await told(as_admin) == ["UNENROLLED B", "ENROLLED B", "COMPLETED A", "ENROLLED A"]
    newest = (await as_admin.value(LOG, first=1))["nodes"]
    assert newest == [
        {
            "action": "UNENROLLED",
            "source": "MANAGER",
            "content": {"title": "B"},
            "learner": {"name": "Lea Learner"},
            "actor": {"name": "Ada Admin"},
            "resultingStatus": None,
        }
    ]

    async def found(**filter: Any) -> list[str]:
        return await told(as_admin, filter=filter)

    tool = encode(SERVICE_ACCOUNT, sync_account.service_account_id or 0)
    assert await found(contentIds=[content_id(course)]) == ["COMPLETED A", "ENROLLED A"]
    assert await found(learnerIds=[learner_id(admin)]) == []
    assert await found(actions=["UNENROLLED", "COMPLETED"]) == ["UNENROLLED B", "COMPLETED A"]
    assert await found(sources=["INTEGRATION"]) == ["ENROLLED B", "COMPLETED A"]
    assert await found(actorIds=[tool]) == ["ENROLLED B", "COMPLETED A"]
    assert await found(actorIds=[tool, learner_id(admin)], actions=["ENROLLED"]) == ["ENROLLED B", "ENROLLED A"]
    assert await found(occurredBefore="2026-02-01T10:00:01Z") == ["COMPLETED A"]
    assert await found(occurredFrom="2026-03-02T09:00:00Z", actions=["COMPLETED"]) == []


async def test_as_logged_goes_on_after_a_cursor_and_misses_no_late_commit(
    as_admin: ApiClient,
    tenant: Tenant,
    learner: Principal,
    course: Content,
    superuser: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    """An entry whose ID is lower but whose commit came later is found after the cursor."""
    async with superuser.transaction():
        entry = await superuser.fetchval(
            "INSERT INTO content_action (tenant_id, learner_id, content_id, action, source, occurred_at, recorded_at)"
            " VALUES ($1, $2, $3, 'RETAINED', 'SYSTEM', $4, $4) RETURNING id",
            tenant.id,
            learner.learner_id,
            course.id,
            factories.LONG_AGO,
        )
        await superuser.execute(
            "INSERT INTO change_pending (tenant_id, object_type, object_id, version, at)"
            " VALUES ($1, 'CONTENT_ACTION', $2, 1, $3)",
            tenant.id,
            entry,
            factories.LONG_AGO,
        )
        await enroll(as_admin, learner, course)
        page = await as_admin.value(LOG, order="AS_LOGGED")
        assert [node["action"] for node in page["nodes"]] == ["ENROLLED"]
    cursor = page["pageInfo"]["endCursor"]
    assert await told(as_admin, order="AS_LOGGED", after=cursor) == ["RETAINED A"]
    assert await told(as_admin, order="AS_LOGGED") == ["ENROLLED A", "RETAINED A"]
    assert await told(as_admin) == ["ENROLLED A", "RETAINED A"]
    assert await as_admin.errors(LOG, order="NEWEST_FIRST", after=cursor) == ["INVALID"]


async def test_who_sees_which_entries(
    as_admin: ApiClient,
    as_trainer: ApiClient,
    as_learner: ApiClient,
    as_reader: ApiClient,
    tenant: Tenant,
    learner: Principal,
    trainer: Principal,
    course: Content,
) -> None:
    """Trainers those of what they train and their own, learners their own; nobody else's exists."""
    other = await factories.create_course(tenant.id, title="B")
    max_ = await factories.create_person(tenant.id, name="Max")
    for person, content in ((learner, other), (max_, course), (trainer, other)):
        await enroll(as_admin, person, content)
    assert await told(as_reader) == ["ENROLLED B", "ENROLLED A", "ENROLLED B"]
    assert await told(as_trainer) == ["ENROLLED B", "ENROLLED A"]
    assert await told(as_learner) == ["ENROLLED B"]
    async with writing(tenant.id) as sql:
        entry = await sql.value("SELECT min(id) FROM content_action WHERE content_id = $1", course.id)
    node = "query ($id: ID!) { node(id: $id) { ... on ContentAction { action } } }"
    variables = {"id": encode(CONTENT_ACTION, entry)}
    assert await as_trainer.value(node, **variables) == {"action": "ENROLLED"}
    assert await as_learner.value(node, **variables) is None


async def test_rules_in_the_log_are_internal(
    as_admin: ApiClient,
    as_trainer: ApiClient,
    as_learner: ApiClient,
    tenant: Tenant,
    learner: Principal,
    course: Content,
) -> None:
    """Learners and trainers see the source, never the rule, and cannot ask by one."""
    async with writing(tenant.id):
        await ContentAction.create(
            tenant_id=tenant.id,
            learner_id=learner.learner_id or 0,
            content_id=course.id,
            action=ContentActionKind.ENROLLED,
            source=Source.AUTO_ENROLLMENT,
            rule_id=7,
            rule_name="Secret",
            occurred_at=factories.LONG_AGO,
            recorded_at=factories.LONG_AGO,
        )
    document = """
    query ($filter: ContentActionFilterInput) { contentActions(filter: $filter) {
      nodes { source ruleId ruleName rule { id } } } }
    """
    rule = encode(RULE, 7)
    assert (await as_admin.value(document, filter={"ruleId": rule}))["nodes"] == [
        {"source": "AUTO_ENROLLMENT", "ruleId": rule, "ruleName": "Secret", "rule": None}
    ]
    for client in (as_trainer, as_learner):
        assert (await client.value(document))["nodes"] == [
            {"source": "AUTO_ENROLLMENT", "ruleId": None, "ruleName": None, "rule": None}
        ]
        assert (await client.value(document, filter={"ruleId": rule}))["nodes"] == []


async def test_the_log_of_one_enrollment(
    as_admin: ApiClient, tenant: Tenant, learner: Principal, course: Content
) -> None:
    """Only entries of this learner and this content, newest first, page by page."""
    other = await factories.create_course(tenant.id)
    await enroll(as_admin, learner, course)
    await enroll(as_admin, learner, other)
    await tell(as_admin, learner, course, isFinished=True)
    document = """
    query ($filter: EnrollmentFilterInput, $after: String) { enrollments(filter: $filter) { nodes {
      contentActions(first: 1, after: $after) { totalCount pageInfo { endCursor } nodes { action } } } } }
    """
    filter = {"contentIds": [content_id(course)]}
    [node] = (await as_admin.value(document, filter=filter))["nodes"]
    page = node["contentActions"]
    assert (page["totalCount"], page["nodes"]) == (2, [{"action": "COMPLETED"}])
    [node] = (await as_admin.value(document, filter=filter, after=page["pageInfo"]["endCursor"]))["nodes"]
    assert node["contentActions"]["nodes"] == [{"action": "ENROLLED"}]
    [first, second] = (await as_admin.value(document))["nodes"]
    assert [first["contentActions"]["totalCount"], second["contentActions"]["totalCount"]] == [1, 2]


async def test_the_log_knows_the_path_that_brought_a_course(
    as_admin: ApiClient, tenant: Tenant, learner: Principal, course: Content
) -> None:
    """Source LEARNING_PATH and the path."""
    path = await factories.create_path(tenant.id, title="P", courses=[course])
    await enroll(as_admin, learner, path)
    nodes = (await as_admin.value("{ contentActions { nodes { source learningPath { title } } } }"))["nodes"]
    assert nodes == [
        {"source": "LEARNING_PATH", "learningPath": {"title": "P"}},
        {"source": "MANAGER", "learningPath": None},
    ]
