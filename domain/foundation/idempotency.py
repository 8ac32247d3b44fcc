"""Idempotency keys: the same key with the same input returns the first result and does nothing more (24 hours).

The row is inserted in the transaction of the work. A concurrent duplicate waits on the unique index until the first
ends and then reads its result, so there is no "in progress" state for a crash to leave behind.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

import asyncpg

from domain.foundation.access import Principal
from domain.foundation.database.sessions import Session
from domain.foundation.errors import IdempotencyKeyInUse, IdempotencyKeyReused

Result = TypeVar("Result")

KEPT_FOR = timedelta(hours=24)
#: How long a duplicate waits for the first call to end.
PATIENCE = timedelta(seconds=5)
#: Field of a stored result that stands for all of it, as text within text.
AS_TEXT = "as_text"
_UNSTORABLE = re.compile(r"\\u(?:0000|d[89a-f][0-9a-f]{2})")


@dataclass(frozen=True, slots=True)
class IdempotentCall(Generic[Result]):
    """Key of a call, the hash of its canonical input, and how its result becomes IDs and counts and back."""

    key: str
    input_hash: bytes
    store: Callable[[Result], Any]
    restore: Callable[[Any], Result]


def _account(principal: Principal) -> str:
    if principal.learner_id is not None:
        return f"learner:{principal.learner_id}"
    return f"service:{principal.service_account_id}"


async def reserve_key(
    sql: Session, principal: Principal, operation: str, call: IdempotentCall[Any], now: datetime
) -> bool:
    """Insert the key and return True, or return False when a committed call has it already.

    Raises IdempotencyKeyInUse when another call does not end within PATIENCE.
    """
    try:
        # This one insert may wait longer than other locks.
        async with sql.waiting_longer(int(PATIENCE.total_seconds() * 1_000)):
            await sql.execute(
                "DELETE FROM idempotency_key WHERE account = $1 AND operation = $2 AND key = $3 AND created_at < $4"
                " AND tenant_id = $5",
                _account(principal),
                operation,
                call.key,
                now - KEPT_FOR,
                principal.tenant_id,
            )
            inserted = await sql.execute(
                """
                INSERT INTO idempotency_key (tenant_id, account, operation, key, input_hash, created_at)
                VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING
                """,
                principal.tenant_id,
                _account(principal),
                operation,
                call.key,
                call.input_hash,
                now,
            )
    except asyncpg.LockNotAvailableError as error:
        raise IdempotencyKeyInUse from error
    return inserted == 1


async def find_result(sql: Session, principal: Principal, operation: str, call: IdempotentCall[Any]) -> Any:
    """Return what the first call stored; raises IdempotencyKeyReused when its input was another."""
    record = await sql.fetch(
        "SELECT input_hash, result FROM idempotency_key"
        " WHERE tenant_id = $1 AND account = $2 AND operation = $3 AND key = $4",
        principal.tenant_id,
        _account(principal),
        operation,
        call.key,
    )
    if bytes(record[0]["input_hash"]) != call.input_hash:
        raise IdempotencyKeyReused
    return stored_in(record[0]["result"])


async def remember_result(
    sql: Session, principal: Principal, operation: str, call: IdempotentCall[Any], stored: Any
) -> None:
    """Keep the result with the key."""
    await sql.execute(
        "UPDATE idempotency_key SET result = $5 WHERE tenant_id = $1 AND account = $2 AND operation = $3 AND key = $4",
        principal.tenant_id,
        _account(principal),
        operation,
        call.key,
        storable(stored),
    )


def storable(stored: Any) -> Any:
    """Return a result as jsonb can hold it: refused rows may repeat names with characters that PostgreSQL has not."""
    text = json.dumps(stored)
    return {AS_TEXT: text} if _UNSTORABLE.search(text) else stored


def stored_in(column: Any) -> Any:
    """Return the result that `storable` has made what is in the column of."""
    return json.loads(column[AS_TEXT]) if AS_TEXT in column else column
