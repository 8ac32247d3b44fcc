"""The API's streams as clients see them: a real server on loopback, and sockets of graphql-transport-ws."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import orjson
import uvicorn
import websockets
from starlette.routing import Route
from websockets.asyncio.client import ClientConnection

from domain.foundation.access import Principal
from domain.foundation.settings import Settings
from gql.limits.document import MAX_BODY_BYTES
from gql.transport.http import GraphQLEndpoint
from ops.web.http_transport import PatientHttpProtocol
from ops.web.websocket_transport import PatientWebSocketProtocol
from tests.support.api import Api

#: Seconds for what should come within one.
PATIENCE = 10.0


class Stream:
    """One operation of a socket, with the batches that have come."""

    def __init__(self, socket: "Socket", id: str, document: str, variables: dict[str, Any]) -> None:
        self.socket = socket
        self.id = id
        self.document = document
        self.variables = variables
        self._messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.cursor: str | None = None

    def put(self, message: dict[str, Any]) -> None:
        """Take a message of the server."""
        self._messages.put_nowait(message)

    async def message(self, seconds: float = PATIENCE) -> dict[str, Any]:
        """Return the next message as it is."""
        return await asyncio.wait_for(self._messages.get(), seconds)

    async def batch(self, seconds: float = PATIENCE) -> dict[str, Any]:
        """Return the next batch, in which nothing may have failed."""
        message = await self.message(seconds)
        assert message["type"] == "next", message
        assert "errors" not in message["payload"], message
        (batch,) = message["payload"]["data"].values()
        self.cursor = batch["cursor"]
        return dict(batch)

    async def changes(self, name: str = "changes", seconds: float = PATIENCE) -> list[Any]:
        """Return what the next batch with anything in it holds."""
        while True:
            batch = await self.batch(seconds)
            assert batch.get("reset") is None, batch
            if batch[name]:
                return list(batch[name])

    async def errors(self) -> list[str]:
        """Return the codes of the errors by which the stream is refused."""
        message = await self.message()
        assert message["type"] == "error", message
        return [error["extensions"]["code"] for error in message["payload"]]

    async def silence(self, seconds: float = 0.3) -> None:
        """Make sure that nothing comes for a while."""
        await asyncio.sleep(seconds)
        assert self._messages.empty(), self._messages.get_nowait()

    async def complete(self) -> None:
        """End the stream from here."""
        await self.socket.send({"id": self.id, "type": "complete"})


class Socket:
    """One connection that is acknowledged."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self._ids = itertools.count(1)
        self._streams: dict[str, Stream] = {}
        self._reader: asyncio.Task[None] | None = None

    async def send(self, message: dict[str, Any]) -> None:
        """Send a message."""
        await self.connection.send(orjson.dumps(message).decode())

    async def receive(self) -> dict[str, Any]:
        """Return the next message; only while nothing is subscribed."""
        message: dict[str, Any] = orjson.loads(await asyncio.wait_for(self.connection.recv(), PATIENCE))
        return message

    async def subscribe(self, document: str, **variables: Any) -> Stream:
        """Begin an operation."""
        id = str(next(self._ids))
        stream = self._streams[id] = Stream(self, id, document, variables)
        if self._reader is None:
            self._reader = asyncio.get_running_loop().create_task(self._read())
        await self.send({"id": id, "type": "subscribe", "payload": {"query": document, "variables": variables}})
        return stream

    async def follow(self, document: str, **variables: Any) -> Stream:
        """Begin a stream and wait until it is live."""
        stream = await self.subscribe(document, **variables)
        await stream.batch()
        return stream

    async def _read(self) -> None:
        async for text in self.connection:
            message = orjson.loads(text)
            self._streams[message["id"]].put(message)

    async def closed(self) -> int | None:
        """Wait for the server to close the connection and return its code."""
        if self._reader is not None:
            await asyncio.wait({self._reader}, timeout=PATIENCE)
        else:
            await asyncio.wait_for(self.connection.wait_closed(), PATIENCE)
        return self.connection.close_code

    async def close(self) -> None:
        """Leave."""
        await self.connection.close()
        if self._reader is not None:
            await asyncio.gather(self._reader, return_exceptions=True)


class LiveServer:
    """The application behind a real server."""

    def __init__(self, api: Api, server: uvicorn.Server, endpoint: GraphQLEndpoint) -> None:
        self._api = api
        self.port: int = server.servers[0].sockets[0].getsockname()[1]
        #: What answers, and how it is served; tests shorten what takes long.
        self.endpoint = endpoint
        self.config = server.config
        self.server = server
        self._sockets: list[Socket] = []

    @property
    def url(self) -> str:
        """Where it answers over HTTP."""
        return f"http://127.0.0.1:{self.port}/graphql"

    async def connect(self, **options: Any) -> ClientConnection:
        """Open a connection and say nothing."""
        options.setdefault("subprotocols", ["graphql-transport-ws"])
        return await websockets.connect(f"ws://127.0.0.1:{self.port}/graphql", **options)

    async def acting_as(self, principal: Principal) -> Socket:
        """Return an acknowledged connection of somebody whom the factories have made."""
        return await self.with_authorization(self._api.acting_as(principal).headers["Authorization"])

    async def with_authorization(self, value: str) -> Socket:
        """Return an acknowledged connection that presents this value."""
        socket = Socket(await self.connect())
        self._sockets.append(socket)
        await socket.send({"type": "connection_init", "payload": {"authorization": value}})
        assert await socket.receive() == {"type": "connection_ack"}
        return socket

    async def close(self) -> None:
        """Leave with all connections."""
        for socket in self._sockets:
            await socket.close()


@asynccontextmanager
async def serving(api: Api, settings: Settings) -> AsyncIterator[LiveServer]:
    """Serve the application on loopback; the test has opened its database already."""
    from gql.transport.app import create_app

    def clock() -> datetime:
        return api.now

    app = create_app(settings, clock=clock)
    config = uvicorn.Config(
        app,
        port=0,
        lifespan="off",
        log_config=None,
        http=PatientHttpProtocol,
        ws=PatientWebSocketProtocol,
        # As operators run it.
        ws_per_message_deflate=False,
        ws_max_size=MAX_BODY_BYTES,
        timeout_graceful_shutdown=3,
    )
    server = uvicorn.Server(config)
    app.state.feeds.start()
    task = asyncio.get_running_loop().create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.005)
    endpoint: Any = next(
        route.endpoint for route in app.routes if isinstance(route, Route) and route.path == "/graphql"
    )
    live = LiveServer(api, server, endpoint)
    try:
        yield live
    finally:
        await live.close()
        server.should_exit = True
        await task
        await app.state.feeds.stop()
        await app.state.limiter.close()


async def code_after(connection: ClientConnection, *messages: Any) -> int | None:
    """Send messages (bytes and text as they are) and return the code with which the server closes."""
    # It may close before all of a message has been sent.
    with contextlib.suppress(websockets.ConnectionClosed):
        for message in messages:
            await connection.send(message if isinstance(message, str | bytes) else orjson.dumps(message).decode())
    async with asyncio.timeout(PATIENCE):
        await connection.wait_closed()
    return connection.close_code
