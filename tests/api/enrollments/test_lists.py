"""Lists of enrollments: who sees what, filters, pages, and a constant number of statements."""

from datetime import timedelta
from typing import Any

import pytest

from domain.content.models import Content
from domain.enrollments.models import EnrollmentReason, EnrollmentStatus
from domain.enrollments.queries import EnrollmentFilter, EnrollmentsOfLearner, load_enrollments_of_learners
from domain.foundation.access import Principal, Role, Scope, Source
from domain.foundation.database.sessions import ReadScope, writing
from domain.foundation.errors import Invalid
from domain.foundation.paging import Page, PageRequest
from domain.tenants.models import Tenant
from gql.contract.ids import ENROLLMENT, LEARNER, RULE, encode
from tests.api.enrollments.operations import content_id, learner_id
from tests.support import factories
from tests.support.api import Api, ApiClient

LIST = """
query ($first: Int! = 25, $after: String, $filter: EnrollmentFilterInput) {
  enrollments(first: $first, after: $after, filter: $filter) {
    totalCount changeCursor pageInfo { hasNextPage hasPreviousPage endCursor }
    nodes { learner { name } content { title } } } }
"""
NODE = "query ($id: ID!) { node(id: $id) { ... on Enrollment { status } } }"


async def listed(client: ApiClient, **variables: Any) -> list[str]:
    """Return learner and title of each enrollment on a page."""
    nodes = (await client.value(LIST, **variables))["nodes"]
    return [f"{node['learner']['name']}: {node['content']['title']}" for node in nodes]


@pytest.fixture
async def courses(tenant: Tenant, trainer: Principal, learner: Principal) -> list[Content]:
    """Two courses, of which the trainer trains the first; the learner is in both and somebody else in the first."""
    trained = await factories.create_course(tenant.id, title="T", external_id="t", trainers=[trainer.learner_id or 0])
    other = await factories.create_course(tenant.id, title="O")
    max_ = await factories.create_learner(tenant.id, name="Max", external_id="max")
    later = factories.LONG_AGO + timedelta(days=1)
    await factories.create_enrollment(tenant.id, learner.learner_id or 0, trained.id, source=Source.IMPORT)
    await factories.create_enrollment(tenant.id, learner.learner_id or 0, other.id, enrolled_at=later, is_active=False)
    await factories.create_enrollment(
        tenant.id, max_.id, trained.id, enrolled_at=later, status=EnrollmentStatus.COMPLETED
    )
    return [trained, other]


async def test_who_sees_which_enrollments(
    api: Api,
    as_admin: ApiClient,
    as_reader: ApiClient,
    as_trainer: ApiClient,
    as_learner: ApiClient,
    tenant: Tenant,
    courses: list[Content],
) -> None:
    """Admins and READ all, trainers those of what they train, learners their own; latest first."""
    everything = ["Max: T", "Lea Learner: O", "Lea Learner: T"]
    assert await listed(as_admin) == everything
    assert await listed(as_reader) == everything
    assert await listed(as_trainer) == ["Max: T", "Lea Learner: T"]
    assert await listed(as_learner) == ["Lea Learner: O", "Lea Learner: T"]
    assert (await as_trainer.value(LIST))["totalCount"] == 2
    writer = await factories.create_service_account(tenant.id, scopes=[Scope.WRITE_ENROLLMENTS])
    assert await api.acting_as(writer).errors(LIST) == ["FORBIDDEN"]


async def test_a_former_trainer_sees_what_a_learner_sees(api: Api, tenant: Tenant, courses: list[Content]) -> None:
    """Being named as a trainer counts only with the role."""
    demoted = await factories.create_person(tenant.id, role=Role.LEARNER)
    await factories.create_course(tenant.id, trainers=[demoted.learner_id or 0])
    assert await listed(api.acting_as(demoted)) == []


async def test_enrollments_are_filtered(
    as_admin: ApiClient, as_trainer: ApiClient, learner: Principal, courses: list[Content]
) -> None:
    """Fields combine with AND, items with OR; partners' IDs are understood, unknown ones match nothing."""

    async def found(**filter: Any) -> list[str]:
        return await listed(as_admin, filter=filter)

    assert await found(learnerIds=[learner_id(learner)]) == ["Lea Learner: O", "Lea Learner: T"]
    assert await found(learnerIds=["ext:max", "ext:unknown"]) == ["Max: T"]
    assert await found(contentIds=["ext:t"], isActive=True) == ["Max: T", "Lea Learner: T"]
    assert await found(contentIds=[content_id(courses[1])]) == ["Lea Learner: O"]
    assert await found(statuses=["COMPLETED", "IN_PROGRESS"]) == ["Max: T"]
    assert await found(isActive=False) == ["Lea Learner: O"]
    assert await found(sources=["IMPORT"]) == ["Lea Learner: T"]
    assert await found(statuses=[]) == []
    assert await found(ruleId=encode(RULE, 12345)) == []
    # A partner's ID is no part of the directory.
    assert await listed(as_trainer, filter={"learnerIds": ["ext:max"]}) == []


