"""From a commit to the streams of one web process, beside a bare broadcast of the same bytes by the same server.

Each subscriber has a connection of its own, ten to an account; they live in another process, and changes are committed
in this one, so `mandate web` does nothing but push. The broadcast is told what to send over a WebSocket.
"""

import asyncio
import random
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import orjson

import domain.reactions  # noqa: F401  Changes need the table of reactions.
from bench.database import Addresses, Connection, counted_statements, settle
from bench.mutation import token_of, web_server
from bench.processes import HOST, cpu_seconds, free_port, resident_megabytes, running, until_ready
from bench.report import Figure, Spread
from bench.size import Size
from bench.subscriber_process import Crowd, crowd
from bench.websocket_client import WebSocketClient, connect
from bench.world import Company, found_company
from domain.content.queries import ContentKey
from domain.enrollments.operations import enroll_learner, unenroll_learner
from domain.foundation import clock, nudge
from domain.foundation.unit_of_work import UnitOfWork, perform
from domain.people.queries import LearnerKey
from ops.servers.embedded import EmbeddedValkey

NAME = "live"
LEARNERS = 1_000
WARM_UP = 5
#: Connections that an account may have.
TO_AN_ACCOUNT = 10
#: Seconds between two changes: longer than those for which news are taken together, and never in step with anything.
PAUSES = (0.06, 0.2)

SUBSCRIPTION = """
subscription Enrollments($after: String) {
  enrollmentChanges(after: $after) {
    cursor
    reset { reason }
    changes {
      kind enrollmentId version
      enrollment { id status isActive progressPercent version learner { id name } content { id title } }
    }
  }
}
"""

#: Sends the next message and returns when that was, and what every message of it contains.
Send = Callable[[int], Awaitable[float]]


@dataclass(frozen=True, slots=True)
class Pushed:
    """What was measured of one server."""

    delays: list[float]
    #: Messages per second without a pause, and milliseconds that the server computes for one.
    rate: float
    cpu: float | None
    seconds_to_begin: float
    megabytes: float | None
    #: The last message, for whoever shall send the same.
    text: str


class Changes:
    """One enrollment that begins and ends, again and again; its version counts the changes."""

    def __init__(self, company: Company, version: int) -> None:
        self._company = company
        self._learner = LearnerKey(id=company.first_learner + company.learner_count - 1)
        self._content = ContentKey(id=company.courses[0])
        self.version = version

    async def commit(self) -> float:
        """Make the next change and return when it was committed."""
        operation: Any = unenroll_learner if self.version % 2 else enroll_learner
        done_at = 0.0

        async def change(work: UnitOfWork) -> None:
            await operation(work, learner=self._learner, content=self._content)

        await perform(self._company.admin, clock.now(), operation.__name__, change)
        done_at = perf_counter()
        self.version += 1
        return done_at

    @property
    def next_mark(self) -> str:
        """What is in the message of the next change alone."""
        return f'"version":{self.version + 1},"enrollment":'


async def measure(owner: Connection, addresses: Addresses, size: Size) -> list[Figure]:
    """Measure with each number of subscribers, the web server and the broadcast after each other."""
    company = await found_company(owner, NAME, max(LEARNERS, max(size.subscriber_counts)), clock.now())
    await owner.execute(
        "UPDATE learner SET role = 'ADMIN' WHERE tenant_id = $1 AND id < $2",
        company.tenant_id,
        company.first_learner + max(size.subscriber_counts) // TO_AN_ACCOUNT + 1,
    )
    await settle(owner)
    figures = []
    with (
        tempfile.TemporaryDirectory(prefix="mandate-bench-", ignore_cleanup_errors=True) as directory,
        EmbeddedValkey(Path(directory) / "valkey") as valkey,
    ):
        nudge.start(valkey.url)
        changes = Changes(company, 0)
        for count in size.subscriber_counts:
            async with counted_statements(owner) as statements:
                pushed, reads = await _measure_web(addresses, company, changes, valkey.url, count, size, statements)
            floor = await _measure_broadcast(pushed.text, count, size)
            figures += _figures(count, pushed, floor, reads)
        await nudge.stop()
    return figures


