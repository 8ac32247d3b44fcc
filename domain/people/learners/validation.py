"""What is asked of a person, judged against what they are. Pure: no database, no clock.

The outcome is the person as they are to be, or every reason why not; `learner_writing` writes the difference.
"""

import zoneinfo
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

from domain.foundation.access import Principal, Role
from domain.foundation.addresses import email_key, email_text
from domain.foundation.errors import AlreadyExists, DomainError, Invalid, NotFound, NotPermitted, TooManyItems
from domain.foundation.keys import Reference
from domain.foundation.text_validation import external_id_text, name_text, ref_value_text
from domain.people.errors import LearnerIsErased
from domain.people.learners.changes import LONGEST_LIST, LearnerChanges, Unset
from domain.people.learners.state import LearnerState
from domain.people.models import PlaceKind

REF_FIELDS = 10


@dataclass(slots=True)
class Surroundings:
    """What the judgment of one person needs to know about the others, and keeps up to date from row to row."""

    #: ID of each place that is named, by kind and reference.
    places: dict[tuple[PlaceKind, Reference], int]
    #: Who has an email address or an external ID, as far as somebody asks for it.
    email_owners: dict[str, int]
    external_id_owners: dict[str, int]

    def accept(self, before: LearnerState, after: LearnerState) -> None:
        """Take note of a change that was found right."""
        _move(self.email_owners, _key(before.email), _key(after.email), after.id)
        _move(self.external_id_owners, before.external_id, after.external_id, after.id)


def _key(email: str | None) -> str | None:
    return None if email is None else email_key(email)


def _move(owners: dict[str, int], before: str | None, after: str | None, learner_id: int) -> None:
    if before is not None and owners.get(before) == learner_id:
        del owners[before]
    if after is not None:
        owners[after] = learner_id


class _Judgment:
    """Collects the failures of one person's changes, so that all are reported together."""

    def __init__(self, path: Sequence[str | int]) -> None:
        self._path = path
        self.errors: list[DomainError] = []

    def path(self, *parts: str | int) -> list[str | int]:
        return [*self._path, *parts]


def judge(
    principal: Principal,
    before: LearnerState,
    changes: LearnerChanges,
    surroundings: Surroundings,
    *,
    path: Sequence[str | int] = (),
    subject_path: Sequence[str | int] = (),
) -> LearnerState | list[DomainError]:
    """Return the person after the changes, or why they cannot be made.

    `path` is where the changes stand in the input, `subject_path` where the person does.
    """
    if before.is_erased:
        return [LearnerIsErased(path=subject_path)]
    judgment = _Judgment(path)
    if principal.service_account_id is not None:
        if before.role is not Role.LEARNER:
            judgment.errors.append(
                NotPermitted("Service accounts change only people whose role is LEARNER.", path=subject_path)
            )
        if not isinstance(changes.role, Unset) and changes.role not in (Role.LEARNER, before.role):
            judgment.errors.append(
                NotPermitted("Service accounts give no role but LEARNER.", path=judgment.path("role"))
            )
    after = replace(
        before,
        external_id=_external_id(judgment, before, changes, surroundings),
        email=_email(judgment, before, changes, surroundings),
        name=_text(judgment, "name", before.name, changes.name),
        role=before.role if isinstance(changes.role, Unset) else changes.role,
        is_active=before.is_active if isinstance(changes.is_active, Unset) else changes.is_active,
        time_zone=_time_zone(judgment, before, changes),
        refs=_refs(judgment, before, changes),
        places=_places(judgment, before, changes, surroundings),
    )
    return judgment.errors or after


def _text(judgment: _Judgment, name: str, before: str, wanted: str | Unset) -> str:
    if isinstance(wanted, Unset):
        return before
    try:
        return name_text(wanted, path=judgment.path(name))
    except Invalid as error:
        judgment.errors.append(error)
        return before


def _external_id(
    judgment: _Judgment, before: LearnerState, changes: LearnerChanges, surroundings: Surroundings
) -> str | None:
    if isinstance(changes.external_id, Unset):
        return before.external_id
    path = judgment.path("externalId")
    try:
        wanted = external_id_text(changes.external_id, path=path)
    except Invalid as error:
        judgment.errors.append(error)
        return before.external_id
    if wanted is not None and surroundings.external_id_owners.get(wanted, before.id) != before.id:
        judgment.errors.append(AlreadyExists(path=path))
    return wanted


