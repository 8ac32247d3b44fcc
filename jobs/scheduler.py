"""The scheduler: hands out jobs and emails, numbers the change feed, does what time brings, deletes what is old.

It acts when it is nudged and looks by itself every second, so without Redis everything is a little later and nothing
is lost. Any number of schedulers may run: row locks decide who does what, so there is no leader to lose.
"""

import asyncio
import contextlib
import logging
import signal
from collections.abc import Awaitable, Callable

from domain.foundation import clock, nudge
from domain.foundation.change_feed import sequence_all_tenants
from domain.foundation.database import connected
from domain.foundation.orm import Limits
from domain.foundation.settings import Settings
from jobs.broker import create_broker
from jobs.dispatcher import Dispatcher
from jobs.expiry import end_access_that_is_over
from jobs.metrics import FAILURES, LAST_SUCCESS, measure
from jobs.overdue import note_overdue_tasks
from jobs.recurrence import open_due_cycles
from jobs.reminders import send_due_reminders
from jobs.retention import delete_what_is_old
from jobs.seats import give_free_seats

#: Seconds between two looks when nobody nudges.
POLL = 1.0
#: Seconds between two looks for what is due by now.
SWEEP = 3.0
DAY = 86_400.0
#: Seconds after which a round is given up, so that one that hangs is not the last one. Handing out takes a moment;
#: what time brings may be a great deal, and goes on where it was.
DISPATCH_LIMIT, ROUND_LIMIT, DELETION_LIMIT = 60.0, 600.0, 6 * 3_600.0
#: Seconds between two looks at what waits.
MEASURED_EVERY = 5.0
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
    seconds: float = POLL,
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
        await bell.wait(POLL if failures else seconds)


async def listen(redis_url: str, jobs: Bell, emails: Bell, feed: Bell) -> None:
    """Ring when somebody nudges; the polls do without."""

    def ring(message: str) -> None:
        for bell in (jobs, emails) if message == nudge.JOBS else (feed,):
            bell.ring()

    await nudge.listen(redis_url, ring, lambda is_connected: None)


async def schedule(settings: Settings) -> None:
    """Do all of it until cancelled."""
    redis_url = settings.redis_url.get_secret_value()
    queue_url = settings.queue_url
    dispatcher = Dispatcher(create_broker(queue_url), queue_url)
    jobs, emails, feed, never = Bell(), Bell(), Bell(), Bell()
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
            tasks.create_task(listen(redis_url, jobs, emails, feed))
            tasks.create_task(
                repeat("dispatching jobs", lambda: dispatcher.dispatch(clock.now()), jobs, limit=DISPATCH_LIMIT)
            )
            tasks.create_task(
                repeat(
                    "dispatching emails", lambda: dispatcher.dispatch_emails(clock.now()), emails, limit=DISPATCH_LIMIT
                )
            )
            tasks.create_task(repeat("sequencing the change feed", sequence_all_tenants, feed))
            tasks.create_task(
                repeat("ending access", lambda: end_access_that_is_over(clock.now()), Bell(), seconds=SWEEP)
            )
            tasks.create_task(
                repeat("giving out reminders", lambda: send_due_reminders(clock.now()), Bell(), seconds=SWEEP)
            )
            tasks.create_task(repeat("opening cycles", lambda: open_due_cycles(clock.now()), Bell(), seconds=SWEEP))
            tasks.create_task(
                repeat("noting overdue tasks", lambda: note_overdue_tasks(clock.now()), Bell(), seconds=SWEEP)
            )
            tasks.create_task(repeat("giving seats", lambda: give_free_seats(clock.now()), Bell(), seconds=SWEEP))
            tasks.create_task(repeat("measuring", lambda: measure(clock.now()), Bell(), seconds=MEASURED_EVERY))
            tasks.create_task(
                repeat(
                    "deleting",
                    lambda: delete_what_is_old(clock.now(), settings),
                    never,
                    seconds=DAY,
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
