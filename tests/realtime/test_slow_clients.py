"""Clients that take nothing: they cost a bounded piece of memory, are let go, and nobody else notices."""

import asyncio
import base64
import contextlib
import os
import socket
import struct
import time
from collections.abc import AsyncIterator
from statistics import median
from typing import Any

import orjson
import pytest

from domain.foundation.access import Principal, Role
from domain.tenants.models import Tenant
from ops.web import http_transport, websocket_transport
from tests.realtime.test_credentials import bearer
from tests.realtime.test_resets import enroll_many, touch
from tests.support import factories
from tests.support.api import Api
from tests.support.live import LiveServer

#: What nobody can keep in the buffers between two programs.
LARGE = "subscription {{ enrollmentChanges {{ cursor changes {{ version enrollment {{ {} }} }} }} }}".format(
    " ".join(f"a{number}: content {{ id title }}" for number in range(25))
)
SMALL = "subscription { enrollmentChanges { cursor changes { enrollmentId } } }"
#: What one of our batches may take, with what it is next to.
BOUND = 4 * 2**20


class RawSocket:
    """A connection whose reading is done by hand, or not at all."""

    def __init__(self, raw: socket.socket) -> None:
        self._raw = raw

    async def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        await asyncio.get_running_loop().sock_sendall(self._raw, data)

    async def frame(self, opcode: int, payload: bytes) -> None:
        """Send a masked frame."""
        assert len(payload) < 2**16
        size = bytes([len(payload) | 0x80]) if len(payload) < 126 else b"\xfe" + struct.pack("!H", len(payload))
        # A mask of zeros leaves everything as it is.
        await self.send(bytes([0x80 | opcode]) + size + bytes(4) + payload)

    async def message(self, message: Any) -> None:
        """Send a message of the protocol."""
        await self.frame(1, orjson.dumps(message))

    async def receive(self) -> bytes:
        """Read what has come, nothing at the end."""
        return await asyncio.wait_for(asyncio.get_running_loop().sock_recv(self._raw, 4096), 5)

    async def until(self, expected: bytes) -> None:
        """Read until something has come."""
        data = b""
        while expected not in data:
            received = await self.receive()
            assert received, data
            data += received


@pytest.fixture
async def raw(live: LiveServer) -> AsyncIterator[RawSocket]:
    """A connection to the server, with a small buffer."""
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.setblocking(False)
        await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", live.port))
        yield RawSocket(connection)


async def begin_socket(raw: RawSocket, authorization: str, document: str) -> None:
    """Subscribe over a raw connection."""
    key = base64.b64encode(os.urandom(16)).decode()
    await raw.send(
        (
            "GET /graphql HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Protocol: graphql-transport-ws\r\nSec-WebSocket-Key: {key}\r\n\r\n"
        ).encode()
    )
    await raw.until(b"\r\n\r\n")
    await raw.message({"type": "connection_init", "payload": {"authorization": authorization}})
    await raw.until(b"connection_ack")
    await raw.message({"id": "1", "type": "subscribe", "payload": {"query": document}})
    await raw.until(b"cursor")


