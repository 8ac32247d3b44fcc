"""Lists: pages in a total order that inserts do not shift, cursors that belong to them, counts only when asked."""

import base64
import json
from typing import Any

import pytest

from domain.foundation.access import Principal
from domain.foundation.database.sessions import ReadScope, writing
from domain.foundation.feed.changes import sequence
from domain.tenants.models import ServiceAccount, Tenant
from gql.contract.cursors import feed_cursor
from tests.support import factories
from tests.support.api import ApiClient

PAGE = """
query ($first: Int, $after: String) { serviceAccounts(first: $first, after: $after) {
  edges { cursor node { name } } nodes { name }
  pageInfo { hasNextPage hasPreviousPage startCursor endCursor } totalCount } }
"""
AUDIT = """
query ($after: String, $filter: AuditEntryFilterInput) { auditEntries(first: 1, after: $after, filter: $filter) {
  nodes { operation } pageInfo { endCursor } } }
"""


@pytest.fixture
async def names(tenant: Tenant, another_tenant: Tenant) -> list[str]:
    """Names of seven service accounts in the order in which people expect them; another tenant has one more."""
    for name in ("delta", "Alpha", "éclair", "Echo", "alpha", "Bravo", "charlie"):
        await factories.create_service_account(tenant.id, name=name)
    await factories.create_service_account(another_tenant.id, name="Aaron")
    return ["Alpha", "alpha", "Bravo", "charlie", "delta", "Echo", "éclair"]


async def test_pages_hold_everything_once_and_in_order(as_admin: ApiClient, names: list[str]) -> None:
    """Whatever the size of a page; edges and nodes show the same."""
    for size in (1, 2, 3, 7, 100):
        seen: list[str] = []
        after = None
        while True:
            page = await as_admin.value(PAGE, first=size, after=after)
            info = page["pageInfo"]
            assert page["totalCount"] == 7
            assert [edge["node"] for edge in page["edges"]] == page["nodes"]
            assert info["startCursor"] == page["edges"][0]["cursor"]
            assert info["endCursor"] == page["edges"][-1]["cursor"]
            assert info["hasPreviousPage"] is (after is not None)
            seen += [node["name"] for node in page["nodes"]]
            if not info["hasNextPage"]:
                break
            after = info["endCursor"]
        assert seen == names


async def test_a_page_has_25_items_unless_said_otherwise(as_admin: ApiClient, tenant: Tenant) -> None:
    """From 1 to 100."""
    for _ in range(26):
        await factories.create_service_account(tenant.id)
    page = await as_admin.value("{ serviceAccounts { nodes { id } pageInfo { hasNextPage } } }")
    assert (len(page["nodes"]), page["pageInfo"]["hasNextPage"]) == (25, True)


async def test_a_list_without_items_is_an_empty_page(as_admin: ApiClient) -> None:
    """Without cursors."""
    assert await as_admin.value(PAGE, first=5) == {
        "edges": [],
        "nodes": [],
        "pageInfo": {"hasNextPage": False, "hasPreviousPage": False, "startCursor": None, "endCursor": None},
        "totalCount": 0,
    }


@pytest.mark.parametrize("first", [0, -1, 101])
async def test_other_sizes_are_invalid(as_admin: ApiClient, first: int) -> None:
    """The error says where."""
    result = await as_admin.execute(PAGE, first=first)
    assert result["errors"][0]["extensions"] == {"code": "INVALID", "path": ["first"]}


async def test_rows_that_come_and_go_do_not_shift_the_next_page(
    as_admin: ApiClient, tenant: Tenant, names: list[str]
) -> None:
    """Nothing is skipped or shown twice, also when the very row of the cursor is renamed away."""
    first = await as_admin.value(PAGE, first=3)
    assert [node["name"] for node in first["nodes"]] == names[:3]
    await factories.create_service_account(tenant.id, name="Aachen")
    async with writing(tenant.id):
        await ServiceAccount.filter(name="Bravo").delete()
    second = await as_admin.value(PAGE, first=2, after=first["pageInfo"]["endCursor"])
    assert [node["name"] for node in second["nodes"]] == names[3:5]


