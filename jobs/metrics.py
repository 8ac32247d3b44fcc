"""What scheduler and workers count, for Prometheus, and what the scheduler looks up now and then to show it."""

import time
from datetime import datetime

from prometheus_client import Counter, Gauge

from domain.foundation.database.sessions import across_tenants
from domain.foundation.feed.changes import measure_lag

DISPATCHED = Counter("mandate_dispatched", "Jobs, emails and whatever else was due that a queue was given.", ["what"])
QUEUE_LENGTH = Gauge("mandate_queue_length", "Messages that wait in a queue.", ["queue"])
FAILURES = Counter("mandate_scheduler_failures", "Rounds of the scheduler's tasks that failed.", ["task"])
LAST_SUCCESS = Gauge("mandate_scheduler_last_success_timestamp_seconds", "When a task last ended well.", ["task"])
FEED_LAG_ROWS = Gauge("mandate_feed_lag_rows", "Change rows without a position.")
FEED_LAG_SECONDS = Gauge("mandate_feed_lag_seconds", "Age of the oldest change row without a position.")
PENDING = Gauge(
    "mandate_pending_work",
    "What is due and not done, by kind, of a tenant 10,000 at most. Emails to repeat wait for their next attempt.",
    ["kind"],
)
OLDEST = Gauge("mandate_oldest_pending_work_seconds", "For how long the oldest of it has been due, by kind.", ["kind"])

#: The kind of which no row says since when it is due.
_UNDATED = "seats"
_undated_since: float | None = None


async def measure(now: datetime) -> None:
    """Look up what cannot be counted as it happens: what waits, and for how long."""
    global _undated_since
    rows, seconds = await measure_lag(now)
    FEED_LAG_ROWS.set(rows)
    FEED_LAG_SECONDS.set(seconds)
    for kind, pending, age in await across_tenants("SELECT kind, pending, seconds FROM pending_work($1)", now):
        PENDING.labels(kind).set(pending)
        OLDEST.labels(kind).set(age)
        if kind == _UNDATED:
            # Counted from the first look that has found any.
            _undated_since = (_undated_since or time.monotonic()) if pending else None
            OLDEST.labels(kind).set(time.monotonic() - _undated_since if _undated_since else 0)
