"""What names, partner's IDs and owners of places have to be."""

from domain.foundation.access import Role
from domain.foundation.errors import AlreadyExists, Invalid, NotFound, NotPermitted, ProblemList
from domain.foundation.keys import Reference
from domain.foundation.text_validation import external_id_text, name_text
from domain.foundation.unit_of_work import UnitOfWork
from domain.people.learners.keys import LearnerKey, find_learner_ids
from domain.people.locks import lock_learners
from domain.people.models import PlaceKind

#: Kinds whose names are unique within the tenant.
_UNIQUELY_NAMED = (PlaceKind.DEPARTMENT, PlaceKind.CLIENT)


async def check_texts(
    work: UnitOfWork, problems: ProblemList, kind: PlaceKind, name: str, external_id: str | None, *, place_id: int
) -> tuple[str, str | None]:
    """Return the texts as they are stored, and note what is wrong with them or taken by another place."""
    checked_name = checked_external_id = None
    try:
        checked_name = name_text(name, path=["name"])
    except Invalid as error:
        problems.add(error)
    try:
        checked_external_id = external_id_text(external_id, path=["externalId"])
    except Invalid as error:
        problems.add(error)
    for taken in await work.sql.fetch(
        """
        SELECT coalesce(name = $4, false) AS has_name, coalesce(external_id = $5, false) AS has_external_id FROM place
         WHERE tenant_id = $1 AND kind = $2 AND id <> $3 AND (name = $4 OR external_id = $5)
        """,
        work.tenant_id,
        kind.value,
        place_id,
        checked_name if kind in _UNIQUELY_NAMED else None,
        checked_external_id,
    ):
        if taken["has_name"]:
            problems.add(AlreadyExists(path=["name"]))
        if taken["has_external_id"]:
            problems.add(AlreadyExists(path=["externalId"]))
    return checked_name or name, checked_external_id


async def check_owner(work: UnitOfWork, problems: ProblemList, owner: Reference) -> int | None:
    """Return who is to own a learning group, and note why they cannot."""
    [owner_id] = await find_learner_ids(work.sql, work.principal, [LearnerKey.of(owner)])
    locked = await lock_learners(work, [owner_id]) if owner_id is not None else []
    if not locked:
        problems.add(NotFound(path=["ownerId"]))
    elif locked[0].role == Role.LEARNER:
        problems.add(Invalid("Is neither a trainer nor an administrator.", path=["ownerId"]))
    return owner_id


async def check_new_owner(work: UnitOfWork, problems: ProblemList, owner: Reference | None) -> int | None:
    """Return who is to own a new learning group: the caller, unless they may and do name somebody else."""
    if owner is None:
        if not work.principal.is_person:
            problems.add(Invalid("Needed unless a person calls.", path=["ownerId"]))
        return work.principal.learner_id
    owner_id = await check_owner(work, problems, owner)
    if work.principal.is_trainer and owner_id is not None and owner_id != work.principal.learner_id:
        problems.add(NotPermitted("Trainers create groups for themselves only.", path=["ownerId"]))
    return owner_id
