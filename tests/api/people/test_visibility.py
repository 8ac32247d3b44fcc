"""Who sees whom, and in which form; what may not be seen does not exist."""

from typing import Any

import pytest

from domain.foundation.access import Principal, Role, Scope
from domain.people.models import PlaceKind
from domain.tenants.models import Tenant
from gql.contract import ids
from tests.api.people.documents import CREATE, LEARNER, LIST, NODE, ONE, create_place, lrn, mutation, new_learner
from tests.support import factories
from tests.support.api import Api, ApiClient

SHORT: dict[str, Any] = {
    "externalId": None,
    "email": None,
    "role": None,
    "timeZone": None,
    "isActive": None,
    "department": None,
    "learningGroups": [],
    "clients": [],
    "sublicenses": [],
    "refValues": [],
}


@pytest.fixture
async def person(tenant: Tenant, trainer: Principal, admin: Principal) -> Principal:
    """A learner with everything: two groups, one of them the trainer's."""
    client = await factories.create_place(tenant.id, kind=PlaceKind.CLIENT, name="Umbrella")
    return await factories.create_person(
        tenant.id,
        name="Pia Person",
        email="pia@acme.test",
        external_id="P-1",
        time_zone="Asia/Tokyo",
        refs={1: "secret"},
        places=[
            await factories.create_place(tenant.id, name="Sales"),
            await factories.create_place(
                tenant.id, kind=PlaceKind.LEARNING_GROUP, name="Ada's", owner_id=admin.learner_id
            ),
            await factories.create_place(
                tenant.id, kind=PlaceKind.LEARNING_GROUP, name="Tina's", owner_id=trainer.learner_id
            ),
            client,
            await factories.create_place(tenant.id, kind=PlaceKind.SUBLICENSE, name="Gold", client_id=client.id),
        ],
    )


@pytest.fixture
async def callers(
    api: Api, tenant: Tenant, admin: Principal, trainer: Principal, learner: Principal
) -> dict[str, ApiClient]:
    """A client for each kind of caller."""
    principals = {
        "ADMIN": admin,
        "TRAINER": trainer,
        "LEARNER": learner,
        "READ": await factories.create_service_account(tenant.id, scopes=[Scope.READ]),
        "WRITE": await factories.create_service_account(tenant.id, scopes=[Scope.WRITE_LEARNERS]),
        "OTHER": await factories.create_service_account(
            tenant.id, scopes=set(Scope) - {Scope.READ, Scope.WRITE_LEARNERS}
        ),
    }
    return {name: api.acting_as(principal) for name, principal in principals.items()}


def names(places: list[dict[str, Any]]) -> list[str]:
    """Return the names of places."""
    return [place["name"] for place in places]


@pytest.mark.parametrize("who", ["ADMIN", "READ", "themselves"])
async def test_who_reads_the_tenant_and_people_themselves_see_everything(
    api: Api, callers: dict[str, ApiClient], person: Principal, who: str
) -> None:
    """Administrators, tools with READ, and the person."""
    client = api.acting_as(person) if who == "themselves" else callers[who]
    shown = await client.value(ONE, by={"externalId": "P-1"})
    assert (shown["externalId"], shown["email"], shown["timeZone"]) == ("P-1", "pia@acme.test", "Asia/Tokyo")
    assert (shown["role"], shown["isActive"]) == ("LEARNER", True)
    assert shown["department"]["name"] == "Sales"
    assert names(shown["learningGroups"]) == ["Ada's", "Tina's"]
    assert (names(shown["clients"]), names(shown["sublicenses"])) == (["Umbrella"], ["Gold"])
    assert [ref["value"] for ref in shown["refValues"]] == ["secret"]


async def test_trainers_see_the_directory(as_trainer: ApiClient, person: Principal) -> None:
    """Name, address, role, activity and department; of groups their own; nothing that partners keep."""
    shown = await as_trainer.value(ONE, by={"email": "pia@acme.test"})
    assert (shown["name"], shown["email"], shown["role"], shown["isActive"]) == (
        "Pia Person",
        "pia@acme.test",
        "LEARNER",
        True,
    )
    assert (shown["department"]["name"], names(shown["learningGroups"])) == ("Sales", ["Tina's"])
    hidden = ("externalId", "timeZone", "clients", "sublicenses", "refValues")
    assert {name: shown[name] for name in hidden} == {name: SHORT[name] for name in hidden}
    assert await as_trainer.value(ONE, by={"externalId": "P-1"}) is None


