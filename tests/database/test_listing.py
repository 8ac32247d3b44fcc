"""Lists in pages: every row once, whatever is inserted meanwhile, and cursors that cannot break anything."""

import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest

from domain.foundation.access import Principal
from domain.foundation.database.sessions import ReadScope
from domain.foundation.errors import Invalid
from domain.foundation.paging import Order, Page, PageRequest, Query, SortKey, load_counts, read_page
from domain.tenants.models import Tenant
from tests.support import factories


@dataclass(frozen=True, slots=True)
class Row:
    """What a list of learners shows."""

    id: int
    name_key: str
    created_at: datetime


BY_ID = (SortKey("id", "id"),)
BY_NAME = (SortKey("name_key", "name_key", "text"), SortKey("id", "id"))
BY_AGE = (SortKey("created_at", "created_at", "timestamptz"), SortKey("id", "id"))


def learners(tenant_id: int) -> Query:
    """Return all learners of a tenant."""
    return Query("id, name_key, created_at", "learner").where("tenant_id = ?", tenant_id)


async def read(tenant_id: int, order: Order, first: int, after: list[Any] | None = None) -> Page[Row]:
    """Read one page in a snapshot of its own, as a request does."""
    async with ReadScope(tenant_id) as reads:
        return await read_page(reads, Row, learners(tenant_id), order, PageRequest(first, after))


async def pages(tenant_id: int, order: Order, first: int) -> AsyncIterator[Page[Row]]:
    """Read page after page, each from where the last one ended."""
    after: list[Any] | None = None
    for _ in range(100):
        page = await read(tenant_id, order, first, after)
        yield page
        if not page.has_next:
            return
        after = order.position(page.rows[-1])
    pytest.fail("the pages have no end")


@pytest.mark.parametrize("is_descending", [False, True])
@pytest.mark.parametrize("keys", [BY_ID, BY_NAME, BY_AGE])
async def test_pages_are_complete_while_rows_are_inserted(
    tenant: Tenant, now: datetime, keys: tuple[SortKey, ...], is_descending: bool
) -> None:
    """What was there at the beginning comes exactly once and in order; what comes meanwhile comes at most once."""
    generator = random.Random(4)

    async def insert() -> int:
        # Few names and instants, so that most rows tie and only the ID decides.
        learner = await factories.create_learner(
            tenant.id,
            name=generator.choice(["Ada", "Émile", "Zoë"]),
            created_at=now + timedelta(microseconds=generator.randint(0, 3)),
        )
        learner_id: int = learner.id
        return learner_id

    present = {await insert() for _ in range(25)}
    order = Order(keys, is_descending)
    seen: list[Row] = []
    async for page in pages(tenant.id, order, 4):
        assert page.has_previous == bool(seen)
        seen += page.rows
        if len(seen) < 40:
            await insert()
            await insert()
    assert len({row.id for row in seen}) == len(seen)
    assert present <= {row.id for row in seen}
    positions = [tuple(getattr(row, key.attribute) for key in keys) for row in seen]
    assert positions == sorted(positions, reverse=is_descending)


async def test_pages_end_where_the_list_ends(tenant: Tenant) -> None:
    """The last page knows that it is the last, even when it is full; after it comes an empty one."""
    ids = await factories.create_learners(tenant.id, 6)
    order = Order(BY_ID)
    found = [page async for page in pages(tenant.id, order, 3)]
    assert [[row.id for row in page.rows] for page in found] == [ids[:3], ids[3:]]
    assert [(page.has_previous, page.has_next) for page in found] == [(False, True), (True, False)]
    beyond = await read(tenant.id, order, 3, order.position(found[-1].rows[-1]))
    assert (beyond.rows, beyond.has_previous, beyond.has_next) == ([], True, False)


async def test_count_is_that_of_all_pages(tenant: Tenant) -> None:
    """The total does not depend on the page, but on the conditions."""
    ids = await factories.create_learners(tenant.id, 6)
    async with ReadScope(tenant.id) as reads:
        query = learners(tenant.id).where("id > ? AND id <= ?", ids[0], ids[4])
        page = await read_page(reads, Row, query, Order(BY_ID), PageRequest(2, [ids[1]]))
        assert [row.id for row in page.rows] == [ids[2], ids[3]]
        assert await page.query.count(reads) == 4
        assert reads.statement_count == 2


