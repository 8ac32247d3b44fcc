"""What time brings: what is due, who does it, and how often one looks. One table for scheduler and workers alike.

The scheduler finds what is due, tenant by tenant, and hands it out as messages; a worker does what one message says, a
turn of one tenant. Messages hold IDs only. Whoever does the work locks the rows and looks again, so a message that
comes twice finds nothing, and what a queue loses is due at the next look. Whatever else time is to bring is one entry.
"""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import dramatiq

import domain.reactions  # noqa: F401  Changes need the table of reactions.
from domain.enrollments.seats.expiry import end_expired_access
from domain.enrollments.seats.promotion import promote_waiting
from domain.foundation.access import Principal
from domain.foundation.database.sessions import across_tenants
from domain.foundation.errors import RequestFailure
from domain.foundation.fair_order import in_turns
from domain.foundation.jobs import running as background
from domain.foundation.unit_of_work import UnitOfWork, perform, with_retry
from domain.mandatory_tasks.cycles.opening import open_cycles
from domain.mandatory_tasks.overdue import note_overdue
from domain.mandatory_tasks.reminders.sending import give_out_reminders
from domain.notifications.deliveries import dispatching

#: Seconds between two looks while nothing happens: for what people wait for, and for what the calendar brings.
POLL, SWEEP = 1.0, 3.0
#: Seconds after which a worker goes on to somebody else's work, even if there is more of this.
TURN = 5.0
#: What was handed out and is still due after this time is handed out again, where the queue has nothing left.
RESEND_AFTER = timedelta(seconds=3)

#: Does what is due about objects of one tenant, and returns about how many it did something.
Act = Callable[[int, list[int], datetime], Awaitable[int]]
#: The same in a transaction that is there already.
Step = Callable[[UnitOfWork, list[int]], Awaitable[int]]


@dataclass(slots=True)
class Look:
    """One look at what is due of a kind."""

    now: datetime
    #: Puts a message about these objects of a tenant into the queue.
    send: Callable[[int, list[int]], None]
    #: What was handed out before this is handed out again.
    resend_before: datetime
    #: Objects of one message, and objects of one tenant that may be under way.
    together: int
    most: int
    #: Messages for which the queue has room.
    room: int
    #: When what was handed out, by tenant and ID, where no row says so. It is lost with the process, and sent again.
    handed_out: dict[tuple[int, int], datetime] = field(default_factory=dict)


@dataclass(slots=True)
class Round:
    """Something that time brings."""

    #: Its name everywhere: of the queue, in metrics and in the log.
    name: str
    actor: str
    #: Hands out what is due and returns how many objects that were; raises what `send` raises.
    hand_out: Callable[[Look], Awaitable[int]]
    #: Objects of one message.
    together: int
    #: Messages of one tenant that may be under way, which is how many workers it can have at once.
    at_once: int = 8
    #: Seconds between two looks while nothing happens.
    seconds: float = SWEEP
    #: Whether one also looks when somebody has done something.
    is_nudged: bool = False
    resend_after: timedelta = RESEND_AFTER
    #: What messages call the IDs.
    argument: str = "ids"
    #: The SQL function that tells what is due, and what a worker does about it; None for what has an actor of its own.
    finds: str | None = None
    act: Act | None = None

    def message(self, tenant_id: int, ids: list[int]) -> "dramatiq.Message[None]":
        """Return the message that has a worker do something about these objects."""
        arguments = {"tenant_id": tenant_id, self.argument: ids}
        return dramatiq.Message(queue_name=self.name, actor_name=self.actor, args=(), kwargs=arguments, options={})


def _transaction(operation: str, step: Step) -> Act:
    """Return what takes a step in a transaction of its own."""

    async def act(tenant_id: int, ids: list[int], now: datetime) -> int:
        principal = Principal.operator(tenant_id)
        return (await with_retry(lambda: perform(principal, now, operation, lambda work: step(work, ids)))).result

    return act


async def _give_seats(tenant_id: int, content_ids: list[int], now: datetime) -> int:
    end = time.monotonic() + TURN
    count = 0
    for content_id in content_ids:
        count += await promote_waiting(tenant_id, now, content_id, should_stop=lambda: time.monotonic() > end)
    return count


def _swept(name: str, actor: str, *, finds: str, act: Act, together: int) -> Round:
    """Return a round of which no row says what is under way: each scheduler remembers what it has handed out."""

    async def hand_out(look: Look) -> int:
        found = await _find(finds, look.now, look.most)
        # What is not found any more is done. The rest is under way, or to be sent again.
        remembered = {key: at for key in found if (at := look.handed_out.get(key)) and at >= look.resend_before}
        look.handed_out.clear()
        look.handed_out.update(remembered)
        count = 0
        waiting = [key for key in found if key not in remembered]
        for tenant_id, ids in in_turns(waiting, together=look.together)[: look.room]:
            look.send(tenant_id, ids)
            look.handed_out.update({(tenant_id, object_id): look.now for object_id in ids})
            count += len(ids)
        return count

    return Round(name, actor, hand_out, together, finds=finds, act=act)


