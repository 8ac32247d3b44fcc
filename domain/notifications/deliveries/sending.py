"""Sending emails from their rows: render, hand over, note what became of it. Neither happens inside a transaction.

An email is handed over at least once, and always under the same Message-ID. Whether somebody wants it is judged when it
is sent. What a killed worker had is free for others within seconds.
"""

import asyncio
import contextlib
import logging
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime

from domain.foundation.metrics import EMAIL_ATTEMPTS
from domain.notifications.deliveries.mails import HandOverFailed, Mail, Sender, Transport, compose, message_id
from domain.notifications.deliveries.rows import (
    LEASE,
    LeasedEmail,
    begin_attempt,
    give_back,
    lease_emails,
    note_accepted,
    note_failure,
    renew_leases,
)
from domain.notifications.messages import ASSIGNER
from domain.notifications.models import NotificationKind
from domain.notifications.templates.default_emails import EmailText, default_email
from domain.notifications.templates.rendering import Circumstances, render_email, task_values

#: Emails of one call that are handed over at the same time.
CONCURRENCY = 4
#: Leases are renewed so often that one renewal may fail.
_RENEWALS_PER_LEASE = 3

log = logging.getLogger(__name__)


async def deliver_emails(
    tenant_id: int,
    ids: Sequence[int],
    clock: Callable[[], datetime],
    transport: Transport,
    sender: Sender,
    *,
    should_stop: Callable[[], bool] = lambda: False,
) -> int:
    """Hand over what is due of these emails and return how many were accepted. Safe to call twice and at once.

    Once `should_stop` says yes, no further email is begun here, and others can have the rest at once.
    """
    leased = {email.id: email for email in await lease_emails(tenant_id, ids, clock())}
    waiting = list(leased.values())
    threads_at_work: set[tuple[int, str]] = set()
    accepted = 0

    async def work() -> None:
        nonlocal accepted
        while waiting and not should_stop():
            # Whoever is at work on a thread takes the next of it, so who finds nothing else can end.
            email = next((one for one in waiting if _thread_of(one) not in threads_at_work), None)
            if email is None:
                return
            waiting.remove(email)
            thread = _thread_of(email)
            threads_at_work.add(thread)
            try:
                is_accepted = await _deliver(tenant_id, email, clock, transport, sender)
            finally:
                threads_at_work.discard(thread)
                del leased[email.id]
            accepted += is_accepted

    if not leased:
        return 0
    async with _kept(tenant_id, leased, clock):
        # Each of them to its end, whatever happens to the others.
        outcomes = await asyncio.gather(*(work() for _ in range(CONCURRENCY)), return_exceptions=True)
    if waiting:
        await give_back(tenant_id, waiting)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
    return accepted


def _thread_of(email: LeasedEmail) -> tuple[int, str]:
    """Return what emails have in common that have to be handed over one after the other."""
    return (email.recipient_id, email.thread) if email.thread is not None else (email.id, "")


@asynccontextmanager
async def _kept(
    tenant_id: int, leased: Mapping[int, LeasedEmail], clock: Callable[[], datetime]
) -> AsyncIterator[None]:
    """Renew the leases in the background: a mail server may take its time, a dead worker's emails may not."""

    async def renew() -> None:
        while True:
            await asyncio.sleep(LEASE.total_seconds() / _RENEWALS_PER_LEASE)
            try:
                await renew_leases(tenant_id, list(leased.values()), clock())
            except Exception as error:
                log.warning("leases of emails could not be renewed: %s", type(error).__name__)

    task = asyncio.get_running_loop().create_task(renew())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _deliver(
    tenant_id: int, email: LeasedEmail, clock: Callable[[], datetime], transport: Transport, sender: Sender
) -> bool:
    """Make one attempt and tell whether the email was accepted."""
    # Only now, as it may have waited behind others and been held back meanwhile.
    attempt = await begin_attempt(tenant_id, email, clock())
    if attempt is None:
        return False
    try:
        await transport.send(_mail(tenant_id, email, sender, clock()))
    except HandOverFailed as failure:
        reason = _without(failure.reason, email.recipient_email)
        await note_failure(tenant_id, email.id, attempt, reason, clock(), is_permanent=failure.is_permanent)
        EMAIL_ATTEMPTS.labels("REFUSED").inc()
        return False
    except Exception as error:
        # A bug, or facts that nobody can read: it must not stop the emails after it, nor be tried for ever.
        reference = uuid.uuid4().hex
        log.error("an email could not be sent", exc_info=error, extra={"reference": reference})
        reason = f"{type(error).__name__}, logged under {reference}."
        await note_failure(tenant_id, email.id, attempt, reason, clock(), is_permanent=False)
        EMAIL_ATTEMPTS.labels("FAILED").inc()
        return False
    await note_accepted(tenant_id, email.id, attempt)
    EMAIL_ATTEMPTS.labels("ACCEPTED").inc()
    return True


def _mail(tenant_id: int, email: LeasedEmail, sender: Sender, now: datetime) -> Mail:
    default = default_email(NotificationKind(email.kind), is_for_assigner=email.recipient_part == ASSIGNER)
    is_of_tenant = email.subject is not None and email.body is not None
    text = EmailText(email.subject or "", email.body or "") if is_of_tenant else default
    circumstances = Circumstances(
        now=now,
        tenant_name=email.tenant_name,
        learner_name=email.learner_name or "",
        learner_email=email.learner_email,
        task_url=sender.task_url,
    )
    rendered = render_email(text, task_values(email.facts, circumstances), default=default)
    return compose(
        rendered,
        sender=sender,
        name=email.recipient_name or "",
        address=email.recipient_email or "",
        message_id=message_id(tenant_id, email.key, sender.domain),
        now=now,
    )


def _without(reason: str, address: str | None) -> str:
    """Return a reason as everybody may read it who sees the delivery: not everybody sees the address."""
    if not address:
        return reason
    for spelling in {address, address.lower()}:
        reason = reason.replace(spelling, "the recipient")
    return reason
