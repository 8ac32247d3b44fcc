"""`updateLearner` over HTTP beside a bare mutation that writes one row: the same server, the same client.

One worker process as `mandate web` runs it, a real token, the audit log, the change feed, two of fifty rules that act,
and a payload that shows the learner and what the rules did.
"""

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import count as numbers

from pydantic import SecretStr

from bench.bare_mutation import TABLE
from bench.database import Addresses, Connection, settle
from bench.load import Load, graphql_request, send_all
from bench.processes import cpu_seconds, free_port, running, until_ready
from bench.report import Figure, Spread
from bench.rules import give_rules
from bench.size import Size
from bench.world import Company, found_company, watched_value
from domain.foundation import clock
from domain.foundation.settings import Settings
from gql.contract.ids import LEARNER, encode
from gql.identity.authentication import issue_token

NAME = "mutation"
RULES = 50
CONNECTIONS = (1, 8)
WARM_UP = 100
TURNS = 4

UPDATE_LEARNER = """
mutation ($input: UpdateLearnerInput!) {
  updateLearner(input: $input) {
    learner { id name email version }
    autoAssignmentActionCount
    autoAssignmentActions { action source content { title } }
    errors { code message path }
  }
}
"""
#: Part of every right answer: both rules have acted, and nothing went wrong.
UPDATED = b'"autoAssignmentActionCount":2'

WRITE_ROW = "mutation ($id: ID!, $value: String!) { writeRow(learnerId: $id, value: $value) { id value } }"
WRITTEN = b'"writeRow":{"id"'


@dataclass(frozen=True, slots=True)
class Web:
    """A running `mandate web`."""

    port: int
    pid: int
    token: str
    secret_key: str


def token_of(company: Company, learner_id: int, secret_key: str) -> str:
    """Return a token of somebody in the company."""
    settings = Settings(database_url=SecretStr(""), secret_key=SecretStr(secret_key), redis_url=SecretStr(""))
    lifetime = timedelta(hours=1)
    return issue_token(settings, tenant=company.slug, now=clock.now(), lifetime=lifetime, learner_id=learner_id)


@contextmanager
def web_server(
    addresses: Addresses, company: Company, *, redis_url: str = "", more: Mapping[str, str] | None = None
) -> Iterator[Web]:
    """Run `mandate web`, with more settings; ask `until_ready` before using it."""
    secret_key = secrets.token_hex(32)
    token = token_of(company, company.first_learner, secret_key)
    environment = {
        "DATABASE_URL": addresses.application,
        "SECRET_KEY": secret_key,
        "REDIS_URL": redis_url,
        "ENVIRONMENT": "production",
        # One account does here what thousands do.
        "COST_PER_MINUTE": "1000000000",
        **(more or {}),
    }
    port = free_port()
    with running(["-m", "ops.cli", "web", "--port", str(port)], environment) as pid:
        yield Web(port, pid, token, secret_key)


@dataclass(frozen=True, slots=True)
class _Bare:
    """A running server of the floor."""

    port: int
    pid: int


@contextmanager
def _bare_server(addresses: Addresses) -> Iterator[_Bare]:
    port = free_port()
    arguments = ["-m", "uvicorn", "--factory", "bench.bare_mutation:create_app", "--port", str(port), "--no-access-log",
                 "--log-level", "warning"]  # fmt: skip
    with running(arguments, {"DATABASE_URL": addresses.owner}) as pid:
        yield _Bare(port, pid)


def changes(company: Company, token: str) -> Iterator[bytes]:
    """Return requests without end, each of which makes two rules act."""
    for number in numbers():
        # The first learner is the administrator. On every round through the others, ref 1 moves on by one.
        learner_id = company.first_learner + 1 + number % (company.learner_count - 1)
        value = watched_value(learner_id + 1 + number // (company.learner_count - 1))
        changed = {"refValues": [{"number": 1, "value": value}]}
        yield graphql_request(
            UPDATE_LEARNER, {"input": {"learner": {"id": encode(LEARNER, learner_id)}, "changes": changed}}, token
        )


async def measure(owner: Connection, addresses: Addresses, size: Size) -> list[Figure]:
    """Measure both servers in turn, with one connection and with eight."""
    now = clock.now()
    company = await found_company(owner, "mutation", size.learners_per_tenant, now)
    await give_rules(owner, company, RULES, now)
    await owner.execute(TABLE)
    await settle(owner)
    figures = []
    with web_server(addresses, company) as web, _bare_server(addresses) as floor:
        await until_ready(web.port, "/readyz")
        await until_ready(floor.port, "/healthz")
        requests = changes(company, web.token)
        bare = (graphql_request(WRITE_ROW, {"id": str(number), "value": "v"}) for number in numbers())
        await send_all(web.port, [next(requests) for _ in range(WARM_UP)], max(CONNECTIONS), UPDATED)
        await send_all(floor.port, [next(bare) for _ in range(WARM_UP)], max(CONNECTIONS), WRITTEN)
        computed = _computed(web, floor)
        for connections in CONNECTIONS:
            whole, bare_loads = list[Load](), list[Load]()
            # In turn, so that both see the same other load.
            for _ in range(TURNS):
                batch = size.requests // TURNS
                whole.append(await send_all(web.port, [next(requests) for _ in range(batch)], connections, UPDATED))
                bare_loads.append(await send_all(floor.port, [next(bare) for _ in range(batch)], connections, WRITTEN))
            figures += _figures(connections, _together(whole), _together(bare_loads))
        count = len(CONNECTIONS) * (size.requests // TURNS) * TURNS
        figures += _cpu(computed, _computed(web, floor), count)
    return figures


def _computed(web: Web, bare: _Bare) -> tuple[float, float] | None:
    """Return how long both servers have computed so far; None where the system does not tell."""
    whole, floor = cpu_seconds(web.pid), cpu_seconds(bare.pid)
    return None if whole is None or floor is None else (whole, floor)


def _cpu(before: tuple[float, float] | None, after: tuple[float, float] | None, request_count: int) -> list[Figure]:
    """Return the computing time of a request: other load on the machine does not change it much."""
    if before is None or after is None:
        return []
    whole, floor = ((end - begin) * 1_000 / request_count for begin, end in zip(before, after, strict=True))
    return [Figure(NAME, "CPU of the web process per request", whole, "ms", floor, whole / floor)]


def _together(loads: list[Load]) -> Load:
    return Load(sum(load.seconds for load in loads), [one for load in loads for one in load.latencies])


def _figures(connections: int, whole: Load, floor: Load) -> list[Figure]:
    latency, floor_latency = Spread.of(whole.latencies), Spread.of(floor.latencies)
    case = f"{connections} connection{'s' if connections > 1 else ''}"
    return [
        Figure(NAME, f"{case}: rate", whole.rate, "requests/s", floor.rate, whole.rate / floor.rate),
        Figure(
            NAME, f"{case}: median", latency.median, "ms", floor_latency.median, latency.median / floor_latency.median
        ),
        Figure(NAME, f"{case}: 99 %", latency.p99, "ms", floor_latency.p99, latency.p99 / floor_latency.p99),
    ]
