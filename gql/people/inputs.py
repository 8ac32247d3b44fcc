"""Inputs about people, and how they become what the domain asks for.

An ID that can name no such object becomes a key that nobody has, so that the domain reports it together with whatever
else is wrong.
"""

from collections.abc import Sequence

import strawberry
from strawberry import ID

from domain.foundation.access import Role
from domain.foundation.keys import Reference
from domain.people.learners.changes import UNSET, LearnerChanges, RefChange, Unset
from domain.people.queries import LearnerFilter, LearnerKey
from gql.contract import ids
from gql.contract.enums import SortDirection
from gql.people.enums import LearnerOrderField
from gql.tenants import enums  # noqa: F401 - publishes the roles

_NOBODY = 0


@strawberry.input(one_of=True, description="Learner by exactly one key.")
class LearnerKeyInput:
    """Learner by exactly one key."""

    id: strawberry.Maybe[ID] = strawberry.field(description="ID of the learner.")
    external_id: strawberry.Maybe[str] = strawberry.field(
        description="ID of the learner in the partner's system. Trainers do not see it of others, so for them it names "
        "only themselves, and anybody else is NOT_FOUND: they use `email`."
    )
    email: strawberry.Maybe[str] = strawberry.field(
        description="Email address of the learner, ignoring case. Trainers can name everybody by it."
    )


@strawberry.input(description="Value of a reference field.")
class RefValueInput:
    """Value of a reference field."""

    number: int = strawberry.field(description="Number of the field, from 1.")
    value: str | None = strawberry.field(default=None, description="New value; null removes it.")


@strawberry.input(description="Filter of learners; fields combine with AND, list items with OR.")
class LearnerFilterInput:
    """Filter of learners."""

    search: str | None = strawberry.field(default=None, description="Part of the name or email address, ignoring case.")
    department_ids: list[ID] | None = strawberry.field(default=None, description="Departments of the learner.")
    learning_group_ids: list[ID] | None = strawberry.field(default=None, description="Learning groups of the learner.")
    client_ids: list[ID] | None = strawberry.field(default=None, description="Clients (panoramas) of the learner.")
    sublicense_ids: list[ID] | None = strawberry.field(default=None, description="Sublicenses of the learner.")
    roles: list[Role] | None = strawberry.field(default=None, description="Roles of the learner.")
    is_active: bool | None = strawberry.field(default=None, description="Whether the learner is active.")


@strawberry.input(description="Order of learners; ties by ID.")
class LearnerOrderInput:
    """Order of learners."""

    field: LearnerOrderField = strawberry.field(description="Field to sort by.")
    direction: SortDirection = strawberry.field(description="Direction of the sort.")


@strawberry.input(description="Changes of a learner; fields left out stay.")
class LearnerChangesInput:
    """Changes of a learner."""

    external_id: strawberry.Maybe[str | None] = strawberry.field(
        description="ID of the learner in the partner's system; null removes it."
    )
    name: str | None = strawberry.field(default=None, description="Display name of the learner.")
    email: str | None = strawberry.field(default=None, description="Email address of the learner.")
    role: Role | None = strawberry.field(default=None, description="Role of the learner.")
    time_zone: strawberry.Maybe[str | None] = strawberry.field(description="IANA time zone; null for the tenant's.")
    department_id: strawberry.Maybe[ID | None] = strawberry.field(
        description="Department of the learner; null removes it."
    )
    client_ids: list[ID] | None = strawberry.field(
        default=None, description="All clients (panoramas) of the learner from now on."
    )
    sublicense_ids: list[ID] | None = strawberry.field(
        default=None, description="All sublicenses of the learner from now on."
    )
    ref_values: list[RefValueInput] | None = strawberry.field(
        default=None, description="Reference values to set; fields not named stay."
    )


