"""One change, one transaction: all of it or nothing, with what follows from it, and nobody told before the commit."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg
import pytest
from tortoise.exceptions import IntegrityError

from domain.foundation import unit_of_work
from domain.foundation.access import Principal
from domain.foundation.database.sessions import Session, writing
from domain.foundation.errors import NotFound, TimedOut, TryAgain, Unavailable
from domain.foundation.feed.changes import ObjectType, record_changes
from domain.foundation.unit_of_work import UnitOfWork, perform, with_retry
from domain.people.models import Place, PlaceKind
from domain.tenants.models import Tenant
from tests.support import factories
from tests.support.catalogue import Connection
from tests.support.tasks import PATIENCE


@dataclass(frozen=True, slots=True)
class Painted:
    """A place got a color."""

    place_id: int


@dataclass(frozen=True, slots=True)
class Dried:
    """The color of a place dried."""

    place_id: int


async def rename(sql: Session, place_id: int, name: str) -> None:
    """Change one row, whose lock is then held."""
    await sql.execute("UPDATE place SET name = $2 WHERE id = $1", place_id, name)


async def names(tenant_id: int) -> list[str]:
    """Return what was committed, in the order of creation."""
    async with writing(tenant_id) as sql:
        return await sql.values("SELECT name FROM place WHERE tenant_id = $1 ORDER BY id", tenant_id)


async def make_place(work: UnitOfWork, name: str) -> int:
    """Insert a place by its model."""
    place = await Place.create(tenant_id=work.tenant_id, kind=PlaceKind.DEPARTMENT, name=name, name_key=name.lower())
    place_id: int = place.id
    return place_id


async def test_everything_is_committed_together(tenant: Tenant, admin: Principal, now: datetime) -> None:
    """Rows written by SQL and by models are one transaction, and the result comes back."""

    async def action(work: UnitOfWork) -> int:
        place_id = await make_place(work, "One")
        await rename(work.sql, place_id, "Two")
        await record_changes(work, ObjectType.DEPARTMENT, [(place_id, 1)])
        return place_id

    done = await perform(admin, now, "createPlace", action)
    async with writing(tenant.id) as sql:
        assert await sql.values("SELECT name FROM place WHERE id = $1", done.result) == ["Two"]
        assert [tuple(row) for row in await sql.fetch("SELECT object_type, object_id, at FROM change_pending")] == [
            ("DEPARTMENT", done.result, now)
        ]
    assert (done.rule_action_ids, done.rule_action_count, done.reevaluation_job_id) == ([], 0, None)


@pytest.mark.parametrize("error", [NotFound(), RuntimeError("a bug"), asyncio.CancelledError()])
async def test_failure_undoes_everything(tenant: Tenant, admin: Principal, now: datetime, error: BaseException) -> None:
    """After an expected failure, a bug or a hang-up nothing has happened."""

    async def action(work: UnitOfWork) -> None:
        place_id = await make_place(work, "One")
        await record_changes(work, ObjectType.DEPARTMENT, [(place_id, 1)])
        raise error

    with pytest.raises(type(error)):
        await perform(admin, now, "createPlace", action)
    assert await names(tenant.id) == []
    async with writing(tenant.id) as sql:
        assert await sql.value("SELECT count(*) FROM change_pending") == 0


async def test_broken_uniqueness_is_not_swallowed(tenant: Tenant, admin: Principal, now: datetime) -> None:
    """What the database refuses comes out as it is, for the operation to name it."""

    async def action(work: UnitOfWork) -> None:
        await make_place(work, "One")
        await make_place(work, "One")

    with pytest.raises(IntegrityError):
        await perform(admin, now, "createPlace", action)
    assert await names(tenant.id) == []


async def test_reactions_belong_to_the_change(
    tenant: Tenant, admin: Principal, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Handlers get the events of a kind together, in the order of the table, until nothing new happens."""
    calls: list[tuple[str, list[Any]]] = []

    async def paint_all(work: UnitOfWork, events: Sequence[Any]) -> None:
        calls.append(("first", list(events)))
        for event in events:
            await rename(work.sql, event.place_id, f"Red {event.place_id}")
            work.record(Dried(event.place_id))

    async def count(work: UnitOfWork, events: Sequence[Any]) -> None:
        calls.append(("second", list(events)))

    async def dry(work: UnitOfWork, events: Sequence[Any]) -> None:
        calls.append(("dry", list(events)))

    monkeypatch.setattr(unit_of_work, "_reactions", {Painted: [paint_all, count], Dried: [dry]})

    async def action(work: UnitOfWork) -> tuple[int, int]:
        ids = (await make_place(work, "One"), await make_place(work, "Two"))
        for place_id in ids:
            work.record(Painted(place_id))
        work.record(Dried(7))
        return ids

    one, two = (await perform(admin, now, "paint", action)).result
    assert calls == [
        ("first", [Painted(one), Painted(two)]),
        ("second", [Painted(one), Painted(two)]),
        ("dry", [Dried(7)]),
        ("dry", [Dried(one), Dried(two)]),
    ]
    assert await names(tenant.id) == [f"Red {one}", f"Red {two}"]


