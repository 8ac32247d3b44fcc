"""A hundred changes in one commit, pushed to five hundred subscribers that select the same: with compiled selections,
without, and as a bare broadcast of the same bytes.

The batch is completed once for all of them; what grows with the subscribers is sending alone.
"""

import asyncio
import random
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import domain.reactions  # noqa: F401  Changes need the table of reactions.
from bench.database import Addresses, Connection, settle
from bench.live import PAUSES, TO_AN_ACCOUNT, greetings, running_broadcast
from bench.mutation import token_of, web_server
from bench.processes import cpu_seconds, until_ready
from bench.report import Figure, Spread
from bench.size import Size
from bench.subscriber_process import crowd
from bench.world import Company, found_company
from domain.content.queries import ContentKey
from domain.enrollments.operations import enroll_learner, unenroll_learner
from domain.foundation import clock, nudge
from domain.foundation.unit_of_work import UnitOfWork, perform
from domain.people.queries import LearnerKey
from ops.servers.embedded import EmbeddedValkey

NAME = "batches"
SUBSCRIBERS, CHANGES = 500, 100
WARM_UP = 2


@dataclass(frozen=True, slots=True)
class Pushed:
    """Seconds until the last subscriber had a batch, for each; milliseconds that the server computed for one."""

    seconds: list[float]
    cpu: float
    #: A message that held a batch.
    text: str


class Batches:
    """A hundred enrollments that begin and end together, again and again."""

    def __init__(self, company: Company) -> None:
        self._company = company
        last = company.first_learner + company.learner_count
        self._learners = [LearnerKey(id=last - number) for number in range(1, CHANGES + 1)]
        self._version = 0

    async def commit(self) -> float:
        """Make the next hundred changes and return when they were committed."""
        operation = unenroll_learner if self._version % 2 else enroll_learner

        async def change(work: UnitOfWork) -> None:
            for learner in self._learners:
                await operation(work, learner=learner, content=ContentKey(id=self._company.courses[0]))

        await perform(self._company.admin, clock.now(), operation.__name__, change)
        self._version += 1
        return perf_counter()

    @property
    def next_mark(self) -> str:
        """What is in the message of the next batch alone."""
        return f'"version":{self._version + 1},"enrollment":'


async def measure(owner: Connection, addresses: Addresses, size: Size) -> list[Figure]:
    """Measure the three servers after each other."""
    company = await found_company(owner, NAME, 2 * SUBSCRIBERS, clock.now())
    await owner.execute(
        "UPDATE learner SET role = 'ADMIN' WHERE tenant_id = $1 AND id <= $2",
        company.tenant_id,
        company.first_learner + SUBSCRIBERS // TO_AN_ACCOUNT,
    )
    await settle(owner)
    batches = Batches(company)
    with (
        tempfile.TemporaryDirectory(prefix="mandate-bench-", ignore_cleanup_errors=True) as directory,
        EmbeddedValkey(Path(directory) / "valkey") as valkey,
    ):
        nudge.start(valkey.url)
        compiled = await _push(addresses, company, batches, valkey.url, size, is_compiled=True)
        ordinary = await _push(addresses, company, batches, valkey.url, size, is_compiled=False)
        await nudge.stop()
    bare = await _broadcast(compiled.text, size)
    return [*_figures("compiled", compiled, ordinary, "uncompiled"), *_figures("compiled", compiled, bare, "broadcast")]


async def _push(
    addresses: Addresses, company: Company, batches: Batches, redis_url: str, size: Size, *, is_compiled: bool
) -> Pushed:
    more = {"IS_COMPILATION_ENABLED": str(is_compiled).lower()}
    with web_server(addresses, company, redis_url=redis_url, more=more) as web:
        await until_ready(web.port, "/readyz")
        tokens = [
            token_of(company, company.first_learner + number // TO_AN_ACCOUNT, web.secret_key)
            for number in range(SUBSCRIBERS)
        ]
        async with crowd() as subscribers:
            await subscribers.begin(web.port, [greetings(token) for token in tokens])
            seconds: list[float] = []
            before = 0.0
            for number in range(WARM_UP + size.pushes):
                if number == WARM_UP:
                    before = cpu_seconds(web.pid) or 0.0
                await asyncio.sleep(random.uniform(*PAUSES))
                seconds.append(max(await subscribers.receipts(batches.next_mark, batches.commit)))
            cpu = ((cpu_seconds(web.pid) or 0.0) - before) * 1_000 / size.pushes
            _, _, text = await subscribers.count()
    return Pushed(seconds[WARM_UP:], cpu, text)


async def _broadcast(text: str, size: Size) -> Pushed:
    async with running_broadcast() as (port, pid, sender), crowd() as subscribers:
        await subscribers.begin(port, [[] for _ in range(SUBSCRIBERS)])
        seconds: list[float] = []
        before = 0.0
        for number in range(WARM_UP + size.pushes):
            if number == WARM_UP:
                before = cpu_seconds(pid) or 0.0
            await asyncio.sleep(random.uniform(*PAUSES))
            mark = str(1_000_000 + number)

            async def send(mark: str = mark) -> float:
                sender.send(f"{mark}{text[7:]}".encode())
                return perf_counter()

            seconds.append(max(await subscribers.receipts(mark, send)))
        cpu = ((cpu_seconds(pid) or 0.0) - before) * 1_000 / size.pushes
    return Pushed(seconds[WARM_UP:], cpu, text)


def _figures(name: str, pushed: Pushed, other: Pushed, compared_with: str) -> Sequence[Figure]:
    delay, floor = Spread.of(pushed.seconds).median, Spread.of(other.seconds).median
    case = f"{CHANGES} changes to {SUBSCRIBERS} subscribers, {name}"
    details = {"bytes of a message": len(pushed.text)}
    return [
        Figure(NAME, f"{case}: until the last has them", delay, "ms", floor, delay / floor, compared_with,
               details=details),
        Figure(NAME, f"{case}: CPU", pushed.cpu, "ms", other.cpu, pushed.cpu / other.cpu, compared_with),
    ]  # fmt: skip