async def test_where_an_id_is_expected_an_email_address_does(
    as_trainer: ApiClient, as_learner: ApiClient, as_admin: ApiClient, person: Principal
) -> None:
    """Of people, whatever its case; not of anything else, not for `node`, and not for who may not see them."""
    one = "query ($id: ID!) { learner(by: { id: $id }) { name } }"
    for client in (as_trainer, as_admin):
        assert await client.value(one, id="email:PIA@acme.test") == {"name": "Pia Person"}
        assert await client.value(one, id="email:nobody@acme.test") is None
        assert await client.value(one, id="email:") is None
        assert await client.value(one, id="email:a\x00b") is None
        assert await client.value(NODE, id="email:pia@acme.test") is None
    assert await as_learner.value(one, id="email:pia@acme.test") is None
    assert await as_admin.errors(LIST, filter={"departmentIds": ["email:pia@acme.test"]}) == ["INVALID"]


async def test_learners_find_nobody_but_themselves(
    as_learner: ApiClient, learner: Principal, person: Principal
) -> None:
    """Somebody else does not exist for them, by whatever key."""
    for by in ({"id": lrn(person.learner_id)}, {"externalId": "P-1"}, {"email": "pia@acme.test"}):
        assert await as_learner.value(ONE, by=by) is None
    assert await as_learner.value(NODE, id=lrn(person.learner_id)) is None
    assert (await as_learner.value(ONE, by={"id": lrn(learner.learner_id)}))["name"] == "Lea Learner"
    listed = await as_learner.value(LIST)
    assert (names(listed["nodes"]), listed["totalCount"]) == (["Lea Learner"], 1)


async def test_who_is_reached_from_something_visible_has_the_short_form(api: Api, person: Principal) -> None:
    """A member of a group sees its owner's ID, name and version, and nothing else."""
    document = f"query($by: LearnerKeyInput!) {{ learner(by: $by) {{ learningGroups {{ owner {{ {LEARNER} }} }} }} }}"
    shown = await api.acting_as(person).value(document, by={"id": lrn(person.learner_id)})
    owners = [group["owner"] for group in shown["learningGroups"]]
    assert [(owner.pop("id")[:4], owner.pop("name"), owner.pop("version")) for owner in owners] == [
        ("lrn_", "Ada Admin", 1),
        ("lrn_", "Tina Trainer", 1),
    ]
    assert owners == [SHORT, SHORT]


async def test_tools_without_read_see_what_they_have_written(api: Api, tenant: Tenant, person: Principal) -> None:
    """A payload shows the object's own fields; what is reached from it is empty or in short form."""
    writer = api.acting_as(await factories.create_service_account(tenant.id, scopes=[Scope.WRITE_LEARNERS]))
    await factories.create_place(tenant.id, name="North", external_id="n-1")
    created = await writer.value(
        CREATE,
        input=new_learner(
            externalId="N-1", timeZone="Asia/Tokyo", departmentId="ext:n-1", refValues=[{"number": 1, "value": "x"}]
        ),
    )
    learner = created["learner"]
    assert (learner["externalId"], learner["email"], learner["role"], learner["timeZone"], learner["isActive"]) == (
        "N-1",
        "nina@acme.test",
        "LEARNER",
        "Asia/Tokyo",
        True,
    )
    assert (learner["department"], learner["clients"], learner["refValues"]) == (None, [], [])
    owner = await factories.create_person(tenant.id, role=Role.TRAINER, name="Theo", email="theo@acme.test")
    group = await writer.value(
        create_place("LearningGroup", "externalId memberCount owner { name email }"),
        input={"name": "Group", "externalId": "g-1", "ownerId": lrn(owner.learner_id)},
    )
    assert group["learningGroup"] == {
        "externalId": "g-1",
        "memberCount": 0,
        "owner": {"name": "Theo", "email": None},
    }
    assert await writer.errors(ONE, by={"externalId": "N-1"}) == ["FORBIDDEN"]
    assert await writer.errors(LIST) == ["FORBIDDEN"]


