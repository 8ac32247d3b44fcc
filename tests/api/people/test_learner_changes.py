"""Creating and changing one person over the API."""

from typing import Any

import pytest

from domain.foundation.access import Principal, Role
from domain.people.models import PlaceKind
from domain.tenants.models import Tenant
from gql.contract import ids
from tests.api.people.documents import CREATE, DEACTIVATE, ONE, REACTIVATE, UPDATE, lrn, new_learner
from tests.support import factories
from tests.support.api import Api, ApiClient
from tests.support.catalogue import Connection


async def count_learners(superuser: Connection) -> int:
    """Return how many people there are in all tenants."""
    count: int = await superuser.fetchval("SELECT count(*) FROM learner")
    return count


async def test_a_person_is_created_with_everything(as_admin: ApiClient, tenant: Tenant) -> None:
    """What was sent is what is shown, in the payload and afterwards; places are named by our IDs or the partner's."""
    department = await factories.create_place(tenant.id, name="Sales")
    group = await factories.create_place(
        tenant.id, kind=PlaceKind.LEARNING_GROUP, name="Group", external_id="G-1", owner_id=None
    )
    client = await factories.create_place(tenant.id, kind=PlaceKind.CLIENT, name="Umbrella", external_id="4711")
    created = await as_admin.value(
        CREATE,
        input=new_learner(
            name="  Nina New ",
            externalId="N-1",
            role="TRAINER",
            timeZone="America/New_York",
            departmentId=ids.encode(ids.DEPARTMENT, department.id),
            learningGroupIds=["ext:G-1"],
            clientIds=["ext:4711"],
            refValues=[{"number": 2, "value": " B "}, {"number": 1, "value": "a"}, {"number": 3}],
        ),
    )
    learner = created["learner"]
    assert learner.pop("id").startswith("lrn_")
    assert learner == {
        "externalId": "N-1",
        "name": "Nina New",
        "email": "nina@acme.test",
        "role": "TRAINER",
        "timeZone": "America/New_York",
        "isActive": True,
        "version": 1,
        "department": {"id": ids.encode(ids.DEPARTMENT, department.id), "name": "Sales"},
        "learningGroups": [{"id": ids.encode(ids.LEARNING_GROUP, group.id), "name": "Group"}],
        "clients": [{"id": ids.encode(ids.CLIENT, client.id), "name": "Umbrella"}],
        "sublicenses": [],
        "refValues": [
            {"field": {"number": 1, "label": "Ref#1"}, "value": "a"},
            {"field": {"number": 2, "label": "Ref#2"}, "value": " B "},
        ],
    }
    found = await as_admin.value(ONE, by={"email": "NINA@acme.test"})
    assert found | {"id": None} == learner | {"id": None}


async def test_an_update_changes_what_is_named_and_null_removes(as_admin: ApiClient, tenant: Tenant) -> None:
    """Fields left out stay; null removes an external ID, a time zone, a department and a reference value."""
    department = await factories.create_place(tenant.id, name="Sales")
    client = await factories.create_place(tenant.id, kind=PlaceKind.CLIENT, name="Umbrella")
    other = await factories.create_place(tenant.id, kind=PlaceKind.CLIENT, name="Acorn")
    await factories.create_learner(
        tenant.id,
        name="Uma",
        email="uma@acme.test",
        external_id="U-1",
        time_zone="Asia/Tokyo",
        refs={1: "A", 2: "B"},
        places=[department, client],
    )
    by = {"externalId": "U-1"}
    changed = await as_admin.value(UPDATE, input={"learner": by, "changes": {"name": "Uma U."}})
    assert changed["learner"]["name"] == "Uma U."
    assert changed["learner"]["email"] == "uma@acme.test"
    assert changed["learner"]["timeZone"] == "Asia/Tokyo"
    assert changed["learner"]["department"]["name"] == "Sales"
    assert changed["learner"]["version"] == 2
    removed = await as_admin.value(
        UPDATE,
        input={
            "learner": by,
            "changes": {
                "externalId": None,
                "timeZone": None,
                "departmentId": None,
                # Null has no meaning for these: they stay.
                "name": None,
                "email": None,
                "role": None,
                "sublicenseIds": None,
                "clientIds": [ids.encode(ids.CLIENT, other.id)],
                "refValues": [{"number": 2, "value": None}],
            },
        },
    )
    learner = removed["learner"]
    assert learner["externalId"] is None
    assert learner["timeZone"] == "Europe/Berlin"
    assert learner["department"] is None
    assert (learner["name"], learner["email"], learner["role"]) == ("Uma U.", "uma@acme.test", "LEARNER")
    assert [client["name"] for client in learner["clients"]] == ["Acorn"]
    assert [ref["value"] for ref in learner["refValues"]] == ["A"]


