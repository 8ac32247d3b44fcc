"""What time brings, done at once: what schedulers hand out and workers do, without either."""

from datetime import datetime

from jobs.rounds import EXPIRY, OPENINGS, OVERDUE, REMINDERS, SEATS, do_all


async def send_due_reminders(now: datetime) -> int:
    """Settle every reminder that is due, and return how many that were."""
    return await do_all(REMINDERS, now)


async def open_due_cycles(now: datetime) -> int:
    """Open every cycle whose time has come, and return how many that were."""
    return await do_all(OPENINGS, now)


async def note_overdue_tasks(now: datetime) -> int:
    """Note every task that has become overdue, and return how many that were."""
    return await do_all(OVERDUE, now)


async def end_access_that_is_over(now: datetime) -> int:
    """End every reason whose end has come, and return how many that were."""
    return await do_all(EXPIRY, now)


async def give_free_seats(now: datetime) -> int:
    """Promote whoever waits although there is a seat."""
    return await do_all(SEATS, now)