async def test_counts_under_several_parents_take_one_statement(tenant: Tenant, admin: Principal) -> None:
    """Each query gets its own count, whichever others are counted with it."""
    ids = await factories.create_learners(tenant.id, 6)
    async with ReadScope(tenant.id) as reads:
        query = learners(tenant.id).where("id <= ?", ids[3])
        parents = [query.under(["id", "tenant_id"], (id, tenant.id)) for id in (ids[3], ids[4], ids[0])]
        alone = learners(tenant.id).where("id > ?", ids[3])
        assert await load_counts(reads, admin, [parents[0], alone, parents[1], parents[2]]) == [1, 2, 0, 1]
        assert reads.statement_count == 2
        assert [await one.count(reads) for one in parents] == [1, 0, 1]


async def test_restricting_a_copy_leaves_the_query_alone() -> None:
    """A query can be handed on and restricted further."""
    query = Query("id", "learner").where("tenant_id = ?", 1)
    copy = query.copy().where("name_key = ? OR email_key = ?", "a", "b").where("is_active")
    assert (query.text, query.args) == ("SELECT id FROM learner WHERE (tenant_id = $1)", [1])
    assert copy.text == (
        "SELECT id FROM learner WHERE (tenant_id = $1) AND (name_key = $2 OR email_key = $3) AND (is_active)"
    )
    assert copy.args == [1, "a", "b"]


async def test_condition_needs_its_arguments() -> None:
    """A forgotten argument is found where it was forgotten."""
    with pytest.raises(ValueError, match="1 places for 0 arguments"):
        Query("id", "learner").where("tenant_id = ?")


@pytest.mark.parametrize("first", [-1, 0, 101, 2**31])
async def test_page_size_is_from_1_to_100(tenant: Tenant, first: int) -> None:
    """Any other size is refused, with the argument named."""
    with pytest.raises(Invalid) as caught:
        await read(tenant.id, Order(BY_ID), first)
    assert caught.value.path == ["first"]


async def test_largest_page_is_whole(tenant: Tenant) -> None:
    """A page of 100 rows has 100 rows."""
    await factories.create_learners(tenant.id, 101)
    page = await read(tenant.id, Order(BY_ID), 100)
    assert (len(page.rows), page.has_next) == (100, True)


@pytest.mark.parametrize(
    ("keys", "position"),
    [
        pytest.param(BY_ID, [], id="too few"),
        pytest.param(BY_ID, [1, 2], id="too many"),
        pytest.param(BY_ID, ["1"], id="text for a number"),
        pytest.param(BY_ID, [1.5], id="fraction for a number"),
        pytest.param(BY_ID, [True], id="truth for a number"),
        pytest.param(BY_ID, [None], id="nothing for a number"),
        pytest.param(BY_ID, [2**63], id="too large a number"),
        pytest.param(BY_ID, [-(2**63) - 1], id="too small a number"),
        pytest.param(BY_ID, [[1]], id="list for a number"),
        pytest.param(BY_NAME, [1, 1], id="number for a text"),
        pytest.param(BY_NAME, [None, 1], id="nothing for a text"),
        pytest.param(BY_NAME, ["a\x00b", 1], id="text that cannot be stored"),
        pytest.param(BY_NAME, ["a\ud800b", 1], id="text that cannot be encoded"),
        pytest.param(BY_AGE, ["yesterday", 1], id="no instant"),
        pytest.param(BY_AGE, [1, 1], id="number for an instant"),
        pytest.param(BY_AGE, ["2026-03-02T09:00:00", 1], id="instant without a zone"),
        pytest.param(BY_AGE, ["2026-03-02", 1], id="date for an instant"),
        pytest.param(BY_AGE, ["0001-01-01T00:00:00+23:59", 1], id="instant before time"),
        pytest.param(BY_AGE, ["9999-12-31T23:59:59-23:59", 1], id="instant after time"),
    ],
)
async def test_wrong_cursors_are_invalid(tenant: Tenant, keys: tuple[SortKey, ...], position: list[Any]) -> None:
    """A cursor comes from outside: whatever is in it, it is refused before it reaches the database."""
    with pytest.raises(Invalid) as caught:
        await read(tenant.id, Order(keys), 10, position)
    assert caught.value.path == ["after"]


async def test_position_survives_its_way_as_json(tenant: Tenant, now: datetime) -> None:
    """What a cursor carries leads to exactly the next row, down to the microsecond."""
    instants = [now + timedelta(microseconds=number) for number in range(3)]
    for instant in instants:
        await factories.create_learner(tenant.id, created_at=instant)
    order = Order(BY_AGE)
    found = [page.rows[0].created_at async for page in pages(tenant.id, order, 1)]
    assert found == instants
    assert order.position(Row(7, "ada", now)) == ["2026-03-02T09:00:00+00:00", 7]