async def test_all_faults_of_an_input_are_told_together(
    as_admin: ApiClient, another_tenant: Tenant, superuser: Connection
) -> None:
    """Unknown zone, malformed address, IDs of another type, another tenant and nobody: each at its place."""
    foreign = await factories.create_place(another_tenant.id, kind=PlaceKind.CLIENT, external_id="foreign")
    before = await count_learners(superuser)
    refused = await as_admin.user_errors(
        CREATE,
        input=new_learner(
            name="a\nb",
            email="nobody",
            externalId="",
            timeZone="Mars/Olympus",
            departmentId=ids.encode(ids.CLIENT, foreign.id),
            clientIds=[ids.encode(ids.CLIENT, foreign.id), "ext:foreign"],
            sublicenseIds=["nonsense"],
            learningGroupIds=[ids.encode(ids.LEARNING_GROUP, 1)],
            refValues=[{"number": 0, "value": "x"}, {"number": 1, "value": "\x00"}, {"number": 2, "value": "x" * 256}],
        ),
    )
    assert sorted(refused) == [
        ("INVALID", "input.email"),
        ("INVALID", "input.externalId"),
        ("INVALID", "input.name"),
        ("INVALID", "input.refValues.0.number"),
        ("INVALID", "input.refValues.1.value"),
        ("INVALID", "input.refValues.2.value"),
        ("INVALID", "input.timeZone"),
        ("NOT_FOUND", "input.clientIds.0"),
        ("NOT_FOUND", "input.clientIds.1"),
        ("NOT_FOUND", "input.departmentId"),
        ("NOT_FOUND", "input.learningGroupIds.0"),
        ("NOT_FOUND", "input.sublicenseIds.0"),
    ]
    assert await count_learners(superuser) == before


async def test_keys_are_unique_in_the_tenant(as_admin: ApiClient, tenant: Tenant, another_tenant: Tenant) -> None:
    """An address is taken whatever its case, an external ID as it stands; other tenants do not matter."""
    await factories.create_learner(another_tenant.id, email="nina@acme.test", external_id="N-1")
    await as_admin.run(CREATE, input=new_learner(externalId="N-1"))
    taken = await as_admin.user_errors(CREATE, input=new_learner(email="Nina@ACME.test", externalId="N-1"))
    assert taken == [("ALREADY_EXISTS", "input.externalId"), ("ALREADY_EXISTS", "input.email")]
    other = await as_admin.value(CREATE, input=new_learner(email="other@acme.test", externalId="n-1"))
    moved = await as_admin.user_errors(
        UPDATE, input={"learner": {"id": other["learner"]["id"]}, "changes": {"email": "NINA@acme.test"}}
    )
    assert moved == [("ALREADY_EXISTS", "input.changes.email")]


