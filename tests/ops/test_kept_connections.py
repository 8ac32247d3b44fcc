"""Connections without a request: who keeps them for later must not find them closed."""

import asyncio
from pathlib import Path
from urllib.parse import urlsplit

from tests.support.api import SECRET
from tests.support.web_process import web_process

#: Seconds after which uvicorn would hang up, and a little.
A_WHILE = 5.5
REQUEST = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def test_a_kept_connection_is_there_for_the_next_request(app_url: str, redis_url: str, tmp_path: Path) -> None:
    """Proxies keep theirs for a minute."""
    environment = {"DATABASE_URL": app_url, "REDIS_URL": redis_url, "SECRET_KEY": SECRET}
    web = await asyncio.to_thread((process := web_process(tmp_path, environment)).__enter__)
    try:
        address = urlsplit(web.url)
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        for pause in (0, A_WHILE):
            await asyncio.sleep(pause)
            writer.write(REQUEST)
            assert (await asyncio.wait_for(reader.readuntil(b"\r\n"), 5)).startswith(b"HTTP/1.1 200")
            await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(len(b'{"status":"ok"}'))
        writer.close()
        await writer.wait_closed()
    finally:
        await asyncio.to_thread(process.__exit__, None, None, None)
