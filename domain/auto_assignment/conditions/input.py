"""Conditions as they are asked for, with keys instead of IDs, and how they are judged and resolved."""

from collections.abc import Sequence
from dataclasses import dataclass

from domain.auto_assignment.conditions.atoms import MAX_VALUES, Condition, ConditionKind, RefOperator
from domain.content.queries import ContentKey, resolve_contents
from domain.enrollments.models import EnrollmentStatus
from domain.foundation.access import Principal
from domain.foundation.database.sessions import Statements
from domain.foundation.errors import Invalid, ProblemList, TooManyItems
from domain.foundation.keys import Reference
from domain.foundation.text_validation import ref_value_text
from domain.people.models import PlaceKind
from domain.people.queries import resolve_places

REF_FIELDS = 10


@dataclass(frozen=True, slots=True)
class ConditionInput:
    """A condition of one kind; only the fields of that kind mean anything."""

    kind: ConditionKind
    contents: Sequence[ContentKey] = ()
    status: EnrollmentStatus | None = None
    places: Sequence[Reference] = ()
    field_number: int = 0
    operator: RefOperator | None = None
    ref_values: Sequence[str] = ()


#: Kinds of conditions on places, with their names in the API's input.
_PLACES = {
    ConditionKind.SUBLICENSE: (PlaceKind.SUBLICENSE, "sublicenseIds"),
    ConditionKind.CLIENT: (PlaceKind.CLIENT, "clientIds"),
    ConditionKind.DEPARTMENT: (PlaceKind.DEPARTMENT, "departmentIds"),
    ConditionKind.LEARNING_GROUP: (PlaceKind.LEARNING_GROUP, "learningGroupIds"),
}


async def resolve_conditions(
    sql: Statements, principal: Principal, conditions: Sequence[ConditionInput], *, path: Sequence[str]
) -> list[Condition]:
    """Return the conditions with IDs; raises all problems together, each with its place."""
    problems = ProblemList()
    resolved: list[Condition] = []
    for number, condition in enumerate(conditions):
        try:
            resolved.append(await _resolve(sql, principal, condition, [*path, str(number)]))
        except Exception as error:
            problems.add_or_raise(error)
    problems.raise_if_any()
    return resolved


async def _resolve(sql: Statements, principal: Principal, condition: ConditionInput, path: list[str]) -> Condition:
    if condition.kind is ConditionKind.CONTENT_STATUS:
        path = [*path, "contentStatus", "contents"]
        _judge_length(condition.contents, path)
        ids = await resolve_contents(sql, principal, condition.contents, path=path)
        return Condition(condition.kind, object_ids=tuple(dict.fromkeys(ids)), status=condition.status)
    if condition.kind is ConditionKind.REF_VALUE:
        return _resolve_ref(condition, [*path, "refValue"])
    place_kind, name = _PLACES[condition.kind]
    path = [*path, name]
    _judge_length(condition.places, path)
    ids = await resolve_places(sql, principal.tenant_id, place_kind, condition.places, path)
    return Condition(condition.kind, object_ids=tuple(dict.fromkeys(ids)))


def _resolve_ref(condition: ConditionInput, path: list[str]) -> Condition:
    if not 1 <= condition.field_number <= REF_FIELDS:
        raise Invalid(f"From 1 to {REF_FIELDS}.", path=[*path, "fieldNumber"])
    _judge_length(condition.ref_values, [*path, "values"])
    values = []
    for number, value in enumerate(condition.ref_values):
        place = [*path, "values", str(number)]
        if value == "":
            raise Invalid("Must not be empty: NOT_EQUALS is met where there is no value.", path=place)
        values.append(ref_value_text(value, path=place))
    return Condition(
        condition.kind,
        field_number=condition.field_number,
        operator=condition.operator,
        ref_values=tuple(dict.fromkeys(values)),
    )


def _judge_length(items: Sequence[object], path: list[str]) -> None:
    if not items:
        raise Invalid("At least one.", path=path)
    if len(items) > MAX_VALUES:
        raise TooManyItems(limit=MAX_VALUES, path=path)
