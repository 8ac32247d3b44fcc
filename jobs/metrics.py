"""What scheduler and workers count, for Prometheus, and what the scheduler looks up now and then to show it."""

from datetime import datetime, timedelta

from prometheus_client import Counter, Gauge

from domain.foundation.change_feed import measure_lag
from domain.foundation.database import across_tenants

#: A reminder that is not settled this long after its time is late.
LATE = timedelta(minutes=1)

DISPATCHED = Counter("mandate_dispatched", "Jobs and emails that were handed to a queue.", ["what"])
QUEUE_LENGTH = Gauge("mandate_queue_length", "Messages that wait in a queue.", ["queue"])
FAILURES = Counter("mandate_scheduler_failures", "Rounds of the scheduler's tasks that failed.", ["task"])
LAST_SUCCESS = Gauge("mandate_scheduler_last_success_timestamp_seconds", "When a task last ended well.", ["task"])
FEED_LAG_ROWS = Gauge("mandate_feed_lag_rows", "Change rows without a position.")
FEED_LAG_SECONDS = Gauge("mandate_feed_lag_seconds", "Age of the oldest change row without a position.")
WAITING_REMINDERS = Gauge(
    "mandate_tasks_with_waiting_reminders",
    "Mandatory tasks with reminders whose time has come (due), or came more than a minute ago (late); 2,000 at most.",
    ["state"],
)


async def measure(now: datetime) -> None:
    """Look up what cannot be counted as it happens: what waits, and for how long."""
    rows, seconds = await measure_lag(now)
    FEED_LAG_ROWS.set(rows)
    FEED_LAG_SECONDS.set(seconds)
    for state, instant in (("due", now), ("late", now - LATE)):
        waiting = await across_tenants("SELECT tenant_id, id FROM tasks_with_due_reminders($1)", instant)
        WAITING_REMINDERS.labels(state).set(len(waiting))
