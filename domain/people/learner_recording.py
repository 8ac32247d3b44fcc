"""What a change of people leaves behind besides the people: audit entries, change rows, events for the rules."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from domain.foundation.audit import FieldChange, changed_fields
from domain.foundation.change_feed import ObjectType, record_changes
from domain.foundation.unit_of_work import UnitOfWork
from domain.people.audit_entries import AuditedChange, audit_all
from domain.people.events import FactsChanged, LearnerBecameActive, LearnerBecameInactive
from domain.people.learner_state import LearnerState
from domain.people.models import PlaceKind

_AUDITED_PLACES = {
    PlaceKind.LEARNING_GROUP: "learningGroups",
    PlaceKind.CLIENT: "clients",
    PlaceKind.SUBLICENSE: "sublicenses",
}


@dataclass(frozen=True, slots=True)
class LearnerWrite:
    """A person as they were (None: not at all) and as they are to be."""

    before: LearnerState | None
    after: LearnerState

    @property
    def is_change(self) -> bool:
        """Whether there is anything to write."""
        return self.before != self.after


async def record_writes(work: UnitOfWork, writes: Sequence[LearnerWrite]) -> None:
    """Write the audit entries and change rows of people, and note what rules could care about."""
    names = await _place_names(work, writes)
    await audit_all(
        work,
        ObjectType.LEARNER,
        [AuditedChange(write.after.id, write.after.name, _audited_fields(write, names)) for write in writes],
    )
    await record_changes(work, ObjectType.LEARNER, [(write.after.id, write.after.version) for write in writes])
    accounts = [
        (after.id, after.version)
        for before, after in ((write.before, write.after) for write in writes)
        if before and (before.role, before.is_active) != (after.role, after.is_active)
    ]
    await record_changes(work, ObjectType.ACCOUNT, accounts)
    for write in writes:
        _record_event(work, write)


def _record_event(work: UnitOfWork, write: LearnerWrite) -> None:
    """Tell what rules could care about: becoming active makes every rule new, becoming inactive ends all."""
    before, after = write.before, write.after
    if before is None or before.is_active != after.is_active:
        if after.is_active:
            work.record(LearnerBecameActive(after.id))
        elif before is not None:
            work.record(LearnerBecameInactive(after.id))
        return
    facts = before.facts() ^ after.facts()
    if facts:
        work.record(FactsChanged(after.id, tuple(sorted(facts, key=lambda fact: (fact.kind, fact.key, fact.value)))))


async def _place_names(work: UnitOfWork, writes: Sequence[LearnerWrite]) -> dict[int, str]:
    ids = {
        place_id
        for write in writes
        for state in (write.before, write.after)
        if state
        for places in state.places.values()
        for place_id in places
    }
    if not ids:
        return {}
    records = await work.sql.fetch(
        "SELECT id, name FROM place WHERE tenant_id = $1 AND id = ANY ($2::bigint[])", work.tenant_id, list(ids)
    )
    return {record["id"]: record["name"] for record in records}


def _audited_fields(write: LearnerWrite, names: dict[int, str]) -> list[FieldChange]:
    before = _audited(write.before, names) if write.before else {}
    after = _audited(write.after, names)
    # A reference value that went has no entry among those after.
    return changed_fields(before, dict.fromkeys(before) | after)


def _audited(state: LearnerState, names: dict[int, str]) -> dict[str, Any]:
    departments = [names[place_id] for place_id in state.belongs_to(PlaceKind.DEPARTMENT)]
    fields: dict[str, Any] = {
        "externalId": state.external_id,
        "name": state.name,
        "email": state.email,
        "role": state.role.value,
        "isActive": state.is_active,
        "timeZone": state.time_zone,
        "department": departments[0] if departments else None,
    }
    for kind, field in _AUDITED_PLACES.items():
        fields[field] = sorted(names[place_id] for place_id in state.belongs_to(kind)) or None
    return fields | {f"refValues.{number}": value for number, value in sorted(state.refs.items())}
