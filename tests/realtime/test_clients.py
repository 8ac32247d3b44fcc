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
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from domain.foundation.access import Principal
from domain.foundation.database.sessions import ReadScope
from domain.foundation.feed.changes import sequence
from domain.foundation.settings import Settings
from domain.tenants.models import Tenant
from gql.contract.ids import CONTENT, ENROLLMENT, encode
from tests.realtime.test_credentials import bearer, learner_id, mutation, short_token
from tests.realtime.test_paid_streams import poor
from tests.realtime.test_resets import enroll_many
from tests.realtime.test_streams import ENROLL
from tests.support import factories
from tests.support.api import Api
from tests.support.live import LiveServer
from tests.support.relay import relay_to

README = (Path(__file__).parents[2] / "README.md").read_text()
CLIENTS = Path(__file__).parent / "clients"
NAMES = ["graphql_ws", "graphql_sse", "urql", "apollo", "relay"]
PACKAGES = [
    *("graphql-ws@6.4.2", "graphql-sse@2.6.1", "@urql/core@6", "@apollo/client@4", "relay-runtime@20"),
    *("graphql@16", "ws@8", "rxjs@7"),
]
ALL = "{ enrollments(first: 100) { nodes { id isActive } } }"
PATIENCE = 25.0
#: Pauses of clients in milliseconds where what they wait for takes no longer, and how often streams say something then.
SHORT_WAITS = {"first": 100, "longest": 1_000, "silence": 3_000}
SIGN_OF_LIFE = 0.5
#: Bytes of what a client says it holds.
LONGEST_LINE = 2**23
BAD_GATEWAY = (
    b"HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\nContent-Length: 3\r\nConnection: close\r\n\r\n<p>"
)


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

    async def until(self, expected: Any, seconds: float = PATIENCE) -> None:
        """Wait until the client holds this list."""
        assert self.process.stdout is not None
        try:
            async with asyncio.timeout(seconds):
                while self.seen != expected:
                    line = await self.process.stdout.readline()
                    assert line, f"{self.name} has ended"
                    self.seen = json.loads(line)
        except TimeoutError:
            held = self.seen or []
            wrong = {"too much": [one for one in held if one not in expected][:10]}
            wrong["too little"] = [one for one in expected if one not in held][:10]
            pytest.fail(f"{self.name} holds {len(held)} instead of {len(expected)}: {wrong}")


@asynccontextmanager
async def running(
    directory: Path,
    url: str,
    tokens: list[str],
    names: Sequence[str] = NAMES,
    *,
    waits: Mapping[str, int] | None = None,
) -> AsyncIterator[list[Client]]:
    """Run clients until the end, with the pauses of the README or others."""
    environment = {"PATH": os.environ["PATH"], "URL": url, "TOKENS": ",".join(tokens)}
    if waits is not None:
        environment["WAITS"] = json.dumps(waits)
    clients = []
    try:
        for name in names:
            process = await asyncio.create_subprocess_exec(
                "node", f"{name}.mjs", cwd=directory, env=environment, stdout=PIPE, limit=LONGEST_LINE
            )
            clients.append(Client(name, process))
        yield clients
    finally:
        for client in clients:
            if client.process.returncode is None:
                client.process.kill()
            await client.process.wait()


@asynccontextmanager
async def company(
    api: Api, admin: Principal, tenant: Tenant
) -> AsyncIterator[tuple[Callable[[], Awaitable[None]], Callable[[], Awaitable[list[Any]]]]]:
    """Enroll somebody, and provide how to enroll one more and what clients have to hold."""
    course = encode(CONTENT, (await factories.create_course(tenant.id)).id)

    async def enroll() -> None:
        learner = {"id": learner_id(await factories.create_person(tenant.id))}
        await api.acting_as(admin).run(ENROLL, input={"learner": learner, "content": {"id": course}})

    async def expected() -> list[Any]:
        async with ReadScope(tenant.id) as reads:
            found = await reads.fetch("SELECT id, is_active FROM enrollment WHERE tenant_id = $1", tenant.id)
        return sorted([encode(ENROLLMENT, row["id"]), row["is_active"]] for row in found)

    await enroll()
    yield enroll, expected


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


