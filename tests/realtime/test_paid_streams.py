"""What streams cost: what they send, from the bucket of their account; and what operators see of them."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from prometheus_client import REGISTRY, generate_latest

from domain.foundation.access import Principal
from domain.foundation.settings import Settings
from gql.execution import streaming
from gql.execution.context import Context
from gql.limits import budget
from tests.support.api import Api
from tests.support.exposition import parse_metrics, sample
from tests.support.live import LiveServer, serving

RULES = "subscription Rules { autoAssignmentRuleList { cursor rules { name } } }"
NEWS = "subscription News { notificationsReceived { cursor notifications { title } } }"


async def cost(api: Api, live: LiveServer, principal: Principal) -> dict[str, int]:
    """Return what the account has left after one more small query."""
    async with httpx.AsyncClient() as http:
        headers = api.acting_as(principal).headers
        answer = await http.post(live.url, json={"query": "{ tenant { id } }"}, headers=headers)
    told: dict[str, int] = answer.json()["extensions"]["cost"]
    return told


@asynccontextmanager
async def poor(api: Api, settings: Settings, points: int) -> AsyncIterator[LiveServer]:
    """A server whose accounts have so few points a minute that none flow back while a test runs."""
    async with serving(api, settings.model_copy(update={"cost_per_minute": points})) as server:
        yield server


async def test_a_stream_pays_for_the_objects_that_it_sends(
    api: Api, live_settings: Settings, admin: Principal, learner: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One point for asking, and one for each object of a batch; nobody else pays for it."""
    monkeypatch.setattr(streaming, "PAID_TOGETHER", 1)
    async with poor(api, live_settings, 6) as live:
        socket = await live.acting_as(admin)
        await socket.follow(NEWS)
        await asyncio.sleep(0.1)
        # The subscription, its first batch, and the query that asks.
        assert await cost(api, live, admin) == {"requested": 1, "remaining": 3, "limit": 6, "resetSeconds": 30}
        assert (await cost(api, live, learner))["remaining"] == 5


async def test_small_amounts_are_paid_at_the_end(api: Api, live_settings: Settings, admin: Principal) -> None:
    """A change that thousands see is not thousands of payments; ending a stream early saves nothing."""
    async with poor(api, live_settings, 60) as live:
        socket = await live.acting_as(admin)
        for _ in range(20):
            await (await socket.follow(NEWS)).complete()
        await asyncio.sleep(0.2)
        # Each has cost one for asking and one for what it sent; one or two have come back.
        assert 60 - 41 <= (await cost(api, live, admin))["remaining"] <= 60 - 41 + 2


async def test_an_account_in_debt_gets_its_batches_later(
    api: Api, live_settings: Settings, admin: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its operations are refused until it has made up for what it got."""
    waits: list[float] = []

    async def owe(context: Context, points: int) -> float:
        waits.append(await budget.owe(context, points * 4))
        return 0.0

    monkeypatch.setattr(streaming, "PAID_TOGETHER", 1)
    monkeypatch.setattr(streaming, "owe", owe)
    async with poor(api, live_settings, 6) as live:
        socket = await live.acting_as(admin)
        await socket.follow(NEWS)
        await asyncio.sleep(0.1)
        await socket.subscribe(NEWS)
        await asyncio.sleep(0.1)
        assert [round(seconds) for seconds in waits] == [0, 40]
        refused = await socket.subscribe(NEWS)
        assert await refused.errors() == ["RATE_LIMITED"]
        async with httpx.AsyncClient() as http:
            headers = api.acting_as(admin).headers
            answer = await http.post(live.url, json={"query": "{ tenant { id } }"}, headers=headers)
        assert (answer.status_code, int(answer.headers["retry-after"])) == (429, 50)


async def test_streams_are_seen_as_long_as_they_last(live: LiveServer, admin: Principal) -> None:
    """By root field; and how each of them began."""

    def told(name: str, **labels: str) -> float:
        return sample(parse_metrics(generate_latest(REGISTRY).decode()), name, **labels)

    begun = told("mandate_operations_total", operation="Rules", type="subscription", code="OK")
    open_before = told("mandate_stream_connections")
    socket = await live.acting_as(admin)
    stream = await socket.follow(RULES)
    assert told("mandate_subscribers", subscription="autoAssignmentRuleList") == 1
    assert told("mandate_stream_connections") == open_before + 1
    assert told("mandate_operations_total", operation="Rules", type="subscription", code="OK") == begun + 1
    await stream.complete()
    await socket.close()
    deadline = time.monotonic() + 5
    while (
        told("mandate_subscribers", subscription="autoAssignmentRuleList")
        or told("mandate_stream_connections") != open_before
    ):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


async def test_queries_over_a_socket_or_as_events_tell_their_cost(api: Api, live: LiveServer, admin: Principal) -> None:
    """As over plain HTTP."""
    socket = await live.acting_as(admin)
    stream = await socket.subscribe("{ tenant { name } }")
    assert (await stream.message())["payload"]["extensions"]["cost"]["requested"] == 1
    async with httpx.AsyncClient() as http:
        headers = api.acting_as(admin).headers | {"Accept": "text/event-stream"}
        answer = await http.post(live.url, json={"query": "{ tenant { name } }"}, headers=headers)
    assert '"cost":{"requested":1,' in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-request-id"]
