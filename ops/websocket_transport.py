"""How uvicorn speaks WebSocket here: with the close code after which clients come back, and without waiting for ever.

uvicorn closes with 1011 when a ping is not answered, which ends the reference client for good, and lets a `send` wait
as long as a client takes nothing.
"""

import asyncio
from typing import Any

from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

TRY_AGAIN_LATER = 1013
#: Seconds for which a client may take nothing before it is let go.
SEND_TIMEOUT = 30.0


class PatientWebSocketProtocol(WebSocketsSansIOProtocol):
    """A connection that ends in ways from which clients recover."""

    def keepalive_timeout(self) -> None:
        """Close a connection whose client does not answer pings, so that it comes back."""
        fail = self.conn.fail

        def fail_for_now(code: int, reason: str = "") -> None:
            fail(TRY_AGAIN_LATER, reason)

        self.conn.fail = fail_for_now  # type: ignore[method-assign]
        super().keepalive_timeout()

    async def send(self, message: Any) -> None:
        """Send a message; drops the connection of a client that takes nothing, as a close frame would not arrive."""
        if not self.writable.is_set():
            try:
                async with asyncio.timeout(SEND_TIMEOUT):
                    await self.writable.wait()
            except TimeoutError as error:
                self.transport.abort()
                raise ClientDisconnected from error
        await super().send(message)
