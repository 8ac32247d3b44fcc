"""The change feed: what live streams read. Positions follow commits, so a reader of "after position N" misses nothing.

Writers insert into `change_pending` without a position. Whoever reads first sequences: under a lock on the tenant's
head, visible pending rows get the next positions and move into `change`. A late commit simply gets a later position;
writers never wait for each other, and a foreign long transaction stops nobody.

A change row of version 0 says that the object is as it was, but shows other numbers: those that are counted when it is
read. Writers insert such rows without looking at the object, whose row they neither lock nor change. They get their
positions at most once a second, and then one for each object: an import of 10,000 people moves a count once a second.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from domain.foundation import log_blocks, metrics
from domain.foundation.database.sessions import ReadScope, Session, Statements, across_tenants, writing
from domain.foundation.log_blocks import close_some_blocks
from domain.foundation.unit_of_work import UnitOfWork

log = logging.getLogger(__name__)

#: Rows that one sequencing transaction moves, so that nobody waits long for the head.
BATCH = 5_000
#: Seconds between two positions for changes of nothing but numbers, for all objects of a tenant.
NUMBERS_PAUSE = 1.0


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


@dataclass(frozen=True, slots=True)
class Sequenced:
    """What sequencing has done: how many rows were taken up, and whether changes of numbers are held back."""

    count: int
    is_holding: bool


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


async def sequence(tenant_id: int) -> Sequenced:
    """Give positions to what is committed and has none, as far as it is not held back."""
    total = 0
    while True:
        with metrics.SEQUENCING.time():
            async with writing(tenant_id) as sql:
                batch = await sequence_batch(sql, tenant_id)
        metrics.SEQUENCED.inc(batch.count)
        total += batch.count
        if batch.count < BATCH:
            return Sequenced(total, batch.is_holding)


async def sequence_batch(sql: Session, tenant_id: int, *, waits: bool = True) -> Sequenced:
    """Move one batch of pending rows into the feed, in the transaction given.

    Unless it `waits`, the feed is left to whoever has it locked.
    """
    # A statement of its own: the next one's snapshot has to be newer than the lock, else two sequencers number the
    # same rows. The time is the server's, as processes with different clocks keep the pause together; one that was
    # put back holds nothing.
    due = await sql.values(
        f"""
        SELECT numbers_at IS NULL OR numbers_at NOT BETWEEN clock_timestamp() - make_interval(secs => $2)
                                                        AND clock_timestamp()
          FROM feed_head WHERE tenant_id = $1 FOR UPDATE {"" if waits else "SKIP LOCKED"}
        """,
        tenant_id,
        NUMBERS_PAUSE,
    )
    if not due:
        if not waits and await sql.value("SELECT true FROM feed_head WHERE tenant_id = $1", tenant_id):
            return Sequenced(0, is_holding=False)
        raise LookupError(f"Tenant {tenant_id} has no head of its feed: its changes would get lost.")
    (record,) = await sql.fetch(
        """
        WITH gone AS (
          DELETE FROM change_pending WHERE id = ANY (ARRAY(
            SELECT id FROM change_pending WHERE tenant_id = $1 AND (version > 0 OR $3) ORDER BY id LIMIT $2))
          RETURNING *),
        merged AS (
          SELECT id, object_type, object_id, version, at FROM gone WHERE version > 0
          UNION ALL
          SELECT max(id), object_type, object_id, 0, max(at) FROM gone WHERE version = 0
           GROUP BY object_type, object_id),
        placed AS (
          INSERT INTO change (tenant_id, position, object_type, object_id, version, at)
          SELECT $1, h.position + row_number() OVER (ORDER BY m.id), m.object_type, m.object_id, m.version, m.at
            FROM merged m JOIN feed_head h ON h.tenant_id = $1
          RETURNING position, object_type, object_id, version),
        logged AS (
          INSERT INTO content_action_position (tenant_id, position, content_action_id)
          SELECT $1, position, object_id FROM placed WHERE object_type = 'CONTENT_ACTION'),
        counted AS (SELECT count(*) AS n, bool_or(version = 0) AS has_numbers FROM placed),
        moved AS (
          UPDATE feed_head
             SET position = position + n, numbers_at = CASE WHEN has_numbers THEN clock_timestamp() ELSE numbers_at END
            FROM counted WHERE tenant_id = $1 AND n > 0)
        SELECT (SELECT count(*) FROM gone) AS count,
               NOT $3 AND EXISTS (SELECT 1 FROM change_pending WHERE tenant_id = $1 AND version = 0) AS is_holding
        """,
        tenant_id,
        BATCH,
        due[0],
    )
    return Sequenced(record["count"], record["is_holding"])


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
            moved = (await sequence_batch(sql, tenant_id, waits=False)).count
    metrics.SEQUENCED.inc(moved)
    closed = await close_some_blocks(tenant_id)
    return moved, moved >= BATCH or closed >= log_blocks.BATCH


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
