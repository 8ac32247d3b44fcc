"""Courses and learning paths through the API."""

from typing import Any

import pytest

from domain.content.models import ContentKind
from domain.enrollments.models import EnrollmentStatus
from domain.foundation.access import Principal, Role, Scope
from domain.foundation.database.sessions import writing
from domain.tenants.models import Tenant
from gql.contract.ids import CONTENT, LEARNER, encode
from tests.support import factories
from tests.support.api import Api, ApiClient

CREATE_COURSE = """
mutation ($input: CreateCourseInput!) { createCourse(input: $input) {
  course { id externalId title minimumScore lessonCount isSelfEnrollable seatLimit hasWaitlist accessDays version
           canAssign trainers { id name } viewerEnrollment { id } }
  errors { code path message } } }
"""
UPDATE_COURSE = """
mutation ($input: UpdateCourseInput!) { updateCourse(input: $input) {
  course { id externalId title minimumScore lessonCount seatLimit version trainers { name } }
  errors { code path ... on VersionConflictError { currentVersion } ... on LimitExceededError { limit } } } }
"""
CREATE_PATH = """
mutation ($input: CreateLearningPathInput!) { createLearningPath(input: $input) {
  learningPath { id title version items { isMandatory course { title } } }
  errors { code path message } } }
"""
UPDATE_PATH = """
mutation ($input: UpdateLearningPathInput!) { updateLearningPath(input: $input) {
  learningPath { version title items { isMandatory course { title } } }
  propagation { kind status totalCount processedCount subjectName }
  errors { code path } } }
"""
CONTENTS = """
query ($first: Int! = 25, $after: String, $filter: LearningContentFilterInput) {
  contents(first: $first, after: $after, filter: $filter) {
    totalCount nodes { title } pageInfo { hasNextPage endCursor } } }
"""
SHORT = """
query ($id: ID!) { content(by: {id: $id}) { title externalId canAssign
  ... on Course { lessonCount seatLimit } trainers { name }
  ... on LearningPath { items { course { title externalId } } } } }
"""


async def audit_of(tenant: Tenant) -> list[tuple[str, str, list[dict[str, Any]]]]:
    """Return operation, object name and changes of the audit entries."""
    async with writing(tenant.id) as sql:
        rows = await sql.fetch("SELECT operation, object_name, changes FROM audit_entry ORDER BY id")
    return [tuple(row) for row in rows]


async def changes_of(tenant: Tenant) -> list[tuple[str, int, int]]:
    """Return kind, ID and version of the change rows."""
    async with writing(tenant.id) as sql:
        return [
            tuple(row)
            for row in await sql.fetch("SELECT object_type, object_id, version FROM change_pending ORDER BY id")
        ]


async def titles(client: ApiClient, **variables: Any) -> list[str]:
    """Return the titles of a page of contents."""
    return [node["title"] for node in (await client.value(CONTENTS, **variables))["nodes"]]


async def test_an_admin_creates_a_course(as_admin: ApiClient, tenant: Tenant, trainer: Principal) -> None:
    """Everything that was asked for is there, audited, and told to streams."""
    payload = await as_admin.value(
        CREATE_COURSE,
        input={
            "title": "  Fire safety ",
            "externalId": "FS-1",
            "minimumScore": 70,
            "lessonCount": 4,
            "trainerIds": [encode(LEARNER, trainer.learner_id or 0)],
            "isSelfEnrollable": True,
            "seatLimit": 12,
            "hasWaitlist": True,
            "accessDays": 30,
        },
    )
    course = payload["course"]
    assert course | {"id": None, "trainers": None} == {
        "id": None,
        "externalId": "FS-1",
        "title": "Fire safety",
        "minimumScore": 70,
        "lessonCount": 4,
        "isSelfEnrollable": True,
        "seatLimit": 12,
        "hasWaitlist": True,
        "accessDays": 30,
        "version": 1,
        "canAssign": True,
        "trainers": None,
        "viewerEnrollment": None,
    }
    assert [one["name"] for one in course["trainers"]] == ["Tina Trainer"]
    [(operation, name, changes)] = await audit_of(tenant)
    assert (operation, name) == ("createCourse", "Fire safety")
    assert {"field": "minimumScore", "before": None, "after": 70} in changes
    assert [kind for kind, _, _ in await changes_of(tenant)] == ["ACCOUNT", "COURSE"]


