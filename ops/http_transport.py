"""How uvicorn answers over HTTP here: whoever takes nothing for too long is cut off, and streams end with the process.

uvicorn waits as long as a client keeps the connection open, so one that reads nothing would hold a stream, and all
that it follows, for ever; and a stream would hold a process that is to end. It also takes a request that never gets to
its body for as long as it likes to be, in time as in bytes.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

#: Seconds for which a client may take nothing before it is let go.
SEND_TIMEOUT = 30.0
#: Seconds that a client has for a request's line and headers, and how many bytes these may have before more is read.
HEAD_TIMEOUT = 10.0
HEAD_BYTES = 64 * 1024
#: Seconds that a connection is kept for the next request: longer than proxies keep it (60 s are usual), so that it is
#: them who close it. Who closes first may cut off a request that is on its way.
IDLE_TIMEOUT = 75


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
    """A connection that ends when its client takes nothing, or has nothing to say."""

    #: Set while line and headers of a request are on their way.
    _head: asyncio.TimerHandle | None = None
    _head_size = 0

    def connection_made(self, transport: Any) -> None:
        """Begin a connection."""
        super().connection_made(transport)
        self.flow = ImpatientFlowControl(transport)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that the connection is gone."""
        self._end_head()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on; what has no end is refused."""
        was_in_head = self._head is not None
        super().data_received(data)
        if was_in_head and self._head is not None and not self.transport.is_closing():
            self._head_size += len(data)
            if self._head_size > HEAD_BYTES:
                self._end_head()
                self.send_400_response("The headers of the request are too long.")

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        if self._head is None:
            self._expect_head()

    def on_headers_complete(self) -> None:
        """Go on with the body."""
        self._end_head()
        super().on_headers_complete()

    def _expect_head(self) -> None:
        self._head_size = 0
        self._head = self.loop.call_later(HEAD_TIMEOUT, self._give_up_head)

    def _end_head(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None

    def _give_up_head(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()
        else:
            # The request before is still being answered.
            self._head = self.loop.call_later(HEAD_TIMEOUT, self._give_up_head)

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
