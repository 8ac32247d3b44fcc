"""Configuration of Tortoise: one connection pool per process, models found by feature."""

import json
from typing import Any
from urllib.parse import unquote, urlsplit

import asyncpg

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
#: Seconds beyond the limit of a statement after which the server is taken for gone: it would have said so itself.
SILENCE = 1.0


class PooledConnection(asyncpg.Connection):
    """Connection without asyncpg's RESET round trip: no session state is kept, all settings are transaction-local."""

    def get_reset_query(self) -> str:
        """Return the statements that clean a connection when it goes back to the pool: none."""
        return ""


async def prepare_connection(connection: Any) -> None:
    """Make jsonb columns dicts and lists; Tortoise hands over text that is JSON already."""
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        encoder=lambda value: value if isinstance(value, str) else json.dumps(value),
        decoder=json.loads,
    )


def orm_config(
    url: str,
    *,
    application_name: str,
    pool_size: int = 10,
    statement_timeout_ms: int = 5_000,
    lock_timeout_ms: int = 2_000,
) -> dict[str, Any]:
    """Return the configuration for `Tortoise.init`; timeouts are milliseconds, 0 for none.

    A server that hangs, or a network that loses everything, ends no connection: TCP waits for a quarter of an hour. So
    statements are given up here as well, and their connections with them.
    """
    parts = urlsplit(url)
    credentials = {
        "host": parts.hostname,
        "port": parts.port or 5432,
        "user": unquote(parts.username or ""),
        "password": unquote(parts.password) if parts.password else None,
        "database": parts.path.lstrip("/"),
        "minsize": 1,
        "maxsize": pool_size,
        "connection_class": PooledConnection,
        "init": prepare_connection,
        "application_name": application_name,
        "timeout": CONNECT_TIMEOUT,
        "command_timeout": statement_timeout_ms / 1_000 + SILENCE if statement_timeout_ms else None,
        "server_settings": {
            "statement_timeout": str(statement_timeout_ms),
            "lock_timeout": str(lock_timeout_ms),
            "timezone": "UTC",
        },
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
