"""Handing emails that wait to whoever sends them, from their rows. Whatever the queue loses is handed out again."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from domain.foundation.database.sessions import across_tenants, writing
from domain.foundation.fair_order import in_turns

#: Emails that are handed out together: few enough that a slow mail server is soon free for another tenant's.
BATCH = 10
#: Emails of one tenant that are handed out at once.
MAX_UNDER_WAY = 10 * BATCH
#: Emails that nobody has taken after this time are handed out again: their message may be lost.
RESEND_AFTER = timedelta(seconds=8)


async def dispatch_emails(
    now: datetime,
    send: Callable[[int, list[int]], None],
    *,
    resend_before: datetime | None = None,
    most: int = MAX_UNDER_WAY,
    room: int | None = None,
) -> int:
    """Hand emails that are due to `send(tenant_id, ids)`, some together and by turns; return how many there were.

    A tenant has at most `most` emails under way, and `send` is called at most `room` times. What was sent before
    `resend_before` and nobody has taken is sent again. Safe in several processes at once. What `send` raises is raised
    here, and those emails are sent by the next call.
    """
    resend_before = now - RESEND_AFTER if resend_before is None else resend_before
    due = await across_tenants("SELECT tenant_id, id FROM emails_to_dispatch($1, $2, $3)", now, resend_before, most)
    count = 0
    for tenant_id, ids in in_turns(due, together=BATCH)[:room]:
        marked = await _mark_dispatched(tenant_id, ids, now, resend_before)
        if not marked:
            continue
        try:
            send(tenant_id, marked)
        except BaseException:
            await _unmark(tenant_id, marked)
            raise
        count += len(marked)
    return count


async def _mark_dispatched(tenant_id: int, ids: Sequence[int], now: datetime, resend_before: datetime) -> list[int]:
    """Note that emails are handed out, and return those of which it was this call that did."""
    async with writing(tenant_id) as sql:
        # Whoever has a row locked works on it or hands it out: neither waits for the other.
        return await sql.values(
            """
            WITH due AS (
              SELECT id FROM email_delivery
               WHERE tenant_id = $1 AND id = ANY ($2::bigint[]) AND status = 'PENDING'
                 AND (dispatched_at IS NULL OR dispatched_at < $4)
               ORDER BY id FOR NO KEY UPDATE SKIP LOCKED)
            UPDATE email_delivery d SET dispatched_at = $3 FROM due WHERE d.id = due.id AND d.tenant_id = $1
            RETURNING d.id
            """,
            tenant_id,
            list(ids),
            now,
            resend_before,
        )


async def _unmark(tenant_id: int, ids: Sequence[int]) -> None:
    async with writing(tenant_id) as sql:
        await sql.execute(
            "UPDATE email_delivery SET dispatched_at = NULL WHERE tenant_id = $1 AND id = ANY ($2::bigint[])",
            tenant_id,
            list(ids),
        )
