"""What a request pays for what it is kept safe by, each taken out in turn; and where the time of a page goes.

Two questions over HTTP: the least there is, and fifty tasks of the overview with learner and target. Each duty has a
server of its own without it, beside one that has all; they take turns. The CPU of a request is what tells.
"""

import json
import secrets
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from pydantic import SecretStr

from bench.database import Addresses, Connection, settle
from bench.load import graphql_request, send_all
from bench.processes import HOST, cpu_seconds, free_port, running, until_ready
from bench.report import Figure, Spread
from bench.size import Size
from bench.tasks import TASKS_PER_LEARNER, give_tasks
from bench.web_variants import DUTIES, TIMES
from bench.world import Company, found_company
from domain.foundation import clock
from domain.foundation.settings import Settings
from gql.identity.authentication import issue_token
from ops.servers.embedded import EmbeddedValkey

NAME = "request-cost"
LEAST = "{ tenant { name } }"
PAGE = """
query Overview { mandatoryTasks(first: 50, filter: {statuses: [ASSIGNED, IN_PROGRESS, OVERDUE]}) {
  nodes { id dueOn status note learner { id name } target { id title } } pageInfo { hasNextPage endCursor } } }
"""
#: Name, document, and what an answer has to contain.
QUESTIONS = (("least query", LEAST, b'"name"'), ("50 tasks", PAGE, b'"hasNextPage":true'))
WARM_UP, TURNS, CONNECTIONS = 60, 4, 4
MOST_TASKS = 100_000
CLOCKED = "nothing, but with a clock"


@dataclass(frozen=True, slots=True)
class Variant:
    """A server without something."""

    without: str
    port: int
    pid: int


@contextmanager
def _servers(addresses: Addresses, secret_key: str, redis_url: str) -> Iterator[list[Variant]]:
    with ExitStack() as stack:
        variants = []
        for without in ("", *DUTIES, CLOCKED):
            port = free_port()
            environment = {
                "DATABASE_URL": addresses.owner if without == "row security" else addresses.application,
                "SECRET_KEY": secret_key,
                "REDIS_URL": redis_url,
                "COST_PER_MINUTE": "1000000000",
                "BENCH_WITHOUT": without,
            }
            arguments = ["-m", "uvicorn", "--factory", "bench.web_variants:create_app", "--port", str(port),
                         "--no-access-log", "--log-level", "warning"]  # fmt: skip
            variants.append(Variant(without, port, stack.enter_context(running(arguments, environment))))
        yield variants


async def measure(owner: Connection, addresses: Addresses, size: Size) -> list[Figure]:
    """Measure all servers in turn."""
    now = clock.now()
    company = await found_company(owner, NAME, min(size.overview_tasks, MOST_TASKS) // TASKS_PER_LEARNER, now)
    await give_tasks(owner, company, now)
    await settle(owner)
    secret_key = secrets.token_hex(32)
    figures = []
    with (
        tempfile.TemporaryDirectory(prefix="mandate-bench-", ignore_cleanup_errors=True) as directory,
        EmbeddedValkey(Path(directory) / "valkey") as valkey,
        _servers(addresses, secret_key, valkey.url) as variants,
    ):
        token = _token(company, secret_key)
        for variant in variants:
            await until_ready(variant.port, "/readyz")
        for name, document, expected in QUESTIONS:
            request = graphql_request(document, {}, token)
            for variant in variants:
                await send_all(variant.port, [request] * WARM_UP, CONNECTIONS, expected)
            figures += await _compare(variants, name, request, expected, size)
        figures += await _split(variants[-1], request, expected, size)
    return figures


def _token(company: Company, secret_key: str) -> str:
    settings = Settings(secret_key=SecretStr(secret_key))
    return issue_token(
        settings,
        tenant=company.slug,
        now=clock.now(),
        lifetime=timedelta(hours=1),
        learner_id=company.admin.learner_id,
    )


async def _compare(variants: list[Variant], name: str, request: bytes, expected: bytes, size: Size) -> list[Figure]:
    """Return the cost of a request with everything, and without each duty."""
    compared = [variant for variant in variants if variant.without != CLOCKED]
    batch = size.requests // TURNS
    cpu = dict.fromkeys((variant.without for variant in compared), 0.0)
    latencies: dict[str, list[float]] = {variant.without: [] for variant in compared}
    for _ in range(TURNS):
        # In turn, so that all see the same other load.
        for variant in compared:
            before = cpu_seconds(variant.pid) or 0.0
            load = await send_all(variant.port, [request] * batch, CONNECTIONS, expected)
            cpu[variant.without] += (cpu_seconds(variant.pid) or 0.0) - before
            latencies[variant.without] += load.latencies
    figures = []
    whole, whole_latency = cpu[""] * 1_000 / (batch * TURNS), Spread.of(latencies[""]).median
    for variant in compared:
        value = cpu[variant.without] * 1_000 / (batch * TURNS)
        median = Spread.of(latencies[variant.without]).median
        case = f"{name}, CPU {f'without {variant.without}' if variant.without else 'with everything'}"
        details = {"median": round(median, 2)}
        if variant.without:
            details |= {"costs": round(whole - value, 3), "median costs": round(whole_latency - median, 2)}
        figures.append(
            Figure(NAME, case, value, "ms", whole, value / whole if whole else None, "everything", details=details)
        )
    return figures


async def _split(variant: Variant, request: bytes, expected: bytes, size: Size) -> list[Figure]:
    """Return where the time of one request after another goes."""
    _times(variant)
    load = await send_all(variant.port, [request] * size.requests, 1, expected)
    count, times = len(load.latencies), _times(variant)
    # The look at the account is a read of the same snapshot, so it is in both.
    database, whole = times["database"], times["whole"]
    parts = {
        "database": database,
        "authentication": times["authentication"],
        "execution, without database": max(0.0, times["operation"] + times["authentication"] - database),
        "encoding": times["encoding"],
        "whole": whole,
    }
    return [
        Figure(NAME, f"50 tasks, time of {part}", seconds * 1_000 / count, "ms", ratio=seconds / whole,
               compared_with="whole", details={"latency": round(Spread.of(load.latencies).median, 2)})
        for part, seconds in parts.items()
    ]  # fmt: skip


def _times(variant: Variant) -> dict[str, float]:
    with urllib.request.urlopen(f"http://{HOST}:{variant.port}{TIMES}", timeout=5) as answer:
        times: dict[str, float] = json.load(answer)
    return times
