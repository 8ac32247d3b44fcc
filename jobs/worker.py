"""The worker: one process that takes jobs and emails from their queues, several at once, on one loop and one pool.

A signal stops it between two chunks; a killed one is replaced within seconds, because its leases run out. Emails have
threads of their own: a mail server that hangs holds up no job.
"""

import contextlib
import logging
import signal
import threading
import time
from collections.abc import Coroutine
from types import FrameType
from typing import Any

import dramatiq
from dramatiq.asyncio import get_event_loop_thread
from dramatiq.middleware import MiddlewareError
from dramatiq.middleware.asyncio import AsyncIO

from domain.foundation import nudge
from domain.foundation.database import connected
from domain.foundation.settings import Settings
from jobs import emails
from jobs.broker import create_broker
from jobs.emails import EmailWork
from jobs.rule_work import declare_actors

#: Jobs that one process works on at the same time.
THREADS = 4
#: Milliseconds an idle worker sleeps at most before it asks for messages.
IDLE = 250
#: Milliseconds that running chunks have to end, and before that emails that are being handed over.
GRACE = 10_000
EMAIL_GRACE = 2_000
#: A chunk is far more than a request, and nobody waits for it.
STATEMENT_TIMEOUT = 60_000

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
                statement_timeout_ms=STATEMENT_TIMEOUT,
            )
        )
        nudge.start(self._settings.redis_url.get_secret_value())
        self._open.push_async_callback(nudge.stop)
        self._open.push_async_callback(self.emails.close)


def _run_on_loop(work: Coroutine[Any, Any, None]) -> None:
    thread = get_event_loop_thread()
    assert thread is not None
    thread.run_coroutine(work)


def run_worker(settings: Settings, *, threads: int = THREADS) -> None:
    """Work until SIGTERM or SIGINT comes; only the main thread can, because it receives the signals."""
    is_stopping = False

    def stop(number: int, frame: FrameType | None) -> None:
        # A flag and nothing else: what the signal interrupts may hold a lock.
        nonlocal is_stopping
        is_stopping = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    # One connection for each job, one for whoever notes a failure meanwhile, and some for emails: theirs are short.
    connections = Connections(settings, pool_size=threads + 1 + emails.THREADS)
    broker = create_broker(settings.queue_url, middleware=[AsyncIO(), connections])
    declare_actors(broker, should_stop=connections.is_stopping.is_set)
    # A broker of its own, as a worker's threads take whatever its broker has. It uses the loop of the other one.
    email_broker = create_broker(settings.queue_url)
    connections.emails.declare_actor(email_broker)
    worker = dramatiq.Worker(broker, worker_threads=threads, worker_timeout=IDLE)
    email_worker = dramatiq.Worker(email_broker, worker_threads=emails.THREADS, worker_timeout=IDLE)
    worker.start()
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
    if connections.emails.is_possible:
        email_worker.stop(timeout=EMAIL_GRACE)
    worker.stop(timeout=GRACE)
    email_broker.close()
    broker.close()
