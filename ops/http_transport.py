"""How uvicorn answers over HTTP here: whoever takes nothing for too long is cut off, and streams end with the process.

uvicorn waits as long as a client keeps the connection open, so one that reads nothing would hold a stream, and all
that it follows, for ever; and a stream would hold a process that is to end.
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

    def shutdown(self) -> None:
        """End the connection with its answer; a stream, which has no end, as if the client had gone."""
        cycle = self.cycle
        super().shutdown()
        if (
            cycle is not None
            and cycle.response_started
            and not cycle.response_complete
            and _asks_for_events(cycle.scope)
        ):
            cycle.disconnected = True
            cycle.message_event.set()
            # The last chunk is missing, and nothing says `complete`: the client comes back.
            self.transport.close()


def _asks_for_events(scope: Any) -> bool:
    return any(name == b"accept" and b"text/event-stream" in value.lower() for name, value in scope["headers"])
