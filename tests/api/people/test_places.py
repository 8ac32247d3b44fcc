"""Departments, learning groups, clients and sublicenses over the API, and who belongs to them."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import pytest

from domain.foundation.access import Principal
from domain.foundation.unit_of_work import UnitOfWork, perform
from domain.people import operations
from domain.people.models import Place, PlaceKind
from domain.people.queries import LearnerKey
from domain.tenants.models import Tenant
from gql.contract import ids
from tests.api.people.documents import ADD, KINDS, REMOVE, create_place, delete_place, lrn, update_place
from tests.api.people.rules import insert_rule
from tests.support import factories
from tests.support.api import Api, ApiClient
from tests.support.catalogue import Connection

each_kind = pytest.mark.parametrize(("kind", "field", "prefix"), KINDS, ids=[kind for kind, _, _ in KINDS])
PLACE_KINDS = {
    "Department": PlaceKind.DEPARTMENT,
    "LearningGroup": PlaceKind.LEARNING_GROUP,
    "Client": PlaceKind.CLIENT,
    "Sublicense": PlaceKind.SUBLICENSE,
}


async def needed(kind: str, tenant: Tenant) -> dict[str, Any]:
    """Return what creating a place of the kind needs besides its name."""
    if kind != "Sublicense":
        return {}
    client = await factories.create_place(tenant.id, kind=PlaceKind.CLIENT)
    return {"clientId": ids.encode(ids.CLIENT, client.id)}


async def make(kind: str, tenant_id: int, owner: Principal, **columns: Any) -> Place:
    """Make a place of the kind."""
    client_id = None
    if kind == "Sublicense":
        client_id = (await factories.create_place(tenant_id, kind=PlaceKind.CLIENT)).id
    owner_id = owner.learner_id if kind == "LearningGroup" else None
    return await factories.create_place(
        tenant_id, kind=PLACE_KINDS[kind], client_id=client_id, owner_id=owner_id, **columns
    )


@each_kind
async def test_a_place_is_created_renamed_and_deleted(
    as_admin: ApiClient, tenant: Tenant, superuser: Connection, kind: str, field: str, prefix: str
) -> None:
    """Each step shows the place as it is then; a change without a change keeps the version."""
    input = {"name": " North ", "externalId": "n-1"} | await needed(kind, tenant)
    created = (await as_admin.value(create_place(kind), input=input))[field]
    assert created == {"id": created["id"], "name": "North", "externalId": "n-1", "version": 1}
    assert created["id"].startswith(f"{prefix}_")
    changed = (await as_admin.value(update_place(kind), input={"id": "ext:n-1", "name": "South"}))[field]
    assert changed == {"id": created["id"], "name": "South", "externalId": "n-1", "version": 2}
    same = (await as_admin.value(update_place(kind), input={"id": created["id"], "name": "South"}))[field]
    assert same["version"] == 2
    bare = (await as_admin.value(update_place(kind), input={"id": created["id"], "externalId": None}))[field]
    assert (bare["externalId"], bare["version"]) == (None, 3)
    gone = await as_admin.value(delete_place(kind), input={"id": created["id"]})
    assert gone[f"deleted{kind}Id"] == created["id"]
    assert await as_admin.value("query($id: ID!) { node(id: $id) { id } }", id=created["id"]) is None
    operations = await superuser.fetch("SELECT operation FROM audit_entry ORDER BY id")
    assert [record[0] for record in operations] == [
        f"create{kind}",
        f"update{kind}",
        f"update{kind}",
        f"delete{kind}",
    ]


@each_kind
async def test_a_place_that_is_not_there_is_not_found(
    as_admin: ApiClient,
    admin: Principal,
    another_tenant: Tenant,
    another_admin: Principal,
    kind: str,
    field: str,
    prefix: str,
) -> None:
    """Another tenant's place, an ID of another type and no ID at all are NOT_FOUND."""
    foreign = await make(kind, another_tenant.id, another_admin, external_id="foreign")
    for id in (ids.encode(prefix, foreign.id), "ext:foreign", ids.encode(ids.LEARNER, foreign.id), "nonsense", "ext:"):
        for document, input in ((update_place(kind), {"id": id, "name": "x"}), (delete_place(kind), {"id": id})):
            assert await as_admin.user_errors(document, input=input) == [("NOT_FOUND", "input.id")]