def _email(
    judgment: _Judgment, before: LearnerState, changes: LearnerChanges, surroundings: Surroundings
) -> str | None:
    # What stays is not looked at: somebody may have it from before addresses were checked, or compared as now.
    if isinstance(changes.email, Unset) or changes.email.strip() == before.email:
        return before.email
    path = judgment.path("email")
    try:
        wanted = email_text(changes.email, path=path)
    except Invalid as error:
        judgment.errors.append(error)
        return before.email
    if surroundings.email_owners.get(email_key(wanted), before.id) != before.id:
        judgment.errors.append(AlreadyExists(path=path))
    return wanted


def _time_zone(judgment: _Judgment, before: LearnerState, changes: LearnerChanges) -> str | None:
    if isinstance(changes.time_zone, Unset):
        return before.time_zone
    if changes.time_zone is not None and changes.time_zone not in _time_zones():
        judgment.errors.append(Invalid("Is no IANA time zone.", path=judgment.path("timeZone")))
    return changes.time_zone


@cache
def _time_zones() -> frozenset[str]:
    # "localtime" means another zone on every machine.
    return frozenset(zoneinfo.available_timezones()) - {"localtime"}


def _refs(judgment: _Judgment, before: LearnerState, changes: LearnerChanges) -> dict[int, str]:
    if not changes.ref_values:
        return before.refs
    if len(changes.ref_values) > LONGEST_LIST:
        judgment.errors.append(TooManyItems(limit=LONGEST_LIST, path=judgment.path("refValues")))
        return before.refs
    refs = dict(before.refs)
    seen: set[int] = set()
    for index, change in enumerate(changes.ref_values):
        number_path = judgment.path("refValues", index, "number")
        if not 1 <= change.number <= REF_FIELDS:
            judgment.errors.append(Invalid(f"From 1 to {REF_FIELDS}.", path=number_path))
        elif change.number in seen:
            judgment.errors.append(Invalid("The field is named twice.", path=number_path))
        elif change.value is None:
            refs.pop(change.number, None)
        elif not change.value:
            # An empty text and no value would look the same to everybody but a rule.
            judgment.errors.append(
                Invalid("Must not be empty; null removes the value.", path=judgment.path("refValues", index, "value"))
            )
        else:
            try:
                refs[change.number] = ref_value_text(change.value, path=judgment.path("refValues", index, "value"))
            except Invalid as error:
                judgment.errors.append(error)
        seen.add(change.number)
    return refs


def _places(
    judgment: _Judgment, before: LearnerState, changes: LearnerChanges, surroundings: Surroundings
) -> dict[PlaceKind, frozenset[int]]:
    places = dict(before.places)
    if not isinstance(changes.department, Unset):
        wanted = [] if changes.department is None else [changes.department]
        found = surroundings.places.get((PlaceKind.DEPARTMENT, wanted[0])) if wanted else None
        if wanted and found is None:
            judgment.errors.append(NotFound(path=judgment.path("departmentId")))
        places[PlaceKind.DEPARTMENT] = frozenset() if found is None else frozenset({found})
    for kind, name, references in (
        (PlaceKind.LEARNING_GROUP, "learningGroupIds", changes.learning_groups),
        (PlaceKind.CLIENT, "clientIds", changes.clients),
        (PlaceKind.SUBLICENSE, "sublicenseIds", changes.sublicenses),
    ):
        if isinstance(references, Unset):
            continue
        if len(references) > LONGEST_LIST:
            judgment.errors.append(TooManyItems(limit=LONGEST_LIST, path=judgment.path(name)))
            continue
        ids = [surroundings.places.get((kind, reference)) for reference in references]
        judgment.errors.extend(
            NotFound(path=judgment.path(name, index)) for index, place_id in enumerate(ids) if place_id is None
        )
        places[kind] = frozenset(place_id for place_id in ids if place_id is not None)
    return {kind: ids for kind, ids in places.items() if ids}
