"""What the domain counts about itself, for Prometheus. Labels are closed sets: never a tenant, an account or a name.

What belongs to a transaction is counted once it is committed (`UnitOfWork.count`), so that a repeated or a rolled back
one does not count twice or at all.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from prometheus_client import Counter, Gauge, Histogram

_QUICK = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_LATE = (1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0, 86_400.0)

REPEATED_TRANSACTIONS = Counter(
    "mandate_repeated_transactions", "Transactions that were repeated after a deadlock or a lock timeout."
)
RULE_EVALUATIONS = Histogram(
    "mandate_rule_evaluation_seconds",
    "Evaluations of rules, with what they enroll, for one person or many.",
    buckets=_QUICK,
)
EVALUATED_PEOPLE = Counter("mandate_rule_evaluated_people", "People for whom rules were evaluated.")
JOBS = Counter("mandate_jobs", "Background jobs that ended, and attempts that failed (RETRIED).", ["kind", "outcome"])
JOB_CHUNKS = Histogram("mandate_job_chunk_seconds", "Chunks of background jobs.", ["kind"], buckets=_QUICK)
REMINDERS = Counter("mandate_reminders", "Reminders that were settled.", ["status"])
REMINDER_DELAY = Histogram(
    "mandate_reminder_delay_seconds", "From the planned instant of a reminder until it was given out.", buckets=_LATE
)
EMAIL_ATTEMPTS = Counter("mandate_email_attempts", "Attempts to hand an email over.", ["outcome"])
SEQUENCED = Counter("mandate_feed_sequenced_rows", "Change rows that were given a position.")
SEQUENCING = Histogram("mandate_feed_sequencing_seconds", "Batches of change rows that were numbered.", buckets=_QUICK)
POOL = Gauge("mandate_database_connections", "Connections of this process to PostgreSQL.", ["state"])


@contextmanager
def evaluation_of(people: int) -> Iterator[None]:
    """Measure an evaluation of rules for so many people."""
    begun = time.perf_counter()
    yield
    RULE_EVALUATIONS.observe(time.perf_counter() - begun)
    EVALUATED_PEOPLE.inc(people)


def watch_pool(pool_of: Callable[[], Any]) -> None:
    """Show the size of asyncpg's pool, looked at whenever somebody asks; None stands for no pool yet."""

    def size(of: Callable[[Any], int]) -> Callable[[], float]:
        def look() -> float:
            pool = pool_of()
            return 0.0 if pool is None else float(of(pool))

        return look

    POOL.labels("in_use").set_function(size(lambda pool: pool.get_size() - pool.get_idle_size()))
    POOL.labels("idle").set_function(size(lambda pool: pool.get_idle_size()))
    POOL.labels("max").set_function(size(lambda pool: pool.get_max_size()))
