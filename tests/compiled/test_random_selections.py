"""Whatever is selected of a tenant that has one of everything, both ways give the same."""

from random import Random

import httpx
import pytest
from graphql import get_named_type, is_leaf_type, is_required_argument

from domain.tenants.models import Tenant
from gql.schema import schema
from tests.compiled.selections import Selections
from tests.security.world import World, populate
from tests.support.api import Api

CALLERS = ("ADMIN", "TRAINER", "LEARNER")
DOCUMENTS = 40


@pytest.fixture
async def world(api: Api, tenant: Tenant) -> World:
    """Make one of everything, and a little more."""
    return await populate(api, tenant)


def roots_of(world: World) -> dict[str, str]:
    """Return the fields of the root that can be asked for, with their arguments."""
    query = schema()._schema.query_type
    assert query is not None
    roots = {
        name: "(first: 3)" if "first" in field.args else ""
        for name, field in query.fields.items()
        if not is_leaf_type(get_named_type(field.type)) and not any(map(is_required_argument, field.args.values()))
    }
    known = ", ".join(f'"{named.id}"' for named in world.objects.values())
    return roots | {"nodes": f"(ids: [{known}])"}


@pytest.mark.parametrize("seed", range(3))
async def test_random_selections(world: World, seed: int) -> None:
    """Compared by the client; most documents are not refused."""
    assert world.api.transport is not None
    assert world.api.transport.is_on
    dice = Random(seed)
    answered = 0
    for number in range(DOCUMENTS):
        document = Selections(schema()._schema, dice, roots_of(world)).document()
        client = world.client(dice.choice(CALLERS))
        response: httpx.Response = await client.post(document, yes=dice.random() < 0.8, no=dice.random() < 0.2)
        assert response.status_code == 200, f"{seed}/{number}: {document}\n{response.text}"
        answered += bool(response.json().get("data"))
    assert answered > DOCUMENTS // 2
