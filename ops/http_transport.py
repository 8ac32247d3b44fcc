"""How uvicorn answers over HTTP here: whoever takes nothing of an answer for too long is cut off.

uvicorn waits as long as a client keeps the connection open, so one that reads nothing would hold a stream, and all
that it follows, for ever.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

#: Seconds for which a client may take nothing before it is let go.
SEND_TIMEOUT = 30.0


class ImpatientFlowControl(FlowControl):
    """Waits for a client to read, but not for ever."""

    async def drain(self) -> None:
        """Wait until the client has taken enough."""
        try:
            async with asyncio.timeout(SEND_TIMEOUT):
                await super().drain()
        except TimeoutError:
            # What is sent after this is dropped, and the application told that the client has gone.
            self._transport.abort()
            await super().drain()


class PatientHttpProtocol(HttpToolsProtocol):
    """A connection that ends when its client takes nothing."""

    def connection_made(self, transport: Any) -> None:
        """Begin a connection."""
        super().connection_made(transport)
        self.flow = ImpatientFlowControl(transport)
