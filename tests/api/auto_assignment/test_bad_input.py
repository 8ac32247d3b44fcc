"""Input about rules that is refused: each with a clear error at its place, and nothing is written."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from domain.content.models import Content
from domain.foundation.access import Principal, Role
from domain.people.models import Place, PlaceKind
from domain.tenants.models import Tenant
from gql.contract import ids
from tests.api.auto_assignment.documents import EXPLANATION, SIMULATION, everything
from tests.support import factories
from tests.support.api import Api
from tests.support.catalogue import Connection
from tests.support.company import (
    BACKFILL_RULE,
    CREATE_RULE,
    DELETE_RULE,
    DUPLICATE_RULE,
    LOG,
    ONE_RULE,
    PREVIEW,
    RULES,
    UPDATE_RULE,
    Company,
    Json,
    belongs_to,
    content_id,
    key_of,
    learner_id,
    place_id,
    ref_is,
    rule_input,
    status_is,
)

MALFORMED = ["", "x", "cnt_", "cnt_!", "12", "cnt_" + "7" * 300]


@dataclass(frozen=True, slots=True)
class Stranger:
    """What there is in the other tenant."""

    content: Content
    places: dict[PlaceKind, Place]
    rule: Json
    admin: Principal


@pytest.fixture
async def course(company: Company) -> Content:
    """What rules give."""
    return await company.course("A")


@pytest.fixture
async def stranger(api: Api, another_tenant: Tenant, another_admin: Principal) -> Stranger:
    """The other tenant, with a rule."""
    company = Company(api, another_tenant, another_admin, api.acting_as(another_admin))
    content = await company.course("Secret")
    client = await company.place(PlaceKind.CLIENT, "Secret client")
    places = {
        PlaceKind.CLIENT: client,
        PlaceKind.SUBLICENSE: await company.place(PlaceKind.SUBLICENSE, "Secret part", client_id=client.id),
        PlaceKind.DEPARTMENT: await company.place(PlaceKind.DEPARTMENT, "Secret department"),
        PlaceKind.LEARNING_GROUP: await company.place(
            PlaceKind.LEARNING_GROUP, "Secret group", owner_id=another_admin.learner_id
        ),
    }
    rule = await company.rule("Secret rule", ref_is(1, "x"), gives=[content])
    return Stranger(content, places, rule, another_admin)


@pytest.fixture
async def nothing_written(
    superuser: Connection, company: Company, course: Content, stranger: Stranger
) -> AsyncIterator[None]:
    """Require that the test leaves all tables as they were when it began."""
    before = await everything(superuser)
    yield
    assert await everything(superuser) == before


async def refused(company: Company, course: Content, **fields: Any) -> list[tuple[str, str]]:
    """Return the errors of creating a rule with these fields instead of good ones."""
    good = rule_input("R", ref_is(1, "x"), gives=[course])
    errors = await company.refused(CREATE_RULE, **good | fields)
    return [(code, path.removeprefix("input.")) for code, path in errors]


@pytest.mark.usefixtures("nothing_written")
async def test_numbers_of_conditions_and_contents_are_bounded(company: Company, course: Content) -> None:
    """From 1 to 20 conditions, 1 to 100 contents, and 1 to 100 values and objects in a condition."""
    assert await refused(company, course, conditions=[]) == [("INVALID", "conditions")]
    many = [ref_is(1, str(number)) for number in range(21)]
    assert await refused(company, course, conditions=many) == [("TOO_MANY_ITEMS", "conditions")]
    assert await refused(company, course, contents=[]) == [("INVALID", "contents")]
    assert await refused(company, course, contents=[key_of(course)] * 101) == [("TOO_MANY_ITEMS", "contents")]
    values = ("conditions.0.refValue.values",)
    assert await refused(company, course, conditions=[ref_is(1)]) == [("INVALID", *values)]
    assert await refused(company, course, conditions=[ref_is(1, *map(str, range(101)))]) == [
        ("TOO_MANY_ITEMS", *values)
    ]
    for field in ("clientIds", "sublicenseIds", "departmentIds", "learningGroupIds"):
        assert await refused(company, course, conditions=[{field: []}]) == [("INVALID", f"conditions.0.{field}")]
        too_many = [{field: ["x"] * 101}]
        assert await refused(company, course, conditions=too_many) == [("TOO_MANY_ITEMS", f"conditions.0.{field}")]
    nothing = {"contentStatus": {"contents": [], "status": "COMPLETED"}}
    assert await refused(company, course, conditions=[nothing]) == [("INVALID", "conditions.0.contentStatus.contents")]


async def test_the_limit_is_told(company: Company, course: Content) -> None:
    """Too many items and too many rules say how many are allowed."""
    limited = CREATE_RULE.replace("errors {", "errors { ... on LimitExceededError { limit }")

    async def limit(**fields: Any) -> Any:
        good = rule_input("R", ref_is(1, "x"), gives=[course])
        result = await company.client.execute(limited, input=good | fields)
        (error,) = result["data"]["createAutoAssignmentRule"]["errors"]
        return error["code"], error["limit"]

    assert await limit(conditions=[ref_is(1, str(number)) for number in range(21)]) == ("TOO_MANY_ITEMS", 20)
    assert await limit(contents=[key_of(course)] * 101) == ("TOO_MANY_ITEMS", 100)


@pytest.mark.usefixtures("nothing_written")
async def test_texts_are_checked(company: Company, course: Content) -> None:
    """Names and values are not empty and can be stored; values keep their spaces."""
    for name in ("", " ", "a\0b"):
        assert await refused(company, course, name=name) == [("INVALID", "name")]
    for value in ("", "a\0b"):
        assert await refused(company, course, conditions=[ref_is(1, "x", value)]) == [
            ("INVALID", "conditions.0.refValue.values.1")
        ]
    for number in (-1, 0, 11, 2**31 - 1):
        assert await refused(company, course, conditions=[ref_is(number, "x")]) == [
            ("INVALID", "conditions.0.refValue.fieldNumber")
        ]


@pytest.mark.usefixtures("nothing_written")
async def test_all_problems_of_an_input_are_told_together(
    company: Company, course: Content, stranger: Stranger
) -> None:
    """One call tells everything that is wrong."""
    bad = await refused(
        company,
        course,
        name="",
        contents=[key_of(course), key_of(stranger.content)],
        conditions=[ref_is(1, ""), ref_is(0, "x"), belongs_to(stranger.places[PlaceKind.CLIENT])],
    )
    assert sorted(bad) == [
        ("INVALID", "conditions.0.refValue.values.0"),
        ("INVALID", "conditions.1.refValue.fieldNumber"),
        ("INVALID", "name"),
        ("NOT_FOUND", "conditions.2.clientIds.0"),
        ("NOT_FOUND", "contents.1"),
    ]


@pytest.mark.parametrize("condition", [ref_is(1, "x") | {"clientIds": ["ext:c"]}, {}, {"refValue": None}])
async def test_a_condition_is_of_exactly_one_kind(
    company: Company, course: Content, superuser: Connection, condition: Json
) -> None:
    """Two kinds in one condition, none, and null are variables that do not fit the schema."""
    before = await everything(superuser)
    fields = rule_input("R", condition, gives=[course])
    assert await company.client.errors(CREATE_RULE, input=fields) == ["BAD_VARIABLES"]
    assert await everything(superuser) == before


def id_kinds(stranger: Stranger, company: Company) -> dict[str, list[str]]:
    """Return IDs that name nothing here: of the other tenant, of another kind, malformed, of nothing, of a partner."""
    wrong_kind = [learner_id(company.admin), ids.encode(ids.BACKGROUND_JOB, 1)]
    return {
        "content": [content_id(stranger.content), *wrong_kind, ids.encode(ids.CONTENT, 2**40), *MALFORMED],
        "rule": [stranger.rule["rule"]["id"], *wrong_kind, ids.encode(ids.RULE, 2**40), "ext:x", *MALFORMED],
    } | {
        kind.name: [place_id(place), *wrong_kind, content_id(stranger.content), "ext:nothing", "ext:", *MALFORMED]
        for kind, place in stranger.places.items()
    }


@pytest.mark.usefixtures("nothing_written")
async def test_contents_that_are_not_here_are_not_found(company: Company, course: Content, stranger: Stranger) -> None:
    """In what a rule gives, in its conditions, and in previews: of another tenant, of another kind, malformed."""
    for unknown in id_kinds(stranger, company)["content"]:
        contents = [key_of(course), {"id": unknown}]
        assert await refused(company, course, contents=contents) == [("NOT_FOUND", "contents.1")], unknown
        condition = {"contentStatus": {"contents": contents, "status": "COMPLETED"}}
        assert await refused(company, course, conditions=[condition]) == [
            ("NOT_FOUND", "conditions.0.contentStatus.contents.1")
        ], unknown
        for preview in ({"contents": contents, "conditions": [ref_is(1, "x")]}, {"conditions": [condition]}):
            assert await company.client.errors(PREVIEW, input=preview) == ["NOT_FOUND"], unknown
    assert await refused(company, course, contents=[{"externalId": "nothing"}]) == [("NOT_FOUND", "contents.0")]


@pytest.mark.usefixtures("nothing_written")
@pytest.mark.parametrize("kind", PlaceKind)
async def test_places_that_are_not_here_are_not_found(
    company: Company, course: Content, stranger: Stranger, kind: PlaceKind
) -> None:
    """Of another tenant, of another kind, malformed: NOT_FOUND at the ID."""
    (field,) = belongs_to(stranger.places[kind])
    for unknown in id_kinds(stranger, company)[kind.name]:
        conditions = [ref_is(1, "x"), {field: [unknown]}]
        assert await refused(company, course, conditions=conditions) == [("NOT_FOUND", f"conditions.1.{field}.0")], (
            unknown
        )
        assert await company.client.errors(PREVIEW, input={"conditions": conditions}) == ["NOT_FOUND"], unknown


async def test_rules_that_are_not_here_are_not_found(
    company: Company, course: Content, stranger: Stranger, superuser: Connection
) -> None:
    """A mutation, preview or explanation of a rule that is not here is NOT_FOUND, a look-up null."""
    rule = await company.rule("R", ref_is(1, "x"), gives=[course])
    before = await everything(superuser)
    person = {"id": learner_id(company.admin)}
    for unknown in id_kinds(stranger, company)["rule"]:
        for document, more in (
            (UPDATE_RULE, {"changes": {"name": "New"}}),
            (DUPLICATE_RULE, {"name": "New"}),
            (BACKFILL_RULE, {}),
            (DELETE_RULE, {"revokesAccess": True}),
        ):
            assert await company.refused(document, id=unknown, **more) == [("NOT_FOUND", "input.id")], unknown
        assert await company.client.run(ONE_RULE, id=unknown) == {"autoAssignmentRule": None}
        assert await company.client.errors(EXPLANATION, rule=unknown, learner=person) == ["NOT_FOUND"]
        preview = {"conditions": [ref_is(1, "x")], "ruleId": unknown}
        assert await company.client.errors(PREVIEW, input=preview) == ["NOT_FOUND"]
    stranger_key = {"id": learner_id(stranger.admin)}
    assert await company.client.errors(EXPLANATION, rule=rule["rule"]["id"], learner=stranger_key) == ["NOT_FOUND"]
    assert await company.client.errors(SIMULATION, learner=stranger_key, changes={}) == ["NOT_FOUND"]
    contents = [key_of(stranger.content)]
    for changes in ({"addContents": contents}, {"removeContents": contents}):
        (field,) = changes
        errors = await company.refused(UPDATE_RULE, id=rule["rule"]["id"], changes=changes)
        assert errors == [("NOT_FOUND", f"input.changes.{field}.0")]
    assert await everything(superuser) == before


async def test_filters_by_a_rule_of_others_match_nothing(company: Company, course: Content, stranger: Stranger) -> None:
    """A rule of another tenant or none matches nothing; an ID that is no rule's is INVALID."""
    await company.person("Pia", {1: "x"})
    await company.rule("R", ref_is(1, "x"), gives=[course])
    for unknown in (stranger.rule["rule"]["id"], ids.encode(ids.RULE, 2**40)):
        assert await company.log(ruleId=unknown) == []
    for wrong in ("x", "rul_!", content_id(course)):
        assert await company.client.errors(LOG, filter={"ruleId": wrong}) == ["INVALID"]


