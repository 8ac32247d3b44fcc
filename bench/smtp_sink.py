"""An SMTP server that takes everything and keeps nothing, in a process of its own: `python -m bench.smtp_sink PORT`."""

import asyncio
import sys
from typing import cast

import uvloop

from bench.processes import HOST

_ANSWERS = {b"EHLO": b"250 sink\r\n", b"DATA": b"354 go on\r\n", b"QUIT": b"221 bye\r\n"}
_OK = b"250 ok\r\n"
_END = b"\r\n.\r\n"


class Sink(asyncio.Protocol):
    """One connection. It relies on a client that waits for each answer."""

    def __init__(self) -> None:
        self._received = b""
        self._is_in_data = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        # uvloop's transports are of classes of their own.
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(b"220 sink\r\n")

    def data_received(self, data: bytes) -> None:
        """Answer to every line, and to the end of a mail."""
        self._received += data
        while True:
            end = _END if self._is_in_data else b"\r\n"
            line, found, rest = self._received.partition(end)
            if not found:
                return
            self._received = rest
            verb = b"" if self._is_in_data else line[:4].upper()
            self._is_in_data = verb == b"DATA"
            self._transport.write(_ANSWERS.get(verb, _OK))


async def serve(port: int) -> None:
    """Take mails for ever."""
    server = await asyncio.get_running_loop().create_server(Sink, HOST, port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