@strawberry.input(description="Learner to create or update.")
class LearnerRowInput:
    """Learner to create or update."""

    external_id: str = strawberry.field(description="ID of the learner in the partner's system.")
    name: str | None = strawberry.field(default=None, description="Display name of the learner; needed to create.")
    email: str | None = strawberry.field(
        default=None,
        description="Email address of the learner; who has none gets notifications in the platform only.",
    )
    is_active: bool | None = strawberry.field(
        default=None, description="Whether the learner is active; left out: stays, new ones are."
    )
    role: Role | None = strawberry.field(default=None, description="Role of the learner.")
    time_zone: strawberry.Maybe[str | None] = strawberry.field(description="IANA time zone; null for the tenant's.")
    department_id: strawberry.Maybe[ID | None] = strawberry.field(
        description="Department of the learner; null removes it."
    )
    client_ids: list[ID] | None = strawberry.field(
        default=None, description="All clients (panoramas) of the learner from now on."
    )
    sublicense_ids: list[ID] | None = strawberry.field(
        default=None, description="All sublicenses of the learner from now on."
    )
    ref_values: list[RefValueInput] | None = strawberry.field(
        default=None, description="Reference values to set; fields not named stay."
    )


def learner_key(key: LearnerKeyInput) -> LearnerKey:
    """Return whom a key names; one that can name nobody is a key that nobody has."""
    if key.id is not None:
        return LearnerKey.of(reference(ids.LEARNER, key.id.value))
    if key.external_id is not None:
        return LearnerKey(external_id=key.external_id.value)
    assert key.email is not None, "the key has exactly one field"
    return LearnerKey(email=key.email.value)


def reference(prefix: str, text: str) -> Reference:
    """Return what an ID names."""
    named = ids.find_key(prefix, text)
    return _NOBODY if named is None else named


def references(prefix: str, texts: Sequence[str] | None) -> list[Reference] | Unset:
    """Return what the IDs of a list name, or that it was left out."""
    return UNSET if texts is None else [reference(prefix, text) for text in texts]


def ref_changes(values: Sequence[RefValueInput] | None) -> list[RefChange]:
    """Return the reference values to set and to remove."""
    return [RefChange(value.number, value.value) for value in values or ()]


def learner_changes(changes: LearnerChangesInput | LearnerRowInput) -> LearnerChanges:
    """Return what to change about a person."""
    return LearnerChanges(
        external_id=_external_id(changes),
        name=UNSET if changes.name is None else changes.name,
        email=UNSET if changes.email is None else changes.email,
        role=UNSET if changes.role is None else changes.role,
        is_active=UNSET if isinstance(changes, LearnerChangesInput) or changes.is_active is None else changes.is_active,
        time_zone=UNSET if changes.time_zone is None else changes.time_zone.value,
        department=UNSET if changes.department_id is None else _department(changes.department_id.value),
        clients=references(ids.CLIENT, changes.client_ids),
        sublicenses=references(ids.SUBLICENSE, changes.sublicense_ids),
        ref_values=ref_changes(changes.ref_values),
    )


def _external_id(changes: LearnerChangesInput | LearnerRowInput) -> str | Unset | None:
    if isinstance(changes, LearnerRowInput):
        return changes.external_id
    return UNSET if changes.external_id is None else changes.external_id.value


def _department(text: str | None) -> Reference | None:
    return None if text is None else reference(ids.DEPARTMENT, text)


def learner_filter(filter: LearnerFilterInput | None) -> LearnerFilter:
    """Return the restriction of a list; raises Invalid for an ID that is malformed or of another type."""
    if filter is None:
        return LearnerFilter()
    return LearnerFilter(
        search=filter.search,
        department_ids=_filter_ids(ids.DEPARTMENT, filter.department_ids, "departmentIds"),
        learning_group_ids=_filter_ids(ids.LEARNING_GROUP, filter.learning_group_ids, "learningGroupIds"),
        client_ids=_filter_ids(ids.CLIENT, filter.client_ids, "clientIds"),
        sublicense_ids=_filter_ids(ids.SUBLICENSE, filter.sublicense_ids, "sublicenseIds"),
        roles=filter.roles,
        is_active=filter.is_active,
    )


def _filter_ids(prefix: str, texts: Sequence[str] | None, name: str) -> list[Reference] | None:
    return None if texts is None else ids.filter_keys(prefix, texts, path=["filter", name])
