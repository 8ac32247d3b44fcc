"""One change, one transaction: facts, what follows from them, log rows and change rows commit together or not at all.

`perform` is the only way in. It runs an operation, then what `domain/reactions.py` says follows from its events, then
commits; only after the commit is anybody told, and does what has transactions of its own begin.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar

import asyncpg
from tortoise.exceptions import IntegrityError, OperationalError

from domain.foundation import nudge
from domain.foundation.access import Principal
from domain.foundation.database.sessions import Session, writing
from domain.foundation.errors import TimedOut, TryAgain, Unavailable
from domain.foundation.idempotency import IdempotentCall, find_result, remember_result, reserve_key
from domain.foundation.metrics import REPEATED_TRANSACTIONS
from domain.foundation.tracing import span

Result = TypeVar("Result")
Handler = Callable[["UnitOfWork", Sequence[Any]], Awaitable[None]]
Reactions = Mapping[type, Sequence[Handler]]
#: Does what committed events of one kind lead to: `(tenant_id, now, events)`. What a crash loses of it, a sweep does.
FollowUp = Callable[[int, datetime, Sequence[Any]], Awaitable[None]]
FollowUps = Mapping[type, FollowUp]

log = logging.getLogger(__name__)

#: Log entries of rules that a payload can list.
LISTED_RULE_ACTIONS = 1_000

_reactions: Reactions | None = None
_follow_ups: FollowUps = {}
#: Events that whoever follows up in this task still has before them; None while nobody does.
_pending_follow_ups: ContextVar[list[Any] | None] = ContextVar("pending_follow_ups", default=None)


def install(reactions: Reactions, follow_ups: FollowUps | None = None) -> None:
    """Set the tables of this process; `domain/reactions.py` does it when it is imported. None keeps the follow-ups."""
    global _reactions, _follow_ups
    _reactions = reactions
    _follow_ups = _follow_ups if follow_ups is None else follow_ups


@dataclass(slots=True)
class UnitOfWork:
    """What an operation works with: the transaction, who asks, what time it is, and what has happened so far."""

    principal: Principal
    now: datetime
    #: Name of the mutation or command, as audit entries show it.
    operation: str
    sql: Session
    events: list[Any] = field(default_factory=list)
    #: Events that lead to something after the commit.
    events_to_follow_up: list[Any] = field(default_factory=list)
    #: Log entries that rules caused, in order, the first 1,000; and how many there are.
    rule_action_ids: list[int] = field(default_factory=list)
    rule_action_count: int = 0
    #: Whether the log entries that are written now are a rule's doing.
    collects_rule_actions: bool = False
    #: Job that evaluates the rules when the change concerns 100 people or more; None when it was done at once.
    reevaluation_job_id: int | None = None
    #: Mandatory tasks whose status is another now because of what was asked for.
    changed_task_ids: list[int] = field(default_factory=list)
    #: Job that moves due dates to another time zone; None where there are none.
    rescheduling_job_id: int | None = None
    #: Whether rules are evaluated in the transaction however many people it concerns: imports do.
    evaluates_at_once: bool = False
    #: Whether there is something new to hand out to workers: jobs or emails.
    has_new_jobs: bool = False
    #: Whether the rules of the tenant are locked: None, "shared" or "exclusive" (see `domain.foundation.locks`).
    rules_lock: str | None = None
    #: People whom this transaction has locked.
    locked_learner_ids: set[int] = field(default_factory=set)
    #: What is counted once it is true.
    measurements: list[Callable[[], object]] = field(default_factory=list)

    @property
    def tenant_id(self) -> int:
        """Tenant whose data is changed."""
        return self.principal.tenant_id

    def count(self, measurement: Callable[[], object]) -> None:
        """Have something counted after the commit; it must not fail."""
        self.measurements.append(measurement)

    def record(self, event: Any) -> None:
        """Note what has happened; its reactions run before the commit, its follow-ups after it."""
        self.events.append(event)

    def add_rule_actions(self, listed_ids: Sequence[int], count: int) -> None:
        """Note log entries that a rule caused; the first 1,000 are listed, all are counted."""
        self.rule_action_ids.extend(listed_ids[: LISTED_RULE_ACTIONS - len(self.rule_action_ids)])
        self.rule_action_count += count

    async def react(self) -> None:
        """Run the reactions of everything recorded until nothing new happens.

        A handler gets all events that it is for in one call: what it does about a hundred people depends on there
        being a hundred.
        """
        if _reactions is None:
            raise RuntimeError("No reactions are installed: import domain.reactions.")
        while self.events:
            pending, self.events = self.events, []
            calls: dict[Handler, list[Any]] = {}
            for kind, handlers in _reactions.items():
                same = [event for event in pending if type(event) is kind]
                for handler in handlers if same else ():
                    calls.setdefault(handler, []).extend(same)
            for handler, events in calls.items():
                await handler(self, events)
            self.events_to_follow_up += [event for event in pending if type(event) in _follow_ups]
            known = {*_reactions, *_follow_ups}
            unknown = {type(event).__name__ for event in pending if type(event) not in known}
            if unknown:
                raise RuntimeError(f"Events without an entry in domain.reactions: {sorted(unknown)}")


@dataclass(frozen=True, slots=True)
class Done(Generic[Result]):
    """A committed change: the operation's result, and what rules and tasks made of it."""

    result: Result
    rule_action_ids: list[int] = field(default_factory=list)
    rule_action_count: int = 0
    reevaluation_job_id: int | None = None
    changed_task_ids: list[int] = field(default_factory=list)
    rescheduling_job_id: int | None = None


