"""A WebSocket client that costs next to nothing beside the server: frames by hand, as thousands share one process."""

import asyncio
import base64
import os
from collections.abc import Callable
from typing import Any

TEXT, CLOSE, PING, PONG = 0x1, 0x8, 0x9, 0xA
HEAD_END = b"\r\n\r\n"


def frame(kind: int, payload: bytes) -> bytes:
    """Return a frame of a client, masked as it has to be: with zeros, which change nothing."""
    length = len(payload)
    told = bytes((0x80 | length,)) if length < 126 else bytes((0x80 | 126,)) + length.to_bytes(2)
    return bytes((0x80 | kind,)) + told + b"\0\0\0\0" + payload


class WebSocketClient(asyncio.Protocol):
    """One connection; `on_text` gets the client and each text that comes."""

    def __init__(self, host: str, port: int, path: str, on_text: Callable[["WebSocketClient", bytes], None]) -> None:
        self._handshake = (
            f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"
        ).encode()
        self._on_text = on_text
        self._buffer = bytearray()
        self._is_open = False
        self._transport: Any = None
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        """Ask for a WebSocket."""
        self._transport = transport
        transport.write(self._handshake)

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail while nobody has answered yet."""
        if not self.opened.done():
            self.opened.set_exception(ConnectionError("The server refuses the WebSocket."))

    def send(self, text: bytes) -> None:
        """Send a text."""
        self._transport.write(frame(TEXT, text))

    def close(self) -> None:
        """Leave without a word."""
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Take apart what has come."""
        self._buffer += data
        if not self._is_open:
            head, end, rest = self._buffer.partition(HEAD_END)
            if not end:
                return
            if not head.startswith(b"HTTP/1.1 101"):
                self._transport.abort()
                return
            self._is_open, self._buffer = True, rest
            self.opened.set_result(None)
        while (extent := self._extent()) is not None:
            begin, stop = extent
            kind, payload = self._buffer[0] & 0xF, bytes(self._buffer[begin:stop])
            del self._buffer[:stop]
            if kind == TEXT:
                self._on_text(self, payload)
            elif kind == PING:
                self._transport.write(frame(PONG, payload))
            elif kind == CLOSE:
                self._transport.abort()

    def _extent(self) -> tuple[int, int] | None:
        """Return where the payload of the first frame begins and ends; None while it is not all here."""
        buffer, begin = self._buffer, 2
        if len(buffer) < begin:
            return None
        length = buffer[1]
        if length == 126:
            begin = 4
        elif length == 127:
            begin = 10
        if begin > 2:
            if len(buffer) < begin:
                return None
            length = int.from_bytes(buffer[2:begin])
        return (begin, begin + length) if len(buffer) >= begin + length else None


async def connect(
    host: str, port: int, path: str, on_text: Callable[[WebSocketClient, bytes], None]
) -> WebSocketClient:
    """Return a connection over which both sides may send."""
    loop = asyncio.get_running_loop()
    _, client = await loop.create_connection(lambda: WebSocketClient(host, port, path, on_text), host, port)
    await client.opened
    return client
