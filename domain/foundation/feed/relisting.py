"""Change rows of what has not changed itself, but is found in lists by something that has."""

from collections.abc import Sequence

from domain.foundation.feed.changes import ObjectType
from domain.foundation.unit_of_work import UnitOfWork

#: People whose objects one statement looks up, so that it stays within the time that a statement has.
CHUNK = 5_000


async def tell_of_all(
    work: UnitOfWork, object_type: ObjectType, table: str, learner_ids: Sequence[int], *, condition: str = "true"
) -> None:
    """Write a change row for each object that these learners have in a table, with the version that it has."""
    for start in range(0, len(learner_ids), CHUNK):
        await work.sql.execute(
            f"""
            INSERT INTO change_pending (tenant_id, object_type, object_id, version, at)
            SELECT tenant_id, $2, id, version, $4 FROM {table}
             WHERE tenant_id = $1 AND learner_id = ANY ($3::bigint[]) AND {condition} ORDER BY id
            """,
            work.tenant_id,
            object_type.value,
            list(learner_ids[start : start + CHUNK]),
            work.now,
        )