@pytest.mark.parametrize(
    "field", ["clientIds", "sublicenseIds", "learningGroupIds"], ids=["clients", "sublicenses", "groups"]
)
async def test_lists_have_at_most_100_items(as_admin: ApiClient, field: str) -> None:
    """A longer list is refused before anything in it is looked at."""
    refused = await as_admin.user_errors(CREATE, input=new_learner(**{field: ["ext:nobody"] * 101}))
    assert refused == [("TOO_MANY_ITEMS", f"input.{field}")]


async def test_an_edit_based_on_an_older_edit_is_refused(as_admin: ApiClient, tenant: Tenant) -> None:
    """`expectedVersion` conflicts with a later edit and tells the current version; left out, the last writer wins."""
    learner = await factories.create_learner(tenant.id)
    by = {"id": lrn(learner.id)}
    first = {"learner": by, "expectedVersion": 1, "changes": {"name": "First"}}
    assert (await as_admin.value(UPDATE, input=first))["learner"]["version"] == 2
    document = UPDATE.replace("code path", "code path ... on VersionConflictError { currentVersion }")
    late = await as_admin.execute(document, input=first | {"changes": {"name": "Late"}})
    [error] = late["data"]["updateLearner"]["errors"]
    assert (error["code"], error["path"], error["currentVersion"]) == (
        "VERSION_CONFLICT",
        ["input", "expectedVersion"],
        2,
    )
    assert late["data"]["updateLearner"]["learner"] is None
    assert (await as_admin.value(UPDATE, input={"learner": by, "changes": {"name": "Late"}}))["learner"]["version"] == 3


async def test_a_repeated_key_creates_nobody_twice(
    as_admin: ApiClient, admin: Principal, superuser: Connection
) -> None:
    """The same key with the same input answers with the first result; with another input it is refused."""
    keyed = new_learner(idempotencyKey="once")
    first = await as_admin.value(CREATE, input=keyed)
    before = await count_learners(superuser)
    assert await as_admin.value(CREATE, input=keyed) == first
    other = await as_admin.user_errors(CREATE, input=new_learner(idempotencyKey="once", name="Other"))
    assert other == [("IDEMPOTENCY_KEY_REUSED", "input.idempotencyKey")]
    assert await count_learners(superuser) == before


@pytest.mark.parametrize("document", [UPDATE, DEACTIVATE, REACTIVATE], ids=["update", "deactivate", "reactivate"])
@pytest.mark.parametrize(
    "by",
    [
        pytest.param({"id": ids.encode(ids.LEARNER, 5)}, id="nobody's ID"),
        pytest.param({"id": ids.encode(ids.CLIENT, 5)}, id="an ID of another type"),
        pytest.param({"id": "nonsense"}, id="no ID"),
        pytest.param({"externalId": "foreign"}, id="another tenant's external ID"),
        pytest.param({"email": "foreign@globex.test"}, id="another tenant's address"),
        pytest.param({"email": "\x00"}, id="what cannot be stored"),
    ],
)
async def test_who_is_not_there_is_not_found(
    as_admin: ApiClient, another_tenant: Tenant, document: str, by: dict[str, str]
) -> None:
    """A key that names nobody of the tenant is NOT_FOUND, whatever is wrong with it."""
    await factories.create_learner(another_tenant.id, external_id="foreign", email="foreign@globex.test")
    input: dict[str, Any] = {"learner": by} | ({"changes": {"name": "x"}} if document == UPDATE else {})
    assert await as_admin.user_errors(document, input=input) == [("NOT_FOUND", "input.learner")]


async def test_deactivating_ends_the_access_and_reactivating_gives_it_back(
    api: Api, as_admin: ApiClient, learner: Principal
) -> None:
    """Who is inactive cannot sign in."""
    by = {"id": lrn(learner.learner_id)}
    as_learner = api.acting_as(learner)
    off = await as_admin.value(DEACTIVATE, input={"learner": by})
    assert (off["learner"]["isActive"], off["learner"]["version"]) == (False, 2)
    assert await as_learner.errors("{ viewer { role } }") == ["UNAUTHENTICATED"]
    on = await as_admin.value(REACTIVATE, input={"learner": by})
    assert (on["learner"]["isActive"], on["learner"]["version"]) == (True, 3)
    assert await as_learner.value("{ viewer { role } }") == {"role": "LEARNER"}


