"""What is exported of one person: here the person themselves and the audit log, in the other features what is theirs.

An export is for admins and for the person; for everybody else there is none.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from domain.foundation.access import Principal, Role
from domain.foundation.audit.queries import COLUMNS, AuditEntryRow
from domain.foundation.database.sessions import ReadScope, Statements
from domain.foundation.errors import Forbidden, NotFound
from domain.foundation.feed.changes import ObjectType
from domain.people.models import PlaceKind
from domain.people.queries import (
    LearnerKey,
    LearnerRow,
    PlaceRow,
    RefRow,
    find_learner,
    find_learner_ids,
    load_learner_refs_by_learner,
    load_places_by_learner,
)

#: Rows that are in memory at once.
BATCH = 500


@dataclass(frozen=True, slots=True)
class ExportedPerson:
    """A person with their reference values and where they belong."""

    row: LearnerRow
    refs: list[RefRow]
    places: list[PlaceRow]

    def belongs_to(self, kind: PlaceKind) -> list[PlaceRow]:
        """Return the places of one kind, by name."""
        return [place for place in self.places if place.kind == kind]


async def export_person(reads: Statements, principal: Principal, key: LearnerKey) -> ExportedPerson:
    """Return the person whom a key names. Raises Forbidden for tools, and NotFound for whoever may not export them."""
    if not principal.is_person:
        raise Forbidden
    [learner_id] = await find_learner_ids(reads, principal, [key])
    if learner_id is None:
        raise NotFound
    require_export(principal, learner_id)
    row = await find_learner(reads, principal, learner_id)
    if row is None:
        raise NotFound
    [refs] = await load_learner_refs_by_learner(reads, principal, [learner_id])
    [places] = await load_places_by_learner(reads, principal, [learner_id])
    return ExportedPerson(row, refs, places)


def require_export(principal: Principal, learner_id: int) -> None:
    """Raise NotFound unless the account may export a person."""
    if principal.role is not Role.ADMIN and principal.learner_id != learner_id:
        raise NotFound


async def export_audit_entries(
    reads: ReadScope, principal: Principal, learner_id: int
) -> AsyncGenerator[list[AuditEntryRow], None]:
    """Yield the audit entries about a person batch by batch, oldest first."""
    require_export(principal, learner_id)
    statement = (
        f"SELECT {COLUMNS} FROM audit_entry WHERE tenant_id = $1 AND object_type = $2 AND object_id = $3 ORDER BY id"
    )
    args = (principal.tenant_id, ObjectType.LEARNER.value, learner_id)
    async with aclosing(reads.batches(statement, *args, size=BATCH)) as batches:
        async for records in batches:
            yield [AuditEntryRow(**record) for record in records]
