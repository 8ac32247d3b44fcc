"""The end of a web process: streams end in ways from which clients come back, and nothing stays."""

import asyncio
import contextlib
import os
import signal
import time
from datetime import timedelta
from pathlib import Path

import httpx
import orjson
import pytest
import websockets

from domain.foundation import clock
from domain.foundation.access import Principal
from domain.foundation.settings import Settings
from gql.identity.authentication import issue_token
from tests.ops.test_supervisor import is_alive
from tests.support import factories
from tests.support.api import SECRET
from tests.support.web_process import web_process

NEWS = "subscription { enrollmentChanges { cursor changes { enrollmentId } } }"


def descendants_of(pid: int) -> list[str]:
    """Return the processes that a process has started."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return []


def has_ended(pid: int) -> bool:
    """Tell whether a process is no more, but for its exit code."""
    return not is_alive(pid)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
async def test_streams_end_with_the_process(
    app_url: str, redis_url: str, settings: Settings, admin: Principal, tmp_path: Path
) -> None:
    """Sockets with 1012 at once, bodies without `complete` within three seconds; who says nothing is not waited for."""
    token = issue_token(
        settings,
        tenant=factories.slug_of(admin.tenant_id),
        now=clock.now(),
        lifetime=timedelta(hours=1),
        learner_id=admin.learner_id,
    )
    headers = {"Authorization": f"Bearer {token}", "Accept": "text/event-stream"}
    environment = {"DATABASE_URL": app_url, "REDIS_URL": redis_url, "SECRET_KEY": SECRET}
    web = await asyncio.to_thread((process := web_process(tmp_path, environment)).__enter__)
    try:
        address = web.url.replace("http", "ws", 1) + "/graphql"
        protocols = [websockets.Subprotocol("graphql-transport-ws")]
        socket = await websockets.connect(address, subprotocols=protocols)
        await socket.send(
            orjson.dumps({"type": "connection_init", "payload": {"authorization": f"Bearer {token}"}}).decode()
        )
        await socket.recv()
        for id in ("1", "2"):
            await socket.send(orjson.dumps({"id": id, "type": "subscribe", "payload": {"query": NEWS}}).decode())
            await socket.recv()
        idle = await websockets.connect(address, subprotocols=protocols)
        async with (
            httpx.AsyncClient(timeout=10) as http,
            http.stream("POST", f"{web.url}/graphql", json={"query": NEWS}, headers=headers) as body,
        ):
            chunks = body.aiter_text()
            text = await anext(chunks)
            # Nothing can be left behind.
            assert descendants_of(web.pid) == []
            began = time.monotonic()
            os.kill(web.pid, signal.SIGTERM)
            for connection in (socket, idle):
                await asyncio.wait_for(connection.wait_closed(), 2)
                assert connection.close_code == 1012
            assert time.monotonic() - began < 1.5
            try:
                async for chunk in chunks:
                    text += chunk
            except httpx.RemoteProtocolError:
                pass
            assert time.monotonic() - began < 3
            assert text.startswith("event: next")
            assert "complete" not in text
        while not has_ended(web.pid):
            assert time.monotonic() - began < 5
            await asyncio.sleep(0.05)
        assert not [line for line in web.output.splitlines() if '"level": "error"' in line.replace('":"', '": "')]
    finally:
        await asyncio.to_thread(process.__exit__, None, None, None)
