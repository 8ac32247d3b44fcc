"""Configuration of Tortoise: one connection pool per process, models found by feature."""

import json
from dataclasses import dataclass
from typing import Any

import asyncpg

from domain.foundation.instants import decode_instant, encode_instant

MODEL_MODULES = [
    "domain.foundation.models",
    "domain.tenants.models",
    "domain.people.models",
    "domain.content.models",
    "domain.enrollments.models",
    "domain.notifications.models",
    "domain.mandatory_tasks.models",
    "domain.auto_assignment.models",
]


#: Seconds that a server has to let a connection in.
CONNECT_TIMEOUT = 5.0
#: What Tortoise says about an address, where it knows one.
_ADDRESS = frozenset({"host", "port", "user", "password", "database"})
#: Seconds beyond the limit of a statement after which the server is taken for gone: it would have said so itself.
SILENCE = 1.0


@dataclass(frozen=True, slots=True)
class Limits:
    """How long one statement may take, and wait for a lock, in milliseconds; 0 for ever."""

    statement: int = 5_000
    lock: int = 2_000

    def as_sql(self) -> str:
        """Return the statements that give a transaction these limits.

        Not the session: behind a pooler in transaction mode each transaction may be on another one.
        """
        return f"SET LOCAL statement_timeout = {self.statement}; SET LOCAL lock_timeout = {self.lock}"


DEFAULT_LIMITS = Limits()


class PooledConnection(asyncpg.Connection):
    """Connection without asyncpg's RESET round trip: no session state is kept, all settings are transaction-local."""

    #: Limits of every transaction.
    limits = DEFAULT_LIMITS

    def get_reset_query(self) -> str:
        """Return the statements that clean a connection when it goes back to the pool: none."""
        return ""


async def prepare_connection(connection: Any) -> None:
    """Make jsonb columns dicts and lists, and every instant one of the calendar.

    Tortoise hands over text that is JSON already.
    """
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        encoder=lambda value: value if isinstance(value, str) else json.dumps(value),
        decoder=json.loads,
    )
    await connection.set_type_codec(
        "timestamptz", schema="pg_catalog", encoder=encode_instant, decoder=decode_instant, format="tuple"
    )


def _connection_class(limits_of_all: Limits) -> type[PooledConnection]:
    class LimitedConnection(PooledConnection):
        limits = limits_of_all

    return LimitedConnection


def orm_config(
    url: str,
    *,
    application_name: str,
    pool_size: int = 10,
    limits: Limits = DEFAULT_LIMITS,
    keeps_statements: bool = True,
) -> dict[str, Any]:
    """Return the configuration for `Tortoise.init`.

    A server that hangs, or a network that loses everything, ends no connection: TCP waits for a quarter of an hour. So
    statements are given up here as well, and their connections with them.

    Without `keeps_statements` each statement is prepared anew, without a name, within the transaction that needs it.
    """

    async def connect(*_: Any, **options: Any) -> Any:
        # asyncpg itself reads the address, with everything that it may say: TLS, certificates, sockets.
        return await asyncpg.connect(url, **{name: options[name] for name in options.keys() - _ADDRESS})

    credentials = {
        "minsize": 1,
        "maxsize": pool_size,
        "connect": connect,
        "connection_class": _connection_class(limits),
        "init": prepare_connection,
        "application_name": application_name,
        "timeout": CONNECT_TIMEOUT,
        "command_timeout": limits.statement / 1_000 + SILENCE if limits.statement else None,
        # Poolers know this one: they set it on whatever session a transaction gets.
        "server_settings": {"timezone": "UTC"},
        **({} if keeps_statements else {"statement_cache_size": 0}),
    }
    return {
        "connections": {"default": {"engine": "tortoise.backends.asyncpg", "credentials": credentials}},
        "apps": {
            "domain": {"models": MODEL_MODULES, "default_connection": "default", "migrations": "domain.migrations"}
        },
        "use_tz": True,
        "timezone": "UTC",
    }


# What the `tortoise` command line reads when a developer makes a migration.
TORTOISE_ORM = orm_config("postgres://mandate@127.0.0.1:5432/mandate", application_name="makemigrations")
