"""The worker: one process that takes all kinds of work from their queues, several at once, on one loop and one pool.

A signal stops it between two chunks; a killed one is replaced within seconds, because its leases run out. Jobs, emails
and what time brings have threads of their own: neither a mail server that hangs nor long jobs hold up reminders.
"""

import contextlib
import logging
import signal
import threading
import time
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from types import FrameType
from typing import Any

import dramatiq
import structlog
from dramatiq.asyncio import get_event_loop_thread
from dramatiq.middleware import MiddlewareError
from dramatiq.middleware.asyncio import AsyncIO

from domain.foundation import clock, nudge
from domain.foundation.database.orm import Limits
from domain.foundation.database.sessions import connected
from domain.foundation.settings import Settings
from jobs import emails
from jobs.background_jobs import declare_job_actor
from jobs.broker import create_broker
from jobs.emails import EmailWork
from jobs.queue_lengths import queue_lengths
from jobs.rounds import SWEPT, Round, take_turn

#: Jobs that one process works on at the same time.
THREADS = 4
#: Parts of what time brings that one process works on at the same time.
SWEEP_THREADS = 2
#: Milliseconds an idle worker sleeps at most before it asks for messages.
IDLE = 250
#: Milliseconds that running chunks have to end, and before that emails that are being handed over.
GRACE = 10_000
EMAIL_GRACE = 2_000
SWEEP_GRACE = 3_000
#: A chunk is far more than a request, and nobody waits for it.
LIMITS = Limits(statement=60_000)

log = logging.getLogger(__name__)


class NotConnected(MiddlewareError):
    """The worker cannot start because the database cannot be used."""


class Connections(dramatiq.Middleware):
    """Opens the pool and the nudges on dramatiq's event loop; stands after AsyncIO in the list of middleware."""

    def __init__(self, settings: Settings, *, pool_size: int) -> None:
        self._settings = settings
        self._pool_size = pool_size
        self._open = contextlib.AsyncExitStack()
        self.is_stopping = threading.Event()
        self.emails = EmailWork(settings, should_stop=self.is_stopping.is_set)

    def before_worker_boot(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        """Connect, or refuse the start."""
        try:
            _run_on_loop(self._connect())
        except Exception as error:
            # Nobody else stops the loop of a worker that has not started, and its thread would live on.
            if thread := get_event_loop_thread():
                thread.stop()  # type: ignore[no-untyped-call]
            raise NotConnected(str(error) or type(error).__name__) from error

    def before_worker_shutdown(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        """Let running jobs know."""
        self.is_stopping.set()

    def after_worker_shutdown(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        """Disconnect. Middleware runs backwards here, so the loop still does."""
        _run_on_loop(self._open.aclose())

    async def _connect(self) -> None:
        await self._open.enter_async_context(
            connected(
                self._settings.database_url.get_secret_value(),
                application_name="mandate-worker",
                pool_size=self._pool_size,
                limits=LIMITS,
                keeps_statements=self._settings.are_statements_kept,
            )
        )
        nudge.start(self._settings.redis_url.get_secret_value())
        self._open.push_async_callback(nudge.stop)
        self._open.push_async_callback(self.emails.close)


def _run_on_loop(work: Coroutine[Any, Any, None]) -> None:
    thread = get_event_loop_thread()
    assert thread is not None
    thread.run_coroutine(work)


def declare_swept_actors(broker: dramatiq.Broker) -> None:
    """Tell the broker's worker what to do about what time brings, an actor for each kind."""
    for one in SWEPT:
        _declare_actor(broker, one)


def _declare_actor(broker: dramatiq.Broker, one: Round) -> None:
    @dramatiq.actor(actor_name=one.actor, queue_name=one.name, broker=broker)
    async def act(*, tenant_id: int, ids: list[int], **_: object) -> None:
        # Unknown arguments may come from the scheduler of a newer release.
        with structlog.contextvars.bound_contextvars(tenant_id=tenant_id):
            await take_turn(one, tenant_id, ids, clock.now())


def run_worker(settings: Settings, *, threads: int = THREADS) -> None:
    """Work until SIGTERM or SIGINT comes; only the main thread can, because it receives the signals."""
    is_stopping = False

    def stop(number: int, frame: FrameType | None) -> None:
        # A flag and nothing else: what the signal interrupts may hold a lock.
        nonlocal is_stopping
        is_stopping = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    # One connection for each message, and one for whoever notes a failure meanwhile.
    connections = Connections(settings, pool_size=threads + 1 + emails.THREADS + SWEEP_THREADS)
    broker = create_broker(settings.queue_url, middleware=[AsyncIO(), connections])
    declare_job_actor(broker, queue_lengths(broker, settings.queue_url), should_stop=connections.is_stopping.is_set)
    # Brokers of their own, as a worker's threads take whatever its broker has. They use the loop of the first one.
    email_broker, sweep_broker = create_broker(settings.queue_url), create_broker(settings.queue_url)
    connections.emails.declare_actor(email_broker)
    declare_swept_actors(sweep_broker)
    worker = dramatiq.Worker(broker, worker_threads=threads, worker_timeout=IDLE)
    email_worker = dramatiq.Worker(email_broker, worker_threads=emails.THREADS, worker_timeout=IDLE)
    sweep_worker = dramatiq.Worker(sweep_broker, worker_threads=SWEEP_THREADS, worker_timeout=IDLE)
    worker.start()
    sweep_worker.start()
    if connections.emails.is_possible:
        email_worker.start()
    else:
        log.warning("neither SMTP_URL nor MAIL_DIRECTORY is set: emails wait")
    for missing in settings.missing_in_production:
        log.warning("%s", missing)
    log.info("worker is ready")
    while not is_stopping:
        time.sleep(0.1)
    connections.is_stopping.set()
    # The first one has the loop of all of them, so it is the last to stop.
    with ThreadPoolExecutor() as stopping:
        if connections.emails.is_possible:
            stopping.submit(email_worker.stop, timeout=EMAIL_GRACE)
        stopping.submit(sweep_worker.stop, timeout=SWEEP_GRACE)
    worker.stop(timeout=GRACE)
    sweep_broker.close()
    email_broker.close()
    broker.close()
