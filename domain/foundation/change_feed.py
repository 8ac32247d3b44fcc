"""The change feed: what live streams read. Positions follow commits, so a reader of "after position N" misses nothing.

Writers insert into `change_pending` without a position. Whoever reads first sequences: under a lock on the tenant's
head, visible pending rows get the next positions and move into `change`. A late commit simply gets a later position;
writers never wait for each other, and a foreign long transaction stops nobody.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from domain.foundation import metrics
from domain.foundation.database import ReadScope, Session, Statements, across_tenants, writing
from domain.foundation.log_blocks import BATCH as BLOCKS
from domain.foundation.log_blocks import close_some_blocks
from domain.foundation.unit_of_work import UnitOfWork

log = logging.getLogger(__name__)

#: Rows that one sequencing transaction moves, so that nobody waits long for the head.
BATCH = 5_000


class ObjectType(StrEnum):
    """Kinds of objects in the feed, in audit entries and as subjects of jobs."""

    TENANT = "TENANT"
    ACCOUNT = "ACCOUNT"
    LEARNER = "LEARNER"
    SERVICE_ACCOUNT = "SERVICE_ACCOUNT"
    DEPARTMENT = "DEPARTMENT"
    LEARNING_GROUP = "LEARNING_GROUP"
    CLIENT = "CLIENT"
    SUBLICENSE = "SUBLICENSE"
    COURSE = "COURSE"
    LEARNING_PATH = "LEARNING_PATH"
    ENROLLMENT = "ENROLLMENT"
    CONTENT_ACTION = "CONTENT_ACTION"
    RULE = "RULE"
    MANDATORY_TASK = "MANDATORY_TASK"
    BULK_ASSIGNMENT = "BULK_ASSIGNMENT"
    NOTIFICATION = "NOTIFICATION"
    EMAIL_TEMPLATE = "EMAIL_TEMPLATE"
    JOB = "JOB"


@dataclass(frozen=True, slots=True)
class Change:
    """One row of the feed."""

    position: int
    object_type: str
    object_id: int
    version: int
    at: datetime


async def record_changes(work: UnitOfWork, object_type: ObjectType, objects: Sequence[tuple[int, int]]) -> None:
    """Write a change row for each (object ID, version); bulk work writes them in its own statements."""
    if not objects:
        return
    await work.sql.execute(
        """
        INSERT INTO change_pending (tenant_id, object_type, object_id, version, at)
        SELECT $1, $2, object_id, version, $5 FROM unnest($3::bigint[], $4::int[]) AS changed (object_id, version)
        """,
        work.tenant_id,
        object_type.value,
        [object_id for object_id, _ in objects],
        [version for _, version in objects],
        work.now,
    )


async def read_head(sql: Statements, tenant_id: int) -> int:
    """Return the present end of the tenant's feed: whatever this snapshot misses comes later."""
    position = await sql.value("SELECT position FROM feed_head WHERE tenant_id = $1", tenant_id)
    return int(position or 0)


async def read_changes(sql: Statements, tenant_id: int, *, after: int, limit: int = 1_000) -> list[Change]:
    """Return the changes after a position, in order."""
    return await sql.rows(
        Change,
        "SELECT position, object_type, object_id, version, at FROM change"
        " WHERE tenant_id = $1 AND position > $2 ORDER BY position LIMIT $3",
        tenant_id,
        after,
        limit,
    )


async def read_latest_changes(
    sql: Statements, tenant_id: int, *, after: int, until: int, object_type: ObjectType, limit: int
) -> list[Change]:
    """Return the last change of each object of a kind that changed after a position, in order."""
    return await sql.rows(
        Change,
        """
        SELECT max(position) AS position, object_type, object_id, max(version) AS version, max(at) AS at FROM change
         WHERE tenant_id = $1 AND position > $2 AND position <= $3 AND object_type = $4
         GROUP BY object_type, object_id ORDER BY 1 LIMIT $5
        """,
        tenant_id,
        after,
        until,
        object_type.value,
        limit,
    )


async def is_lost(sql: Statements, tenant_id: int, *, after: int) -> bool:
    """Tell whether changes after a position have been deleted: the feed has no gaps, and is deleted from its beginning.

    So they have where the position is ahead of the feed, as it is when an older database was restored.
    """
    return bool(
        await sql.value(
            """
            SELECT $2 > position
                OR $2 < coalesce((SELECT min(c.position) - 1 FROM change c WHERE c.tenant_id = $1), position)
              FROM feed_head WHERE tenant_id = $1
            """,
            tenant_id,
            after,
        )
    )