async def test_all_problems_of_a_course_are_reported_together(as_admin: ApiClient, learner: Principal) -> None:
    """Nothing is created, and each field that is wrong is named."""
    refused = await as_admin.user_errors(
        CREATE_COURSE,
        input={
            "title": " ",
            "externalId": "",
            "minimumScore": 101,
            "lessonCount": 0,
            "seatLimit": -1,
            "accessDays": 0,
            "trainerIds": ["lrn_nonsense", encode(LEARNER, learner.learner_id or 0)],
        },
    )
    assert sorted(refused) == [
        ("INVALID", "input.accessDays"),
        ("INVALID", "input.externalId"),
        ("INVALID", "input.lessonCount"),
        ("INVALID", "input.minimumScore"),
        ("INVALID", "input.seatLimit"),
        ("INVALID", "input.title"),
        ("INVALID", "input.trainerIds.1"),
        ("NOT_FOUND", "input.trainerIds.0"),
    ]


async def test_an_external_id_is_unique_among_contents(as_admin: ApiClient, tenant: Tenant) -> None:
    """A course cannot take the external ID of a path."""
    await factories.create_path(tenant.id, external_id="X")
    assert await as_admin.user_errors(CREATE_COURSE, input={"title": "A", "externalId": "X"}) == [
        ("ALREADY_EXISTS", "input.externalId")
    ]


async def test_an_update_changes_what_is_given_and_null_removes(
    as_admin: ApiClient, tenant: Tenant, trainer: Principal
) -> None:
    """Fields left out stay, null removes a minimum score and a seat limit, trainers are replaced."""
    course = await factories.create_course(
        tenant.id, title="Old", external_id="C", minimum_score=50, seat_limit=3, trainers=[trainer.learner_id or 0]
    )
    payload = await as_admin.value(
        UPDATE_COURSE,
        input={
            "course": {"externalId": "C"},
            "expectedVersion": 1,
            "changes": {"title": "New", "minimumScore": None, "seatLimit": None, "lessonCount": None, "trainerIds": []},
        },
    )
    assert payload["course"] == {
        "id": encode(CONTENT, course.id),
        "externalId": "C",
        "title": "New",
        "minimumScore": None,
        "lessonCount": 1,
        "seatLimit": None,
        "version": 2,
        "trainers": [],
    }
    [(_, name, changes)] = await audit_of(tenant)
    assert name == "New"
    assert [change["field"] for change in changes] == ["title", "minimumScore", "seatLimit", "trainers"]
    assert await changes_of(tenant) == [("ACCOUNT", trainer.learner_id, 1), ("COURSE", course.id, 2)]
    shown = await as_admin.value("{ auditEntries { nodes { changes { field before after } } } }")
    assert {"field": "trainers", "before": f'["{encode(LEARNER, trainer.learner_id or 0)}"]', "after": "[]"} in (
        shown["nodes"][0]["changes"]
    )


async def test_what_was_so_already_is_no_change(as_admin: ApiClient, tenant: Tenant) -> None:
    """No version, no audit entry, no change row."""
    course = await factories.create_course(tenant.id, title="Same", minimum_score=50)
    key = {"id": encode(CONTENT, course.id)}
    payload = await as_admin.value(
        UPDATE_COURSE, input={"course": key, "changes": {"title": "Same ", "minimumScore": 50}}
    )
    assert payload["course"]["version"] == 1
    assert await audit_of(tenant) == []
    assert await changes_of(tenant) == []


