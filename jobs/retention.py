"""What is kept for a time only, and how long. Deleting is safe in any number of processes at once.

Emails that are settled stay: they are what the ledger of reminders says about who was told what, when, and where.
"""

from datetime import datetime, timedelta

from domain.foundation import idempotency
from domain.foundation.database import across_tenants

#: A stream that was away for longer starts over.
CHANGES_KEPT_FOR = timedelta(days=7)


async def delete_what_is_old(now: datetime) -> None:
    """Delete idempotency keys and change rows whose time is over."""
    await across_tenants("SELECT delete_old_idempotency_keys($1)", now - idempotency.KEPT_FOR)
    await across_tenants("SELECT delete_old_changes($1)", now - CHANGES_KEPT_FOR)