async def test_the_last_active_admin_stays(as_admin: ApiClient, admin: Principal, tenant: Tenant) -> None:
    """They can be neither deactivated nor demoted; an inactive administrator does not count."""
    await factories.create_learner(tenant.id, role=Role.ADMIN, is_active=False)
    by = {"id": lrn(admin.learner_id)}
    assert await as_admin.user_errors(DEACTIVATE, input={"learner": by}) == [("NOT_PERMITTED", "input.learner")]
    demote = {"learner": by, "changes": {"role": "TRAINER"}}
    assert await as_admin.user_errors(UPDATE, input=demote) == [("NOT_PERMITTED", "input.changes.role")]
    await factories.create_learner(tenant.id, role=Role.ADMIN)
    assert (await as_admin.value(UPDATE, input=demote))["learner"]["role"] == "TRAINER"


async def test_tools_change_only_learners(as_sync: ApiClient, trainer: Principal, learner: Principal) -> None:
    """A service account gives no role but LEARNER and changes nobody who has another."""
    assert await as_sync.user_errors(CREATE, input=new_learner(role="TRAINER")) == [("NOT_PERMITTED", "input.role")]
    by = {"id": lrn(trainer.learner_id)}
    rename = {"learner": by, "changes": {"name": "Renamed"}}
    assert await as_sync.user_errors(UPDATE, input=rename) == [("NOT_PERMITTED", "input.learner")]
    assert await as_sync.user_errors(DEACTIVATE, input={"learner": by}) == [("NOT_PERMITTED", "input.learner")]
    promote = {"learner": {"id": lrn(learner.learner_id)}, "changes": {"role": "ADMIN"}}
    assert await as_sync.user_errors(UPDATE, input=promote) == [("NOT_PERMITTED", "input.changes.role")]
    assert (await as_sync.value(CREATE, input=new_learner()))["learner"]["name"] == "Nina New"


async def test_addresses_that_can_never_be_mailed_are_refused(as_admin: ApiClient) -> None:
    """When they are saved; which domains are the same is told by how they are encoded."""
    for email in ("lëa@acme.test", "a..b@acme.test", "<a@acme.test>", "a\u200b@acme.test", "a@acme\u200b.test"):
        errors = await as_admin.user_errors(CREATE, input=new_learner(email=email))
        assert errors == [("INVALID", "input.email")], email
    await as_admin.value(CREATE, input=new_learner(email="nina@straße.test"))
    taken = await as_admin.user_errors(CREATE, input=new_learner(email="Nina@XN--strae-oqa.test"))
    assert taken == [("ALREADY_EXISTS", "input.email")]
    await as_admin.value(CREATE, input=new_learner(email="nina@strasse.test"))


async def test_an_address_from_before_is_no_obstacle(as_admin: ApiClient, superuser: Connection) -> None:
    """Whoever has one that would be refused now, or counts as another's, can be changed, and repeated as they are."""
    created = (await as_admin.value(CREATE, input=new_learner(email="nina@strasse.test")))["learner"]
    await as_admin.value(CREATE, input=new_learner(email="nina@straße.test"))
    for email in ("nina@xn--strae-oqa.test", "lëa@acme.test"):
        await superuser.execute(
            "UPDATE learner SET email = $1, email_key = 'from before ' || $1 WHERE name_key = $2 AND email_key <> $3",
            email,
            created["name"].lower(),
            "nina@xn--strae-oqa.test",
        )
        changes = {"email": email, "refValues": [{"number": 1, "value": email}]}
        changed = await as_admin.value(UPDATE, input={"learner": {"id": created["id"]}, "changes": changes})
        assert changed["learner"]["email"] == email