async def test_an_edit_based_on_an_older_version_conflicts(as_admin: ApiClient, tenant: Tenant) -> None:
    """The second editor of version 1 is told the current version."""
    course = await factories.create_course(tenant.id, title="A")
    key = {"id": encode(CONTENT, course.id)}
    await as_admin.run(UPDATE_COURSE, input={"course": key, "expectedVersion": 1, "changes": {"title": "B"}})
    result = await as_admin.execute(
        UPDATE_COURSE, input={"course": key, "expectedVersion": 1, "changes": {"title": "C"}}
    )
    assert result["data"]["updateCourse"] == {
        "course": None,
        "errors": [{"code": "VERSION_CONFLICT", "path": ["input", "expectedVersion"], "currentVersion": 2}],
    }


async def test_a_path_is_no_course(as_admin: ApiClient, tenant: Tenant) -> None:
    """updateCourse does not find a learning path, and a path takes no path as an item."""
    path = await factories.create_path(tenant.id, courses=[await factories.create_course(tenant.id)])
    path_id = encode(CONTENT, path.id)
    assert await as_admin.user_errors(UPDATE_COURSE, input={"course": {"id": path_id}, "changes": {"title": "X"}}) == [
        ("NOT_FOUND", "input.course")
    ]
    assert await as_admin.user_errors(CREATE_PATH, input={"title": "P", "items": [{"courseId": path_id}]}) == [
        ("NOT_FOUND", "input.items.0.courseId")
    ]


async def test_an_admin_creates_a_learning_path(as_admin: ApiClient, tenant: Tenant) -> None:
    """Courses come in the order given; partners name them by their own IDs."""
    first = await factories.create_course(tenant.id, title="First", external_id="one")
    second = await factories.create_course(tenant.id, title="Second")
    items = [{"courseId": encode(CONTENT, second.id), "isMandatory": False}, {"courseId": "ext:one"}]
    payload = await as_admin.value(CREATE_PATH, input={"title": "Onboarding", "items": items})
    assert payload["learningPath"]["items"] == [
        {"isMandatory": False, "course": {"title": "Second"}},
        {"isMandatory": True, "course": {"title": first.title}},
    ]
    assert [kind for kind, _, _ in await changes_of(tenant)] == ["LEARNING_PATH"]


@pytest.mark.parametrize(
    ("items", "refused"),
    [
        ([], [("INVALID", "input.items")]),
        ([("ext:a", False)], [("INVALID", "input.items")]),
        ([("ext:a", True), ("ext:a", True)], [("INVALID", "input.items.1.courseId")]),
        ([("ext:a", True), ("ext:b", True)], [("NOT_FOUND", "input.items.1.courseId")]),
        ([("ext:a", True)] * 101, [("TOO_MANY_ITEMS", "input.items")]),
    ],
)
async def test_a_path_has_mandatory_courses_each_once(
    as_admin: ApiClient, tenant: Tenant, items: list[tuple[str, bool]], refused: list[tuple[str, str]]
) -> None:
    """At least one mandatory course, each course once, at most 100."""
    await factories.create_course(tenant.id, external_id="a")
    given = [{"courseId": course, "isMandatory": is_mandatory} for course, is_mandatory in items]
    found = await as_admin.user_errors(CREATE_PATH, input={"title": "P", "items": given})
    assert [one for one in found if one in refused] == refused
    assert len(set(found)) <= 100


