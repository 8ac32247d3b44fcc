"""How uvicorn speaks WebSocket here: with the close code after which clients come back, and without waiting for ever.

uvicorn closes with 1011 when a ping is not answered, which ends the reference client for good, and lets a `send` wait
as long as a client takes nothing. A transport that is closed is gone only when its client has taken what was written,
so whoever takes nothing is cut off a little later. It logs addresses with their parameters, and what is received.
"""

import asyncio
import logging
from typing import Any

from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

TRY_AGAIN_LATER = 1013
#: Seconds for which a client may take nothing before it is let go.
SEND_TIMEOUT = 30.0
#: Seconds that a client has to take what is written once its connection is to end.
LAST_WORDS = 10.0
BAD_HANDSHAKE = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

log = logging.getLogger("mandate.websocket")


class PatientWebSocketProtocol(WebSocketsSansIOProtocol):
    """A connection that ends in ways from which clients recover."""

    cut: asyncio.TimerHandle | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.logger = self.conn.logger = log

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that the connection is gone."""
        if self.cut is not None:
            self.cut.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on; a handshake that cannot be read is refused, where uvicorn would say nothing for ever."""
        super().data_received(data)
        if self.conn.handshake_exc is not None and not self.handshake_initiated:
            self.handshake_initiated = self.handshake_complete = self.close_sent = True
            self.transport.write(BAD_HANDSHAKE)
            self.transport.close()

    def keepalive_timeout(self) -> None:
        """Close a connection whose client does not answer pings, so that it comes back."""
        fail = self.conn.fail

        def fail_for_now(code: int, reason: str = "") -> None:
            fail(TRY_AGAIN_LATER, reason)

        self.conn.fail = fail_for_now  # type: ignore[method-assign]
        super().keepalive_timeout()
        self._cut_off_soon()
        # The application waits for a client that will say nothing more.
        self.queue.put_nowait({"type": "websocket.disconnect", "code": TRY_AGAIN_LATER})

    def handle_ping(self) -> None:
        """Answer a ping; one of a client that takes nothing is dropped, as answers would pile up."""
        if self.writable.is_set():
            super().handle_ping()
        else:
            self.conn.data_to_send()

    def handle_close(self, event: Any) -> None:
        """Let a client go."""
        super().handle_close(event)
        self._cut_off_soon()

    async def send(self, message: Any) -> None:
        """Send a message; drops the connection of a client that takes nothing, as a close frame would not arrive."""
        if not self.writable.is_set():
            try:
                async with asyncio.timeout(SEND_TIMEOUT):
                    await self.writable.wait()
            except TimeoutError as error:
                self.transport.abort()
                raise ClientDisconnected from error
        if self.transport.is_closing():
            # uvicorn takes a message after the end of a connection for a mistake of the application.
            raise ClientDisconnected
        await super().send(message)
        if message["type"] == "websocket.close":
            self._cut_off_soon()

    def _cut_off_soon(self) -> None:
        if self.cut is None and not self.disconnected:
            self.cut = self.loop.call_later(LAST_WORDS, self.transport.abort)
