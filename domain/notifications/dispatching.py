"""Handing emails that wait to whoever sends them, from their rows. Whatever the queue loses is handed out again."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from domain.foundation.database import across_tenants, writing

#: Emails that are handed out together.
BATCH = 25
#: Emails that nobody has taken after this time are handed out again: their message may be lost.
RESEND_AFTER = timedelta(seconds=8)


async def dispatch_emails(now: datetime, send: Callable[[int, list[int]], None]) -> int:
    """Hand every email that is due to `send(tenant_id, ids)`, some together; return how many there were.

    Safe in several processes at once. What `send` raises is raised here, and those emails are sent by the next call.
    """
    due = await across_tenants("SELECT tenant_id, id FROM emails_to_dispatch($1, $2)", now, now - RESEND_AFTER)
    by_tenant: dict[int, list[int]] = {}
    for tenant_id, email_id in due:
        by_tenant.setdefault(tenant_id, []).append(email_id)
    count = 0
    for tenant_id, ids in by_tenant.items():
        for start in range(0, len(ids), BATCH):
            marked = await _mark_dispatched(tenant_id, ids[start : start + BATCH], now)
            if not marked:
                continue
            try:
                send(tenant_id, marked)
            except BaseException:
                await _unmark(tenant_id, marked)
                raise
            count += len(marked)
    return count


async def _mark_dispatched(tenant_id: int, ids: Sequence[int], now: datetime) -> list[int]:
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
            now - RESEND_AFTER,
        )


async def _unmark(tenant_id: int, ids: Sequence[int]) -> None:
    async with writing(tenant_id) as sql:
        await sql.execute(
            "UPDATE email_delivery SET dispatched_at = NULL WHERE tenant_id = $1 AND id = ANY ($2::bigint[])",
            tenant_id,
            list(ids),
        )
