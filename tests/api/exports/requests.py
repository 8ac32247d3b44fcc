"""Requests for a report that tests need to watch or to break off: what an ASGI server would do, byte by byte."""

import asyncio
import csv
import io
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

import httpx

from tests.support.api import ApiClient

PATH = "/export/content-actions.csv"

Parameters = Sequence[tuple[str, str]]


async def get(client: ApiClient, *parameters: tuple[str, str], path: str = PATH) -> httpx.Response:
    """Ask for a report, that of the log unless told otherwise."""
    return await client.http.get(path, params=list(parameters), headers=client.headers)


async def rows(client: ApiClient, *parameters: tuple[str, str], path: str = PATH) -> list[dict[str, str]]:
    """Return the rows of a report by column."""
    response = await get(client, *parameters, path=path)
    assert response.status_code == 200, response.text
    return list(csv.DictReader(io.StringIO(response.content.decode(), newline="")))


async def refusal(
    client: ApiClient, *parameters: tuple[str, str], path: str = PATH
) -> tuple[int, list[tuple[str, list[str]]]]:
    """Return status, and code and path of each error, of a request that is refused."""
    response = await get(client, *parameters, path=path)
    assert response.headers["content-type"] == "application/json"
    errors = response.json()["errors"]
    return response.status_code, [
        (error["extensions"]["code"], error["extensions"].get("path", [])) for error in errors
    ]


class Download:
    """A request to the application itself, whose client can stop reading, and leave."""

    def __init__(self, app: Any, client: ApiClient, *parameters: tuple[str, str], path: str = PATH) -> None:
        self.status: int | None = None
        self.headers: dict[str, str] = {}
        self.size = 0
        self.ending = b""
        self.line_count = 0
        #: Cleared while the client does not read.
        self.reads = asyncio.Event()
        self.reads.set()
        self._is_gone = asyncio.Event()
        self._asked = False
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": urlencode(list(parameters)).encode(),
            "headers": [(name.lower().encode(), value.encode()) for name, value in client.headers.items()],
            "client": ("127.0.0.1", 1),
            "server": ("mandate.test", 80),
        }
        self.task = asyncio.ensure_future(app(scope, self._receive, self._send))

    def leave(self) -> None:
        """Close the connection."""
        self._is_gone.set()

    async def _receive(self) -> dict[str, Any]:
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._is_gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            return
        await self.reads.wait()
        body: bytes = message.get("body", b"")
        self.size += len(body)
        self.line_count += body.count(b"\n")
        self.ending = body or self.ending