async def begin_events(raw: RawSocket, authorization: str, document: str) -> None:
    """Ask for events over a raw connection."""
    body = orjson.dumps({"query": document})
    head = (
        f"POST /graphql HTTP/1.1\r\nHost: a\r\nAuthorization: {authorization}\r\nAccept: text/event-stream\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    await raw.send(head.encode() + body)
    await raw.until(b"cursor")


def buffered(live: LiveServer) -> int:
    """Return what waits to be taken, of the slowest client."""
    connections: Any = live.server.server_state.connections
    return max((one.transport.get_write_buffer_size() for one in connections), default=0)


@pytest.mark.parametrize("begin", [begin_socket, begin_events])
async def test_who_takes_nothing_is_let_go(
    api: Api,
    live: LiveServer,
    raw: RawSocket,
    admin: Principal,
    tenant: Tenant,
    begin: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After 30 seconds; others get everything in the meantime, and at once."""
    for transport in (websocket_transport, http_transport):
        assert transport.SEND_TIMEOUT == 30
        monkeypatch.setattr(transport, "SEND_TIMEOUT", 2.0)
    course = await factories.create_course(tenant.id, title="T" * 200)
    ids = await enroll_many(tenant.id, course.id, 100)
    await asyncio.sleep(0.2)
    colleague = await factories.create_person(tenant.id, role=Role.ADMIN)
    stream = await (await live.acting_as(colleague)).follow(SMALL)
    await begin(raw, bearer(api, admin), LARGE)
    assert live.endpoint.connections.count == 2
    most, delays, deadline = 0, list[float](), time.monotonic() + 30
    while live.endpoint.connections.count == 2:
        assert time.monotonic() < deadline
        began = time.monotonic()
        await touch(tenant.id, ids)
        count = 0
        while count < 100:
            count += len(await stream.changes())
        delays.append(time.monotonic() - began)
        most = max(most, buffered(live))
    assert 2**16 < most < BOUND
    # Had the others waited for it, most of their news would have come that late.
    assert median(delays) < 1


async def test_pings_of_who_takes_nothing_pile_up_no_answers(
    api: Api, live: LiveServer, raw: RawSocket, admin: Principal, tenant: Tenant
) -> None:
    """Each is small, but there is no end of them."""
    course = await factories.create_course(tenant.id, title="T" * 200)
    ids = await enroll_many(tenant.id, course.id, 100)
    await begin_socket(raw, bearer(api, admin), LARGE)
    deadline = time.monotonic() + 20
    while not buffered(live):
        assert time.monotonic() < deadline
        await touch(tenant.id, ids)
        await asyncio.sleep(0.1)
    await asyncio.sleep(0.5)
    before = buffered(live)
    for _ in range(500):
        await raw.frame(9, b"x" * 125)
    await asyncio.sleep(0.3)
    assert buffered(live) <= before


async def test_who_takes_nothing_cannot_stay_when_the_connection_is_to_end(
    api: Api, live: LiveServer, raw: RawSocket, admin: Principal, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here it does not answer pings; the close frame waits behind what it does not take."""
    monkeypatch.setattr(websocket_transport, "LAST_WORDS", 0.3)
    live.config.ws_ping_interval, live.config.ws_ping_timeout = 1.5, 0.5
    course = await factories.create_course(tenant.id, title="T" * 200)
    ids = await enroll_many(tenant.id, course.id, 100)
    await begin_socket(raw, bearer(api, admin), LARGE)
    deadline = time.monotonic() + 10
    while live.server.server_state.connections:
        assert time.monotonic() < deadline
        await touch(tenant.id, ids)
        await asyncio.sleep(0.05)
    async with asyncio.timeout(2):
        while live.endpoint.connections.count:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)


async def ended(raw: RawSocket) -> bytes:
    """Read until the server ends the connection."""
    data = b""
    while received := await raw.receive():
        data += received
    return data


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the server wait for half a second where it waits for ten."""
    assert http_transport.HEAD_TIMEOUT == 10
    monkeypatch.setattr(http_transport, "HEAD_TIMEOUT", 0.5)


@pytest.mark.parametrize("beginning", [b"", b"POST /graphql HTTP/1.1\r\nHost: a\r\nX-A: "])
async def test_who_has_nothing_to_say_is_let_go(hurried: None, raw: RawSocket, beginning: bytes) -> None:
    """A request gets to its body within ten seconds, or to nothing."""
    await raw.send(beginning)
    assert await ended(raw) == b""


async def test_the_next_request_has_its_own_time(hurried: None, raw: RawSocket) -> None:
    """A connection that is kept is as patient as a new one."""
    request = b"GET /healthz HTTP/1.1\r\nHost: a\r\n"
    for _ in range(2):
        await raw.send(request + b"\r\n")
        await raw.until(b'"ok"')
        await asyncio.sleep(0.7)
    await raw.send(request)
    assert await ended(raw) == b""


async def test_headers_have_an_end(raw: RawSocket) -> None:
    """What comes without one fills no memory."""
    await raw.send(b"GET /healthz HTTP/1.1\r\nHost: a\r\nX-A: ")
    with contextlib.suppress(ConnectionError):
        for _ in range(100):
            await raw.send(b"a" * 16_384)
            await asyncio.sleep(0.001)
        pytest.fail("it reads for ever")
