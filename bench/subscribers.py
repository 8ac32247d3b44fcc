"""`python -m bench.subscribers`: the other end of thousands of streams, in a process of its own.

The first line of the standard input says where and as whom to subscribe. Every later one is the mark of a message: a
line with the seconds at which each of the connections got it answers, once all have. An empty line asks how many
messages have come so far, and for the latest.
"""

import asyncio
import json
import resource
import sys
from time import perf_counter
from typing import Any

import uvloop

from bench.processes import HOST
from bench.websocket_client import WebSocketClient, connect

#: Connections that are made at the same time.
AT_ONCE = 20


class Subscribers:
    """Connections, and what has come over them."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._mark: bytes | None = None
        self._times: list[float] = []
        self._all_got_it = asyncio.Event()
        self._waiting: dict[WebSocketClient, asyncio.Future[bytes]] = {}
        self._clients: list[WebSocketClient] = []
        self.message_count = 0
        self.latest = b""

    def on_text(self, client: WebSocketClient, text: bytes) -> None:
        """Note when a message has come."""
        waiting = self._waiting.pop(client, None)
        if waiting is not None:
            waiting.set_result(text)
            return
        self.message_count += 1
        self.latest = text
        if self._mark is not None and self._mark in text:
            self._times.append(perf_counter())
            if len(self._times) == self._count:
                self._all_got_it.set()

    def expect(self, mark: str) -> None:
        """Wait for a message with this in it from now on."""
        self._mark, self._times = mark.encode(), []
        self._all_got_it.clear()

    async def times(self) -> list[float]:
        """Return when each connection got it."""
        await self._all_got_it.wait()
        return self._times

    async def subscribe(self, port: int, greetings: list[list[str]]) -> None:
        """Make the connections: each sends its greetings, one after the answer to the other."""
        waiting = iter(greetings)

        async def work() -> None:
            for messages in waiting:
                client = await connect(HOST, port, "/graphql", self.on_text)
                self._clients.append(client)
                for message in messages:
                    self._waiting[client] = asyncio.get_running_loop().create_future()
                    client.send(message.encode())
                    await self._waiting[client]

        await asyncio.gather(*(work() for _ in range(AT_ONCE)))


async def run() -> None:
    """Do what the standard input says until it ends."""
    loop = asyncio.get_running_loop()
    config: dict[str, Any] = json.loads(await loop.run_in_executor(None, sys.stdin.readline))
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    subscribers = Subscribers(len(config["greetings"]))
    begin = perf_counter()
    await subscribers.subscribe(config["port"], config["greetings"])
    print(json.dumps(perf_counter() - begin), flush=True)
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        if mark := line.strip():
            subscribers.expect(mark)
            # Whoever asks sends nothing before this.
            print(json.dumps("expected"), flush=True)
            print(json.dumps(await subscribers.times()), flush=True)
        else:
            print(json.dumps([perf_counter(), subscribers.message_count, subscribers.latest.decode()]), flush=True)


if __name__ == "__main__":
    uvloop.run(run())
