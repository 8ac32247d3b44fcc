"""The end of a web process: who sends requests hears of it first, and nothing that has been sent is lost.

uvicorn closes its listener as soon as a signal comes. Whoever balances load learns of that by a connection that is
refused or, worse, reset with the request that was on it.
"""

import asyncio
import os
import signal
import socket
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

import uvicorn
from uvicorn.server import ServerState


class DrainingState(ServerState):
    """What the connections of a server share."""

    #: Whether answers are the last ones of their connections.
    is_draining = False


class DrainingServer(uvicorn.Server):
    """A server that goes on for a while after SIGTERM; Ctrl-C and a second signal end it at once."""

    def __init__(self, config: uvicorn.Config, *, seconds: float, when_draining: Callable[[], None]) -> None:
        super().__init__(config)
        self.server_state: DrainingState = DrainingState()
        self._seconds = seconds
        self._when_draining = when_draining
        self._end: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to end."""
        if sig == signal.SIGTERM and self._end is None and self.started and self._seconds > 0:
            self._end = time.monotonic() + self._seconds
            self.server_state.is_draining = True
            self._when_draining()
        else:
            super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        """Tell whether it is time to end."""
        if self._end is not None and time.monotonic() >= self._end and not self.should_exit:
            super().handle_exit(signal.SIGTERM, None)
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take what has been connected until now, and end with the answers to it."""
        waiting: list[socket.socket] = []
        for server in self.servers:
            for listener in server.sockets:
                waiting += _accept_all(listener)
            # Nothing comes between the last connection and this: the kernel resets whatever it still holds.
            server.close()
        for one in waiting:
            await asyncio.get_running_loop().connect_accepted_socket(self._protocol, one)
        await super().shutdown(sockets)

    def _protocol(self) -> asyncio.Protocol:
        made: Any = self.config.http_protocol_class
        protocol: asyncio.Protocol = made(
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return protocol


def _accept_all(listener: Any) -> list[socket.socket]:
    """Return the connections that nobody has accepted yet."""
    found: list[socket.socket] = []
    with socket.socket(fileno=os.dup(listener.fileno())) as listening:
        listening.setblocking(False)
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return found
            connection.setblocking(False)
            found.append(connection)
