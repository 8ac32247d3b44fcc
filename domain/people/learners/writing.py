"""Writing people: one person is a set of one. However many they are, the number of statements is the same.

Facts, audit entries, change rows and events are the difference between what somebody was and is to be.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import asyncpg

from domain.foundation.addresses import email_key
from domain.foundation.text_validation import name_key
from domain.foundation.unit_of_work import UnitOfWork
from domain.people.learners.recording import LearnerWrite, record_writes
from domain.people.learners.state import LearnerState
from domain.people.models import PlaceKind


@contextmanager
def retried_when_taken() -> Iterator[None]:
    """Have the whole change run again when somebody else has just taken a unique value.

    The second time the value is seen before writing, and the caller learns which one it was.
    """
    try:
        yield
    except asyncpg.UniqueViolationError as error:
        raise asyncpg.SerializationError("A unique value was taken meanwhile.") from error


async def write_learners(work: UnitOfWork, writes: Sequence[LearnerWrite]) -> list[int]:
    """Write people who are locked, or new, and return their IDs in order; who is as they were is left alone.

    Whether an administrator is left has to be judged before, see `domain.people.learners.admins`.
    """
    new_ids = iter(await _next_ids(work, sum(write.before is None for write in writes)))
    numbered = [_numbered(write, new_ids) for write in writes]
    changed = [write for write in numbered if write.before is not write.after]
    if changed:
        with retried_when_taken():
            await _free_emails(work, changed)
            await _insert(work, [write.after for write in changed if write.before is None])
            await _update(work, [write.after for write in changed if write.before is not None])
        await _write_refs(work, changed)
        await _write_places(work, changed)
        await record_writes(work, changed)
    return [write.after.id for write in numbered]


def _numbered(write: LearnerWrite, new_ids: Iterator[int]) -> LearnerWrite:
    """Give somebody new an ID and somebody changed a version; who is as they were is the same object then."""
    if write.before is None:
        return LearnerWrite(None, replace(write.after, id=next(new_ids), version=1, edited_version=1))
    if not write.is_change:
        return LearnerWrite(write.before, write.before)
    version = write.before.version + 1
    return LearnerWrite(write.before, replace(write.after, version=version, edited_version=version))


async def _next_ids(work: UnitOfWork, count: int) -> list[int]:
    # Taken beforehand: nothing promises that INSERT returns IDs in the order of its rows.
    return (
        await work.sql.values(
            "SELECT nextval(pg_get_serial_sequence('learner', 'id')) FROM generate_series(1, $1::int)", count
        )
        if count
        else []
    )


async def _insert(work: UnitOfWork, learners: Sequence[LearnerState]) -> None:
    if learners:
        await work.sql.execute(
            """
            INSERT INTO learner (tenant_id, created_at, id, external_id, email, email_key, name, name_key, role,
                                 is_active, time_zone, version, edited_version)
            SELECT $1, $2, * FROM unnest($3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
                                         $9::text[], $10::bool[], $11::text[], $12::int[], $13::int[])
            """,
            work.tenant_id,
            work.now,
            *_columns(learners),
        )


async def _free_emails(work: UnitOfWork, writes: Sequence[LearnerWrite]) -> None:
    """Take away the addresses that change hands: uniqueness is checked row by row, so they have to be free first."""
    wanted = {_key(write.after.email) for write in writes}
    losers = [
        write.before.id
        for write in writes
        if write.before and (lost := _key(write.before.email)) in wanted and lost != _key(write.after.email)
    ]
    if losers:
        await work.sql.execute(
            "UPDATE learner SET email_key = NULL WHERE tenant_id = $1 AND id = ANY ($2::bigint[])",
            work.tenant_id,
            losers,
        )


def _key(email: str | None) -> str | None:
    return None if email is None else email_key(email)


async def _update(work: UnitOfWork, learners: Sequence[LearnerState]) -> None:
    if not learners:
        return
    # A key stays as long as its address: of two that used to be compared otherwise, one has kept its own.
    await work.sql.execute(
        """
        UPDATE learner l
           SET external_id = n.external_id, email = n.email, name = n.name,
               email_key = CASE WHEN l.email = n.email AND l.email_key IS NOT NULL THEN l.email_key
                                ELSE n.email_key END,
               name_key = n.name_key, role = n.role, is_active = n.is_active, time_zone = n.time_zone,
               version = n.version, edited_version = n.edited_version
          FROM unnest($2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
                      $9::bool[], $10::text[], $11::int[], $12::int[])
               AS n (id, external_id, email, email_key, name, name_key, role, is_active, time_zone, version,
                     edited_version)
         WHERE l.tenant_id = $1 AND l.id = n.id
        """,
        work.tenant_id,
        *_columns(learners),
    )


def _columns(learners: Sequence[LearnerState]) -> list[list[Any]]:
    return [
        [learner.id for learner in learners],
        [learner.external_id for learner in learners],
        [learner.email for learner in learners],
        [_key(learner.email) for learner in learners],
        [learner.name for learner in learners],
        [name_key(learner.name) for learner in learners],
        [learner.role.value for learner in learners],
        [learner.is_active for learner in learners],
        [learner.time_zone for learner in learners],
        [learner.version for learner in learners],
        [learner.edited_version for learner in learners],
    ]


async def _write_refs(work: UnitOfWork, writes: Sequence[LearnerWrite]) -> None:
    gone, come = [], []
    for write in writes:
        before = write.before.refs if write.before else {}
        gone += [(write.after.id, number) for number in before if number not in write.after.refs]
        come += [(write.after.id, *ref) for ref in write.after.refs.items() if before.get(ref[0]) != ref[1]]
    if gone:
        await work.sql.execute(
            """
            DELETE FROM learner_ref r USING unnest($2::bigint[], $3::int[]) AS gone (learner_id, number)
             WHERE r.tenant_id = $1 AND r.learner_id = gone.learner_id AND r.number = gone.number
            """,
            work.tenant_id,
            *_transposed(gone, 2),
        )
    if come:
        await work.sql.execute(
            """
            INSERT INTO learner_ref (tenant_id, learner_id, number, value)
            SELECT $1, * FROM unnest($2::bigint[], $3::int[], $4::text[])
                ON CONFLICT (learner_id, number) DO UPDATE SET value = excluded.value
            """,
            work.tenant_id,
            *_transposed(come, 3),
        )


async def _write_places(work: UnitOfWork, writes: Sequence[LearnerWrite]) -> None:
    gone, come = [], []
    for write in writes:
        for kind in PlaceKind:
            before = write.before.belongs_to(kind) if write.before else frozenset()
            after = write.after.belongs_to(kind)
            gone += [(write.after.id, place_id) for place_id in before - after]
            come += [(write.after.id, place_id, kind.value) for place_id in after - before]
    # First those that go: nobody is in two departments, not even between two statements.
    if gone:
        await work.sql.execute(
            """
            DELETE FROM learner_place p USING unnest($2::bigint[], $3::bigint[]) AS gone (learner_id, place_id)
             WHERE p.tenant_id = $1 AND p.learner_id = gone.learner_id AND p.place_id = gone.place_id
            """,
            work.tenant_id,
            *_transposed(gone, 2),
        )
    if come:
        await work.sql.execute(
            "INSERT INTO learner_place (tenant_id, learner_id, place_id, kind)"
            " SELECT $1, * FROM unnest($2::bigint[], $3::bigint[], $4::text[])",
            work.tenant_id,
            *_transposed(come, 3),
        )


def _transposed(rows: Sequence[tuple[Any, ...]], width: int) -> list[list[Any]]:
    return [[row[column] for row in rows] for column in range(width)]
