"""The database of this process, and SQL as the way to lists, batches and rule work: text in, dataclasses out.

A `Session` is one transaction on one connection. Queries read in a `ReadScope`; changes are made in a unit of work.
"""

import asyncio
import logging
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from types import TracebackType
from typing import Any, Protocol, TypeVar

import asyncpg
from tortoise import Tortoise
from tortoise.connection import get_connections
from tortoise.context import TortoiseContext
from tortoise.exceptions import DBConnectionError
from tortoise.transactions import in_transaction

from domain.foundation import metrics
from domain.foundation.database.orm import DEFAULT_LIMITS, SILENCE, Limits, orm_config
from domain.foundation.database.row_shapes import rows_of
from domain.foundation.database.server import check_server

Row = TypeVar("Row")

log = logging.getLogger(__name__)

#: Seconds that a read waits for a connection: whoever comes when all of them hang should not wait for each in turn.
ACQUIRE_TIMEOUT = 5.0
#: Seconds that statistics of all tables may take.
STATISTICS_TIMEOUT = 3_600.0
#: How asyncpg, Tortoise and the system say that the server is away.
_AWAY = (
    ConnectionError,
    socket.gaierror,
    DBConnectionError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
)


class Statements(Protocol):
    """What both a reading and a changing transaction offer."""

    async def fetch(self, sql: str, *args: Any) -> list["asyncpg.Record"]: ...
    async def rows(self, shape: type[Row], sql: str, *args: Any) -> list[Row]: ...
    async def row(self, shape: type[Row], sql: str, *args: Any) -> Row | None: ...
    async def values(self, sql: str, *args: Any) -> list[Any]: ...
    async def value(self, sql: str, *args: Any) -> Any: ...
    async def plan_each_time(self) -> None: ...


