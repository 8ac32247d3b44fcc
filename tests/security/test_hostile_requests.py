"""A served application and everything bad that can be sent to it: it answers, says nothing it should not, and stays.

It is `mandate web` as a process of its own, asked over HTTP. `SEED` repeats a run. `make soak` sends 100,000 requests.
"""

import asyncio
import re
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from pathlib import Path
from random import Random

import httpx
import pytest
from graphql import StringValueNode
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import sampled_from
from hypothesis_graphql import from_schema

from domain.foundation import clock
from domain.tenants.models import Tenant
from gql.identity.authentication import issue_token
from gql.schema import schema
from tests.security.hostile import documents, limits, transport
from tests.security.hostile.judging import faults_of, rows_of, secrets_of
from tests.security.hostile.operations import Operations
from tests.security.hostile.request import EVENTS, Request, graphql
from tests.security.hostile.values import CANARY, DATES, INSTANTS, Values
from tests.security.world import World, populate
from tests.support import factories
from tests.support.api import SECRET, Api
from tests.support.catalogue import Connection
from tests.support.telling import seeded, tell
from tests.support.web_process import WebProcess, web_process

#: Looks at the memory of the server.
PARTS = 10
#: Requests that are under way at the same time.
TOGETHER = 8
#: Seconds for one answer: queries end after ten.
PATIENCE = 20.0
#: What a process may take, in MB, and how long others may have to wait for it, in seconds.
MAX_MEGABYTES = 300
MAX_SILENCE = 1.0


@dataclass(frozen=True, slots=True)
class Size:
    """How much, and how much memory the server may have gained between a third of it and its end, in MB."""

    requests: int
    generated: int
    growth: float


SMALL = Size(requests=1_000, generated=20, growth=40)
LARGE = Size(requests=100_000, generated=2_000, growth=24)
#: Requests after which who asks is there again, with the rights that they had.
REVIVED_EVERY = 100
#: One in so many requests switches the rules on again, which others switch off.
RESTORED_EVERY = 40
RESTORE = graphql(
    "restore",
    "mutation { setTenantFeature(input: {feature: AUTO_ASSIGNMENT, isEnabled: true}) { errors { code } } }",
)


#: What the generator cannot know.
SCALARS = {
    "Date": sampled_from(DATES).map(lambda text: StringValueNode(value=text)),
    "DateTime": sampled_from(INSTANTS).map(lambda text: StringValueNode(value=text)),
}


class Watch:
    """Asks a server all the while how it is, and keeps the longest wait and the most memory."""

    def __init__(self, web: WebProcess) -> None:
        self._web = web
        self.silence = 0.0
        self.megabytes = 0.0

    async def go_on(self) -> None:
        """Ask until cancelled."""
        async with httpx.AsyncClient(base_url=self._web.url, timeout=PATIENCE, trust_env=False) as http:
            while True:
                begun = time.monotonic()
                assert (await http.get("/healthz")).status_code == httpx.codes.OK
                self.silence = max(self.silence, time.monotonic() - begun)
                self.megabytes = max(self.megabytes, resident_megabytes(self._web.pid))
                await asyncio.sleep(0.05)


class Sender:
    """Sends requests in the name of their callers, and keeps what is wrong with the answers."""

    def __init__(self, web: WebProcess, api: Api, ours: World, theirs: World) -> None:
        self._secrets = secrets_of(theirs)
        self._credentials = {
            name: factories.api_key_of(principal)
            if principal.service_account_id
            else issue_token(
                api.settings,
                tenant=ours.tenant.slug,
                now=clock.now(),
                lifetime=timedelta(days=2),
                learner_id=principal.learner_id,
            )
            for name, principal in ours.callers.items()
        }
        limits = httpx.Limits(max_connections=TOGETHER)
        self._http = httpx.AsyncClient(base_url=web.url, timeout=PATIENCE, limits=limits, trust_env=False)
        self.faults: list[str] = []
        self.codes: Counter[str] = Counter()
        self.slowest: tuple[float, str] = (0.0, "")

    async def send(self, request: Request) -> str:
        """Send one; return the text of the answer."""
        headers: dict[bytes, bytes] = {
            name.encode(): value.encode("latin-1") for name, value in request.headers.items()
        }
        if request.caller:
            headers[b"Authorization"] = f"Bearer {self._credentials[request.caller]}".encode()
        begun = time.monotonic()
        try:
            status, text = await self._answer(request, headers)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            # That the server hangs up on what is no HTTP is an answer; that it does not answer is none.
            status, text = 0, ""
            if not isinstance(error, httpx.InvalidURL | httpx.LocalProtocolError):
                self.faults.append(f"{request.label}: {type(error).__name__} {error} {request.path[:300]}")
        self.slowest = max(self.slowest, (time.monotonic() - begun, request.label))
        self.codes[str(status)] += 1
        for code in set(re.findall(r'"code":"(\w+)"', text)):
            self.codes[code] += 1
        for fault in faults_of(status, text, self._secrets):
            self.faults.append(
                f"{request.label} by {request.caller}: {fault}\n  {request.method} {request.path[:600]}"
                f"\n  {request.content[:1500]!r}\n  {text[:600]}"
            )
        return text

    async def _answer(self, request: Request, headers: dict[bytes, bytes]) -> tuple[int, str]:
        async with self._http.stream(
            request.method, request.path, content=request.content, headers=headers
        ) as response:
            if not response.headers.get("content-type", "").startswith(EVENTS["Accept"]):
                return response.status_code, (await response.aread()).decode(errors="replace")
            # A stream may go on for ever; what it says first is the answer.
            async for chunk in response.aiter_text():
                return response.status_code, chunk
            return response.status_code, ""

    async def cursors(self) -> dict[str, str]:
        """Return a cursor of each list that has something."""
        found = {}
        for name in transport.LISTS:
            request = graphql("cursor", f"{{ {name}(first: 1) {{ pageInfo {{ endCursor }} }} }}")
            text = await self.send(request)
            if cursor := re.search(r'"endCursor":"([^"]+)"', text):
                found[name] = cursor[1]
        return found

    async def send_all(self, requests: Iterator[Request]) -> None:
        """Send them, several at a time."""

        async def work() -> None:
            for request in requests:
                await self.send(request)

        await asyncio.gather(*(work() for _ in range(TOGETHER)))

    async def close(self) -> None:
        """Disconnect."""
        await self._http.aclose()