async def test_people_are_found_by_part_of_their_name_or_address(as_admin: ApiClient, tenant: Tenant) -> None:
    """Case and accents do not matter; signs with a meaning in patterns stand for themselves."""
    await factories.create_learner(tenant.id, name="Zoë Müller", email="z.m@acme.test")
    await factories.create_learner(tenant.id, name="100% Real_Name", email="real@acme.test")
    await factories.create_learner(tenant.id, name="100 Real Name")

    async def found(text: str) -> list[str]:
        return names((await as_admin.value(LIST, filter={"search": text}))["nodes"])

    assert await found("zoe mu") == ["Zoë Müller"]
    assert await found("ZOË") == ["Zoë Müller"]
    assert await found("Z.M@") == ["Zoë Müller"]
    assert await found("0% r") == ["100% Real_Name"]
    assert await found("l_n") == ["100% Real_Name"]
    assert await found("\\") == []
    assert await found("  ") == ["100 Real Name", "100% Real_Name", "Ada Admin", "Zoë Müller"]
    assert await as_admin.errors(LIST, filter={"search": "a\x00b"}) == ["INVALID"]


async def test_filters_combine(as_admin: ApiClient, tenant: Tenant, person: Principal) -> None:
    """Fields with AND, items with OR; what is not there matches nothing, what is malformed is INVALID."""
    north = await factories.create_place(tenant.id, name="North", external_id="n-1")
    south = await factories.create_place(tenant.id, name="South")
    client = await factories.create_place(tenant.id, kind=PlaceKind.CLIENT, external_id="c-1")
    await factories.create_learner(tenant.id, name="A", places=[north, client])
    await factories.create_learner(tenant.id, name="B", places=[south], is_active=False)
    await factories.create_learner(tenant.id, name="C", places=[client], role=Role.TRAINER)
    south_id = ids.encode(ids.DEPARTMENT, south.id)

    async def found(**filter: Any) -> list[str]:
        return names((await as_admin.value(LIST, filter=filter))["nodes"])

    assert await found(departmentIds=["ext:n-1", south_id]) == ["A", "B"]
    assert await found(departmentIds=["ext:n-1", south_id], isActive=True) == ["A"]
    assert await found(clientIds=["ext:c-1"]) == ["A", "C"]
    assert await found(clientIds=["ext:c-1"], roles=["TRAINER", "ADMIN"]) == ["C"]
    assert await found(departmentIds=["ext:unknown"]) == []
    assert await found(isActive=False) == ["B"]
    for wrong in ({"departmentIds": [ids.encode(ids.CLIENT, client.id)]}, {"sublicenseIds": ["nonsense"]}):
        assert await as_admin.errors(LIST, filter=wrong) == ["INVALID"]


async def test_trainers_cannot_filter_by_what_they_do_not_see(
    as_trainer: ApiClient, tenant: Tenant, admin: Principal, person: Principal
) -> None:
    """Clients and sublicenses are NOT_PERMITTED; somebody else's group matches nothing."""
    for field in ("clientIds", "sublicenseIds"):
        result = await as_trainer.execute(LIST, filter={field: ["ext:any"]})
        [error] = result["errors"]
        assert (error["extensions"]["code"], error["extensions"]["path"]) == ("NOT_PERMITTED", ["filter", field])
        assert result["data"]["learners"] is None
    other = await factories.create_place(
        tenant.id, kind=PlaceKind.LEARNING_GROUP, external_id="other", owner_id=admin.learner_id
    )
    own = await as_trainer.value("{ learningGroups { nodes { id name } totalCount } }")
    assert (names(own["nodes"]), own["totalCount"]) == (["Tina's"], 1)
    assert (await as_trainer.value(LIST, filter={"learningGroupIds": ["ext:other"]}))["nodes"] == []
    assert await as_trainer.value(NODE, id=ids.encode(ids.LEARNING_GROUP, other.id)) is None
    found = await as_trainer.value(LIST, filter={"learningGroupIds": [own["nodes"][0]["id"]]})
    assert names(found["nodes"]) == ["Pia Person"]


