"""Emails through the queue: the scheduler hands out what waits, a worker sends it. A message holds IDs only.

Nothing but the rows remembers anything: a message that is lost is handed out again, one that comes twice finds nothing.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

import dramatiq

from domain.foundation import clock
from domain.foundation.database.sessions import across_tenants
from domain.foundation.fair_order import in_turns
from domain.foundation.settings import Settings
from domain.foundation.settings import settings as process_settings
from domain.notifications.deliveries.mails import Sender, Transport, sender_of
from domain.notifications.deliveries.sending import deliver_emails
from jobs.maildir import MaildirTransport
from jobs.rounds import EMAILS
from jobs.smtp import SmtpServer, SmtpTransport

#: Messages that one process works on at the same time, apart from its jobs: a mail server that hangs holds up no job.
THREADS = 2

log = logging.getLogger(__name__)


class OpenTransport(Transport, Protocol):
    """A transport that is closed at the end."""

    async def close(self) -> None: ...


def transport_of(settings: Settings, sender: Sender) -> OpenTransport | None:
    """Return what takes mails: SMTP_URL, else MAIL_DIRECTORY, else nothing. Raises BadSettings."""
    url = settings.smtp_url.get_secret_value()
    if url:
        server = SmtpServer.from_url(url)
        return SmtpTransport(server, local_hostname=sender.domain, patience=settings.smtp_timeout)
    return MaildirTransport(settings.mail_directory) if settings.mail_directory is not None else None


async def deliver_due_emails(now: datetime, transport: Transport, *, sender: Sender | None = None) -> int:
    """Hand over everything that is due, without any queue, and return how many emails were accepted.

    Without `sender`, mails go out in the name of the one in the settings of the process.
    """
    sender = sender or sender_of(process_settings())
    total = 0
    before: list[tuple[int, int]] = []
    while True:
        # Whatever has been handed out to a worker is taken as well: rows decide who does what.
        due = [
            (record[0], record[1])
            for record in await across_tenants("SELECT tenant_id, id FROM emails_to_dispatch($1, 'infinity')", now)
        ]
        # What is still due was leased to somebody else.
        if not due or due == before:
            return total
        before = due
        for tenant_id, ids in in_turns(due, together=100):
            total += await deliver_emails(tenant_id, ids, lambda: now, transport, sender)


class EmailWork:
    """What a worker process does about emails, from its start to its end."""

    def __init__(self, settings: Settings, *, should_stop: Callable[[], bool]) -> None:
        """Read the settings; raises BadSettings. Nothing connects before the first mail."""
        self._sender = sender_of(settings)
        self._transport = transport_of(settings, self._sender)
        self._should_stop = should_stop
        self._running: set[asyncio.Task[None]] = set()

    @property
    def is_possible(self) -> bool:
        """Whether there is anything that takes mails; without it they wait."""
        return self._transport is not None

    def declare_actor(self, broker: dramatiq.Broker) -> None:
        """Tell the broker's worker what to do with messages."""

        @dramatiq.actor(actor_name=EMAILS.actor, queue_name=EMAILS.name, broker=broker)
        async def deliver(*, tenant_id: int, email_ids: list[int], **_: object) -> None:
            # Unknown arguments may come from the scheduler of a newer release.
            task = asyncio.ensure_future(self._deliver(tenant_id, email_ids))
            self._running.add(task)
            task.add_done_callback(self._running.discard)
            await asyncio.wait({task})
            # One that was left to others at the end is no failure.
            if not task.cancelled():
                task.result()

    async def _deliver(self, tenant_id: int, email_ids: list[int]) -> None:
        if self._transport is not None and not self._should_stop():
            await deliver_emails(
                tenant_id, email_ids, clock.now, self._transport, self._sender, should_stop=self._should_stop
            )

    async def close(self) -> None:
        """Leave what is still under way to others, and disconnect."""
        running = list(self._running)
        for task in running:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*running, return_exceptions=True)
        if self._transport is not None:
            await self._transport.close()