async def test_published_clients_outlast_a_server_that_is_away(
    directory: Path, api: Api, live: LiveServer, admin: Principal, tenant: Tenant
) -> None:
    """Nobody listens when they try again, then a proxy says that nobody does; each often enough to give up."""
    async with company(api, admin, tenant) as (enroll, expected), relay_to(live.url) as relay:
        token = bearer(api, admin).removeprefix("Bearer ")
        async with running(directory, relay.url, [token], waits=SHORT_WAITS) as clients:
            for client in clients:
                await client.until(await expected())
            await relay.close()
            await enroll()
            await asyncio.sleep(5)
            relay.refusal = BAD_GATEWAY
            await relay.open()
            await enroll()
            await asyncio.sleep(5)
            relay.refusal = b""
            for client in clients:
                await client.until(await expected())


@pytest.mark.parametrize("is_begun", [True, False], ids=["following", "beginning"])
async def test_published_clients_notice_a_path_that_dies_without_a_word(
    directory: Path,
    api: Api,
    live: LiveServer,
    admin: Principal,
    tenant: Tenant,
    is_begun: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The sockets stay, and nothing comes through them any more: of streams, of handshakes, or of the snapshot."""
    monkeypatch.setattr("domain.foundation.feed.live.SILENCE", SIGN_OF_LIFE)
    monkeypatch.setattr("domain.foundation.feed.reader.POLL", SIGN_OF_LIFE)
    async with company(api, admin, tenant) as (enroll, expected), relay_to(live.url) as relay:
        token = bearer(api, admin).removeprefix("Bearer ")
        relay.is_hanging = not is_begun
        async with running(directory, relay.url, [token], waits=SHORT_WAITS) as clients:
            for client in clients if is_begun else ():
                await client.until(await expected())
            relay.is_hanging = True
            await enroll()
            # Longer than they listen, so that they have begun again, and that hangs too.
            await asyncio.sleep(2 * SHORT_WAITS["silence"] / 1_000)
            relay.freeze()
            relay.is_hanging = False
            for client in clients:
                await client.until(await expected())
            # What comes now comes by their streams, so all are connected.
            await enroll()
            for client in clients:
                await client.until(await expected())
            before = relay.connection_count
            await asyncio.sleep(2 * SHORT_WAITS["silence"] / 1_000)
            assert relay.connection_count == before, "a path that only carries signs of life is none that is dead"


@pytest.mark.parametrize(
    ("count", "points"),
    [pytest.param(2_000, 1_900, id="small"), pytest.param(40_000, 30_000, id="large", marks=pytest.mark.soak)],
)
async def test_a_snapshot_that_costs_more_points_than_there_are_goes_on(
    directory: Path, api: Api, live_settings: Settings, admin: Principal, tenant: Tenant, count: int, points: int
) -> None:
    """It is refused on the way, waits as long as it is told to, and misses nothing of what happens meanwhile."""
    course = await factories.create_course(tenant.id)
    for _ in range(count // 2_000):
        (first, *_) = await enroll_many(tenant.id, course.id, 2_000)
    # What was before the walk is not to be paid for again by the stream.
    await sequence(tenant.id)
    async with company(api, admin, tenant) as (enroll, expected), poor(api, live_settings, points) as live:
        token = bearer(api, admin).removeprefix("Bearer ")
        async with running(directory, live.url, [token], ["graphql_ws"], waits=SHORT_WAITS) as (client,):
            await asyncio.sleep(2)
            assert client.process.returncode is None
            await enroll()
            await client.until(await expected(), seconds=120)
            assert [encode(ENROLLMENT, first), True] in client.seen
            assert len(client.seen) == count + 2