@pytest.mark.parametrize(
    "size", [pytest.param(SMALL, id="small"), pytest.param(LARGE, id="large", marks=pytest.mark.soak)]
)
async def test_nothing_that_is_sent_breaks_or_opens_anything(
    size: Size, api: Api, app_url: str, tenant: Tenant, another_tenant: Tenant, superuser: Connection, tmp_path: Path
) -> None:
    """No failure that is ours, nothing of the other tenant, nothing repeated, and the memory stays as it was."""
    random = seeded()
    ours, theirs = await populate(api, tenant), await populate(api, another_tenant)
    before = await rows_of(superuser, another_tenant.id)
    environment = {"DATABASE_URL": app_url, "SECRET_KEY": SECRET, "COST_PER_MINUTE": "1000000000"}
    with web_process(tmp_path, environment) as web:
        sender = Sender(web, api, ours, theirs)
        watch = Watch(web)
        watching = asyncio.create_task(watch.go_on())
        await sender.send_all(map(documents.generated, generated_documents(random, size.generated)))
        requests = hostile_requests(random, ours, theirs, await sender.cursors())
        begun = time.monotonic()
        memory = []
        for _ in range(PARTS):
            for _ in range(size.requests // PARTS // REVIVED_EVERY):
                await sender.send_all(next(requests) for _ in range(REVIVED_EVERY))
                await revive(superuser, ours)
            memory.append(round(resident_megabytes(web.pid), 1))
        tell(
            f"{size.requests} requests in {time.monotonic() - begun:.0f} s, MB in between: {memory};"
            f" at most {watch.megabytes:.0f}, silent for {watch.silence:.2f} s at most;"
            f" slowest {sender.slowest}; {dict(sender.codes.most_common())}"
        )
        watching.cancel()
        # It still serves everybody else.
        viewer = await sender.send(Request("viewer", b'{"query": "{ tenant { name } }"}'))
        await sender.close()
    (tmp_path / "faults").write_text("\n".join(sender.faults), errors="replace")
    assert sender.faults == [], f"{len(sender.faults)} faults:\n" + "\n".join(sender.faults[:20])
    assert '"name":' in viewer
    assert sender.codes["200"] > sender.codes["401"]
    assert CANARY not in web.output
    assert "Traceback" not in web.output
    assert await rows_of(superuser, another_tenant.id) == before
    assert memory[-1] - memory[PARTS // 3] < size.growth
    assert watch.megabytes < MAX_MEGABYTES
    assert watch.silence < MAX_SILENCE


async def revive(superuser: Connection, world: World) -> None:
    """Undo what a caller has done to another one: erased, deactivated, given another role, revoked."""
    for name, principal in world.callers.items():
        if principal.learner_id is None:
            statement = "UPDATE service_account SET revoked_at = NULL WHERE id = $1 AND revoked_at IS NOT NULL"
            await superuser.execute(statement, principal.service_account_id)
        else:
            await superuser.execute(
                "UPDATE learner SET role = $2, is_active = true, erased_at = NULL"
                " WHERE id = $1 AND (role <> $2 OR NOT is_active OR erased_at IS NOT NULL)",
                principal.learner_id,
                name,
            )


def hostile_requests(random: Random, ours: World, theirs: World, cursors: dict[str, str]) -> Iterator[Request]:
    """Yield requests without end."""
    values = Values(random, ours.objects, theirs.objects)
    operations = Operations(random, values)
    # Nearly right, so that it gets further.
    milder = Operations(random, Values(random, ours.objects, theirs.objects, wrong=2))
    addresses = transport.Addresses(random, ours.objects, theirs.objects)
    now = clock.now()
    good = {"tenant": ours.tenant.slug, "exp": int(now.timestamp()) + 90_000, "sub": ours.objects["trainer"].id}
    makers = (
        (30, operations.any),
        (30, milder.any),
        (12, lambda: documents.bomb(random)),
        (12, lambda: limits.excessive(random)),
        (6, lambda: transport.body(random)),
        (5, lambda: transport.headers(random)),
        (6, addresses.export),
        (2, addresses.calendar),
        (3, addresses.graphql),
        (4, lambda: transport.cursor(random, cursors)),
        (2, lambda: transport.claims(random, good, SECRET)),
    )
    weights = [weight for weight, _ in makers]
    for number in count():
        if number % RESTORED_EVERY == 0:
            yield RESTORE
        yield random.choices(makers, weights)[0][1]()


def generated_documents(random: Random, number: int) -> Iterator[str]:
    """Return documents of the generator that schemathesis uses for GraphQL."""
    made: list[str] = []

    @settings(
        max_examples=number,
        database=None,
        deadline=None,
        derandomize=False,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(from_schema(schema().as_str(), custom_scalars=SCALARS))
    def collect(document: str) -> None:
        made.append(document)

    collect()
    return iter(made)


def resident_megabytes(pid: int) -> float:
    """Return how much memory a process has in RAM, 0 where the system does not tell."""
    try:
        found = re.search(r"^VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    except OSError:
        return 0.0
    return int(found[1]) / 1024 if found else 0.0