class Session:
    """Statements on one connection, inside the transaction that is open on it."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        #: Seconds after which the server is taken for gone, where statements have another limit than usual.
        self.patience: float | None = None

    async def fetch(self, sql: str, *args: Any) -> list["asyncpg.Record"]:
        """Return the records of a statement, RETURNING included."""
        records: list[asyncpg.Record] = await self.connection.fetch(sql, *args, timeout=self.patience)
        return records

    async def rows(self, shape: type[Row], sql: str, *args: Any) -> list[Row]:
        """Return each record as `shape(**columns)`."""
        return rows_of(shape, await self.fetch(sql, *args))

    async def row(self, shape: type[Row], sql: str, *args: Any) -> Row | None:
        """Return the first record as `shape(**columns)`, or None."""
        records = await self.fetch(sql, *args)
        return shape(**records[0]) if records else None

    async def values(self, sql: str, *args: Any) -> list[Any]:
        """Return the first column of each record."""
        return [record[0] for record in await self.fetch(sql, *args)]

    async def value(self, sql: str, *args: Any) -> Any:
        """Return the first column of the first record, or None."""
        return await self.connection.fetchval(sql, *args, timeout=self.patience)

    async def execute(self, sql: str, *args: Any) -> int:
        """Run a statement and return the number of rows that it changed."""
        tag: str = await self.connection.execute(sql, *args, timeout=self.patience)
        last = tag.rpartition(" ")[2]
        return int(last) if last.isdigit() else 0

    async def allow(self, milliseconds: int) -> None:
        """Give the statements of this transaction another limit of time than usual."""
        await self.fetch("SELECT set_config('statement_timeout', $1, true)", str(milliseconds))
        self.patience = milliseconds / 1_000 + SILENCE

    @asynccontextmanager
    async def waiting_longer(self, milliseconds: int) -> AsyncIterator[None]:
        """Let the statements inside wait so long for locks; a failure leaves nothing to be put back."""
        # A statement's own limit has to be longer than what it may wait.
        limits = Limits(statement=max(milliseconds + 2_000, self.connection.limits.statement), lock=milliseconds)
        patience = self.patience
        await self.connection.execute(limits.as_sql())
        self.patience = limits.statement / 1_000 + SILENCE
        yield
        await self.connection.execute(self.connection.limits.as_sql())
        self.patience = patience

    async def plan_each_time(self) -> None:
        """Plan every statement of this transaction for its arguments: bulk work makes tables grow under its plans.

        A plan that was kept from when a table was small can cost seconds in a chunk; planning costs a millisecond.
        """
        await self.connection.execute("SET LOCAL plan_cache_mode = force_custom_plan")

    async def insert(self, table: str, columns: Sequence[str], records: Sequence[Sequence[Any]]) -> None:
        """Insert rows in one round trip. (PostgreSQL refuses COPY into tables with row level security.)"""
        places = ", ".join(f"${number + 1}" for number in range(len(columns)))
        statement = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places})"
        await self.connection.executemany(statement, records, timeout=self.patience)


class ReadScope(Statements):
    """Reads of one operation: one read-only snapshot of one tenant, opened at the first read.

    Its statements go one after another, whoever asks, so resolvers and DataLoaders may share it freely.
    """

    def __init__(self, tenant_id: int) -> None:
        self.tenant_id = tenant_id
        #: Number of statements so far; tests hold operations to a constant.
        self.statement_count = 0
        self._session: Session | None = None
        self._acquired: Any = None
        self._turn = asyncio.Lock()
        self._is_over = False

    async def __aenter__(self) -> "ReadScope":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """End the snapshot; the next read opens a new one."""
        async with self._turn:
            session, acquired = self._session, self._acquired
            self._session = self._acquired = None
            if session is None:
                return
            try:
                await session.connection.execute("COMMIT")
            except Exception as error:
                # The connection was lost, or a statement on it was given up. Whoever asked has been told; what was
                # only read has nothing else to lose, and an answer that is ready must not fail by it.
                log.warning("a snapshot could not be closed: %s", type(error).__name__)
                _terminate(session.connection)
            except BaseException:
                _terminate(session.connection)
                raise
            finally:
                with suppress(asyncpg.InterfaceError):
                    await acquired.__aexit__(None, None, None)

    async def finish(self) -> None:
        """End the snapshot for good: who still wants to read was given up by the operation, and nobody closes again."""
        self._is_over = True
        await self.close()

    async def _open(self) -> Session:
        if self._is_over:
            raise RuntimeError("The operation is over: nobody would close what is opened now.")
        if self._session is None:
            acquired = database().acquire_connection()
            async with asyncio.timeout(ACQUIRE_TIMEOUT):
                connection = await acquired.__aenter__()
            try:
                # Transaction-local, so a pooled connection keeps nothing of the tenant.
                await connection.execute(
                    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;"
                    f" SET LOCAL app.tenant = '{int(self.tenant_id)}'; {connection.limits.as_sql()}"
                )
            except BaseException:
                _terminate(connection)
                await acquired.__aexit__(None, None, None)
                raise
            self._session, self._acquired = Session(connection), acquired
        return self._session

    async def fetch(self, sql: str, *args: Any) -> list["asyncpg.Record"]:
        """Return the records of a statement."""
        async with self._turn:
            self.statement_count += 1
            return await (await self._open()).fetch(sql, *args)

    async def batches(self, sql: str, *args: Any, size: int) -> AsyncGenerator[list["asyncpg.Record"], None]:
        """Yield the records of a statement in lists of this size, by a cursor; other reads may come in between."""
        async with self._turn:
            self.statement_count += 1
            session = await self._open()
            # Without a name, so that nothing of it outlives the transaction on a connection that a pooler shares.
            statement = await session.connection.prepare(sql, name="", timeout=session.patience)
            cursor = await statement.cursor(*args, timeout=session.patience)
        while True:
            async with self._turn:
                records: list[asyncpg.Record] = await cursor.fetch(size, timeout=session.patience)
            if not records:
                return
            yield records

    async def plan_each_time(self) -> None:
        """Plan every statement of this snapshot for its arguments: for questions that no one plan is good for."""
        await self.fetch("SELECT set_config('plan_cache_mode', 'force_custom_plan', true)")

    async def allow(self, milliseconds: int) -> None:
        """Give the statements of this snapshot another limit of time than requests have."""
        async with self._turn:
            self.statement_count += 1
            await (await self._open()).allow(milliseconds)

    async def rows(self, shape: type[Row], sql: str, *args: Any) -> list[Row]:
        """Return each record as `shape(**columns)`."""
        return rows_of(shape, await self.fetch(sql, *args))

    async def row(self, shape: type[Row], sql: str, *args: Any) -> Row | None:
        """Return the first record as `shape(**columns)`, or None."""
        records = await self.fetch(sql, *args)
        return shape(**records[0]) if records else None

    async def values(self, sql: str, *args: Any) -> list[Any]:
        """Return the first column of each record."""
        return [record[0] for record in await self.fetch(sql, *args)]

    async def value(self, sql: str, *args: Any) -> Any:
        """Return the first column of the first record, or None."""
        records = await self.fetch(sql, *args)
        return records[0][0] if records else None


def _terminate(connection: Any) -> None:
    """End a connection at once, also one that the pool has taken back already because it was lost."""
    with suppress(asyncpg.InterfaceError):
        connection.terminate()


def is_connection_lost(error: BaseException) -> bool:
    """Tell whether the connection to PostgreSQL has gone, or could not be had.

    asyncpg says so by several classes. InterfaceError and InternalClientError also stand for misuse, so their texts
    have to tell; the latter is what a statement gets between the server's last words and the end of the socket
    ("cannot switch to state").
    """
    if isinstance(error, asyncpg.InterfaceError):
        return "clos" in str(error) or "released back" in str(error)
    if isinstance(error, asyncpg.InternalClientError):
        return "state" in str(error)
    return isinstance(error, _AWAY)


def database() -> Any:
    """Return Tortoise's client of this process."""
    return Tortoise.get_connection("default")