async def perform(
    principal: Principal,
    now: datetime,
    operation: str,
    action: Callable[[UnitOfWork], Awaitable[Result]],
    *,
    idempotent: IdempotentCall[Result] | None = None,
    seconds: float | None = None,
) -> Done[Result]:
    """Run one operation in one transaction, with its reactions; once more, whole, after a deadlock or a lock timeout.

    Then, in other transactions, what follows from the commit; it cannot fail the operation any more.

    With `idempotent`, the key is inserted in the same transaction as the work, and a call that was committed before
    answers with its stored result. Raises DomainError (nothing was done) or RequestFailure. What takes longer than
    `seconds`, both tries together, is TimedOut, but never once COMMIT was sent.
    """
    deadline = None if seconds is None else asyncio.get_running_loop().time() + seconds
    for is_last in (False, True):
        try:
            with span("unit of work", operation=operation):
                done, events = await _attempt(principal, now, operation, action, idempotent, deadline)
        except (asyncpg.PostgresError, OperationalError, IntegrityError) as error:
            cause = _postgres_error(error)
            if isinstance(cause, _RETRIED):
                if is_last:
                    raise TryAgain from error
                REPEATED_TRANSACTIONS.inc()
                continue
            if isinstance(cause, asyncpg.QueryCanceledError):
                raise TimedOut from error
            if isinstance(cause, asyncpg.PostgresConnectionError):
                raise Unavailable from error
            raise
        except _TookTooLong as error:
            raise TimedOut from error
        except (OSError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
            # No connection is to be had, or it broke: what was not committed is gone.
            raise Unavailable from error
        else:
            await _follow_up(principal.tenant_id, now, events)
            return done
    raise AssertionError("unreachable")


async def _follow_up(tenant_id: int, now: datetime, events: Sequence[Any]) -> None:
    """Do what comes after a commit; a failure is reported and left to the sweeps, as the change itself stands."""
    if not events:
        return
    pending = _pending_follow_ups.get()
    if pending is not None:
        # One follow-up has led to another. Done one after the other, a long chain of them does not pile up.
        pending.extend(events)
        return
    pending = list(events)
    token = _pending_follow_ups.set(pending)
    try:
        while pending:
            current, pending[:] = list(pending), []
            for kind, handler in _follow_ups.items():
                same = [event for event in current if type(event) is kind]
                if same:
                    try:
                        await handler(tenant_id, now, same)
                    except Exception as error:
                        log.warning("what follows %s failed: %s", kind.__name__, type(error).__name__, exc_info=error)
    finally:
        _pending_follow_ups.reset(token)


def _postgres_error(error: BaseException) -> BaseException | None:
    """Return asyncpg's error, which Tortoise wraps."""
    if isinstance(error, asyncpg.PostgresError):
        return error
    return error.__cause__ or (error.args[0] if error.args and isinstance(error.args[0], BaseException) else None)


async def _attempt(
    principal: Principal,
    now: datetime,
    operation: str,
    action: Callable[[UnitOfWork], Awaitable[Result]],
    idempotent: IdempotentCall[Result] | None,
    deadline: float | None,
) -> tuple[Done[Result], list[Any]]:
    """Return what was done, and the events to follow up now that it is committed."""
    async with writing(principal.tenant_id) as sql:
        work = UnitOfWork(principal=principal, now=now, operation=operation, sql=sql)
        if idempotent is not None and not await reserve_key(work.sql, principal, operation, idempotent, now):
            stored = await find_result(work.sql, principal, operation, idempotent)
            return Done(**{**stored, "result": idempotent.restore(stored["result"])}), []
        async with _until(deadline):
            result = await action(work)
            await work.react()
        done = Done(
            result,
            work.rule_action_ids,
            work.rule_action_count,
            work.reevaluation_job_id,
            work.changed_task_ids,
            work.rescheduling_job_id,
        )
        if idempotent is not None:
            stored = {name: getattr(done, name) for name in Done.__dataclass_fields__}
            stored["result"] = idempotent.store(result)
            await remember_result(work.sql, principal, operation, idempotent, stored)
    nudge.send(principal.tenant_id, has_jobs=work.has_new_jobs)
    for measurement in work.measurements:
        measurement()
    return done, work.events_to_follow_up


class _TookTooLong(Exception):
    """The operation has used up its time; the transaction is rolled back."""


@asynccontextmanager
async def _until(deadline: float | None) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout_at(deadline) as limit:
            yield
    except TimeoutError as error:
        # A timeout of somebody else is somebody else's.
        if not limit.expired():
            raise
        raise _TookTooLong from error


#: What others do at the same moment, and a second try may find done.
_RETRIED = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError, asyncpg.LockNotAvailableError)


class _RolledBack(Exception):
    """The rehearsal is over: everything that it wrote goes."""


async def rehearse(
    principal: Principal,
    now: datetime,
    operation: str,
    action: Callable[[UnitOfWork], Awaitable[None]],
    look: Callable[[UnitOfWork], Awaitable[Result]],
) -> Result:
    """Run an operation with its reactions, look at what has come of it, and take it all back.

    So a simulation cannot say anything but what would really happen. Raises what `perform` would.
    """
    seen: list[Result] = []

    async def attempt(work: UnitOfWork) -> None:
        await action(work)
        await work.react()
        seen.append(await look(work))
        raise _RolledBack

    try:
        await perform(principal, now, operation, attempt)
    except _RolledBack:
        return seen[-1]
    raise AssertionError("unreachable")


async def with_retry(attempt: Callable[[], Awaitable[Result]]) -> Result:
    """Run a piece of background work again when it lost a deadlock; it has to be one transaction."""
    for delay in (0.05, 0.2, 0.5):
        try:
            return await attempt()
        except TryAgain:
            await asyncio.sleep(delay)
    return await attempt()
