"""Whatever an operation names in another tenant does not exist: in every place where an ID or a key can stand."""

from collections.abc import Iterator
from typing import Any

import pytest

from domain.tenants.models import Tenant
from tests.security.footprint import footprint
from tests.security.inputs import DELETED, Place, RootField, failures, is_empty, root_fields
from tests.security.world import World, populate
from tests.support.api import Api
from tests.support.catalogue import Connection

#: Lookups of one object: null for whatever is not there.
LOOKUPS = {"node", "nodes", "content", "learner", "autoAssignmentRule", "backgroundJob", "mandatoryTask"}
#: Places for objects of several types, where partners' own IDs would be ambiguous.
OF_SEVERAL_TYPES = {"actorIds", "assignerIds", "objectIds"}
BY_NOTHING_BUT_OUR_ID = {"node", "nodes"}


@pytest.fixture
async def ours(api: Api, tenant: Tenant) -> World:
    """The tenant of the callers."""
    return await populate(api, tenant)


@pytest.fixture
async def theirs(api: Api, another_tenant: Tenant) -> World:
    """The tenant that nobody of ours may notice."""
    return await populate(api, another_tenant)


def names_of(world: World, field: RootField, place: Place) -> Iterator[str]:
    """Yield what a world's object is called in a place of an operation."""
    named = world.objects[place.kind]
    name: str = getattr(named, place.attribute)
    yield name
    has_one_type = field.name not in BY_NOTHING_BUT_OUR_ID and not OF_SEVERAL_TYPES & set(place.path)
    if place.attribute == "id" and named.external_id and has_one_type:
        yield f"ext:{named.external_id}"
    if place.attribute == "id" and named.email and has_one_type:
        yield f"email:{named.email}"


def outcome_of(field: RootField, result: dict[str, Any]) -> str:
    """Return what became of an operation: "found", "nothing", or why it was refused."""
    refused = failures(result)
    if refused:
        return ", ".join(sorted({code for code, _ in refused}))
    if field.is_mutation:
        return "found"
    return "nothing" if is_empty(result["data"][field.name]) else "found"


def shows(text: str, world: World) -> bool:
    """Tell whether an answer has a name or an ID of a world in it."""
    return world.tenant.slug in text.lower() or any(named.id in text for named in world.objects.values())


def expected(field: RootField, place: Place) -> str:
    """Return what has to become of an operation that names something of another tenant."""
    is_filter = place.path[0] in ("filter", "clientId")
    return "nothing" if field.name in LOOKUPS or is_filter else "NOT_FOUND"


async def test_nothing_of_another_tenant_exists(ours: World, theirs: World, superuser: Connection) -> None:
    """Not found, null or no match, as for what nobody has; nothing of theirs is shown, nothing anywhere changed."""
    client = ours.client("ADMIN")
    before = await footprint(superuser)
    wrong = {}
    for field in root_fields():
        for place in field.places():
            for name in names_of(theirs, field, place):
                document, variables = field.operation(ours.objects, place, name)
                response = await client.post(document, **variables)
                outcome = outcome_of(field, response.json())
                if outcome != expected(field, place) or shows(response.text, theirs):
                    wrong[f"{field.name} {place} = {name}"] = outcome, response.text
    assert wrong == {}
    assert await footprint(superuser) == before


async def test_what_is_ours_is_found_in_the_same_places(ours: World) -> None:
    """So it is the tenant that decides, and not something else that is wrong with the operation."""
    client = ours.client("ADMIN")
    lost = {}
    for field in root_fields():
        for place in field.places():
            # A spare for each, as whoever is erased is not found by the other keys any more.
            world = await ours.with_spare(DELETED[field.name]) if field.name in DELETED else ours
            document, variables = field.operation(world.objects, place, next(names_of(world, field, place)))
            result = await client.execute(document, **variables)
            outcome = outcome_of(field, result)
            if outcome == "nothing" or "NOT_FOUND" in outcome:
                lost[f"{field.name} {place}"] = result
    assert lost == {}
