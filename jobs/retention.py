"""What is kept for a time only, and how long: the operator's settings say so. The Content Actions Log is never deleted.

Rows go in batches of a transaction each, so nobody waits for long, and any number of processes may delete at once.
Without a setting nothing goes that somebody may want to look up: settled emails are what the ledger of reminders says
about who was told what, when, and where.
"""

from datetime import datetime, timedelta

from domain.foundation import idempotency
from domain.foundation.database import across_tenants
from domain.foundation.settings import Settings

#: Rows that one transaction deletes.
BATCH = 5_000


async def delete_what_is_old(now: datetime, settings: Settings) -> dict[str, int]:
    """Delete what has had its time and return how many rows went, by what they are."""
    return {
        "idempotency_keys": await _delete("idempotency_keys", now - idempotency.KEPT_FOR),
        "changes": await _delete_after(settings.keep_changes_days, "changes", now),
        "notifications": await _delete_after(settings.keep_read_notifications_days, "notifications", now),
        "emails": await _delete_after(settings.keep_emails_days, "emails", now),
        "audit_entries": await _delete_after(settings.keep_audit_entries_days, "audit_entries", now),
        "jobs": await _delete_after(settings.keep_finished_jobs_days, "jobs", now),
    }


async def _delete_after(days: int, what: str, now: datetime) -> int:
    return await _delete(what, now - timedelta(days=days)) if days else 0


async def _delete(what: str, before: datetime) -> int:
    total = 0
    while True:
        count = int((await across_tenants(f"SELECT delete_old_{what}($1, $2)", before, BATCH))[0][0])
        total += count
        if count < BATCH:
            return total
