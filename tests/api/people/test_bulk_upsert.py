"""Bulk upserts over the API: outcomes per row, failures of the whole call, evaluation in the background."""

from domain.people.models import PlaceKind
from domain.tenants.models import Tenant
from gql.contract import ids
from tests.api.people.documents import BULK, mutation
from tests.api.people.rules import insert_rule
from tests.support import factories
from tests.support.api import ApiClient
from tests.support.catalogue import Connection


async def test_each_row_has_its_outcome(as_admin: ApiClient, tenant: Tenant) -> None:
    """Created, updated, unchanged and failed rows come back in the order of the input, errors by the row's fields."""
    await factories.create_learner(tenant.id, name="Old", external_id="old")
    await factories.create_learner(tenant.id, name="Same", external_id="same")
    done = await as_admin.value(
        BULK,
        input={
            "rows": [
                {"externalId": "new", "name": "New"},
                {"externalId": "old", "name": "Older", "email": None, "role": None, "clientIds": None},
                {"externalId": "same", "name": "Same", "timeZone": None, "departmentId": None},
                {"externalId": "bad", "name": "Bad", "departmentId": "ext:nowhere", "email": "no address"},
            ]
        },
    )
    results = done["results"]
    assert [(row["externalId"], row["outcome"]) for row in results] == [
        ("new", "CREATED"),
        ("old", "UPDATED"),
        ("same", "UNCHANGED"),
        ("bad", "FAILED"),
    ]
    shown = [(row["learner"]["name"], row["learner"]["version"]) for row in results[:3]]
    assert shown == [("New", 1), ("Older", 2), ("Same", 1)]
    assert results[3]["learner"] is None
    assert sorted((error["code"], *error["path"]) for error in results[3]["errors"]) == [
        ("INVALID", "email"),
        ("NOT_FOUND", "departmentId"),
    ]
    assert done["reevaluation"] is None


async def test_a_repeated_call_answers_with_the_same_rows(as_admin: ApiClient, superuser: Connection) -> None:
    """With the same key the outcomes of the first call come back, failures included, and nothing is written."""
    input = {
        "idempotencyKey": "import-1",
        "rows": [
            {"externalId": "1", "name": "One"},
            {"externalId": "2"},
            {"externalId": "3", "clientIds": ["x"] * 101},
        ],
    }
    document = BULK.replace("code path", "code path ... on LimitExceededError { limit }")
    first = await as_admin.value(document, input=input)
    assert [row["outcome"] for row in first["results"]] == ["CREATED", "FAILED", "FAILED"]
    assert {error["code"]: error.get("limit") for error in first["results"][2]["errors"]} == {
        "INVALID": None,
        "TOO_MANY_ITEMS": 100,
    }
    entries = await superuser.fetchval("SELECT count(*) FROM audit_entry")
    assert await as_admin.value(document, input=input) == first
    assert await superuser.fetchval("SELECT count(*) FROM audit_entry") == entries == 1


async def test_a_call_has_from_1_to_1000_rows(as_admin: ApiClient, superuser: Connection) -> None:
    """Without rows and with too many of them, nothing is done."""
    assert await as_admin.user_errors(BULK, input={"rows": []}) == [("INVALID", "input.rows")]
    document = (
        "mutation($input: BulkUpsertLearnersInput!) { bulkUpsertLearners(input: $input) { errors { code path } } }"
    )
    rows = [{"externalId": str(number), "name": "x"} for number in range(1_001)]
    assert await as_admin.user_errors(document, input={"rows": rows}) == [("TOO_MANY_ITEMS", "input.rows")]
    assert await superuser.fetchval("SELECT count(*) FROM learner WHERE external_id IS NOT NULL") == 0


async def test_from_100_changed_people_on_a_job_evaluates_the_rules(
    as_admin: ApiClient, tenant: Tenant, superuser: Connection
) -> None:
    """The payload shows the job; the people themselves are there at once. Without a change there is no job."""
    client = await factories.create_place(tenant.id, kind=PlaceKind.CLIENT)
    await insert_rule(superuser, tenant.id, kind=PlaceKind.CLIENT, place_id=client.id)
    document = mutation("bulkUpsertLearners", "results { outcome } reevaluation { kind status }")
    rows = [{"externalId": str(number), "name": f"Person {number}"} for number in range(100)]
    few = await as_admin.value(document, input={"rows": rows[:99]})
    assert few["reevaluation"] is None
    await as_admin.run(document, input={"rows": rows[99:]})
    moved = [row | {"clientIds": [ids.encode(ids.CLIENT, client.id)]} for row in rows]
    many = await as_admin.value(document, input={"rows": moved})
    assert [row["outcome"] for row in many["results"]] == ["UPDATED"] * 100
    assert many["reevaluation"] == {"kind": "RULE_REEVALUATION", "status": "QUEUED"}
    again = await as_admin.value(document, input={"rows": moved})
    assert {row["outcome"] for row in again["results"]} == {"UNCHANGED"}
    assert again["reevaluation"] is None


async def test_a_refused_row_is_repeated_as_it_was(as_admin: ApiClient) -> None:
    """Also where its name has characters that the database cannot keep."""
    document = mutation("bulkUpsertLearners", "results { externalId outcome }")
    rows = [{"externalId": "A\x00"}, {"externalId": "\U0001f692", "name": "Fire"}]
    first = await as_admin.execute(document, input={"rows": rows, "idempotencyKey": "odd"})
    assert [row["externalId"] for row in first["data"]["bulkUpsertLearners"]["results"]] == ["A\x00", "\U0001f692"]
    again = await as_admin.execute(document, input={"rows": rows, "idempotencyKey": "odd"})
    assert again["data"] == first["data"]