async def test_only_admins_and_tools_with_the_scope_write_contents(
    api: Api, as_trainer: ApiClient, as_learner: ApiClient, as_reader: ApiClient, tenant: Tenant
) -> None:
    """Others are FORBIDDEN and nothing happens; a tool needs no READ to see what it made, but nothing behind it."""
    for client in (as_trainer, as_learner, as_reader):
        assert await client.errors(CREATE_COURSE, input={"title": "X"}) == ["FORBIDDEN"]
    assert await audit_of(tenant) == []
    writer = await factories.create_service_account(tenant.id, scopes=[Scope.WRITE_CONTENT])
    someone = await factories.create_person(tenant.id, role=Role.TRAINER)
    payload = await api.acting_as(writer).value(
        CREATE_COURSE,
        input={"title": "X", "externalId": "x", "trainerIds": [encode(LEARNER, someone.learner_id or 0)]},
    )
    assert payload["course"] | {"id": None} == {
        "id": None,
        "externalId": "x",
        "title": "X",
        "minimumScore": None,
        "lessonCount": 1,
        "isSelfEnrollable": False,
        "seatLimit": None,
        "hasWaitlist": False,
        "accessDays": None,
        "version": 1,
        "canAssign": False,
        "trainers": [],
        "viewerEnrollment": None,
    }


async def test_contents_are_listed_by_title_and_found_by_part_of_it(as_admin: ApiClient, tenant: Tenant) -> None:
    """Case and accents do not matter; pages go on after a cursor."""
    for title in ("beta", "Älpha", "Gamma 100%"):
        await factories.create_course(tenant.id, title=title, is_self_enrollable=title == "beta")
    await factories.create_path(tenant.id, title="delta")
    page = await as_admin.value(CONTENTS, first=2)
    assert page["totalCount"] == 4
    assert [node["title"] for node in page["nodes"]] == ["Älpha", "beta"]
    assert await titles(as_admin, first=2, after=page["pageInfo"]["endCursor"]) == ["delta", "Gamma 100%"]
    assert await titles(as_admin, filter={"search": "ALP"}) == ["Älpha"]
    assert await titles(as_admin, filter={"search": "0%"}) == ["Gamma 100%"]
    assert await titles(as_admin, filter={"kind": "LEARNING_PATH"}) == ["delta"]
    assert await titles(as_admin, filter={"isSelfEnrollable": True}) == ["beta"]


async def test_trainers_see_all_titles_and_assign_what_they_train(
    as_trainer: ApiClient, tenant: Tenant, trainer: Principal
) -> None:
    """isAssignable tells apart what they train from what they only see."""
    await factories.create_course(tenant.id, title="Trained", trainers=[trainer.learner_id or 0])
    await factories.create_course(tenant.id, title="Other")
    assert await titles(as_trainer) == ["Other", "Trained"]
    assert await titles(as_trainer, filter={"isAssignable": True}) == ["Trained"]
    assert await titles(as_trainer, filter={"isAssignable": False}) == ["Other"]


async def test_learners_see_the_catalogue(
    as_learner: ApiClient, as_admin: ApiClient, tenant: Tenant, learner: Principal, trainer: Principal
) -> None:
    """Courses open to self-enrollment, and what they are or were enrolled in; the rest does not exist for them."""
    trained = [trainer.learner_id or 0]
    hidden = await factories.create_course(tenant.id, title="Hidden", external_id="h", seat_limit=2, trainers=trained)
    await factories.create_course(tenant.id, title="Open", is_self_enrollable=True)
    path = await factories.create_path(tenant.id, title="Past path", courses=[hidden])
    await factories.create_enrollment(tenant.id, learner.learner_id or 0, path.id, source=None, is_active=False)
    assert await titles(as_learner) == ["Open", "Past path"]
    assert await as_learner.value(SHORT, id=encode(CONTENT, hidden.id)) is None
    assert await titles(as_learner, filter={"isAssignable": True}) == []
    shown = await as_learner.value(SHORT, id=encode(CONTENT, path.id))
    # What a visible path shows is visible with it, in short form.
    assert shown["items"] == [{"course": {"title": "Hidden", "externalId": None}}]
    whole = await as_admin.value(SHORT, id="ext:h")
    assert (whole["seatLimit"], [one["name"] for one in whole["trainers"]]) == (2, ["Tina Trainer"])


