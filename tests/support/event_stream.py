"""Streams as server-sent events, as clients of HTTP see them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import orjson

from domain.foundation.access import Principal
from tests.support.api import Api
from tests.support.live import PATIENCE, LiveServer


class EventStream:
    """One body that goes on."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._chunks = response.aiter_text()
        self._text = ""

    async def event(self, seconds: float = PATIENCE) -> tuple[str, Any]:
        """Return the name and the data of the next event; the name is `end` when the body has ended."""
        async with asyncio.timeout(seconds):
            while "\n\n" not in self._text:
                try:
                    self._text += await anext(self._chunks)
                except (StopAsyncIteration, httpx.RemoteProtocolError):
                    # Whether the last chunk is missing makes no difference to clients.
                    assert not self._text, self._text
                    return "end", None
        event, _, self._text = self._text.partition("\n\n")
        name, data = (line.partition(":")[2].strip() for line in event.split("\n"))
        return name, orjson.loads(data) if data else None

    async def batch(self, seconds: float = PATIENCE) -> dict[str, Any]:
        """Return the next batch, in which nothing may have failed."""
        name, data = await self.event(seconds)
        assert name == "next", (name, data)
        assert "errors" not in data, data
        (batch,) = data["data"].values()
        return dict(batch)

    async def rest(self) -> list[str]:
        """Return the names of what comes until the end, which the body has to have."""
        names = []
        while (name := (await self.event())[0]) != "end":
            names.append(name)
        return names


@asynccontextmanager
async def events(
    live: LiveServer, authorization: str, document: str, variables: dict[str, Any] | None = None
) -> AsyncIterator[EventStream]:
    """Ask for events by this `Authorization`."""
    headers = {"Authorization": authorization, "Accept": "text/event-stream"}
    body = {"query": document, "variables": variables or {}}
    async with (
        httpx.AsyncClient(timeout=PATIENCE) as http,
        http.stream("POST", live.url, json=body, headers=headers) as response,
    ):
        yield EventStream(response)


@asynccontextmanager
async def events_of(
    api: Api, live: LiveServer, principal: Principal, document: str, **variables: Any
) -> AsyncIterator[EventStream]:
    """Ask for events as somebody whom the factories have made."""
    async with events(live, api.acting_as(principal).headers["Authorization"], document, variables) as stream:
        yield stream
