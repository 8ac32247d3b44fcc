"""How many streams a connection may have, and how many connections an account and a tenant."""

import asyncio

import pytest

from domain.foundation.access import Principal
from domain.foundation.settings import Settings
from tests.support import factories
from tests.support.api import Api
from tests.support.live import PATIENCE, LiveServer, Socket, code_after, serving

NEWS = "subscription ($after: String) { notificationsReceived(after: $after) { cursor notifications { title } } }"
TENANT = "{ tenant { name } }"
INIT = {"type": "connection_init"}


@pytest.fixture
async def socket(live: LiveServer, admin: Principal) -> Socket:
    """An acknowledged connection of an administrator."""
    return await live.acting_as(admin)


async def test_twenty_streams_are_what_a_connection_has(socket: Socket) -> None:
    """The next one is refused until one of them ends."""
    streams = [await socket.follow(NEWS) for _ in range(20)]
    refused = await socket.subscribe(NEWS)
    message = await refused.message()
    assert message["type"] == "error"
    (error,) = message["payload"]
    assert error["extensions"]["code"] == "RATE_LIMITED"
    assert error["extensions"]["retryAfterSeconds"] > 0
    await streams[0].complete()
    await socket.follow(NEWS)


async def test_ten_connections_are_what_an_account_has(
    live: LiveServer, api: Api, admin: Principal, learner: Principal
) -> None:
    """The next one is closed with 1013, until one has gone; others have their own."""
    sockets = [await live.acting_as(admin) for _ in range(10)]
    beginning = {**INIT, "payload": {"authorization": api.acting_as(admin).headers["Authorization"]}}
    assert await code_after(await live.connect(), beginning) == 1013
    await live.acting_as(learner)
    await sockets[0].close()
    async with asyncio.timeout(PATIENCE):
        while live.endpoint.connections.count > 10:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
    await live.acting_as(admin)


async def test_bounds_are_settings(
    api: Api, settings: Settings, admin: Principal, learner: Principal, another_admin: Principal
) -> None:
    """A tenant has one of its own, which other tenants do not notice."""
    bounds = {"streams_per_connection": 2, "connections_per_account": 1, "connections_per_tenant": 2}
    async with serving(api, settings.model_copy(update=bounds)) as live:
        socket = await live.acting_as(admin)
        for _ in range(2):
            await socket.follow(NEWS)
        assert await (await socket.subscribe(NEWS)).errors() == ["RATE_LIMITED"]
        await live.acting_as(learner)
        for person in (admin, await factories.create_person(admin.tenant_id)):
            beginning = {**INIT, "payload": {"authorization": api.acting_as(person).headers["Authorization"]}}
            assert await code_after(await live.connect(), beginning) == 1013
        await live.acting_as(another_admin)
