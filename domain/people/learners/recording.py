"""What a change of people leaves behind besides the people: audit entries, change rows, events for the rules."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from domain.foundation.audit.entries import AuditedChange, audit_all
from domain.foundation.audit.recording import FieldChange
from domain.foundation.feed.changes import ObjectType, record_changes
from domain.foundation.unit_of_work import UnitOfWork
from domain.people.events import (
    Fact,
    FactKind,
    FactsChanged,
    LearnerBecameActive,
    LearnerBecameInactive,
    LearnerListedOtherwise,
    LearnerTimeZoneChanged,
)
from domain.people.learners.state import LearnerState
from domain.people.models import PlaceKind

#: Names in the API, and attributes of a person.
_AUDITED_FIELDS = (
    ("externalId", "external_id"),
    ("name", "name"),
    ("email", "email"),
    ("role", "role"),
    ("isActive", "is_active"),
    ("timeZone", "time_zone"),
)
#: Fields whose values say nothing about who somebody is.
_IMPERSONAL = ("role", "isActive")
_AUDITED_PLACES = (
    (PlaceKind.DEPARTMENT, "department"),
    (PlaceKind.LEARNING_GROUP, "learningGroups"),
    (PlaceKind.CLIENT, "clients"),
    (PlaceKind.SUBLICENSE, "sublicenses"),
)
#: Places by which lists of other things are filtered.
LISTED_PLACES = (PlaceKind.DEPARTMENT, PlaceKind.LEARNING_GROUP)
_FACT_KINDS = {kind: FactKind(kind.value) for kind in PlaceKind}


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
        [AuditedChange(write.after.id, write.after.name, _audited_changes(write, names)) for write in writes],
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
    """Tell what rules and tasks could care about: becoming active makes every rule new, becoming inactive ends all."""
    before, after = write.before, write.after
    if before is not None and _listing(before) != _listing(after):
        work.record(LearnerListedOtherwise(after.id))
    if before is not None and before.time_zone != after.time_zone:
        work.record(LearnerTimeZoneChanged(after.id))
    if before is None or before.is_active != after.is_active:
        if after.is_active:
            work.record(LearnerBecameActive(after.id))
        elif before is not None:
            work.record(LearnerBecameInactive(after.id))
        return
    facts = changed_facts(before, after)
    if facts:
        work.record(FactsChanged(after.id, tuple(facts)))


def _listing(state: LearnerState) -> tuple[Any, ...]:
    """Return what lists of tasks and enrollments show of a person, or find them by."""
    return state.name, state.email, state.is_active, *(state.belongs_to(kind) for kind in LISTED_PLACES)


def changed_facts(before: LearnerState, after: LearnerState) -> list[Fact]:
    """Return the facts that went and those that came."""
    facts = []
    for number, old, new in _changed_refs(before, after):
        facts += [Fact(FactKind.REF, number, value) for value in (old, new) if value is not None]
    if before.places != after.places:
        for kind, fact_kind in _FACT_KINDS.items():
            facts += [Fact(fact_kind, place_id) for place_id in before.belongs_to(kind) ^ after.belongs_to(kind)]
    return facts


def _changed_refs(before: LearnerState | None, after: LearnerState) -> list[tuple[int, str | None, str | None]]:
    """Return number, old and new value of each reference field that is another now."""
    old = before.refs if before else {}
    return [
        (number, old.get(number), after.refs.get(number))
        for number in sorted({*old, *after.refs})
        if old.get(number) != after.refs.get(number)
    ]


async def _place_names(work: UnitOfWork, writes: Sequence[LearnerWrite]) -> dict[int, str]:
    """Return the names of all places of those whose places change."""
    ids = {
        place_id
        for write in writes
        if write.before is None or write.before.places != write.after.places
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


def _audited_changes(write: LearnerWrite, names: dict[int, str]) -> list[FieldChange]:
    before, after = write.before, write.after
    changes = [
        FieldChange(name, old, new)
        for name, attribute in _AUDITED_FIELDS
        if (old := getattr(before, attribute, None)) != (new := getattr(after, attribute))
    ]
    if before is None or before.places != after.places:
        for kind, name in _AUDITED_PLACES:
            old_ids, new_ids = before.belongs_to(kind) if before else frozenset(), after.belongs_to(kind)
            if old_ids != new_ids:
                changes.append(FieldChange(name, _named(kind, old_ids, names), _named(kind, new_ids, names)))
    changes += [FieldChange(f"refValues.{number}", old, new) for number, old, new in _changed_refs(before, after)]
    return changes


def audited_field_names(learner: LearnerState) -> list[str]:
    """Return the personal fields in which somebody has a value, as audit entries name them."""
    names = [name for name, attribute in _AUDITED_FIELDS if name not in _IMPERSONAL and getattr(learner, attribute)]
    names += [name for kind, name in _AUDITED_PLACES if learner.belongs_to(kind)]
    return names + [f"refValues.{number}" for number in sorted(learner.refs)]


def _named(kind: PlaceKind, ids: frozenset[int], names: dict[int, str]) -> Any:
    """Return the one department, or a list; None for neither."""
    found = sorted(names[place_id] for place_id in ids)
    if kind is PlaceKind.DEPARTMENT:
        return found[0] if found else None
    return found or None