@each_kind
async def test_names_and_external_ids_are_checked(
    as_admin: ApiClient, admin: Principal, tenant: Tenant, kind: str, field: str, prefix: str
) -> None:
    """External IDs are unique among their kind; so are the names of departments and clients."""
    taken = await make(kind, tenant.id, admin, name="North", external_id="n-1")
    input = {"name": "North", "externalId": "n-1"} | await needed(kind, tenant)
    refused = await as_admin.user_errors(create_place(kind), input=input)
    expected = [("ALREADY_EXISTS", "input.externalId")]
    if kind in ("Department", "Client"):
        expected = [("ALREADY_EXISTS", "input.name"), *expected]
    assert refused == expected
    malformed = await as_admin.user_errors(
        update_place(kind), input={"id": ids.encode(prefix, taken.id), "name": " ", "externalId": "x" * 256}
    )
    assert malformed == [("INVALID", "input.name"), ("INVALID", "input.externalId")]
    stale = await as_admin.user_errors(
        update_place(kind), input={"id": ids.encode(prefix, taken.id), "expectedVersion": 0, "name": "x"}
    )
    assert stale == [("VERSION_CONFLICT", "input.expectedVersion")]


@each_kind
async def test_a_place_that_a_rule_names_stays(
    as_admin: ApiClient,
    admin: Principal,
    tenant: Tenant,
    superuser: Connection,
    kind: str,
    field: str,
    prefix: str,
) -> None:
    """IN_USE while a rule's condition names it; no longer once that rule is deleted."""
    place = await make(kind, tenant.id, admin)
    rule_id = await insert_rule(superuser, tenant.id, kind=PLACE_KINDS[kind], place_id=place.id)
    input = {"id": ids.encode(prefix, place.id)}
    assert await as_admin.user_errors(delete_place(kind), input=input) == [("IN_USE", "input.id")]
    if kind == "Sublicense":
        whole = {"id": ids.encode(ids.CLIENT, place.client_id or 0)}
        assert await as_admin.user_errors(delete_place("Client"), input=whole) == [("IN_USE", "input.id")]
    await superuser.execute("UPDATE rule SET state = 'DELETED' WHERE id = $1", rule_id)
    await as_admin.run(delete_place(kind), input=input)


async def test_a_client_goes_with_its_sublicenses_and_members(as_admin: ApiClient, tenant: Tenant) -> None:
    """Who belonged there belongs there no longer."""
    client = await factories.create_place(tenant.id, kind=PlaceKind.CLIENT)
    sublicense = await factories.create_place(tenant.id, kind=PlaceKind.SUBLICENSE, client_id=client.id)
    learner = await factories.create_learner(tenant.id, places=[client, sublicense])
    await as_admin.run(delete_place("Client"), input={"id": ids.encode(ids.CLIENT, client.id)})
    shown = await as_admin.value(
        "query($by: LearnerKeyInput!) { learner(by: $by) { version clients { id } sublicenses { id } } }",
        by={"id": lrn(learner.id)},
    )
    assert shown == {"version": 2, "clients": [], "sublicenses": []}
    assert await as_admin.value("{ sublicenses { totalCount } }") == {"totalCount": 0}


async def test_a_sublicense_made_meanwhile_goes_with_its_client(
    as_admin: ApiClient, admin: Principal, tenant: Tenant, superuser: Connection, now: datetime
) -> None:
    """It is as deleted as the others: with an entry in the audit log, and nobody belongs to it."""
    client = await factories.create_place(tenant.id, kind=PlaceKind.CLIENT)
    learner = await factories.create_learner(tenant.id, places=[client])
    is_made = asyncio.Event()

    async def make_slowly(work: UnitOfWork) -> int:
        made = await operations.create_place(work, kind=PlaceKind.SUBLICENSE, name="New", client=client.id)
        key = LearnerKey(id=learner.id)
        await operations.add_members(work, kind=PlaceKind.SUBLICENSE, place=made, learners=[key])
        is_made.set()
        await asyncio.sleep(0.3)
        return made

    making = asyncio.create_task(perform(admin, now, "make", make_slowly))
    await is_made.wait()
    await as_admin.run(delete_place("Client"), input={"id": ids.encode(ids.CLIENT, client.id)})
    made = (await making).result
    assert await superuser.fetchval("SELECT count(*) FROM place") == 0
    entries = "SELECT operation FROM audit_entry WHERE object_type = 'SUBLICENSE' AND object_id = $1 ORDER BY id"
    assert [record["operation"] for record in await superuser.fetch(entries, made)] == ["make", "deleteClient"]