async def test_pages_of_rules_have_bounds(company: Company, course: Content) -> None:
    """From 1 to 100 rules, and a cursor of this query alone."""
    for name in "AB":
        await company.rule(name, ref_is(1, name), gives=[course])
    for first in (0, -1, 101):
        assert await company.client.errors(RULES, first=first) == ["INVALID"]
    learners = "query { learners(first: 1) { pageInfo { endCursor } } }"
    foreign = (await company.client.value(learners))["pageInfo"]["endCursor"]
    for cursor in (foreign, "", "x", "e30"):
        assert await company.client.errors(RULES, after=cursor) == ["INVALID"]


async def test_names_are_unique(company: Company, course: Content, superuser: Connection) -> None:
    """A second rule, a copy and a new name that are taken are refused; another tenant's names do not matter."""
    first = await company.rule("First", ref_is(1, "x"), gives=[course])
    await company.rule("Second", ref_is(1, "x"), gives=[course])
    before = await everything(superuser)
    assert await refused(company, course, name="First") == [("ALREADY_EXISTS", "name")]
    rule_id = first["rule"]["id"]
    assert await company.refused(DUPLICATE_RULE, id=rule_id, name="Second") == [("ALREADY_EXISTS", "input.name")]
    taken = {"name": "Second"}
    assert await company.refused(UPDATE_RULE, id=rule_id, changes=taken) == [("ALREADY_EXISTS", "input.changes.name")]
    assert await everything(superuser) == before


