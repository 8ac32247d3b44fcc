"""Clients that people use, as they are published: they lose their connection and hold the right list in the end.

What the README shows authors of clients is what runs here.
"""

import asyncio
import json
import os
import re
import shutil
import subprocess
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from domain.foundation.access import Principal
from domain.tenants.models import Tenant
from gql.ids import CONTENT, encode
from tests.realtime.test_credentials import bearer, learner_id, mutation, short_token
from tests.realtime.test_streams import ENROLL
from tests.support import factories
from tests.support.api import Api
from tests.support.live import LiveServer
from tests.support.relay import relay_to

README = (Path(__file__).parents[2] / "README.md").read_text()
CLIENTS = Path(__file__).parent / "clients"
NAMES = ["graphql_ws", "graphql_sse", "urql", "apollo"]
PACKAGES = [
    *("graphql-ws@6.4.2", "graphql-sse@2.6.1", "@urql/core@6", "@apollo/client@4"),
    *("graphql@16", "ws@8", "rxjs@7"),
]
ALL = "{ enrollments(first: 100) { nodes { id isActive } } }"
#: The first pauses of graphql-ws are one, two and four seconds, and up to three more each.
PATIENCE = 25.0


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the packages, the module of the README and a program for each client."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("needs node and npm")
    directory = tmp_path_factory.mktemp("clients")
    (directory / "package.json").write_text('{"private": true, "type": "module"}')
    quiet = ["--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts", "--loglevel=error"]
    try:
        done = subprocess.run(
            [npm, "install", *quiet, *PACKAGES], cwd=directory, capture_output=True, text=True, check=False, timeout=60
        )
    except subprocess.TimeoutExpired:
        pytest.skip("no package registry answers")
    if done.returncode:
        pytest.skip(f"packages cannot be installed: {done.stderr[-200:]}")
    [module] = re.findall(r"^```js\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    (directory / "readme.mjs").write_text(module)
    for program in CLIENTS.glob("*.mjs"):
        shutil.copy(program, directory)
    return directory


class Client:
    """A client in a process of its own."""

    def __init__(self, name: str, process: Process) -> None:
        self.name = name
        self.process = process
        self.seen: Any = None

    async def until(self, expected: Any) -> None:
        """Wait until the client holds this list."""
        assert self.process.stdout is not None
        try:
            async with asyncio.timeout(PATIENCE):
                while self.seen != expected:
                    line = await self.process.stdout.readline()
                    assert line, f"{self.name} has ended"
                    self.seen = json.loads(line)
        except TimeoutError:
            pytest.fail(f"{self.name} holds {self.seen} and not {expected}")


@asynccontextmanager
async def running(directory: Path, url: str, tokens: list[str]) -> AsyncIterator[list[Client]]:
    """Run all clients until the end."""
    environment = {"PATH": os.environ["PATH"], "URL": url, "TOKENS": ",".join(tokens)}
    clients = []
    try:
        for name in NAMES:
            process = await asyncio.create_subprocess_exec(
                "node", f"{name}.mjs", cwd=directory, env=environment, stdout=PIPE
            )
            clients.append(Client(name, process))
        yield clients
    finally:
        for client in clients:
            if client.process.returncode is None:
                client.process.kill()
            await client.process.wait()


async def test_published_clients_come_back_and_miss_nothing(
    directory: Path, api: Api, live: LiveServer, admin: Principal, tenant: Tenant
) -> None:
    """Snapshot, stream, a token that ends, and a connection that is lost while things go on."""
    course = encode(CONTENT, (await factories.create_course(tenant.id)).id)
    people = [await factories.create_person(tenant.id) for _ in range(4)]

    def keys(person: Principal) -> Any:
        return {"learner": {"id": learner_id(person)}, "content": {"id": course}}

    async def expected() -> list[Any]:
        found = (await api.acting_as(admin).value(ALL))["nodes"]
        return sorted([one["id"], one["isActive"]] for one in found)

    await api.acting_as(admin).run(ENROLL, input=keys(people[0]))
    tokens = [value.removeprefix("Bearer ") for value in (bearer(api, admin), short_token(api, admin, 3))]
    async with relay_to(live.url) as relay, running(directory, relay.url, [*tokens, tokens[0]]) as clients:
        for client in clients:
            await client.until(await expected())
        await api.acting_as(admin).run(ENROLL, input=keys(people[1]))
        for client in clients:
            await client.until(await expected())
        await relay.close()
        await api.acting_as(admin).run(ENROLL, input=keys(people[2]))
        await api.acting_as(admin).run(mutation("unenrollLearner"), input=keys(people[0]))
        await relay.open()
        for client in clients:
            await client.until(await expected())
        # The connection is still there, or there again.
        await api.acting_as(admin).run(ENROLL, input=keys(people[3]))
        for client in clients:
            await client.until(await expected())