@pytest.mark.parametrize("field", ["NAME", "CREATED_AT"])
@pytest.mark.parametrize("direction", ["ASC", "DESC"])
async def test_pages_follow_each_other(as_admin: ApiClient, tenant: Tenant, field: str, direction: str) -> None:
    """All people once, in order, whatever the size of the page; a cursor of another order is INVALID."""
    for name in ("b", "A", "b", "C", "ä"):
        await factories.create_learner(tenant.id, name=name)
    order = {"field": field, "direction": direction}
    whole = names((await as_admin.value(LIST, orderBy=order))["nodes"])
    expected = {"NAME": ["A", "ä", "Ada Admin", "b", "b", "C"], "CREATED_AT": ["Ada Admin", "b", "A", "b", "C", "ä"]}
    assert whole == (expected[field] if direction == "ASC" else expected[field][::-1])
    seen: list[str] = []
    after = None
    while True:
        page = await as_admin.value(LIST, orderBy=order, first=2, after=after)
        seen += names(page["nodes"])
        assert page["totalCount"] == 6
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert seen == whole
    other = {"field": field, "direction": "ASC" if direction == "DESC" else "DESC"}
    assert await as_admin.errors(LIST, orderBy=other, after=after) == ["INVALID"]
    assert await as_admin.errors(LIST, first=101) == ["INVALID"]


#: What each list shows to an administrator, a trainer, a learner, a tool that reads, and one that only writes people.
LISTS = {
    "learners": "ADMIN READ TRAINER LEARNER",
    "departments": "ADMIN READ TRAINER",
    "learningGroups": "ADMIN READ TRAINER",
    "clients": "ADMIN READ",
    "sublicenses": "ADMIN READ",
}
#: Who may use each mutation at all, as far as their role goes.
WRITERS = {
    **{
        f"{verb}{kind}": "ADMIN WRITE"
        for verb in ("create", "update", "delete")
        for kind in ("Department", "Client", "Sublicense")
    },
    **{f"{verb}LearningGroup": "ADMIN WRITE TRAINER" for verb in ("create", "update", "delete")},
    **dict.fromkeys(("addMembers", "removeMembers"), "ADMIN WRITE TRAINER"),
    **dict.fromkeys(
        ("createLearner", "updateLearner", "bulkUpsertLearners", "deactivateLearner", "reactivateLearner"),
        "ADMIN WRITE",
    ),
}
INPUTS: dict[str, dict[str, Any]] = {
    "createLearner": {"name": "x", "email": "x@acme.test"},
    "updateLearner": {"learner": {"externalId": "x"}, "changes": {"name": "x"}},
    "bulkUpsertLearners": {"rows": [{"externalId": "x", "name": "x"}]},
    "deactivateLearner": {"learner": {"externalId": "x"}},
    "reactivateLearner": {"learner": {"externalId": "x"}},
    "addMembers": {"target": {"learningGroupId": "ext:x"}, "learners": [{"externalId": "x"}]},
    "removeMembers": {"target": {"learningGroupId": "ext:x"}, "learners": [{"externalId": "x"}]},
    "createSublicense": {"name": "x", "clientId": "ext:x"},
}


async def test_lists_are_for_those_whose_role_has_them(callers: dict[str, ApiClient]) -> None:
    """Everybody else gets FORBIDDEN."""
    for field, allowed in LISTS.items():
        document = f"{{ {field} {{ totalCount }} }}"
        for caller, client in callers.items():
            result = await client.execute(document)
            codes = [error["extensions"]["code"] for error in result.get("errors", [])]
            assert codes == ([] if caller in allowed.split() else ["FORBIDDEN"]), (field, caller)


@pytest.mark.parametrize("name", WRITERS)
async def test_mutations_are_for_those_whose_role_has_them(
    callers: dict[str, ApiClient], superuser: Any, name: str
) -> None:
    """Everybody else gets FORBIDDEN, and nothing has happened."""
    input = INPUTS.get(name) or ({"name": "x"} if name.startswith("create") else {"id": "ext:x"})
    document = mutation(name, "__typename")
    for caller, client in callers.items():
        if caller in WRITERS[name].split():
            continue
        assert await client.errors(document, input=input) == ["FORBIDDEN"], caller
    for table in ("place", "learner_place", "audit_entry", "change_pending"):
        assert await superuser.fetchval(f"SELECT count(*) FROM {table}") == 0
    assert await superuser.fetchval("SELECT count(*) FROM learner") == 3
    for caller in WRITERS[name].split():
        result = await callers[caller].execute(document, input=input)
        assert "errors" not in result, (caller, result)
