"""GraphQL over WebSocket: the graphql-transport-ws protocol, with credentials that end and streams that never skip.

The close codes are chosen by what the reference client does with them: it comes back after 1012, 1013, 4403 and 4408,
and gives up after any other. Each operation is authenticated anew, so rights are those of the present.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack, aclosing
from datetime import datetime
from typing import Any

import orjson
from graphql import GraphQLError
from starlette.websockets import WebSocket, WebSocketDisconnect
from strawberry.asgi import ASGIWebSocketAdapter
from strawberry.exceptions import ConnectionRejectionError
from strawberry.http.async_base_view import AsyncWebSocketAdapter
from strawberry.http.exceptions import WebSocketDisconnected
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import BaseGraphQLTransportWSHandler, Operation
from strawberry.types.execution import ExecutionResult

from domain.foundation.access import Principal
from domain.foundation.errors import Unauthenticated
from domain.foundation.feed.live import ResetReason
from gql.execution.context import Context
from gql.execution.request_errors import NO_OPERATION, is_executed, no_operation
from gql.execution.streaming import RETRY_AFTER, Refused
from gql.limits.budget import settle
from gql.schema import Schema
from gql.transport.stream_limits import Connections, TooManyConnections

log = logging.getLogger("mandate.api")

FORBIDDEN = 4403
BAD_MESSAGE = 4400
TRY_AGAIN_LATER = 1013
#: Bytes that the reason of a close may have: a control frame has 125, and two of them are the code.
MAX_REASON_BYTES = 123
#: The code that the reference client knows for too many `connection_init`: it gives up.
TOO_MANY_MESSAGES = 4429
#: Messages that a connection may send at once, and how many more each second: they take time, and not all of them cost
#: points. Who has 20 streams may begin and end all of them many times.
MESSAGES_AT_ONCE, MESSAGES_PER_SECOND = 500, 50
#: Pings and pongs of somebody who has not said yet who it is.
MAX_EARLY_MESSAGES = 10
#: The longest that a timer is set for; what expires later is looked at again.
LONGEST_TIMER = 86_400.0
#: Seconds after which an operation that should have ended is cancelled once more.
CANCELLED_AGAIN = 1.0

#: Returns the context of a new operation for an `Authorization` value; raises Unauthenticated.
Authenticate = Callable[[str | None], Awaitable[Context]]


class ShortReasons(ASGIWebSocketAdapter):
    """The way to a client: what a connection ends with has to fit into its last frame."""

    async def close(self, code: int, reason: str) -> None:
        """Close the connection. A longer reason would be an error, after which the client sees no code at all."""
        cut = reason.encode("utf-8", "replace")[:MAX_REASON_BYTES].decode("utf-8", "ignore")
        await super().close(code, cut)


class Socket(BaseGraphQLTransportWSHandler[Any, None]):
    """One connection and its operations."""

    def __init__(
        self,
        websocket: AsyncWebSocketAdapter,
        raw: WebSocket,
        *,
        view: Any,
        schema: Schema,
        authenticate: Authenticate,
        clock: Callable[[], datetime],
        connections: Connections,
    ) -> None:
        super().__init__(
            view=view,
            websocket=websocket,
            # What the base hands to `on_ws_connect`.
            context=self,
            root_value=None,
            schema=schema,
            connection_init_wait_timeout=view.connection_init_wait_timeout,
        )
        #: Payload of `connection_init`.
        self.connection_params: dict[str, Any] = {}
        self._raw = raw
        self._live_schema = schema
        self._authenticate = authenticate
        self._clock = clock
        self._connections = connections
        self._held = ExitStack()
        self._authorization: str | None = raw.headers.get("authorization")
        self._expiry: asyncio.TimerHandle | None = None
        #: Extensions of operations that are to begin, by ID.
        self._extensions: dict[str, dict[str, Any]] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._allowance = _Allowance()
        #: Pings and pongs before `connection_init`.
        self._early = 0

    async def handle(self) -> None:
        """Serve the connection until it ends. No exception may reach the server: it would close with 1011."""
        try:
            await super().handle()
        except Exception as error:
            log.warning("a connection failed: %s", type(error).__name__, exc_info=error)
            await self._close(TRY_AGAIN_LATER, "Try again later")

    async def shutdown(self) -> None:
        """End the operations and forget the connection."""
        for timer in (self._expiry, self.connection_init_timeout_task):
            if timer is not None:
                timer.cancel()
        try:
            # More than once, as libraries lose a cancellation that comes together with what they wait for.
            while self._tasks:
                for task in self._tasks:
                    task.cancel()
                await asyncio.wait(self._tasks, timeout=CANCELLED_AGAIN)
        finally:
            self._held.close()

    async def handle_message(self, message: Any) -> None:
        """Act on a message of the client; what the protocol does not know ends the connection, and so do floods."""
        # Messages that wait already are read without a pause: everybody else has their turn in between.
        await asyncio.sleep(0)
        if not self._allowance.take():
            await self._close(TOO_MANY_MESSAGES, "Too many messages")
            return
        if not _is_wellformed(message):
            await self.handle_invalid_message("Not a message of the protocol")
            return
        if not self.connection_init_received and message["type"] in ("ping", "pong"):
            self._early += 1
            if self._early > MAX_EARLY_MESSAGES:
                await self._close(TOO_MANY_MESSAGES, "Too many messages")
                return
        await super().handle_message(message)

    async def handle_connection_init(self, message: Any) -> None:
        """Authenticate the client, then acknowledge the connection."""
        try:
            # An explicit null says no more than leaving it out.
            message["payload"] = message.get("payload") or {}
            await super().handle_connection_init(message)
        except TooManyConnections:
            await self._close(TRY_AGAIN_LATER, "Too many connections")

    async def admit(self) -> None:
        """Authenticate by the payload of `connection_init`, else by the handshake.

        Raises ConnectionRejectionError and TooManyConnections.
        """
        for key, value in self.connection_params.items():
            if key.lower() == "authorization" and value is not None:
                if not isinstance(value, str):
                    raise ConnectionRejectionError
                self._authorization = value
        try:
            context = await self._authenticate(self._authorization)
        except Unauthenticated as error:
            raise ConnectionRejectionError from error
        await context.close()
        self._held.enter_context(self._connections.counted(context.principal))
        self._end_with(context.principal)

    def _end_with(self, principal: Principal) -> None:
        """Close the connection when the credential ends."""
        if principal.expires_at is None:
            return
        seconds = (principal.expires_at - self._clock()).total_seconds()
        loop = asyncio.get_running_loop()
        if seconds > LONGEST_TIMER:
            self._expiry = loop.call_later(LONGEST_TIMER, self._end_with, principal)
        else:
            self._expiry = loop.call_later(max(0.0, seconds), self._expire)

    def _expire(self) -> None:
        self._ending = asyncio.ensure_future(self._close(FORBIDDEN, "Forbidden"))

    async def handle_subscribe(self, message: Any) -> None:
        """Begin an operation."""
        is_one_too_many = (
            len(self.operations) >= self._connections.streams_at_once and message["id"] not in self.operations
        )
        if self.connection_acknowledged and is_one_too_many:
            extensions = {"code": "RATE_LIMITED", "retryAfterSeconds": RETRY_AFTER}
            error = GraphQLError(f"At most {self._connections.streams_at_once} streams at once.", extensions=extensions)
            await self.send_message({"id": message["id"], "type": "error", "payload": [error.formatted]})
            return
        payload = message["payload"]
        payload.setdefault("query", None)
        # Empty says no more than leaving it out.
        payload["operationName"] = payload.get("operationName") or None
        self._extensions[message["id"]] = payload.get("extensions") or {}
        await super().handle_subscribe(message)

    async def run_operation(self, operation: Operation[Any, None]) -> None:
        """Run an operation to its end; what cannot be produced ends the connection, and the client comes back."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            context = await self._authenticate(self._authorization)
            try:
                await self._run(operation, context)
            finally:
                await settle(context)
                await context.finish()
        except (WebSocketDisconnected, WebSocketDisconnect):
            return
        except Unauthenticated:
            await self._close(FORBIDDEN, "Forbidden")
        except Refused as refusal:
            await operation.send_initial_errors(refusal.errors)
        except NO_OPERATION as error:
            await operation.send_initial_errors([no_operation(error)])
        except Exception as error:
            log.warning("a stream failed: %s", type(error).__name__, exc_info=error)
            await self._close(TRY_AGAIN_LATER, "Try again later")

    async def _run(self, operation: Operation[Any, None], context: Context) -> None:
        result = await self._live_schema.open(
            operation.query,
            operation.variables,
            operation.operation_name,
            context,
            self._extensions.pop(operation.id, None),
        )
        if isinstance(result, ExecutionResult):
            if not is_executed(result):
                await operation.send_initial_errors(result.errors or [])
                return
            await operation.send_next(result)
        else:
            head = b'{"id":%b,"type":"next","payload":' % orjson.dumps(operation.id)
            async with aclosing(result):
                async for payload in result:
                    if payload.reset is ResetReason.SCOPE_CHANGED:
                        # Raises Unauthenticated when it is the credential itself that is gone.
                        await (await self._authenticate(self._authorization)).close()
                    if self.operations.get(operation.id) is not operation:
                        # The client has ended it, and the cancellation was lost.
                        return
                    await self._raw.send_text((head + payload.body + b"}").decode())
        await operation.send_operation_message({"id": operation.id, "type": "complete"})

    async def _close(self, code: int, reason: str) -> None:
        with contextlib.suppress(Exception):
            await self.websocket.close(code=code, reason=reason)


