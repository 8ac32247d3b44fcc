"""What a change of places leaves behind besides the places."""

from domain.foundation.feed.changes import ObjectType, record_changes
from domain.foundation.unit_of_work import UnitOfWork
from domain.people.models import PlaceKind

OBJECT_TYPES = {
    PlaceKind.DEPARTMENT: ObjectType.DEPARTMENT,
    PlaceKind.LEARNING_GROUP: ObjectType.LEARNING_GROUP,
    PlaceKind.CLIENT: ObjectType.CLIENT,
    PlaceKind.SUBLICENSE: ObjectType.SUBLICENSE,
}


async def record_owner_change(work: UnitOfWork, *owner_ids: int | None) -> None:
    """Say in the change feed that people may see other things than before, because they own other groups."""
    owners = await work.sql.fetch(
        "SELECT id, version FROM learner WHERE tenant_id = $1 AND id = ANY ($2::bigint[]) ORDER BY id",
        work.tenant_id,
        [owner_id for owner_id in owner_ids if owner_id is not None],
    )
    await record_changes(work, ObjectType.ACCOUNT, [(owner["id"], owner["version"]) for owner in owners])