async def test_failing_reaction_undoes_the_change(
    tenant: Tenant, admin: Principal, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing happens without its consequences."""

    async def fail(work: UnitOfWork, events: Sequence[Any]) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(unit_of_work, "_reactions", {Painted: [fail]})

    async def action(work: UnitOfWork) -> None:
        work.record(Painted(await make_place(work, "One")))

    with pytest.raises(RuntimeError, match="a bug"):
        await perform(admin, now, "paint", action)
    assert await names(tenant.id) == []


async def test_event_that_nobody_listed_is_an_error(tenant: Tenant, admin: Principal, now: datetime) -> None:
    """An event without an entry in the table was forgotten; no handlers at all is an entry too."""

    async def action(work: UnitOfWork) -> None:
        work.record(Painted(await make_place(work, "One")))

    with pytest.raises(RuntimeError, match=r"Events without an entry in domain.reactions: \['Painted'\]"):
        await perform(admin, now, "paint", action)
    assert await names(tenant.id) == []


async def test_without_a_table_of_reactions_nothing_is_committed(
    tenant: Tenant, admin: Principal, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that forgot to import the table would lose what follows from changes, so it cannot change anything."""
    monkeypatch.setattr(unit_of_work, "_reactions", None)

    async def action(work: UnitOfWork) -> int:
        return await make_place(work, "One")

    with pytest.raises(RuntimeError, match="No reactions are installed"):
        await perform(admin, now, "createPlace", action)
    assert await names(tenant.id) == []


class Opponent:
    """Somebody who locks two rows the other way round than the operation does, on a connection of their own."""

    def __init__(self, connection: Connection, first: int, second: int) -> None:
        self._connection = connection
        self._first = first
        self._second = second
        self._crossing: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        """Lock the second row."""
        await self._connection.execute("BEGIN")
        await self._lock(self._second)

    def cross(self) -> None:
        """Want the first row soon, and commit once it is there.

        PostgreSQL ends the transaction that has waited first, which is the operation's as it has begun by then.
        """
        self._crossing = asyncio.create_task(self._cross())

    async def _cross(self) -> None:
        await asyncio.sleep(0.05)
        await self._lock(self._first)
        await self._connection.execute("COMMIT")

    async def end(self) -> None:
        """Wait until the opponent has committed."""
        assert self._crossing is not None
        await asyncio.wait_for(self._crossing, PATIENCE)

    async def _lock(self, place_id: int) -> None:
        await self._connection.fetch("SELECT id FROM place WHERE id = $1 FOR UPDATE", place_id)


@pytest.fixture
async def other_connection(tenant: Tenant, superuser_url: str) -> AsyncIterator[Connection]:
    """Another process that works for the tenant, and that a deadlock never ends."""
    connection = await asyncpg.connect(superuser_url)
    await connection.execute("SET deadlock_timeout = '10s'")
    await connection.execute(f"SET app.tenant = '{tenant.id}'")
    yield connection
    await connection.close()


@pytest.mark.parametrize(("deadlocks", "succeeds"), [(1, True), (2, False)])
async def test_deadlock_is_retried_once_as_a_whole(
    tenant: Tenant, admin: Principal, now: datetime, other_connection: Connection, deadlocks: int, succeeds: bool
) -> None:
    """The second attempt starts from nothing; when it meets a deadlock too, the caller shall try again."""
    first = (await factories.create_place(tenant.id, name="First")).id
    second = (await factories.create_place(tenant.id, name="Second")).id
    opponent = Opponent(other_connection, first, second)
    found: list[list[str]] = []

    async def action(work: UnitOfWork) -> str:
        found.append(await work.sql.values("SELECT name FROM place WHERE tenant_id = $1 ORDER BY id", tenant.id))
        await make_place(work, f"Attempt {len(found)}")
        if len(found) <= deadlocks:
            # The opponent has one connection: the round before has to be over.
            await asyncio.gather(*ends)
            await opponent.begin()
            await rename(work.sql, first, "First!")
            opponent.cross()
        else:
            await rename(work.sql, first, "First!")
        try:
            await rename(work.sql, second, "Second!")
        finally:
            if len(found) <= deadlocks:
                ends.append(asyncio.create_task(opponent.end()))
        return "done"

    ends: list[asyncio.Task[None]] = []
    if succeeds:
        assert (await perform(admin, now, "rename", action)).result == "done"
        assert await names(tenant.id) == ["First!", "Second!", "Attempt 2"]
    else:
        with pytest.raises(TryAgain):
            await perform(admin, now, "rename", action)
        assert await names(tenant.id) == ["First", "Second"]
    await asyncio.gather(*ends)
    assert found == [["First", "Second"], ["First", "Second"]]


async def test_waiting_too_long_for_a_lock_is_try_again(
    tenant: Tenant, admin: Principal, now: datetime, other_connection: Connection
) -> None:
    """Two seconds behind somebody else's lock, and once more after one retry, are enough."""
    place_id = (await factories.create_place(tenant.id, name="First")).id
    await other_connection.execute("BEGIN")
    await other_connection.fetch("SELECT id FROM place WHERE id = $1 FOR UPDATE", place_id)
    attempts = 0

    async def action(work: UnitOfWork) -> None:
        nonlocal attempts
        attempts += 1
        await work.sql.execute("SET LOCAL lock_timeout = '100ms'")
        await rename(work.sql, place_id, "First!")

    with pytest.raises(TryAgain):
        await perform(admin, now, "rename", action)
    assert attempts == 2


async def test_locks_and_statements_have_limits(tenant: Tenant, admin: Principal, now: datetime) -> None:
    """Nobody waits more than two seconds for a lock nor five for a statement."""

    async def action(work: UnitOfWork) -> tuple[str, str]:
        limits = await work.sql.fetch("SELECT current_setting('lock_timeout'), current_setting('statement_timeout')")
        return limits[0][0], limits[0][1]

    assert (await perform(admin, now, "limits", action)).result == ("2s", "5s")


async def test_statement_that_takes_too_long_is_a_timeout(tenant: Tenant, admin: Principal, now: datetime) -> None:
    """The limit of a statement ends the whole operation, with nothing done."""

    async def action(work: UnitOfWork) -> None:
        await make_place(work, "One")
        await work.sql.execute("SET LOCAL statement_timeout = '50ms'")
        await work.sql.execute("SELECT pg_sleep(5)")

    with pytest.raises(TimedOut):
        await perform(admin, now, "slow", action)
    assert await names(tenant.id) == []


async def test_errors_of_models_are_judged_like_errors_of_sql(
    tenant: Tenant, admin: Principal, now: datetime, other_connection: Connection
) -> None:
    """Tortoise wraps what PostgreSQL says; a lock that is not had is TRY_AGAIN all the same."""
    place_id = (await factories.create_place(tenant.id, name="First")).id
    await other_connection.execute("BEGIN")
    await other_connection.fetch("SELECT id FROM place WHERE id = $1 FOR UPDATE", place_id)

    async def action(work: UnitOfWork) -> None:
        await work.sql.execute("SET LOCAL lock_timeout = '100ms'")
        await Place.filter(id=place_id).update(name="First!")

    with pytest.raises(TryAgain):
        await perform(admin, now, "rename", action)


async def test_background_work_is_tried_a_few_times() -> None:
    """Work that lost against others is done again, four times in all."""
    attempts = 0

    async def attempt() -> str:
        nonlocal attempts
        attempts += 1
        if attempts < 4:
            raise TryAgain
        return "done"

    assert await with_retry(attempt) == "done"
    assert attempts == 4


async def test_what_takes_too_long_is_rolled_back(tenant: Tenant, admin: Principal, now: datetime) -> None:
    """Whatever it is doing by then; what is in time is not concerned, and the connections are as good as before."""

    def slow(name: str, seconds: float) -> Callable[[UnitOfWork], Awaitable[None]]:
        async def action(work: UnitOfWork) -> None:
            await make_place(work, name)
            await work.sql.fetch("SELECT pg_sleep($1)", seconds)
            await asyncio.sleep(seconds)

        return action

    for seconds in (0.3, 0.12):
        with pytest.raises(TimedOut):
            await perform(admin, now, "test", slow("late", seconds), seconds=0.2)
    await perform(admin, now, "test", slow("in time", 0.01), seconds=5)
    assert await names(tenant.id) == ["in time"]


async def test_a_timeout_within_an_operation_is_its_own(admin: Principal, now: datetime) -> None:
    """It is not taken for the limit of the transaction."""

    async def impatient(work: UnitOfWork) -> None:
        async with asyncio.timeout(0.01):
            await asyncio.sleep(1)

    with pytest.raises(Unavailable):
        await perform(admin, now, "test", impatient, seconds=5)