def packed(values: Any) -> str:
    """Return a cursor with this content."""
    return base64.urlsafe_b64encode(json.dumps(values).encode()).rstrip(b"=").decode()


async def test_what_is_no_cursor_of_the_list_is_invalid(as_admin: ApiClient, names: list[str]) -> None:
    """Malformed, tampered with, or of something else."""
    good = (await as_admin.value(PAGE, first=1))["pageInfo"]["endCursor"]
    fingerprint, *position = json.loads(base64.urlsafe_b64decode(good + "=" * (-len(good) % 4)))
    bad = [
        "",
        "nonsense",
        "äöü",
        "[" * 5_000,
        packed(None),
        packed([]),
        packed({"a": 1}),
        packed([fingerprint]),
        packed(["x", *position]),
        packed([fingerprint, *position, 1]),
        packed([fingerprint, 5, position[1]]),
        packed([fingerprint, "a\x00", position[1]]),
        packed([fingerprint, "\ud800", position[1]]),
        packed([fingerprint, position[0], "1"]),
        packed([fingerprint, position[0], True]),
        packed([fingerprint, position[0], 2**63]),
        packed([fingerprint, position[0], 1.5]),
        feed_cursor(1, 5),
    ]
    for cursor in bad:
        result = await as_admin.execute(PAGE, first=1, after=cursor)
        assert result["errors"][0]["extensions"] == {"code": "INVALID", "path": ["after"]}, cursor


async def test_a_cursor_belongs_to_its_filter(as_admin: ApiClient, admin: Principal) -> None:
    """The same filter in other words is the same; an empty one is none."""
    for name in ("One", "Two", "Three"):
        await as_admin.run(
            "mutation ($name: String!) { updateTenant(input: {changes: {name: $name}}) { errors { code } } }", name=name
        )
    since = {"occurredFrom": "2026-03-01T00:00:00Z"}
    cursor = (await as_admin.value(AUDIT, filter=since))["pageInfo"]["endCursor"]
    same = {"occurredFrom": "2026-03-01T01:00:00+01:00", "actorIds": None}
    assert (await as_admin.value(AUDIT, filter=same, after=cursor))["nodes"] == [{"operation": "updateTenant"}]
    other = {"occurredFrom": "2026-03-01T00:00:01Z"}
    others: list[Any] = [None, {}, other, since | {"actorIds": []}]
    for wrong in others:
        assert await as_admin.errors(AUDIT, filter=wrong, after=cursor) == ["INVALID"]
    unfiltered = (await as_admin.value(AUDIT))["pageInfo"]["endCursor"]
    assert (await as_admin.value(AUDIT, filter={}, after=unfiltered))["nodes"] == [{"operation": "updateTenant"}]


@pytest.mark.usefixtures("answered_once")
async def test_a_count_costs_a_statement_only_when_it_is_asked_for(
    as_admin: ApiClient, names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages are read without counting."""
    statements: list[str] = []
    fetch = ReadScope.fetch

    async def noting(self: ReadScope, sql: str, *args: Any) -> Any:
        statements.append(sql)
        return await fetch(self, sql, *args)

    monkeypatch.setattr(ReadScope, "fetch", noting)
    await as_admin.run("{ serviceAccounts { nodes { name } edges { cursor } pageInfo { endCursor } } }")
    assert [sql for sql in statements if "count(*)" in sql] == []
    await as_admin.run("{ serviceAccounts { totalCount } }")
    assert len([sql for sql in statements if "count(*)" in sql]) == 1


async def test_change_cursors_stand_at_the_end_of_the_feed(as_admin: ApiClient, tenant: Tenant) -> None:
    """All of one operation are equal; they move when changes have got their positions."""
    document = "{ tenant { changeCursor } backgroundJobs { changeCursor } }"

    async def cursors() -> set[str]:
        return {value["changeCursor"] for value in (await as_admin.run(document)).values()}

    assert await cursors() == {feed_cursor(tenant.id, 0)}
    await as_admin.run('mutation { updateTenant(input: {changes: {name: "New"}}) { errors { code } } }')
    await sequence(tenant.id)
    assert await cursors() == {feed_cursor(tenant.id, 1)}