async def _find(function: str, now: datetime, most: int) -> list[tuple[int, int]]:
    found = await across_tenants(f"SELECT tenant_id, id FROM {function}($1, $2)", now, most)
    return [(record["tenant_id"], record["id"]) for record in found]


async def _hand_out_jobs(look: Look) -> int:
    return await background.dispatch_jobs(
        look.now,
        lambda tenant_id, job_id: look.send(tenant_id, [job_id]),
        resend_before=look.resend_before,
        most=look.most,
        room=look.room,
    )


async def _hand_out_emails(look: Look) -> int:
    return await dispatching.dispatch_emails(
        look.now, look.send, resend_before=look.resend_before, most=look.most, room=look.room
    )


@dataclass(slots=True)
class _Jobs(Round):
    """The jobs: a message is about one, and has called it so since there are any."""

    def message(self, tenant_id: int, ids: list[int]) -> "dramatiq.Message[None]":
        (job_id,) = ids
        arguments = {"tenant_id": tenant_id, "job_id": job_id}
        return dramatiq.Message(queue_name=self.name, actor_name=self.actor, args=(), kwargs=arguments, options={})


JOBS = _Jobs(
    "jobs",
    "run_background_job",
    _hand_out_jobs,
    together=1,
    seconds=POLL,
    is_nudged=True,
    resend_after=background.RESEND_AFTER,
)
EMAILS = Round(
    "emails",
    "deliver_emails",
    _hand_out_emails,
    together=dispatching.BATCH,
    seconds=POLL,
    is_nudged=True,
    resend_after=dispatching.RESEND_AFTER,
    argument="email_ids",
)
REMINDERS = _swept(
    "reminders",
    "give_out_reminders",
    finds="tasks_with_due_reminders",
    act=_transaction("reminders", lambda work, ids: give_out_reminders(work, task_ids=ids)),
    together=200,
)
OPENINGS = _swept(
    "openings",
    "open_cycles",
    finds="tasks_to_open",
    act=_transaction("recurrence", lambda work, ids: open_cycles(work, task_ids=ids)),
    together=100,
)
OVERDUE = _swept(
    "overdue",
    "note_overdue",
    finds="tasks_to_note_overdue",
    act=_transaction("overdue", lambda work, ids: note_overdue(work, task_ids=ids)),
    together=200,
)
EXPIRY = _swept(
    "expiry",
    "end_expired_access",
    finds="reasons_to_expire",
    act=_transaction("expiry", lambda work, ids: end_expired_access(work, reason_ids=ids)),
    together=100,
)
SEATS = _swept("seats", "give_seats", finds="contents_with_seats_to_give", act=_give_seats, together=1)

#: Rounds whose work is a call with IDs, and all of them.
SWEPT = (REMINDERS, OPENINGS, OVERDUE, EXPIRY, SEATS)
ROUNDS = (JOBS, EMAILS, *SWEPT)


async def take_turn(one: Round, tenant_id: int, ids: list[int], now: datetime) -> int:
    """Do what is due about these objects and return about how many something was done.

    What always fails stops nothing but itself: a part that fails is done in halves. Raises the first failure after
    everything has had its turn.
    """
    assert one.act is not None
    try:
        return await one.act(tenant_id, ids, now)
    except RequestFailure:
        # The database is away or busy: nothing about these objects.
        raise
    except Exception:
        if len(ids) == 1:
            raise
        middle, done = len(ids) // 2, 0
        failure: Exception | None = None
        for half in (ids[:middle], ids[middle:]):
            try:
                done += await take_turn(one, tenant_id, half, now)
            except Exception as error:
                failure = failure or error
        if failure is not None:
            raise failure from None
        return done


async def do_all(one: Round, now: datetime, *, most: int = 1_000) -> int:
    """Do all that is due by now, here and without a queue, and return about how many objects that were.

    Raises the first failure after everything has had its turn.
    """
    assert one.finds is not None
    total, before = 0, -1
    failure: Exception | None = None
    # As long as something is done, there may be more behind it.
    while before < total and failure is None:
        before = total
        for tenant_id, ids in in_turns(await _find(one.finds, now, most), together=one.together):
            try:
                total += await take_turn(one, tenant_id, ids, now)
            except Exception as error:
                failure = failure or error
    if failure is not None:
        raise failure
    return total
