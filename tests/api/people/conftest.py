"""The company of the stories, and somebody who has done a lot in it."""

import pytest

from domain.foundation.access import Principal, Role
from domain.people.models import PlaceKind
from domain.tenants.models import Tenant
from gql.contract import ids
from tests.api.people.documents import (
    ADD,
    BULK,
    UPDATE,
)
from tests.scenarios.conftest import assigning, company
from tests.support import factories
from tests.support.api import ApiClient

__all__ = ["assigning", "company"]


@pytest.fixture
async def zora(as_admin: ApiClient, as_sync: ApiClient, tenant: Tenant) -> Principal:
    """A trainer with a past: another name, another address, another number, and places."""
    place_ids = {}
    for field, kind, prefix in (
        ("departmentId", PlaceKind.DEPARTMENT, ids.DEPARTMENT),
        ("clientIds", PlaceKind.CLIENT, ids.CLIENT),
        ("learningGroupIds", PlaceKind.LEARNING_GROUP, ids.LEARNING_GROUP),
    ):
        place = ids.encode(prefix, (await factories.create_place(tenant.id, kind=kind)).id)
        place_ids[field] = [place] if field.endswith("Ids") else place
    row = {"externalId": "ZV-3301", "name": "Zora Vandermeer", "email": "vandermeer@acme.test"}
    await as_sync.run(
        BULK, input={"idempotencyKey": "hr-1", "rows": [row, row, {"externalId": "O-1", "name": "Other"}]}
    )
    changes = {
        "name": "Zora Quimby",
        "externalId": "ZQ-7714",
        "email": "Quimby@acme.test",
        "role": "TRAINER",
        "timeZone": "Pacific/Chatham",
        "departmentId": place_ids["departmentId"],
        "clientIds": place_ids["clientIds"],
        "refValues": [{"number": 3, "value": "Nebula Operator"}],
    }
    updated = await as_admin.value(UPDATE, input={"learner": {"externalId": "ZV-3301"}, "changes": changes})
    decoded = ids.decode(updated["learner"]["id"])
    assert decoded is not None
    target = {"learningGroupId": place_ids["learningGroupIds"][0]}
    await as_admin.run(ADD, input={"target": target, "learners": [{"externalId": "ZQ-7714"}]})
    return Principal(tenant_id=tenant.id, learner_id=decoded[1], role=Role.TRAINER)