async def test_a_group_belongs_to_a_trainer_or_an_admin(
    as_admin: ApiClient,
    as_trainer: ApiClient,
    as_sync: ApiClient,
    admin: Principal,
    trainer: Principal,
    learner: Principal,
) -> None:
    """The caller owns it unless an administrator says otherwise; tools have to say who."""
    document = create_place("LearningGroup", "id owner { name }")
    own = await as_trainer.value(document, input={"name": "Own"})
    assert own["learningGroup"]["owner"] == {"name": "Tina Trainer"}
    given = await as_admin.value(document, input={"name": "Given", "ownerId": lrn(trainer.learner_id)})
    assert given["learningGroup"]["owner"] == {"name": "Tina Trainer"}
    assert await as_sync.user_errors(document, input={"name": "x"}) == [("INVALID", "input.ownerId")]
    to_learner = {"name": "x", "ownerId": lrn(learner.learner_id)}
    assert await as_admin.user_errors(document, input=to_learner) == [("INVALID", "input.ownerId")]
    to_nobody = {"name": "x", "ownerId": lrn(5)}
    assert await as_admin.user_errors(document, input=to_nobody) == [("NOT_FOUND", "input.ownerId")]
    to_another = {"name": "x", "ownerId": lrn(admin.learner_id)}
    assert await as_trainer.user_errors(document, input=to_another) == [("NOT_PERMITTED", "input.ownerId")]
    handed_over = await as_trainer.value(
        update_place("LearningGroup", "owner { name } version"),
        input={"id": own["learningGroup"]["id"], "ownerId": lrn(admin.learner_id)},
    )
    assert handed_over["learningGroup"] == {"owner": {"name": "Ada Admin"}, "version": 2}
    late = {"id": own["learningGroup"]["id"], "name": "Mine?"}
    assert await as_trainer.user_errors(update_place("LearningGroup"), input=late) == [("NOT_FOUND", "input.id")]


@pytest.mark.parametrize(
    ("target", "kind", "field", "prefix"),
    [
        ("learningGroupId", PlaceKind.LEARNING_GROUP, "learningGroups", ids.LEARNING_GROUP),
        ("clientId", PlaceKind.CLIENT, "clients", ids.CLIENT),
        ("sublicenseId", PlaceKind.SUBLICENSE, "sublicenses", ids.SUBLICENSE),
    ],
)
async def test_members_come_and_go(
    as_admin: ApiClient, admin: Principal, tenant: Tenant, target: str, kind: PlaceKind, field: str, prefix: str
) -> None:
    """Learners are answered in the order of the input; doing it again changes nothing."""
    place = await factories.create_place(tenant.id, kind=kind, external_id="p-1", owner_id=admin.learner_id)
    first = await factories.create_learner(tenant.id, name="First", email="first@acme.test")
    second = await factories.create_learner(tenant.id, name="Second", external_id="s-2")
    learners = [{"externalId": "s-2"}, {"email": "FIRST@acme.test"}]
    for version in (2, 2):
        added = await as_admin.value(ADD, input={"target": {target: "ext:p-1"}, "learners": learners})
        assert [learner["id"] for learner in added["learners"]] == [lrn(second.id), lrn(first.id)]
        assert [learner["version"] for learner in added["learners"]] == [version, version]
        assert [[each["id"] for each in learner[field]] for learner in added["learners"]] == [
            [ids.encode(prefix, place.id)]
        ] * 2
    input = {"target": {target: ids.encode(prefix, place.id)}, "learners": [{"id": lrn(first.id)}]}
    removed = await as_admin.value(REMOVE, input=input)
    assert [(learner["version"], learner[field]) for learner in removed["learners"]] == [(3, [])]