async def test_tools_need_read_to_look_contents_up(api: Api, as_reader: ApiClient, tenant: Tenant) -> None:
    """READ sees what an admin sees; a scope to write gives no sight."""
    await factories.create_course(tenant.id, title="A")
    assert await titles(as_reader) == ["A"]
    writer = api.acting_as(await factories.create_service_account(tenant.id, scopes=[Scope.WRITE_CONTENT]))
    assert await writer.errors(CONTENTS) == ["FORBIDDEN"]


async def test_contents_of_another_tenant_do_not_exist(
    as_admin: ApiClient, another_tenant: Tenant, tenant: Tenant
) -> None:
    """Neither by ID, nor as an item, nor to be changed."""
    foreign = encode(CONTENT, (await factories.create_course(another_tenant.id, external_id="f")).id)
    assert await as_admin.value(SHORT, id=foreign) is None
    assert await as_admin.value("query ($id: ID!) { node(id: $id) { id } }", id=foreign) is None
    assert await as_admin.user_errors(UPDATE_COURSE, input={"course": {"id": foreign}, "changes": {"title": "X"}}) == [
        ("NOT_FOUND", "input.course")
    ]
    for course in (foreign, "ext:f"):
        assert await as_admin.user_errors(CREATE_PATH, input={"title": "P", "items": [{"courseId": course}]}) == [
            ("NOT_FOUND", "input.items.0.courseId")
        ]


async def test_a_path_without_people_changes_without_work(as_admin: ApiClient, tenant: Tenant) -> None:
    """There is no propagation when nobody is enrolled, or when only the title is new."""
    first, second = [await factories.create_course(tenant.id, title=title) for title in "AB"]
    path = await factories.create_path(tenant.id, title="P", courses=[first])
    key = {"id": encode(CONTENT, path.id)}
    items = [{"courseId": encode(CONTENT, second.id)}, {"courseId": encode(CONTENT, first.id), "isMandatory": False}]
    payload = await as_admin.value(UPDATE_PATH, input={"learningPath": key, "changes": {"items": items}})
    assert payload["propagation"] is None
    assert payload["learningPath"]["version"] == 2
    assert [item["course"]["title"] for item in payload["learningPath"]["items"]] == ["B", "A"]
    again = await as_admin.value(UPDATE_PATH, input={"learningPath": key, "changes": {"items": items}})
    assert again["learningPath"]["version"] == 2
    [(operation, _, [change])] = await audit_of(tenant)
    assert (operation, change["field"]) == ("updateLearningPath", "items")
    assert change["before"] == [{"course": "A", "isMandatory": True}]


async def test_a_replayed_creation_returns_the_first_course(as_admin: ApiClient, tenant: Tenant) -> None:
    """The same key with the same input creates nothing more; another input is refused."""
    given = {"idempotencyKey": "k", "title": "Once"}
    first = await as_admin.value(CREATE_COURSE, input=given)
    assert await as_admin.value(CREATE_COURSE, input=given) == first
    assert await titles(as_admin) == ["Once"]
    assert await as_admin.user_errors(CREATE_COURSE, input=given | {"title": "Other"}) == [
        ("IDEMPOTENCY_KEY_REUSED", "input.idempotencyKey")
    ]


async def test_viewer_enrollment_is_the_viewers_own(
    as_learner: ApiClient, tenant: Tenant, learner: Principal, trainer: Principal
) -> None:
    """Others' enrollments never show there."""
    mine, theirs = [
        await factories.create_content(tenant.id, kind=ContentKind.COURSE, is_self_enrollable=True) for _ in "ab"
    ]
    await factories.create_enrollment(tenant.id, learner.learner_id or 0, mine.id, status=EnrollmentStatus.IN_PROGRESS)
    await factories.create_enrollment(tenant.id, trainer.learner_id or 0, theirs.id)
    nodes = (await as_learner.value("{ contents { nodes { id viewerEnrollment { status } } } }"))["nodes"]
    assert {node["id"]: node["viewerEnrollment"] for node in nodes} == {
        encode(CONTENT, mine.id): {"status": "IN_PROGRESS"},
        encode(CONTENT, theirs.id): None,
    }
