"""Operations made from the schema alone: the least that a field has to be told, and every place for an ID in it."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    GraphQLUnionType,
    Undefined,
    build_schema,
    get_named_type,
)

from gql.schema import schema as published_schema
from tests.security.world import Named

#: What the IDs of a field name; where one name means several kinds, the type in front of it decides.
KINDS = {
    "actorIds": "admin",
    "assignerIds": "trainer",
    "bulkAssignmentId": "bulk assignment",
    "clientId": "client",
    "clientIds": "client",
    "contentIds": "course",
    "courseId": "course",
    "departmentId": "department",
    "departmentIds": "department",
    "emailTemplateId": "template",
    "learnerIds": "learner",
    "learningGroupId": "group",
    "learningGroupIds": "group",
    "learningPathId": "path",
    "mandatoryTaskId": "task",
    "objectIds": "rule",
    "ownerId": "trainer",
    "ruleId": "rule",
    "sublicenseId": "sublicense",
    "sublicenseIds": "sublicense",
    "targetIds": "path",
    "trainerIds": "trainer",
    "autoAssignmentRule.id": "rule",
    "backgroundJob.id": "job",
    "mandatoryTask.id": "task",
    "node.id": "learner",
    "nodes.ids": "learner",
    "BackfillAutoAssignmentRuleInput.id": "rule",
    "CancelBackgroundJobInput.id": "job",
    "DeleteAutoAssignmentRuleInput.id": "rule",
    "DeleteClientInput.id": "client",
    "DeleteDepartmentInput.id": "department",
    "DeleteEmailTemplateInput.id": "template",
    "DeleteLearningGroupInput.id": "group",
    "DeleteSublicenseInput.id": "sublicense",
    "DuplicateAutoAssignmentRuleInput.id": "rule",
    "MarkNotificationsReadInput.ids": "notification",
    "MarkNotificationsReadInput.untilId": "notification",
    "ResumeBackgroundJobInput.id": "job",
    "RevokeServiceAccountInput.id": "tool",
    "UpdateAutoAssignmentRuleInput.id": "rule",
    "UpdateClientInput.id": "client",
    "UpdateDepartmentInput.id": "department",
    "UpdateEmailTemplateInput.id": "template",
    "UpdateLearningGroupInput.id": "group",
    "UpdateMandatoryTaskInput.id": "task",
    "UpdateSublicenseInput.id": "sublicense",
    "WithdrawMandatoryTaskInput.id": "task",
}
#: Inputs that name an object by one of several keys: what they name, unless the field that holds them says "path".
KEYS = {"LearnerKeyInput": "learner", "LearningContentKeyInput": "course"}
ATTRIBUTES = {"id": "id", "externalId": "external_id", "email": "email"}
#: What is gone or taken after a mutation: who tries it needs a spare one.
DELETED = {
    "assignMandatoryTask": "learner",
    "deleteAutoAssignmentRule": "rule",
    "deleteClient": "client",
    "deleteDepartment": "department",
    "deleteEmailTemplate": "template",
    "deleteLearningGroup": "group",
    "deleteSublicense": "sublicense",
    "eraseLearner": "learner",
    "revokeServiceAccount": "tool",
    "withdrawMandatoryTask": "task",
}

#: Values of scalars by the name of their field.
VALUES: dict[str, Any] = {
    "fieldNumber": 1,
    "number": 1,
    "timeZone": "Europe/Berlin",
    "value": "x",
    "values": "x",
}
SCALARS: dict[str, Any] = {"Boolean": True, "Int": 1, "Date": "2026-06-30", "DateTime": "2026-01-05T08:00:00Z"}
#: What an input needs besides its required fields, so that it says something.
NEEDED = {
    "CreateLearningGroupInput": ("ownerId",),
    "LearnerRowInput": ("name", "email"),
    "MandatoryTaskChangesInput": ("note",),
    "MarkNotificationsReadInput": ("ids",),
    "RefValueInput": ("value",),
}

_numbers = itertools.count(1)

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """Where an operation names an object: the path in its variables, what is named there, and by what."""

    path: Path
    kind: str
    attribute: str

    def __str__(self) -> str:
        return ".".join(str(part) for part in self.path)


@dataclass(frozen=True, slots=True)
class RootField:
    """A field of Query or Mutation."""

    name: str
    is_mutation: bool

    @property
    def _field(self) -> Any:
        root = built_schema().mutation_type if self.is_mutation else built_schema().query_type
        assert root is not None
        return root.fields[self.name]

    def places(self) -> list[Place]:
        """Return every place in the arguments where an object is named."""
        return [
            place
            for name, argument in self._field.args.items()
            for place in _places(argument.type, (name,), owner=self.name, holder=name)
        ]

    def operation(
        self, objects: Mapping[str, Named], at: Place | None = None, value: str | None = None
    ) -> tuple[str, dict[str, Any]]:
        """Return document and variables that tell the field the least; with `at`, that place is filled with `value`."""
        path = at.path if at is not None else ()
        build = _Builder(objects, value)
        arguments = {
            name: argument for name, argument in self._field.args.items() if name in path[:1] or _is_required(argument)
        }
        declared = ", ".join(f"${name}: {argument.type}" for name, argument in arguments.items())
        given = ", ".join(f"{name}: ${name}" for name in arguments)
        document = (
            f"{'mutation' if self.is_mutation else 'query'}{f' ({declared})' if declared else ''}"
            f" {{ {self.name}{f'({given})' if given else ''} {_selection(self._field.type)} }}"
        )
        return document, {
            name: build.value_of(argument.type, path[1:] if name in path[:1] else None, owner=self.name, holder=name)
            for name, argument in arguments.items()
        }


def root_fields() -> list[RootField]:
    """Return all fields of Query and Mutation."""
    roots = ((built_schema().query_type, False), (built_schema().mutation_type, True))
    return [RootField(name, is_mutation) for root, is_mutation in roots if root is not None for name in root.fields]


def failures(result: dict[str, Any]) -> list[tuple[str, str]]:
    """Return code and path of everything that an operation refuses: as a whole, in its payload, and in its rows."""
    found = [(error["extensions"]["code"], error["extensions"].get("path", [])) for error in result.get("errors", ())]
    for value in (result.get("data") or {}).values():
        if isinstance(value, dict):
            for part in (value, *(value.get("results") or ())):
                found += [(error["code"], error["path"]) for error in part.get("errors", ())]
    return [(code, ".".join(path)) for code, path in found]


def is_empty(value: Any) -> bool:
    """Tell whether a lookup, a list or a count has found nothing."""
    if isinstance(value, dict):
        numbers = [number for name, number in value.items() if name != "__typename"]
        return value.get("nodes") == [] or (bool(numbers) and all(number == 0 for number in numbers))
    return value in (None, [], [None])


@cache
def built_schema() -> GraphQLSchema:
    """Return the schema as its readers know it."""
    return build_schema(published_schema().as_str())


def _is_required(field: Any) -> bool:
    return isinstance(field.type, GraphQLNonNull) and field.default_value is Undefined


def _places(type_: GraphQLInputType, path: Path, *, owner: str, holder: str) -> Iterator[Place]:
    if isinstance(type_, GraphQLNonNull):
        yield from _places(type_.of_type, path, owner=owner, holder=holder)
    elif isinstance(type_, GraphQLList):
        yield from _places(type_.of_type, (*path, 0), owner=owner, holder=holder)
    elif isinstance(type_, GraphQLInputObjectType):
        for name, field in type_.fields.items():
            yield from _places(
                field.type, (*path, name), owner=type_.name, holder=holder if type_.name in KEYS else name
            )
    elif owner in KEYS:
        yield Place(path, _kind(owner, holder), ATTRIBUTES[str(path[-1])])
    elif type_.name == "ID":
        yield Place(path, _kind(owner, holder), "id")


def _kind(owner: str, holder: str) -> str:
    """Return what is named in a field; a new field with an ID has to be entered above."""
    if owner in KEYS:
        return "path" if holder == "learningPath" else KEYS[owner]
    return KINDS.get(f"{owner}.{holder}") or KINDS[holder]


class _Builder:
    """Makes the least value of a type; along a path also what is needed to get to its end."""

    def __init__(self, objects: Mapping[str, Named], value_at_end: str | None) -> None:
        self._objects = objects
        self._value_at_end = value_at_end

    def value_of(self, type_: GraphQLInputType, path: Sequence[str | int] | None, *, owner: str, holder: str) -> Any:
        """Return the value of a field `holder` of `owner`; `path` leads on from there, None leads elsewhere."""
        if isinstance(type_, GraphQLNonNull):
            return self.value_of(type_.of_type, path, owner=owner, holder=holder)
        if isinstance(type_, GraphQLList):
            return [self.value_of(type_.of_type, path[1:] if path else None, owner=owner, holder=holder)]
        if isinstance(type_, GraphQLInputObjectType):
            return self._object(type_, path, holder)
        if path is not None and self._value_at_end is not None:
            return self._value_at_end
        if isinstance(type_, GraphQLEnumType):
            return next(iter(type_.values))
        if type_.name == "ID":
            return self._objects[_kind(owner, holder)].id
        return VALUES.get(holder) or SCALARS.get(type_.name) or f"new{next(_numbers)}@new.test"

    def _object(self, type_: GraphQLInputObjectType, path: Sequence[str | int] | None, holder: str) -> dict[str, Any]:
        asked = [str(path[0])] if path else []
        if type_.is_one_of:
            names = asked or [next(iter(type_.fields))]
        else:
            needed = NEEDED.get(type_.name, ())
            names = [
                name for name, field in type_.fields.items() if name in asked or name in needed or _is_required(field)
            ]
        return {
            name: self.value_of(
                type_.fields[name].type,
                path[1:] if path and name in asked else None,
                owner=type_.name,
                holder=holder if type_.name in KEYS else name,
            )
            for name in names
        }


def _selection(type_: GraphQLOutputType, *, depth: int = 0) -> str:
    """Return a selection that shows what is there: pages with their items, payloads with their results."""
    named = get_named_type(type_)
    if isinstance(named, GraphQLUnionType):
        return "{ __typename }"
    if not isinstance(named, GraphQLObjectType | GraphQLInterfaceType):
        return ""
    if named.name == "UserError":
        return "{ code path message }"
    chosen = ["__typename"]
    for name, field in named.fields.items():
        is_page = name in ("nodes", "totalCount")
        is_result = depth == 0 and named.name.endswith("Payload")
        if name in ("id", "errors", "name", "title") or is_page or is_result:
            chosen.append(f"{name} {_selection(field.type, depth=depth + 1)}")
    if named.name.endswith("Counts"):
        chosen += named.fields
    return f"{{ {' '.join(chosen)} }}"