@pytest.mark.parametrize("document", [ADD, REMOVE], ids=["add", "remove"])
async def test_faults_of_memberships(
    as_admin: ApiClient, admin: Principal, tenant: Tenant, another_tenant: Tenant, superuser: Connection, document: str
) -> None:
    """Nobody is moved when somebody is not there, the place is not, or the list is too long or empty."""
    group = await factories.create_place(tenant.id, kind=PlaceKind.LEARNING_GROUP, owner_id=admin.learner_id)
    foreigner = await factories.create_learner(another_tenant.id)
    target = {"learningGroupId": ids.encode(ids.LEARNING_GROUP, group.id)}
    known, unknown = {"id": lrn(admin.learner_id)}, {"id": lrn(foreigner.id)}

    async def refused(target: Mapping[str, str], learners: Sequence[Mapping[str, str]]) -> list[tuple[str, str]]:
        return await as_admin.user_errors(document, input={"target": target, "learners": learners})

    assert await refused(target, [known, unknown, {"email": "nobody@acme.test"}]) == [
        ("NOT_FOUND", "input.learners.1"),
        ("NOT_FOUND", "input.learners.2"),
    ]
    assert await refused(target, []) == [("INVALID", "input.learners")]
    assert await refused(target, [known] * 101) == [("TOO_MANY_ITEMS", "input.learners")]
    wrong = {"clientId": target["learningGroupId"]}
    assert await refused(wrong, [known]) == [("NOT_FOUND", "input.target.clientId")]
    assert await superuser.fetchval("SELECT count(*) FROM learner_place") == 0
    both = {"target": {**target, "clientId": "ext:x"}, "learners": [known]}
    assert await as_admin.errors(document, input=both) == ["BAD_VARIABLES"]


async def test_trainers_move_people_in_their_own_groups_only(
    api: Api,
    as_trainer: ApiClient,
    trainer: Principal,
    admin: Principal,
    learner: Principal,
    tenant: Tenant,
    superuser: Connection,
) -> None:
    """Other groups, clients and sublicenses do not exist for them."""
    own = await factories.create_place(tenant.id, kind=PlaceKind.LEARNING_GROUP, owner_id=trainer.learner_id)
    other = await factories.create_place(tenant.id, kind=PlaceKind.LEARNING_GROUP, owner_id=admin.learner_id)
    client = await factories.create_place(tenant.id, kind=PlaceKind.CLIENT)
    learners = [{"id": lrn(learner.learner_id)}]
    foreign = {"target": {"learningGroupId": ids.encode(ids.LEARNING_GROUP, other.id)}, "learners": learners}
    assert await as_trainer.user_errors(ADD, input=foreign) == [("NOT_FOUND", "input.target.learningGroupId")]
    hidden = {"target": {"clientId": ids.encode(ids.CLIENT, client.id)}, "learners": learners}
    assert await as_trainer.user_errors(ADD, input=hidden) == [("NOT_FOUND", "input.target.clientId")]
    assert await superuser.fetchval("SELECT count(*) FROM learner_place") == 0
    mine = {"target": {"learningGroupId": ids.encode(ids.LEARNING_GROUP, own.id)}, "learners": learners}
    added = await as_trainer.value(ADD, input=mine)
    assert [group["id"] for group in added["learners"][0]["learningGroups"]] == [ids.encode(ids.LEARNING_GROUP, own.id)]
    assert await api.acting_as(trainer).value("{ learningGroups { nodes { memberCount } } }") == {
        "nodes": [{"memberCount": 1}]
    }


async def test_tools_move_only_learners(
    as_sync: ApiClient, trainer: Principal, learner: Principal, tenant: Tenant
) -> None:
    """A service account changes nobody who has another role, not by a membership either."""
    client = await factories.create_place(tenant.id, kind=PlaceKind.CLIENT)
    target = {"clientId": ids.encode(ids.CLIENT, client.id)}
    people = [{"id": lrn(learner.learner_id)}, {"id": lrn(trainer.learner_id)}]
    refused = await as_sync.user_errors(ADD, input={"target": target, "learners": people})
    assert refused == [("NOT_PERMITTED", "input.learners.1")]
    assert len((await as_sync.value(ADD, input={"target": target, "learners": people[:1]}))["learners"]) == 1
