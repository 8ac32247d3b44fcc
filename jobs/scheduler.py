"""The scheduler: hands out what is due to the workers, numbers the change feed, deletes what is old.

It acts when it is nudged and looks by itself every second or three, so a nudge that is lost makes things a little
later. Any number of schedulers may run: row locks decide who does what, so there is no leader to lose.
"""

import asyncio
import contextlib
import logging
import signal
import time
from collections.abc import Awaitable, Callable, Sequence

from domain.foundation import clock, nudge
from domain.foundation.database.orm import Limits
from domain.foundation.database.sessions import connected
from domain.foundation.feed.changes import sequence_all_tenants
from domain.foundation.settings import Settings
from jobs.broker import create_broker
from jobs.dispatcher import Dispatcher
from jobs.metrics import FAILURES, LAST_SUCCESS, measure
from jobs.retention import delete_what_is_old
from jobs.rounds import POLL, ROUNDS, Round

#: Seconds between two looks while there is something to hand out, as workers come back for more.
BUSY = 0.25
#: Seconds without anything to hand out after which it is over.
BUSY_FOR = 3.0
DAY = 86_400.0
#: Seconds after which a round is given up, so that one that hangs is not the last one. Handing out takes a moment;
#: numbering may be a great deal, and goes on where it was.
DISPATCH_LIMIT, ROUND_LIMIT, DELETION_LIMIT = 60.0, 600.0, 6 * 3_600.0
#: Seconds between two looks at what waits.
MEASURED_EVERY = 10.0
#: News of so many seconds are taken together.
MERGED = 0.02
LIMITS = Limits(statement=60_000)
POOL_SIZE = 4

log = logging.getLogger(__name__)


class Bell:
    """What a nudge rings: once means as much as many times."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """End the present or the next wait."""
        self._rung.set()

    async def wait(self, seconds: float) -> None:
        """Wait for the bell, and no longer than this."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._rung.wait(), seconds)
            await asyncio.sleep(MERGED)
        self._rung.clear()


async def repeat(
    name: str,
    action: Callable[[], Awaitable[object]],
    bell: Bell,
    *,
    pause: Callable[[], float] = lambda: POLL,
    limit: float = ROUND_LIMIT,
) -> None:
    """Act for ever, when the bell rings and at the latest after some time. No failure ends it, and no round hangs."""
    failures = 0
    while True:
        try:
            async with asyncio.timeout(limit):
                await action()
        except Exception as error:
            # Told once, not every second of an outage.
            if not failures:
                # Further lines of the database quote rows.
                reason = str(error).partition("\n")[0]
                log.warning("%s failed and goes on trying: %s: %s", name, type(error).__name__, reason)
            failures += 1
            FAILURES.labels(name).inc()
        else:
            if failures:
                log.warning("%s works again after %d failures", name, failures)
            failures = 0
            LAST_SUCCESS.labels(name).set_to_current_time()
        await bell.wait(POLL if failures else pause())


async def hand_out(dispatcher: Dispatcher, one: Round, bell: Bell) -> None:
    """Hand out what is due of a kind for ever; while there is something, the next look comes soon."""
    last_busy = -BUSY_FOR

    async def look() -> None:
        nonlocal last_busy
        if await dispatcher.dispatch(one, clock.now()):
            last_busy = time.monotonic()

    def pause() -> float:
        return BUSY if time.monotonic() < last_busy + BUSY_FOR else one.seconds

    await repeat(f"handing out {one.name}", look, bell, pause=pause, limit=DISPATCH_LIMIT)


async def listen(redis_url: str, work: Sequence[Bell], feed: Bell) -> None:
    """Ring when somebody nudges; the polls do without."""

    def ring(message: str) -> None:
        for bell in work if message == nudge.JOBS else (feed,):
            bell.ring()

    await nudge.listen(redis_url, ring, lambda is_connected: None)


async def schedule(settings: Settings) -> None:
    """Do all of it until cancelled."""
    redis_url = settings.redis_url.get_secret_value()
    queue_url = settings.queue_url
    dispatcher = Dispatcher(create_broker(queue_url), queue_url)
    bells = {one.name: Bell() for one in ROUNDS}
    nudged = [bells[one.name] for one in ROUNDS if one.is_nudged]
    feed = Bell()
    try:
        async with (
            connected(
                settings.database_url.get_secret_value(),
                application_name="mandate-scheduler",
                pool_size=POOL_SIZE,
                limits=LIMITS,
                keeps_statements=settings.are_statements_kept,
            ),
            asyncio.TaskGroup() as tasks,
        ):
            tasks.create_task(listen(redis_url, nudged, feed))
            for one in ROUNDS:
                tasks.create_task(hand_out(dispatcher, one, bells[one.name]))
            tasks.create_task(repeat("sequencing the change feed", sequence_all_tenants, feed))
            tasks.create_task(repeat("measuring", lambda: measure(clock.now()), Bell(), pause=lambda: MEASURED_EVERY))
            tasks.create_task(
                repeat(
                    "deleting",
                    lambda: delete_what_is_old(clock.now(), settings),
                    Bell(),
                    pause=lambda: DAY,
                    limit=DELETION_LIMIT,
                )
            )
            log.info("scheduler is ready")
    finally:
        await dispatcher.close()


def run_scheduler(settings: Settings) -> None:
    """Schedule until SIGTERM or SIGINT comes."""

    async def main() -> None:
        task = asyncio.ensure_future(schedule(settings))
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        with contextlib.suppress(asyncio.CancelledError):
            await task

    asyncio.run(main())
