"""What a process finds out about its database before it works with it: whose role it has, and what is between."""

import secrets
from typing import Any

import asyncpg

from domain.foundation.database.orm import CONNECT_TIMEOUT

#: Times that a connection is given the chance to get another session of a pooler.
SESSION_TRIES = 4


class UnsafeRole(RuntimeError):
    """The database role owns what is in it or may bypass row level security, so it would see every tenant."""


class StatementsLost(RuntimeError):
    """Statements are to stay prepared, and what is before the database forgets them."""


async def refuse_unsafe_role(connection: Any, role: str | None = None) -> None:
    """Raise UnsafeRole unless row level security binds a role, by default that of the connection.

    Who owns the database or the schema would own what a migration makes there; so this holds before the first one too.
    """
    is_unsafe = await connection.fetchval(
        """
        SELECT r.rolsuper OR r.rolbypassrls
               OR EXISTS (SELECT 1 FROM pg_database d
                           WHERE d.datname = current_database() AND pg_has_role(r.oid, d.datdba, 'MEMBER'))
               OR EXISTS (SELECT 1 FROM pg_namespace n
                           WHERE n.nspname = 'public' AND pg_has_role(r.oid, n.nspowner, 'MEMBER'))
               OR EXISTS (SELECT 1 FROM pg_class c
                           WHERE c.relname IN ('tenant', 'learner') AND pg_has_role(r.oid, c.relowner, 'MEMBER'))
          FROM pg_roles r WHERE r.rolname = coalesce($1, current_user)
        """,
        role,
    )
    if is_unsafe:
        raise UnsafeRole(
            "The role of DATABASE_URL owns the tables, the schema or the database, is a superuser or may bypass row "
            "level security. Use the application's role; the owner belongs into OWNER_DATABASE_URL."
        )


async def check_server(url: str, *, keeps_statements: bool | None) -> bool:
    """Refuse an unsafe role, and return whether statements stay prepared on connections.

    By default they do unless a pooler is before the server: in transaction mode each transaction may get another
    session, which knows nothing of them. Raises StatementsLost where they should stay and do not.
    """
    connection = await _connect(url)
    try:
        # One transaction: both halves of a statement have to reach the same session.
        async with connection.transaction():
            await refuse_unsafe_role(connection)
            # A pooler invents the number by which its clients cancel.
            is_pooled = await connection.fetchval("SELECT pg_backend_pid()") != connection.get_server_pid()
        if keeps_statements and is_pooled:
            await _require_kept_statements(url, connection)
    finally:
        await connection.close(timeout=CONNECT_TIMEOUT)
    return keeps_statements if keeps_statements is not None else not is_pooled


async def _require_kept_statements(url: str, connection: Any) -> None:
    """Prepare a statement, and see whether it is still known once the connection has got another session."""
    async with connection.transaction():
        statement = await connection.prepare("SELECT pg_backend_pid()", name=f"mandate_{secrets.token_hex(8)}")
        session = await statement.fetchval()
    other = await _connect(url)
    try:
        for _ in range(SESSION_TRIES):
            # Whatever order a pooler has, of two sessions one is taken now.
            async with other.transaction():
                await other.execute("SELECT 1")
                try:
                    async with connection.transaction():
                        if await statement.fetchval() != session:
                            return
                except asyncpg.InvalidSQLStatementNameError as error:
                    raise StatementsLost(
                        "ARE_STATEMENTS_KEPT is true, and the pooler before PostgreSQL forgets prepared statements: "
                        "leave it out, or have the pooler keep them (PgBouncer 1.21 or later with "
                        "max_prepared_statements)."
                    ) from error
    finally:
        await other.close(timeout=CONNECT_TIMEOUT)


async def _connect(url: str) -> Any:
    return await asyncpg.connect(url, timeout=CONNECT_TIMEOUT, command_timeout=CONNECT_TIMEOUT, statement_cache_size=0)