async def test_a_rule_is_no_filter_for_those_who_see_no_rules(
    as_admin: ApiClient,
    as_trainer: ApiClient,
    as_learner: ApiClient,
    tenant: Tenant,
    learner: Principal,
    trainer: Principal,
) -> None:
    """They see the source and never the rule."""
    course = await factories.create_course(tenant.id, title="R", trainers=[trainer.learner_id or 0])
    enrollment = await factories.create_enrollment(tenant.id, learner.learner_id or 0, course.id, source=None)
    async with writing(tenant.id):
        await EnrollmentReason.create(
            tenant_id=tenant.id,
            enrollment_id=enrollment.id,
            learner_id=learner.learner_id or 0,
            content_id=course.id,
            source=Source.AUTO_ENROLLMENT,
            rule_id=77,
            rule_name="Secret rule",
            since_at=factories.LONG_AGO,
        )
    by_rule = {"ruleId": encode(RULE, 77)}
    assert await listed(as_admin, filter=by_rule) == ["Lea Learner: R"]
    document = "{ enrollments { nodes { reasons { source ruleName rule { id } } } } }"
    for client, name in ((as_admin, "Secret rule"), (as_trainer, None), (as_learner, None)):
        [node] = (await client.value(document))["nodes"]
        assert node["reasons"] == [{"source": "AUTO_ENROLLMENT", "ruleName": name, "rule": None}]
    for client in (as_trainer, as_learner):
        assert await listed(client, filter=by_rule) == []


async def test_malformed_ids_in_a_filter_are_invalid(as_admin: ApiClient) -> None:
    """So are IDs of another type, too many of them, and cursors of another filter."""
    for filter in ({"learnerIds": ["cnt_0000000000000"]}, {"ruleId": "ext:4"}, {"learningPathId": "nonsense"}):
        assert await as_admin.errors(LIST, filter=filter) == ["INVALID"]
    assert await as_admin.errors(LIST, filter={"contentIds": ["ext:a"] * 101}) == ["TOO_MANY_ITEMS"]
    assert await as_admin.errors(LIST, first=0) == ["INVALID"]


async def test_pages_go_on_after_a_cursor(as_admin: ApiClient, courses: list[Content]) -> None:
    """Rows with the same instant are told apart by their IDs; a cursor belongs to its filter."""
    first = await as_admin.value(LIST, first=2)
    assert (first["totalCount"], first["pageInfo"]["hasNextPage"]) == (3, True)
    second = await as_admin.value(LIST, first=2, after=first["pageInfo"]["endCursor"])
    assert [node["content"]["title"] for node in second["nodes"]] == ["T"]
    assert (second["pageInfo"]["hasNextPage"], second["pageInfo"]["hasPreviousPage"]) == (False, True)
    other = {"filter": {"isActive": True}, "after": first["pageInfo"]["endCursor"]}
    assert await as_admin.errors(LIST, **other) == ["INVALID"]


async def test_a_single_enrollment_is_found_by_who_may_see_it(
    as_admin: ApiClient, as_learner: ApiClient, as_trainer: ApiClient, tenant: Tenant, courses: list[Content]
) -> None:
    """For others, and for another tenant's, it does not exist."""
    someone = await factories.create_learner(tenant.id)
    enrollment = await factories.create_enrollment(tenant.id, someone.id, courses[1].id)
    variables = {"id": encode(ENROLLMENT, enrollment.id)}
    assert await as_admin.value(NODE, **variables) == {"status": "NOT_STARTED"}
    assert await as_learner.value(NODE, **variables) is None
    assert await as_trainer.value(NODE, **variables) is None


async def test_viewer_access_is_what_one_has_access_to_now(
    as_learner: ApiClient, as_admin: ApiClient, as_reader: ApiClient, courses: list[Content]
) -> None:
    """Ended enrollments are not part of it; tools have none."""
    document = "{ viewer { access { totalCount nodes { content { title } } } } }"
    assert (await as_learner.value(document))["access"] == {"totalCount": 1, "nodes": [{"content": {"title": "T"}}]}
    for client in (as_admin, as_reader):
        assert (await client.value(document))["access"] == {"totalCount": 0, "nodes": []}


async def test_a_page_that_is_wrong_leaves_the_others_alone(
    tenant: Tenant, admin: Principal, as_admin: ApiClient, courses: list[Content]
) -> None:
    """Pages of different sizes are asked for together; what is wrong with one is told of that one."""
    (person,) = await factories.create_learners(tenant.id, 1)
    await factories.create_enrollment(tenant.id, person, courses[0].id)
    sizes = [0, 1, 101]
    keys = [EnrollmentsOfLearner(person, EnrollmentFilter(), PageRequest(first=size)) for size in sizes]
    async with ReadScope(tenant.id) as reads:
        pages = await load_enrollments_of_learners(reads, admin, keys)
    assert [type(page) for page in pages] == [Invalid, Page, Invalid]
    fields = " ".join(
        f'p{size}: node(id: "{encode(LEARNER, person)}") {{ ... on Learner {{ enrollments(first: {size})'
        " { nodes { status } totalCount } } }"
        for size in sizes
    )
    result = await as_admin.execute(f"{{ {fields} }}")
    found = {"enrollments": {"nodes": [{"status": "NOT_STARTED"}], "totalCount": 1}}
    assert result["data"] == {"p0": None, "p1": found, "p101": None}
    assert [error["path"] for error in result["errors"]] == [["p0", "enrollments"], ["p101", "enrollments"]]


async def test_the_first_pages_of_many_learners_cost_one_statement(
    tenant: Tenant, admin: Principal, courses: list[Content]
) -> None:
    """Each learner has their own page, in order, with their own count."""
    people = await factories.create_learners(tenant.id, 5)
    for person in people[:3]:
        for course in courses:
            await factories.create_enrollment(tenant.id, person, course.id)
    keys = [EnrollmentsOfLearner(person, EnrollmentFilter(), PageRequest(first=1)) for person in people]
    async with ReadScope(tenant.id) as reads:
        pages = await load_enrollments_of_learners(reads, admin, keys)
        assert reads.statement_count == 1
        assert [[row.content_id for row in page.rows] for page in pages] == [[courses[1].id]] * 3 + [[]] * 2
        assert [page.has_next for page in pages] == [True] * 3 + [False] * 2
        assert await pages[0].query.count(reads) == 2
