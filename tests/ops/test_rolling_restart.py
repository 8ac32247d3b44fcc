"""Web processes are replaced behind nginx, as the operations page sets it up, while people work: nobody notices."""

import asyncio
import os
import re
import shutil
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
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
from tests.support import factories
from tests.support.api import SECRET
from tests.support.web_process import free_port, web_process

PAGE = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")
NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
MUTATION = 'mutation { createCourse(input: { title: "A" }) { course { title } errors { code } } }'
CLIENTS = 8


@contextmanager
def proxy(directory: Path, ports: list[int]) -> Iterator[str]:
    """Run nginx with the example of the page, but for addresses, and return where it answers."""
    assert NGINX is not None
    [example] = re.findall(r"^```nginx\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    own = free_port()
    for address, port in zip(("10.0.0.11:8000", "10.0.0.12:8000"), ports, strict=True):
        assert address in example
        example = example.replace(address, f"127.0.0.1:{port}")
    example = example.replace("listen 80;", f"listen 127.0.0.1:{own};")
    paths = "".join(
        f"{name}_temp_path {directory}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (directory / "nginx.conf").write_text(
        f"daemon off; worker_processes 1; pid {directory}/pid; error_log {directory}/error.log;\n"
        f"events {{ worker_connections 512; }}\nhttp {{ access_log {directory}/access.log;\n{paths}{example}}}\n"
    )
    command = [NGINX, "-p", str(directory), "-e", f"{directory}/error.log", "-c", str(directory / "nginx.conf")]
    process = subprocess.Popen(command)
    try:
        yield f"http://127.0.0.1:{own}"
    finally:
        process.terminate()
        process.wait(10)


@pytest.mark.skipif(NGINX is None, reason="needs nginx")
async def test_a_rolling_restart_fails_no_request(
    app_url: str, redis_url: str, settings: Settings, admin: Principal, tmp_path: Path
) -> None:
    """Queries and changes of many clients while each process is ended and started again, twice."""
    token = issue_token(
        settings,
        tenant=factories.slug_of(admin.tenant_id),
        now=clock.now(),
        lifetime=timedelta(hours=1),
        learner_id=admin.learner_id,
    )
    headers = {"Authorization": f"Bearer {token}"}
    environment = {"DATABASE_URL": app_url, "REDIS_URL": redis_url, "SECRET_KEY": SECRET}
    environment |= {"DRAIN_SECONDS": "4", "COST_PER_MINUTE": "10000000"}
    ports = [free_port(), free_port()]
    outcomes: Counter[str] = Counter()
    is_over = asyncio.Event()

    async def work(number: int, url: str) -> None:
        async with httpx.AsyncClient(timeout=30) as http:
            while not is_over.is_set():
                query = MUTATION if number % 2 else "{ viewer { role } }"
                try:
                    answer = await http.post(f"{url}/graphql", json={"query": query}, headers=headers)
                    outcomes[f"{answer.status_code} {'errors' if 'errors' in answer.json() else ''}"] += 1
                except httpx.HTTPError as error:
                    outcomes[type(error).__name__] += 1

    with ExitStack() as running:
        webs = {}

        async def start(port: int) -> None:
            webs[port] = (web := ExitStack())
            process = web_process(tmp_path, environment, port=port)
            served = await asyncio.to_thread(web.enter_context, process)
            pids[port] = served.pid

        pids: dict[int, int] = {}

        def end() -> None:
            for web in webs.values():
                web.close()

        running.callback(end)
        for port in ports:
            await start(port)
        url = running.enter_context(proxy(tmp_path, ports))
        async with httpx.AsyncClient() as http:
            for _ in range(100):
                try:
                    assert (await http.get(f"{url}/readyz")).status_code == 404
                    break
                except httpx.ConnectError:
                    await asyncio.sleep(0.05)
        protocols = [websockets.Subprotocol("graphql-transport-ws")]
        async with websockets.connect(f"{url.replace('http', 'ws', 1)}/graphql", subprotocols=protocols) as socket:
            init = {"type": "connection_init", "payload": {"authorization": f"Bearer {token}"}}
            await socket.send(orjson.dumps(init).decode())
            assert orjson.loads(await socket.recv()) == {"type": "connection_ack"}
        clients = [asyncio.create_task(work(number, url)) for number in range(CLIENTS)]
        for port in ports * 2:
            await asyncio.sleep(1)
            os.kill(pids[port], signal.SIGTERM)
            await asyncio.sleep(0.3)
            # It says so, and answers.
            async with httpx.AsyncClient() as http:
                assert (await http.get(f"http://127.0.0.1:{port}/readyz")).status_code == 503
                last = await http.get(f"http://127.0.0.1:{port}/healthz")
                assert (last.status_code, last.headers["connection"]) == (200, "close")
            await asyncio.to_thread(webs[port].close)
            await start(port)
        await asyncio.sleep(1)
        is_over.set()
        await asyncio.gather(*clients)
    assert set(outcomes) == {"200 "}, outcomes
    assert outcomes.total() > 100