async def test_the_51st_rule_is_refused_without_a_trace(
    company: Company, course: Content, superuser: Connection
) -> None:
    """The limit of the tenant holds for new rules and copies."""
    await superuser.execute("UPDATE tenant SET rule_limit = 2 WHERE id = $1", company.tenant.id)
    rule = await company.rule("A", ref_is(1, "x"), gives=[course])
    await company.rule("B", ref_is(1, "x"), gives=[course])
    before = await everything(superuser)
    third = rule_input("C", ref_is(1, "x"), gives=[course])
    assert await company.refused(CREATE_RULE, **third) == [("RULE_LIMIT_REACHED", "")]
    assert await company.refused(DUPLICATE_RULE, id=rule["rule"]["id"], name="C") == [("RULE_LIMIT_REACHED", "")]
    assert await everything(superuser) == before
    await superuser.execute("UPDATE tenant SET rule_limit = 3 WHERE id = $1", company.tenant.id)
    await company.rule("C", ref_is(1, "x"), gives=[course])


async def test_a_key_makes_one_rule_however_often_it_is_sent(company: Company, course: Content) -> None:
    """The same key and input give the first result; another input is refused; a refused call keeps no key."""
    person = await company.person("Pia", {1: "x"})
    key = {"idempotencyKey": "once"}
    fields = rule_input("R", ref_is(1, "x"), gives=[course]) | key
    bad = fields | {"name": ""}
    assert await company.refused(CREATE_RULE, **bad) == [("INVALID", "input.name")]
    first = await company.do(CREATE_RULE, **fields)
    # The defaults of the schema are the same input.
    again = await company.do(CREATE_RULE, **fields | {"backfillsExistingLearners": True})
    assert again["rule"]["id"] == first["rule"]["id"]
    assert again["backfill"] == first["backfill"]
    assert await company.log(person) == ["ENROLLED A AUTO_ENROLLMENT R"]
    assert [rule["name"] for rule in await company.rules()] == ["R"]
    other = fields | {"name": "S"}
    assert await company.refused(CREATE_RULE, **other) == [("IDEMPOTENCY_KEY_REUSED", "input.idempotencyKey")]
    # Keys belong to one account.
    colleague = await factories.create_person(company.tenant.id, role=Role.ADMIN)
    payload = await company.api.acting_as(colleague).value(CREATE_RULE, input=other)
    assert payload["rule"]["name"] == "S"


