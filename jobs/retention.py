"""What is kept for a time only, and how long: the operator's settings say so. The Content Actions Log is never deleted.

Rows go in batches of a transaction each, so nobody waits for long, and any number of processes may delete at once.
Without a setting nothing goes that somebody may want to look up: settled emails are what the ledger of reminders says
about who was told what, when, and where.
"""

from datetime import datetime, timedelta

from domain.foundation import idempotency
from domain.foundation.database.sessions import across_tenants
from domain.foundation.settings import Settings

#: Rows that one transaction deletes.
BATCH = 5_000


async def delete_what_is_old(now: datetime, settings: Settings) -> dict[str, int]:
    """Delete what has had its time and return how many rows went, by what they are.

    Raises the first failure, after everything has been tried.
    """
    kept_for = {
        "idempotency_keys": idempotency.KEPT_FOR,
        "changes": timedelta(days=settings.keep_changes_days),
        "notifications": timedelta(days=settings.keep_read_notifications_days),
        "emails": timedelta(days=settings.keep_emails_days),
        "audit_entries": timedelta(days=settings.keep_audit_entries_days),
        "jobs": timedelta(days=settings.keep_finished_jobs_days),
    }
    deleted = dict.fromkeys(kept_for, 0)
    failure: Exception | None = None
    for what, time in kept_for.items():
        if time:
            try:
                deleted[what] = await _delete(what, now - time)
            except Exception as error:
                # What cannot be deleted of one kind must not keep the others.
                failure = failure or error
    if failure is not None:
        raise failure
    return deleted


async def _delete(what: str, before: datetime) -> int:
    total = 0
    while True:
        count = int((await across_tenants(f"SELECT delete_old_{what}($1, $2)", before, BATCH))[0][0])
        total += count
        if count < BATCH:
            return total