class _Allowance:
    """How many messages a connection may send at the moment."""

    __slots__ = ("_at", "_left")

    def __init__(self) -> None:
        self._left = float(MESSAGES_AT_ONCE)
        self._at = time.monotonic()

    def take(self) -> bool:
        """Count a message; tell whether it may be."""
        now = time.monotonic()
        self._left = min(MESSAGES_AT_ONCE, self._left + (now - self._at) * MESSAGES_PER_SECOND) - 1
        self._at = now
        return self._left >= 0


def _is_wellformed(message: Any) -> bool:
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        return False
    payload = message.get("payload")
    if message["type"] in ("connection_init", "ping", "pong"):
        return isinstance(payload, dict | None)
    id = message.get("id")
    if message["type"] in ("subscribe", "complete") and not (isinstance(id, str) and id):
        return False
    if message["type"] != "subscribe":
        return True
    return (
        isinstance(payload, dict)
        and (isinstance(payload.get("query"), str) or _names_document(payload))
        and isinstance(payload.get("variables"), dict | None)
        and isinstance(payload.get("operationName"), str | None)
        and isinstance(payload.get("extensions"), dict | None)
    )


def _names_document(payload: dict[str, Any]) -> bool:
    """Tell whether a payload says by its extensions what to run."""
    extensions = payload.get("extensions")
    return payload.get("query") is None and isinstance(extensions, dict) and "persistedQuery" in extensions
