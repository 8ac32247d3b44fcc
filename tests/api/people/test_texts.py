"""Texts that look the same are the same: places, external IDs, values of rules, wherever they are named."""

import unicodedata
from typing import Any

from domain.tenants.models import Tenant
from tests.support.api import ApiClient

NFC, NFD = "Küche", unicodedata.normalize("NFD", "Küche")
DEPARTMENT = """
mutation ($input: CreateDepartmentInput!) {
  createDepartment(input: $input) { department { id name externalId } errors { code path } } }
"""
UPSERT = """
mutation ($input: BulkUpsertLearnersInput!) {
  bulkUpsertLearners(input: $input) { results { outcome externalId errors { code path } } } }
"""


async def test_a_place_has_one_name_however_it_is_typed(as_admin: ApiClient, tenant: Tenant) -> None:
    """The second one is there already, and its external ID finds it in every form."""
    made = await as_admin.value(DEPARTMENT, input={"name": NFD, "externalId": f"\ufeff{NFD} "})
    assert (made["department"]["name"], made["department"]["externalId"]) == (NFC, NFC)
    again = await as_admin.user_errors(DEPARTMENT, input={"name": f"{NFC}\u200b"})
    assert again == [("ALREADY_EXISTS", "input.name")]
    for text in (NFC, NFD, f" {NFD}\ufeff"):
        found = await as_admin.value(
            "query ($id: ID!) { learners(filter: { departmentIds: [$id] }) { totalCount } }", id=f"ext:{text}"
        )
        assert found["totalCount"] == 0
        listed = await as_admin.value("query ($text: String) { departments(search: $text) { totalCount } }", text=text)
        assert listed["totalCount"] == 1


async def test_an_external_id_with_something_invisible_is_the_same_person(as_sync: ApiClient, tenant: Tenant) -> None:
    """Blanks and a byte order mark around it, or another form of the same letters; in one call and in two."""

    async def upsert(*rows: dict[str, Any]) -> list[tuple[str, str]]:
        payload = await as_sync.value(UPSERT, input={"rows": list(rows)})
        return [(row["outcome"], row["externalId"]) for row in payload["results"]]

    assert await upsert({"externalId": f"\ufeff{NFD}", "name": "A"}) == [("CREATED", NFC)]
    assert await upsert({"externalId": f"{NFC}\u00a0", "name": "A"}) == [("UNCHANGED", NFC)]
    assert await upsert({"externalId": NFC}, {"externalId": f" {NFD}"}) == [("UNCHANGED", NFC), ("FAILED", NFC)]
    for text in (NFC, NFD, f"{NFC}\u200b"):
        assert await as_sync.value("query ($id: String!) { learner(by: { externalId: $id }) { name } }", id=text)
