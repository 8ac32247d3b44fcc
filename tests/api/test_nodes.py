"""Any object by nothing but its ID: what may be seen is found, and a hundred objects cost no more than one."""

from typing import Any

import pytest

from domain.foundation.access import Principal
from domain.foundation.database.sessions import ReadScope
from domain.people.models import PlaceKind
from domain.tenants.models import Tenant
from gql.contract import ids
from tests.support import factories
from tests.support.api import Api

NODES = "query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }"


async def some_ids(tenant_id: int, count: int) -> dict[str, list[str]]:
    """Make objects of several kinds and return their IDs by type."""
    owner = (await factories.create_person(tenant_id)).learner_id
    client = await factories.create_place(tenant_id, kind=PlaceKind.CLIENT)
    found: dict[str, list[str]] = {"Client": [ids.encode(ids.CLIENT, client.id)]}
    for _ in range(count):
        made = {
            "Learner": (ids.LEARNER, (await factories.create_learner(tenant_id)).id),
            "Department": (ids.DEPARTMENT, (await factories.create_place(tenant_id)).id),
            "LearningGroup": (
                ids.LEARNING_GROUP,
                (await factories.create_place(tenant_id, kind=PlaceKind.LEARNING_GROUP, owner_id=owner)).id,
            ),
            "Sublicense": (
                ids.SUBLICENSE,
                (await factories.create_place(tenant_id, kind=PlaceKind.SUBLICENSE, client_id=client.id)).id,
            ),
            "Course": (ids.CONTENT, (await factories.create_course(tenant_id)).id),
            "LearningPath": (ids.CONTENT, (await factories.create_path(tenant_id)).id),
        }
        for name, (prefix, key) in made.items():
            found.setdefault(name, []).append(ids.encode(prefix, key))
    return found


async def test_objects_are_found_by_their_ids(
    api: Api, admin: Principal, another_admin: Principal, tenant: Tenant
) -> None:
    """In the order asked for; of another tenant there are none."""
    made = await some_ids(tenant.id, 2)
    asked = [id for of_type in made.values() for id in of_type]
    expected = [{"__typename": name, "id": id} for name, of_type in made.items() for id in of_type]
    assert await api.acting_as(admin).value(NODES, ids=asked) == expected
    assert await api.acting_as(admin).value(NODES, ids=asked[::-1]) == expected[::-1]
    assert await api.acting_as(another_admin).value(NODES, ids=asked) == [None] * len(asked)


async def test_an_id_with_another_prefix_finds_nothing(api: Api, admin: Principal, tenant: Tenant) -> None:
    """A client is no department, although both are places."""
    client = await factories.create_place(tenant.id, kind=PlaceKind.CLIENT)
    prefixes = [ids.DEPARTMENT, ids.LEARNING_GROUP, ids.SUBLICENSE, ids.LEARNER, ids.CONTENT, ids.RULE, ids.ENROLLMENT]
    asked = [ids.encode(prefix, client.id) for prefix in prefixes]
    assert await api.acting_as(admin).value(NODES, ids=asked) == [None] * len(asked)


async def test_many_objects_cost_as_many_statements_as_few(
    api: Api, admin: Principal, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One for each kind."""
    made = await some_ids(tenant.id, 10)
    statements = 0
    fetch = ReadScope.fetch

    async def counting(self: ReadScope, *args: Any) -> Any:
        nonlocal statements
        statements += 1
        return await fetch(self, *args)

    monkeypatch.setattr(ReadScope, "fetch", counting)

    async def cost(count: int) -> int:
        before = statements
        await api.acting_as(admin).run(NODES, ids=[id for of_type in made.values() for id in of_type[:count]])
        return statements - before

    assert await cost(10) == await cost(1)
