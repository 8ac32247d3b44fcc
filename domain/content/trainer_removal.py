"""Somebody who stops to train everything that they trained."""

from collections.abc import Sequence

import asyncpg

from domain.content.state import ContentState, lock_content
from domain.foundation.audit.recording import FieldChange, audit
from domain.foundation.feed.changes import ObjectType, record_changes
from domain.foundation.unit_of_work import UnitOfWork


async def lock_trained(work: UnitOfWork, learner_id: int) -> list[ContentState]:
    """Lock what somebody trains, in the order of IDs, and return it; comes before the lock on the person."""
    content_ids = await work.sql.values(
        "SELECT content_id FROM content_trainer WHERE tenant_id = $1 AND learner_id = $2 ORDER BY content_id",
        work.tenant_id,
        learner_id,
    )
    return [await lock_content(work, content_id) for content_id in content_ids]


async def stop_training(work: UnitOfWork, learner_id: int, trained: Sequence[ContentState]) -> None:
    """Take somebody from the trainers of all contents; `trained` are these, locked.

    Begins anew where they were made trainer of something meanwhile: contents are locked before people.
    """
    gone = await work.sql.values(
        "DELETE FROM content_trainer WHERE tenant_id = $1 AND learner_id = $2 RETURNING content_id",
        work.tenant_id,
        learner_id,
    )
    if not set(gone) <= {content.id for content in trained}:
        raise asyncpg.SerializationError("Somebody was made trainer of something meanwhile.")
    for content in trained:
        if learner_id in content.trainers:
            await _record(work, learner_id, content)


async def _record(work: UnitOfWork, learner_id: int, content: ContentState) -> None:
    kind, title, version = (
        await work.sql.fetch(
            "UPDATE content SET version = version + 1, edited_version = version + 1 WHERE tenant_id = $1 AND id = $2"
            " RETURNING kind, title, version",
            work.tenant_id,
            content.id,
        )
    )[0]
    trainers = sorted(content.trainers)
    change = FieldChange("trainers", trainers, [trainer for trainer in trainers if trainer != learner_id])
    await audit(work, ObjectType(kind), content.id, title, [change])
    await record_changes(work, ObjectType(kind), [(content.id, version)])
