"""Erasing people, and what one sees of them then."""

from typing import Any

from domain.foundation.access import Principal
from tests.api.people.documents import (
    ERASE,
    ONE,
)
from tests.support.api import ApiClient
from tests.support.company import learner_id

AUDIT = """
query($ids: [ID!]!) { auditEntries(filter: { objectIds: $ids }) { nodes {
  operation objectName actor { name } changes { field before after } } } }
"""


async def erase(client: ApiClient, person: Principal, **more: Any) -> Any:
    """Erase somebody and return what is left of them."""
    payload = await client.value(ERASE, input={"learner": {"id": learner_id(person)}, **more})
    return payload["learner"]


async def shown(client: ApiClient, **key: Any) -> Any:
    """Return a person as the client sees them, None where they see nobody."""
    return await client.value(ONE, by=key)