@asynccontextmanager
async def connected(
    url: str,
    *,
    application_name: str,
    pool_size: int = 10,
    limits: Limits = DEFAULT_LIMITS,
    keeps_statements: bool | None = None,
) -> AsyncIterator[TortoiseContext]:
    """Open the process's pool, and close it at the end.

    Refuses a role that row level security does not bind, and a pooler that loses what is prepared, unless nothing is.
    """
    config = orm_config(
        url,
        application_name=application_name,
        pool_size=pool_size,
        limits=limits,
        keeps_statements=await check_server(url, keeps_statements=keeps_statements),
    )
    # Requests run in other tasks than the one that starts the application, hence the global fallback.
    context = await Tortoise.init(config=config, _enable_global_fallback=True)
    client = database()
    metrics.watch_pool(lambda: client._pool)
    try:
        yield context
    finally:
        await context.close_connections()


@asynccontextmanager
async def _transaction() -> AsyncIterator[Any]:
    """Open a transaction, and leave nothing behind when that fails.

    Where BEGIN fails or is cancelled, Tortoise keeps the connection, and lets what the task does later run on it:
    something that runs for long would never recover.
    """
    opened: Any = in_transaction()
    try:
        transaction = await opened.__aenter__()
    except BaseException:
        token = getattr(opened, "token", None)
        if token is not None:
            get_connections().reset(token)
            with suppress(asyncpg.InterfaceError):
                opened.client._connection.terminate()
            await opened.client._parent._pool.release(opened.client._connection)
        raise
    try:
        yield transaction
    except BaseException as error:
        await opened.__aexit__(type(error), error, error.__traceback__)
        raise
    else:
        await opened.__aexit__(None, None, None)


@asynccontextmanager
async def writing(tenant_id: int) -> AsyncIterator[Session]:
    """Open a transaction of one tenant; Tortoise's models used inside belong to it.

    Plans are kept: to plan the long statements of rule work anew takes several times as long as to run them for a few
    people. Whoever writes for many calls `plan_each_time`.
    """
    async with _transaction() as transaction:
        session = Session(transaction._connection)
        await session.connection.execute(
            f"SET LOCAL app.tenant = '{int(tenant_id)}'; SET LOCAL plan_cache_mode = force_generic_plan;"
            f" {session.connection.limits.as_sql()}"
        )
        yield session


async def across_tenants(sql: str, *args: Any) -> list["asyncpg.Record"]:
    """Call one of the named functions that look across tenants; they answer with IDs only.

    In a transaction, for the sake of its limits, and because a pooler may give what comes after its end to another
    session: even a single statement is sent in two steps.
    """
    async with database().acquire_connection() as connection:
        try:
            await connection.execute(f"BEGIN; {connection.limits.as_sql()}")
            records: list[asyncpg.Record] = await connection.fetch(sql, *args)
            await connection.execute("COMMIT")
        except BaseException:
            # As good as a ROLLBACK, and certain.
            _terminate(connection)
            raise
        return records


async def refresh_statistics() -> None:
    """Tell the planner how the tables look now: bulk work needs it before autovacuum comes round."""
    async with _transaction() as transaction:
        limits = Limits(statement=0, lock=transaction._connection.limits.lock)
        statement = f"{limits.as_sql()}; SELECT refresh_statistics()"
        await transaction._connection.execute(statement, timeout=STATISTICS_TIMEOUT)