async def _measure_web(
    addresses: Addresses,
    company: Company,
    changes: Changes,
    redis_url: str,
    count: int,
    size: Size,
    statements: Callable[[], Awaitable[int]],
) -> tuple[Pushed, float]:
    """Return what was measured of `mandate web`, and the statements that it sent per change."""
    with web_server(addresses, company, redis_url=redis_url) as web:
        await until_ready(web.port, "/readyz")
        accounts = [
            token_of(company, company.first_learner + number, web.secret_key)
            for number in range(count // TO_AN_ACCOUNT + 1)
        ]
        async with crowd() as subscribers:
            await subscribers.begin(web.port, [greetings(accounts[number // TO_AN_ACCOUNT]) for number in range(count)])
            await _push(subscribers, changes, WARM_UP)
            before = await statements()
            delays = await _push(subscribers, changes, size.pushes)
            reads = (await statements() - before) / size.pushes
            pushed = await _flood(subscribers, web.pid, changes.commit, size.push_seconds, delays)
    return pushed, reads


async def _push(subscribers: Crowd, changes: Changes, count: int) -> list[float]:
    delays = []
    for _ in range(count):
        await asyncio.sleep(random.uniform(*PAUSES))
        delays += await subscribers.receipts(changes.next_mark, changes.commit)
    return delays


async def _measure_broadcast(text: str, count: int, size: Size) -> Pushed:
    async with running_broadcast() as (port, pid, sender), crowd() as subscribers:
        await subscribers.begin(port, [[] for _ in range(count)])
        numbers = iter(range(1_000_000, 9_000_000))

        def message(number: int) -> bytes:
            # As many bytes, and another one each time.
            return f"{number}{text[7:]}".encode()

        async def push(pushes: int) -> list[float]:
            delays = []
            for _ in range(pushes):
                await asyncio.sleep(random.uniform(*PAUSES))
                number = next(numbers)

                async def send(number: int = number) -> float:
                    sender.send(message(number))
                    return perf_counter()

                delays += await subscribers.receipts(str(number), send)
            return delays

        await push(WARM_UP)
        delays = await push(size.pushes)

        async def send_next() -> float:
            sender.send(message(next(numbers)))
            # As often as a stream gets a batch at most, so that both do the same work.
            await asyncio.sleep(0.05)
            return perf_counter()

        return await _flood(subscribers, pid, send_next, size.push_seconds, delays)


async def _flood(
    subscribers: Crowd, pid: int, send: Callable[[], Awaitable[float]], seconds: float, delays: list[float]
) -> Pushed:
    """Send without a pause, and count what arrives."""
    begin, count_before, _ = await subscribers.count()
    computed_before = cpu_seconds(pid)
    while perf_counter() - begin < seconds:
        await send()
    end, count, text = await subscribers.count()
    computed = cpu_seconds(pid)
    messages = count - count_before
    cpu = None if computed is None or computed_before is None else (computed - computed_before) * 1_000 / messages
    return Pushed(delays, messages / (end - begin), cpu, subscribers.seconds_to_begin, resident_megabytes(pid), text)


@asynccontextmanager
async def running_broadcast() -> AsyncIterator[tuple[int, int, WebSocketClient]]:
    """Run the broadcast; hand out its port and process, and a client that tells it what to send."""
    port = free_port()
    with running(["-m", "bench.bare_broadcast", str(port)], {}) as pid:
        await until_ready(port, "/healthz")
        sender = await connect(HOST, port, "/send", lambda client, text: None)
        yield port, pid, sender
        sender.close()


def greetings(token: str) -> list[str]:
    """Return what a subscriber sends."""
    subscribe = {"id": "1", "type": "subscribe", "payload": {"query": SUBSCRIPTION, "variables": {}}}
    init = {"type": "connection_init", "payload": {"authorization": f"Bearer {token}"}}
    return [orjson.dumps(init).decode(), orjson.dumps(subscribe).decode()]


def _figures(count: int, pushed: Pushed, floor: Pushed, reads: float) -> list[Figure]:
    delay, bare = Spread.of(pushed.delays), Spread.of(floor.delays)
    case = f"{count:,} subscriber{'s' if count > 1 else ''}"
    begun = {"all live after, s": round(pushed.seconds_to_begin, 1), "bytes of a message": len(pushed.text)}
    if pushed.megabytes is not None:
        begun["resident, MB"] = round(pushed.megabytes)
    figures = [
        Figure(NAME, f"{case}: median", delay.median, "ms", bare.median, delay.median / bare.median, details=begun),
        Figure(NAME, f"{case}: 99 %", delay.p99, "ms", bare.p99, delay.p99 / bare.p99),
        Figure(NAME, f"{case}: rate", pushed.rate, "messages/s", floor.rate, pushed.rate / floor.rate),
        Figure(NAME, f"{case}: statements per change", reads, "statements"),
    ]
    if pushed.cpu is not None and floor.cpu is not None:
        cpu = Figure(NAME, f"{case}: CPU per message", pushed.cpu, "ms", floor.cpu, pushed.cpu / floor.cpu)
        figures.append(cpu)
    return figures