async def test_an_edit_of_an_old_version_is_refused(company: Company, course: Content) -> None:
    """VERSION_CONFLICT with the current version after somebody's edit; use alone is no conflict."""
    document = UPDATE_RULE.replace("errors {", "errors { ... on VersionConflictError { currentVersion }")
    rule = (await company.rule("R", ref_is(1, "x"), gives=[course]))["rule"]
    person = await company.person("Pia")
    await company.set_ref(person, 1, "x")
    used = await company.look_at({"rule": rule})
    assert used["version"] > rule["version"]
    fields = {"id": rule["id"], "expectedVersion": rule["version"]}
    edited = (await company.do(UPDATE_RULE, **fields, changes={"name": "S"}))["rule"]
    result = await company.client.execute(document, input=fields | {"changes": {"name": "T"}})
    (error,) = result["data"]["updateAutoAssignmentRule"]["errors"]
    assert (error["code"], error["currentVersion"]) == ("VERSION_CONFLICT", edited["version"])
    assert (await company.look_at({"rule": rule}))["name"] == "S"


async def test_a_used_rule_refuses_the_whole_edit(company: Company, course: Content, superuser: Connection) -> None:
    """RULE_LOCKED at each fixed part, with what can be edited; what could be changed is not changed either."""
    other = await company.course("B")
    await company.person("Pia", {1: "x"})
    rule = await company.rule("R", ref_is(1, "x"), gives=[course])
    before = await everything(superuser)
    changes = {
        "name": "S",
        "whenUnmet": "UNENROLL",
        "addContents": [key_of(other)],
        "removeContents": [key_of(course)],
        "match": "ANY",
        "conditions": [status_is("COMPLETED", other)],
    }
    result = await company.client.execute(UPDATE_RULE, input={"id": rule["rule"]["id"], "changes": changes})
    payload = result["data"]["updateAutoAssignmentRule"]
    assert (payload["rule"], payload["backfill"], payload["preparation"]) == (None, None, None)
    assert {error["code"] for error in payload["errors"]} == {"RULE_LOCKED"}
    assert sorted(".".join(error["path"]) for error in payload["errors"]) == [
        "input.changes.conditions",
        "input.changes.match",
        "input.changes.removeContents",
    ]
    for error in payload["errors"]:
        assert sorted(error["editableParts"]) == ["ADD_CONTENTS", "NAME", "WHEN_UNMET"]
    assert await everything(superuser) == before


async def test_a_rule_keeps_at_least_one_content(company: Company, course: Content, superuser: Connection) -> None:
    """Removing the last content is refused, of a copy too; removing it while another comes is not."""
    rule_id = (await company.rule("R", ref_is(1, "x"), gives=[course]))["rule"]["id"]
    before = await everything(superuser)
    changes = {"removeContents": [key_of(course)]}
    refusals = [("INVALID", "input.changes.removeContents")]
    assert await company.refused(UPDATE_RULE, id=rule_id, changes=changes) == refusals
    assert await company.refused(DUPLICATE_RULE, id=rule_id, name="S", changes=changes) == refusals
    assert await everything(superuser) == before
    changes["addContents"] = [key_of(await company.course("B"))]
    edited = await company.do(UPDATE_RULE, id=rule_id, changes=changes)
    assert [content["title"] for content in edited["rule"]["contents"]] == ["B"]
