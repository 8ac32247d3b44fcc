"""Lets a worker or scheduler process do everything as ever, only in shorter times and smaller chunks.

So it is killed in the middle of more transactions, and tries run out within seconds instead of a day.
"""

from datetime import timedelta

from domain.notifications.deliveries import dispatching
from domain.notifications.deliveries import rows as delivery_rows
from domain.notifications.deliveries import sending as deliveries
from jobs import scheduler
from jobs.rounds import EMAILS, REMINDERS, ROUNDS

#: Attempts after which an email is given up.
ATTEMPTS = 6


def hurry() -> None:
    """Change the constants of this process."""
    vars(delivery_rows).update(PAUSES=(timedelta(seconds=0.4),) * (ATTEMPTS - 1), MAX_ATTEMPTS=ATTEMPTS)
    for module in (delivery_rows, deliveries):
        vars(module)["LEASE"] = timedelta(seconds=2)
    EMAILS.resend_after = timedelta(seconds=3)
    dispatching.BATCH = EMAILS.together = 5
    look_often(0.3)
    REMINDERS.together = 20


def look_often(seconds: float) -> None:
    """Let a scheduler look for what is due every so many seconds."""
    for one in ROUNDS:
        one.seconds = seconds
    # Where it looks for something else.
    assert scheduler.repeat.__kwdefaults__ is not None
    assert "pause" in scheduler.repeat.__kwdefaults__
    scheduler.repeat.__kwdefaults__["pause"] = lambda: seconds