async def has_account_changed(
    sql: Statements, tenant_id: int, *, object_type: ObjectType, account_id: int, after: int
) -> bool:
    """Tell whether what an account may see has changed after a position."""
    return bool(
        await sql.value(
            "SELECT EXISTS (SELECT 1 FROM change WHERE tenant_id = $1 AND position > $2 AND object_type = $3"
            " AND object_id = $4)",
            tenant_id,
            after,
            object_type.value,
            account_id,
        )
    )


async def sequence(tenant_id: int) -> int:
    """Give positions to what is committed and has none; return how many rows got one."""
    total = 0
    while True:
        with metrics.SEQUENCING.time():
            async with writing(tenant_id) as sql:
                moved = await sequence_batch(sql, tenant_id)
        metrics.SEQUENCED.inc(moved)
        total += moved
        if moved < BATCH:
            return total


async def sequence_batch(sql: Session, tenant_id: int, *, waits: bool = True) -> int:
    """Move one batch of pending rows into the feed, in the transaction given.

    Unless it `waits`, the feed is left to whoever has it locked.
    """
    # A statement of its own: the next one's snapshot has to be newer than the lock, else two sequencers number the
    # same rows.
    how = "FOR UPDATE" if waits else "FOR UPDATE SKIP LOCKED"
    if not await sql.execute(f"SELECT position FROM feed_head WHERE tenant_id = $1 {how}", tenant_id):
        if not waits and await sql.value("SELECT true FROM feed_head WHERE tenant_id = $1", tenant_id):
            return 0
        raise LookupError(f"Tenant {tenant_id} has no head of its feed: its changes would get lost.")
    return int(
        await sql.value(
            """
            WITH gone AS (
              DELETE FROM change_pending WHERE id = ANY (ARRAY(
                SELECT id FROM change_pending WHERE tenant_id = $1 ORDER BY id LIMIT $2))
              RETURNING *),
            placed AS (
              INSERT INTO change (tenant_id, position, object_type, object_id, version, at)
              SELECT g.tenant_id, h.position + row_number() OVER (ORDER BY g.id),
                     g.object_type, g.object_id, g.version, g.at
                FROM gone g JOIN feed_head h ON h.tenant_id = $1
              RETURNING position, object_type, object_id),
            logged AS (
              INSERT INTO content_action_position (tenant_id, position, content_action_id)
              SELECT $1, position, object_id FROM placed WHERE object_type = 'CONTENT_ACTION'),
            counted AS (SELECT count(*) AS n FROM placed),
            moved AS (UPDATE feed_head SET position = position + n FROM counted WHERE tenant_id = $1 AND n > 0)
            SELECT n FROM counted
            """,
            tenant_id,
            BATCH,
        )
    )


async def sequence_all_tenants() -> int:
    """Sequence every tenant that has pending rows, by turns; a feed without readers must not pile up."""
    total = 0
    waiting = [record[0] for record in await across_tenants("SELECT * FROM tenants_with_pending_changes()")]
    while waiting:
        # A tenant with a million changes has its next turn when everybody has had one.
        again = []
        for tenant_id in waiting:
            try:
                moved, has_more = await _take_turn(tenant_id)
            except Exception:
                # One tenant that cannot be sequenced must not hold up those after it.
                log.exception("sequencing failed for tenant %s", tenant_id)
                continue
            total += moved
            if has_more:
                again.append(tenant_id)
        waiting = again
    return total


async def _take_turn(tenant_id: int) -> tuple[int, bool]:
    """Sequence a batch and close the blocks of one; return how many rows that were, and whether there are more."""
    with metrics.SEQUENCING.time():
        async with writing(tenant_id) as sql:
            moved = await sequence_batch(sql, tenant_id, waits=False)
    metrics.SEQUENCED.inc(moved)
    closed = await close_some_blocks(tenant_id)
    return moved, moved >= BATCH or closed >= BLOCKS


async def measure_lag(now: datetime) -> tuple[int, float]:
    """Return how many committed rows of all tenants have no position, and the age of the oldest in seconds."""
    rows, oldest = 0, now
    for record in await across_tenants("SELECT * FROM tenants_with_pending_changes()"):
        async with ReadScope(record[0]) as reads:
            (pending,) = await reads.fetch(
                "SELECT count(*) AS count, min(at) AS oldest FROM change_pending WHERE tenant_id = $1", record[0]
            )
        rows += pending["count"]
        oldest = min(oldest, pending["oldest"] or now)
    return rows, (now - oldest).total_seconds()
