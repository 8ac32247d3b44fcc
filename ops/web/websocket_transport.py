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

#: Bytes of a message that any connection may have on its way, and what those with more may have together: a client
#: may begin a message and leave it there.
SHORT_MESSAGE_BYTES = 64 * 1024
MAX_BYTES_ON_THEIR_WAY = 16 * 1024 * 1024
#: What a part of a message takes besides its bytes.
PART_BYTES = 50

log = logging.getLogger("mandate.websocket")


class PatientWebSocketProtocol(WebSocketsSansIOProtocol):
    """A connection that ends in ways from which clients recover."""

    cut: asyncio.TimerHandle | None = None
    #: Bytes of long messages that all connections of the process wait for the rest of.
    bytes_on_their_way = 0
    _received = 0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.logger = self.conn.logger = log

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that the connection is gone."""
        if self.cut is not None:
            self.cut.cancel()
        self._note_received(0)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on; a handshake that cannot be read is refused, where uvicorn would say nothing for ever.

        Where too much of long messages is on its way already, a client is sent away and comes back with it.
        """
        super().data_received(data)
        if self.conn.handshake_exc is not None and not self.handshake_initiated:
            self.handshake_initiated = self.handshake_complete = self.close_sent = True
            self.transport.write(BAD_HANDSHAKE)
            self.transport.close()
            return
        # Each part of a message is an object, however short it is.
        parts = sum(map(len, self.frames)) + PART_BYTES * len(self.frames)
        self._note_received(len(self.conn.reader.buffer) + parts)
        if self._received > SHORT_MESSAGE_BYTES and self.bytes_on_their_way > MAX_BYTES_ON_THEIR_WAY:
            self._note_received(0)
            self.frames = []
            self.conn.fail(TRY_AGAIN_LATER, "Try again later")
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.queue.put_nowait({"type": "websocket.disconnect", "code": TRY_AGAIN_LATER})
            self._cut_off_soon()

    def _note_received(self, size: int) -> None:
        """Note how much of a message is there; short ones do not count."""
        before, now = (max(0, one - SHORT_MESSAGE_BYTES) for one in (self._received, size))
        PatientWebSocketProtocol.bytes_on_their_way += now - before
        self._received = size

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
