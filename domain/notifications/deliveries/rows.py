"""The rows of emails on their way: who has which of them, and what became of them. Each step is a short transaction.

A lease says who is at work on an email; the count of attempts says whose word about it counts. Whoever begins an
attempt raises the count, so of two who believe to have the same email only one can begin, and what somebody says about
an attempt that is not the latest is not heard.

Of the emails of one thread to one person only one is under way at a time, an older one that is due comes first, and
none comes after a newer one that was taken. So the last that somebody gets is the newest, whoever hands over which.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from domain.foundation.database.sessions import Session, writing
from domain.notifications.messages import OVERTAKEN
from domain.notifications.models import DeliveryStatus

#: A worker that is gone keeps its emails for so long.
LEASE = timedelta(seconds=5)
#: Pauses after each failed attempt; after one more the email is FAILED, a good day after the first.
PAUSES = (
    *(timedelta(seconds=10), timedelta(seconds=30), timedelta(minutes=2), timedelta(minutes=10)),
    *(timedelta(minutes=30), timedelta(hours=1), timedelta(hours=2), timedelta(hours=4)),
    *(timedelta(hours=8), timedelta(hours=12)),
)
MAX_ATTEMPTS = len(PAUSES) + 1
#: An email that has to wait for another one of its thread is looked at again after so long.
WAIT = timedelta(seconds=1)
#: Characters of a reason that are kept.
REASON_LENGTH = 500

INACTIVE = "The recipient is inactive."
NO_ADDRESS = "The recipient has no email address."
SWITCHED_OFF = "The recipient has switched off emails of this kind."
LOST = "No attempt came to an end."


@dataclass(frozen=True, slots=True)
class LeasedEmail:
    """An email that this process may hand over, with all that it says."""

    id: int
    key: str
    kind: str
    recipient_id: int
    thread: str | None
    created_at: datetime
    recipient_part: str | None
    facts: dict[str, Any]
    attempt_count: int
    recipient_name: str | None
    recipient_email: str | None
    is_active: bool | None
    is_wanted: bool
    learner_name: str | None
    learner_email: str | None
    subject: str | None
    body: str | None
    tenant_name: str

    @property
    def reason_against(self) -> tuple[DeliveryStatus, str] | None:
        """Why it is not to be handed over, as things are now; None when it is."""
        if not self.is_active:
            return DeliveryStatus.SUPPRESSED, INACTIVE
        if not self.recipient_email:
            return DeliveryStatus.SUPPRESSED, NO_ADDRESS
        if not self.is_wanted:
            return DeliveryStatus.SUPPRESSED, SWITCHED_OFF
        return (DeliveryStatus.FAILED, LOST) if self.attempt_count >= MAX_ATTEMPTS else None


async def lease_emails(tenant_id: int, ids: Sequence[int], now: datetime) -> list[LeasedEmail]:
    """Lease what is due of these emails and nobody else has; settle those that are not to be sent at all."""
    async with writing(tenant_id) as sql:
        found = await sql.rows(
            LeasedEmail,
            """
            SELECT d.id, d.key, d.kind, d.recipient_id, d.thread, d.created_at, d.recipient_part, d.facts,
                   d.attempt_count, r.name AS recipient_name, r.email AS recipient_email, r.is_active,
                   coalesce(p.is_email_enabled, true) AS is_wanted,
                   l.name AS learner_name, l.email AS learner_email, t.subject, t.body, n.name AS tenant_name
              FROM email_delivery d
              JOIN tenant n ON n.id = d.tenant_id
              LEFT JOIN learner r ON r.tenant_id = d.tenant_id AND r.id = d.recipient_id
              LEFT JOIN notification_preference p ON p.learner_id = d.recipient_id AND p.category = d.category
              LEFT JOIN learner l ON l.tenant_id = d.tenant_id AND to_jsonb(l.id) = d.facts -> 'learner_id'
              LEFT JOIN email_template t ON t.tenant_id = d.tenant_id AND t.id = d.template_id AND t.deleted_at IS NULL
             WHERE d.tenant_id = $1 AND d.id = ANY ($2::bigint[]) AND d.status = 'PENDING' AND d.next_attempt_at <= $3
               AND (d.leased_until IS NULL OR d.leased_until < $3)
             ORDER BY d.id FOR NO KEY UPDATE OF d SKIP LOCKED
            """,
            tenant_id,
            list(ids),
            now,
        )
        for email in found:
            if (against := email.reason_against) is not None:
                await _settle(sql, tenant_id, email, *against)
        leased = [email for email in found if email.reason_against is None]
        await _set_lease(sql, tenant_id, leased, now + LEASE)
        return leased


async def renew_leases(tenant_id: int, emails: Sequence[LeasedEmail], now: datetime) -> None:
    """Keep emails while they wait for their turn or for the mail server."""
    async with writing(tenant_id) as sql:
        await _set_lease(sql, tenant_id, emails, now + LEASE)


async def give_back(tenant_id: int, emails: Sequence[LeasedEmail]) -> None:
    """Let somebody else have emails at once that no attempt was made for."""
    async with writing(tenant_id) as sql:
        await sql.execute(
            """
            WITH own AS (
              SELECT d.id FROM email_delivery d JOIN unnest($2::bigint[], $3::int[]) AS o (id, attempt_count)
                  ON d.id = o.id AND d.attempt_count = o.attempt_count
               WHERE d.tenant_id = $1 AND d.status = 'PENDING'
               ORDER BY d.id FOR NO KEY UPDATE OF d SKIP LOCKED)
            UPDATE email_delivery d SET leased_until = NULL, dispatched_at = NULL FROM own
             WHERE d.tenant_id = $1 AND d.id = own.id
            """,
            tenant_id,
            [email.id for email in emails],
            [email.attempt_count for email in emails],
        )


async def begin_attempt(tenant_id: int, email: LeasedEmail, now: datetime) -> int | None:
    """Note that an attempt begins and return its number; None when the email is not to be sent, now or at all."""
    async with writing(tenant_id) as sql:
        if email.thread is not None and not await _is_next(sql, tenant_id, email, now):
            return None
        number: int | None = await sql.value(
            """
            UPDATE email_delivery SET attempt_count = attempt_count + 1, attempted_at = $4, email = $5,
                   leased_until = $6, is_under_way = true
             WHERE tenant_id = $1 AND id = $2 AND attempt_count = $3 AND status = 'PENDING' RETURNING attempt_count
            """,
            tenant_id,
            email.id,
            email.attempt_count,
            now,
            email.recipient_email,
            now + LEASE,
        )
        return number


@dataclass(frozen=True, slots=True)
class _Thread:
    """What else there is in the thread of an email."""

    is_overtaken: bool
    is_busy: bool


async def _is_next(sql: Session, tenant_id: int, email: LeasedEmail, now: datetime) -> bool:
    """Tell whether an email may be handed over now, as far as its thread goes; if not, it waits or is given up."""
    # Nobody else begins anything in this thread until the end of the transaction.
    await sql.fetch(
        "SELECT pg_advisory_xact_lock(hashtextextended($1, $2))", f"{email.recipient_id} {email.thread}", tenant_id
    )
    # In a statement of its own, which sees what whoever had the lock before has written.
    thread = await sql.row(
        _Thread,
        """
        SELECT coalesce(bool_or(id > $2 AND status = 'ACCEPTED' AND created_at > $5), false) AS is_overtaken,
               coalesce(bool_or((is_under_way AND leased_until > $6)
                                OR (id < $2 AND status = 'PENDING' AND next_attempt_at <= $6)), false) AS is_busy
          FROM email_delivery WHERE tenant_id = $1 AND thread = $3 AND recipient_id = $4 AND id <> $2
        """,
        tenant_id,
        email.id,
        email.thread,
        email.recipient_id,
        email.created_at,
        now,
    )
    assert thread is not None, "an aggregate always answers"
    if thread.is_overtaken:
        await _settle(sql, tenant_id, email, DeliveryStatus.SUPPRESSED, OVERTAKEN)
    elif thread.is_busy:
        await sql.execute(
            "UPDATE email_delivery SET leased_until = NULL, dispatched_at = NULL, next_attempt_at = $4"
            " WHERE tenant_id = $1 AND id = $2 AND attempt_count = $3 AND status = 'PENDING'",
            tenant_id,
            email.id,
            email.attempt_count,
            now + WAIT,
        )
    return not thread.is_overtaken and not thread.is_busy


async def note_accepted(tenant_id: int, email_id: int, attempt: int) -> None:
    """Note that a mail server has taken an email: that stands, whatever was decided about it meanwhile."""
    async with writing(tenant_id) as sql:
        await sql.execute(
            """
            UPDATE email_delivery
               SET status = CASE WHEN status IN ('PENDING', 'SUPPRESSED') THEN 'ACCEPTED' ELSE status END,
                   failure_reason = CASE WHEN status IN ('PENDING', 'SUPPRESSED') THEN NULL ELSE failure_reason END,
                   is_under_way = is_under_way AND attempt_count <> $3,
                   leased_until = CASE WHEN attempt_count = $3 THEN NULL ELSE leased_until END
             WHERE tenant_id = $1 AND id = $2
            """,
            tenant_id,
            email_id,
            attempt,
        )


async def note_failure(
    tenant_id: int, email_id: int, attempt: int, reason: str, now: datetime, *, is_permanent: bool
) -> None:
    """Note that an attempt failed: the next one comes after a pause, if there is one to come."""
    is_over = is_permanent or attempt >= MAX_ATTEMPTS
    async with writing(tenant_id) as sql:
        await sql.execute(
            """
            UPDATE email_delivery
               SET status = CASE status WHEN 'PENDING' THEN $4 ELSE status END,
                   failure_reason = CASE status WHEN 'PENDING' THEN $5 ELSE failure_reason END,
                   leased_until = NULL, is_under_way = false, dispatched_at = NULL, next_attempt_at = $6
             WHERE tenant_id = $1 AND id = $2 AND attempt_count = $3
            """,
            tenant_id,
            email_id,
            attempt,
            (DeliveryStatus.FAILED if is_over else DeliveryStatus.PENDING).value,
            reason[:REASON_LENGTH],
            now if is_over else now + PAUSES[attempt - 1],
        )


async def _settle(sql: Session, tenant_id: int, email: LeasedEmail, status: DeliveryStatus, reason: str) -> None:
    await sql.execute(
        "UPDATE email_delivery SET status = $3, failure_reason = $4, leased_until = NULL, is_under_way = false"
        " WHERE tenant_id = $1 AND id = $2 AND status = 'PENDING'",
        tenant_id,
        email.id,
        status.value,
        reason,
    )


async def _set_lease(sql: Session, tenant_id: int, emails: Sequence[LeasedEmail], until: datetime) -> None:
    # In one order everywhere, and whoever holds a row is at work on it: nobody waits in a circle. An attempt goes on
    # although its email is not wanted any more, and what comes after it has to know.
    await sql.execute(
        """
        WITH own AS (
          SELECT id FROM email_delivery WHERE tenant_id = $1 AND id = ANY ($2::bigint[])
             AND (status = 'PENDING' OR is_under_way) ORDER BY id FOR NO KEY UPDATE SKIP LOCKED)
        UPDATE email_delivery d SET leased_until = $3 FROM own WHERE d.id = own.id AND d.tenant_id = $1
        """,
        tenant_id,
        [email.id for email in emails],
        until,
    )
