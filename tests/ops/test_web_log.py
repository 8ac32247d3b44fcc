"""What a web process logs of those who call: that somebody did, and nothing that they have said."""

import asyncio
from pathlib import Path

import httpx
import orjson
import pytest
import websockets

from domain.foundation.access import Principal
from tests.support import factories
from tests.support.api import SECRET
from tests.support.web_process import web_process

#: What callers say in places where they may, and where they should not.
SAID = ("mk_in_payload", "in-query", "in-path", "in-variable", "127.0.0.1:")


async def call(url: str) -> None:
    """Say it over HTTP and over WebSockets."""
    async with httpx.AsyncClient(base_url=url, headers={"Authorization": "Bearer mk_in_payload"}) as http:
        for path in ("/graphql?token=in-query", "/export/learners/in-path.json", "/calendar/in-path.ics", "/in-path"):
            await http.post(path, json={"query": "{ tenant { name } }", "variables": {"x": "in-variable"}})
            await http.get(path)
    address, protocols = url.replace("http", "ws", 1), [websockets.Subprotocol("graphql-transport-ws")]
    for path in ("/in-path?token=in-query", "/graphql?token=in-query"):
        with pytest.raises(websockets.InvalidStatus):
            await websockets.connect(f"{address}{path}", origin=websockets.Origin("https://evil.example"))
    async with websockets.connect(f"{address}/graphql?token=in-query", subprotocols=protocols) as socket:
        query = "query ($x: String) { learners(filter: {search: $x}) { totalCount } }"
        for message in (
            {"type": "connection_init", "payload": {"authorization": "Bearer mk_in_payload"}},
            {"id": "1", "type": "subscribe", "payload": {"query": query, "variables": {"x": "in-variable"}}},
        ):
            await socket.send(orjson.dumps(message).decode())
            answer = orjson.loads(await socket.recv())
        assert answer["type"] == "next"


@pytest.mark.parametrize("level", ["INFO", "DEBUG"])
async def test_nothing_that_callers_say_is_logged(app_url: str, admin: Principal, tmp_path: Path, level: str) -> None:
    """Neither credentials, nor parameters, nor whole paths, nor where they call from; not even for debugging."""
    await factories.create_service_account(admin.tenant_id, key="mk_in_payload", scopes=[])
    environment = {"DATABASE_URL": app_url, "SECRET_KEY": SECRET, "LOG_LEVEL": level}
    web = await asyncio.to_thread((process := web_process(tmp_path, environment)).__enter__)
    try:
        await call(web.url)
        lines = web.output.splitlines()
    finally:
        await asyncio.to_thread(process.__exit__, None, None, None)
    assert any('"route": "/graphql"' in line for line in lines)
    own = web.url.removeprefix("http://")
    assert [line for line in lines if any(word in line.replace(own, "") for word in SAID)] == []
