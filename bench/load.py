"""A client that costs next to nothing beside the server: prepared bytes over a few kept connections, one loop."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import orjson

from bench.processes import HOST


@dataclass(frozen=True, slots=True)
class Load:
    """What a number of connections has achieved: the seconds of all together, and of each request."""

    seconds: float
    latencies: list[float]

    @property
    def rate(self) -> float:
        """Requests per second."""
        return len(self.latencies) / self.seconds


def graphql_request(document: str, variables: dict[str, Any], token: str | None = None) -> bytes:
    """Return a whole HTTP request."""
    body = orjson.dumps({"query": document, "variables": variables})
    credential = f"Authorization: Bearer {token}\r\n" if token else ""
    head = (
        f"POST /graphql HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\n{credential}"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def send_all(port: int, requests: Sequence[bytes], connections: int, expected: bytes) -> Load:
    """Send the requests over this many connections at once; every answer has to contain `expected`."""
    waiting = iter(requests)
    latencies: list[float] = []

    async def work() -> None:
        reader, writer = await asyncio.open_connection(HOST, port)
        try:
            for request in waiting:
                begin = perf_counter()
                writer.write(request)
                answer = await _read(reader)
                latencies.append(perf_counter() - begin)
                if expected not in answer:
                    raise AssertionError(f"unexpected answer: {answer[:500]!r}")
        finally:
            writer.close()

    begin = perf_counter()
    await asyncio.gather(*(work() for _ in range(connections)))
    return Load(perf_counter() - begin, latencies)


async def _read(reader: asyncio.StreamReader) -> bytes:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    if not head.startswith(b"http/1.1 200"):
        raise AssertionError(f"unexpected answer: {head!r}")
    length = head.partition(b"content-length:")[2].partition(b"\r\n")[0]
    return await reader.readexactly(int(length))
