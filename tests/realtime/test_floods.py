"""Connections that send more than anybody should: they end, and others are served meanwhile."""

import asyncio
import time
from collections.abc import AsyncIterator

from domain.foundation.access import Principal
from ops.web.websocket_transport import PatientWebSocketProtocol
from tests.realtime.test_protocol import TENANT
from tests.support.live import PATIENCE, LiveServer, code_after


async def test_floods_of_messages_end_with_4429(live: LiveServer, admin: Principal) -> None:
    """At once before anybody is known, later after more than clients ever send; and others are served meanwhile."""
    ping = '{"type": "ping"}'
    flooding = asyncio.create_task(code_after(await live.connect(), *[ping] * 5_000))
    begun = time.monotonic()
    socket = await live.acting_as(admin)
    await socket.send({"id": "1", "type": "subscribe", "payload": {"query": TENANT}})
    assert (await socket.receive())["type"] == "next"
    assert time.monotonic() - begun < 1
    assert await flooding == 4429
    assert await code_after(await live.connect(), *['{"type": "pong"}'] * 11) == 4429
    assert await code_after(socket.connection, *['{"id": "x", "type": "complete"}'] * 600) == 4429


async def test_messages_that_do_not_end_have_little_room_together(live: LiveServer) -> None:
    """Whoever begins one more is told to come back, also where the parts are short."""
    connections = []
    for _ in range(8):
        connection = await live.connect()
        connections.append(connection)

        async def parts() -> AsyncIterator[str]:
            for _ in range(62):
                yield "x" * 64_000
            await asyncio.sleep(PATIENCE)

        connection.sending = asyncio.create_task(connection.send(parts()))  # type: ignore[attr-defined]
    closed = [asyncio.create_task(connection.wait_closed()) for connection in connections]
    _, others = await asyncio.wait(closed, timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
    for other in others:
        other.cancel()
    assert 0 < len(others) < len(closed)
    assert {connection.close_code for connection in connections} <= {1013, None}
    for connection in connections:
        connection.sending.cancel()  # type: ignore[attr-defined]
        await asyncio.gather(connection.sending, return_exceptions=True)  # type: ignore[attr-defined]
        connection.transport.abort()
    await asyncio.sleep(0.1)
    assert PatientWebSocketProtocol.bytes_on_their_way == 0
