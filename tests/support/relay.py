"""A way to a server that can be closed, hang, and be opened again, as networks do."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit


class Relay:
    """Passes everything on, as long as it is told to."""

    def __init__(self, url: str) -> None:
        self._target = urlsplit(url)
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.is_hanging = False
        #: What a proxy says to everybody new instead of asking the server; nothing usually.
        self.refusal = b""
        self.connection_count = 0
        self._frozen_count = 0
        self.port = 0

    @property
    def url(self) -> str:
        """Where clients connect."""
        credentials, _, _ = self._target.netloc.rpartition("@")
        prefix = f"{credentials}@" if credentials else ""
        return urlunsplit(self._target._replace(netloc=f"{prefix}127.0.0.1:{self.port}"))

    async def open(self) -> None:
        """Let clients in, at the same port as before."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def lead_to(self, url: str) -> None:
        """Lead new connections to another server with the same credentials; those that are open stay where they are."""
        self._target = urlsplit(url)

    async def close(self) -> None:
        """Throw everybody out and let nobody in."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in self._writers:
            writer.transport.abort()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def freeze(self) -> None:
        """Keep the connections that there are, and pass nothing more on in any of them."""
        self._frozen_count = self.connection_count

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connection_count += 1
        number = self.connection_count
        self._writers.add(writer)
        if self._server is None:
            # Accepted just before it was closed.
            writer.transport.abort()
            return
        if self.refusal:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(self.refusal)
            writer.close()
            return
        try:
            upstream_reader, upstream = await asyncio.open_connection(self._target.hostname, self._target.port)
        except OSError:
            writer.transport.abort()
            return
        if writer.transport.is_closing():
            upstream.transport.abort()
            return
        self._writers.add(upstream)
        for source, sink in ((reader, upstream), (upstream_reader, writer)):
            task = asyncio.get_running_loop().create_task(self._pass_on(source, sink, number))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pass_on(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, number: int) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65_536):
                if not self.is_hanging and number > self._frozen_count:
                    sink.write(data)
                    await sink.drain()
        self._writers.discard(sink)
        sink.transport.abort()


@asynccontextmanager
async def relay_to(url: str) -> AsyncIterator[Relay]:
    """Relay until the end."""
    relay = Relay(url)
    await relay.open()
    try:
        yield relay
    finally:
        await relay.close()
