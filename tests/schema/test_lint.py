"""The schema keeps its own conventions: names, shapes, limits, and a description for everything."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLUnionType,
    Undefined,
    get_named_type,
    is_list_type,
    is_non_null_type,
    is_specified_scalar_type,
)

from gql.schema import schema

SCHEMA = schema()._schema
TYPES = {
    name: type_
    for name, type_ in SCHEMA.type_map.items()
    if not name.startswith("__") and not is_specified_scalar_type(type_)
}
OBJECTS = {name: type_ for name, type_ in TYPES.items() if isinstance(type_, GraphQLObjectType)}
INPUTS = {name: type_ for name, type_ in TYPES.items() if isinstance(type_, GraphQLInputObjectType)}
ENUMS = {name: type_ for name, type_ in TYPES.items() if isinstance(type_, GraphQLEnumType)}
MUTATIONS = SCHEMA.mutation_type.fields if SCHEMA.mutation_type else {}
ROOTS = ("Query", "Mutation", "Subscription")

VERBS = [
    "create",
    "update",
    "delete",
    "erase",
    "deactivate",
    "reactivate",
    "duplicate",
    "backfill",
    "assign",
    "withdraw",
    "enroll",
    "unenroll",
    "add",
    "remove",
    "record",
    "set",
    "mark",
    "cancel",
    "resume",
    "revoke",
    "renew",
    "upsert",
]

#: Clients must be ready for new values of these.
OPEN_ENUMS = {
    "BackgroundJobKind",
    "ContentActionKind",
    "ContentActionSource",
    "ReminderReason",
    "NotificationKind",
    "RuleWarningCode",
    "ServiceScope",
    "TenantFeature",
    "UserErrorCode",
}
CLOSED_ENUMS = {
    "BackgroundJobStatus",
    "BulkAssignmentOutcome",
    "ChangeKind",
    "ConditionMatch",
    "ContentActionOrder",
    "DeliveryStatus",
    "EnrollmentStatus",
    "LearnerOrderField",
    "LearningContentKind",
    "MandatoryTaskGrouping",
    "MandatoryTaskOrderField",
    "MandatoryTaskStatus",
    "NotificationCategory",
    "RefValueOperator",
    "ReminderRecipient",
    "ReminderStatus",
    "Role",
    "RowOutcome",
    "RulePart",
    "SortDirection",
    "StreamResetReason",
    "UnmetPolicy",
}


#: Lists that keep the places of what could not be had.
NULLABLE_ITEMS = [
    "Query.nodes",
    "ContentActionBatch.contentActions",
    "BackgroundJobChangeBatch.jobs",
    "NotificationBatch.notifications",
]


def fields() -> Iterator[tuple[str, GraphQLField]]:
    """Yield the fields of all objects and interfaces."""
    for name, type_ in TYPES.items():
        if isinstance(type_, GraphQLObjectType | GraphQLInterfaceType):
            for field_name, field in type_.fields.items():
                yield f"{name}.{field_name}", field


def arguments() -> Iterator[tuple[str, GraphQLArgument]]:
    """Yield the arguments of all fields."""
    for name, field in fields():
        for argument_name, argument in field.args.items():
            yield f"{name}({argument_name}:)", argument


def described() -> Iterator[tuple[str, str | None]]:
    """Yield everything that has to have a description."""
    for name, type_ in TYPES.items():
        yield name, type_.description
        if isinstance(type_, GraphQLEnumType):
            yield from ((f"{name}.{value}", definition.description) for value, definition in type_.values.items())
        if isinstance(type_, GraphQLInputObjectType):
            yield from ((f"{name}.{field}", definition.description) for field, definition in type_.fields.items())
    yield from ((name, field.description) for name, field in fields())
    yield from ((name, argument.description) for name, argument in arguments())


def test_everything_has_a_description_in_whole_sentences() -> None:
    """Which begins with a capital and ends with a full stop."""
    sentence = re.compile(r"[A-Z`].*\.", re.DOTALL)
    wrong = {name: text for name, text in described() if not text or not sentence.fullmatch(text.strip())}
    assert wrong == {}


def test_names_are_written_as_everywhere() -> None:
    """Types in PascalCase without affixes, fields in camelCase, values in capitals."""
    assert [name for name in TYPES if not re.fullmatch(r"[A-Z][A-Za-z0-9]*", name)] == []
    assert [name for name in TYPES if re.search(r"(Type|Enum|Interface)$", name)] == []
    names = [name.rpartition(".")[2] for name, _ in fields()]
    assert [name for name in names if not re.fullmatch(r"[a-z][A-Za-z0-9]*", name)] == []
    assert [name for name in names if re.match(r"(get|fetch|list)[A-Z]", name)] == []
    values = [value for type_ in ENUMS.values() for value in type_.values]
    assert [value for value in values if not re.fullmatch(r"[A-Z][A-Z0-9_]*", value)] == []


def test_instants_and_days_are_recognized_by_their_names() -> None:
    """`…At` is an instant, `…On` a day; filters say `…From`, `…Until` or `…Before`."""
    outputs = [(name, str(get_named_type(field.type))) for name, field in fields()]
    assert [name for name, type_ in outputs if type_ == "DateTime" and not name.endswith("At")] == []
    assert [name for name, type_ in outputs if type_ == "Date" and not name.endswith("On")] == []
    assert [name for name, type_ in outputs if name.endswith("Count") and type_ != "Int"] == []
    inputs = [
        (f"{name}.{field}", str(get_named_type(definition.type)))
        for name, type_ in INPUTS.items()
        for field, definition in type_.fields.items()
    ]
    instants = [name for name, type_ in inputs if type_ in ("DateTime", "Date")]
    assert [name for name in instants if not re.search(r"(At|On|From|Until|Before)$", name)] == []


@pytest.mark.parametrize("name", sorted(MUTATIONS))
def test_mutations_have_one_shape(name: str) -> None:
    """A verb first, one input, one payload with errors, and a key against doing things twice."""
    field = MUTATIONS[name]
    verb = re.match(r"(?:bulk)?([A-Za-z][a-z]*)", name)
    assert verb is not None
    assert verb.group(1).lower() in VERBS
    capitalized = name[0].upper() + name[1:]
    assert {argument: str(definition.type) for argument, definition in field.args.items()} == {
        "input": f"{capitalized}Input!"
    }
    assert str(field.type) == f"{capitalized}Payload"
    payload, input_type = OBJECTS[f"{capitalized}Payload"], INPUTS[f"{capitalized}Input"]
    assert str(payload.fields["errors"].type) == "[UserError!]!"
    assert str(input_type.fields["idempotencyKey"].type) == "String"
    assert field.description is not None


def test_fields_of_payloads_are_empty_when_nothing_was_done() -> None:
    """Results may be null, lists are empty, counts are 0."""
    for name, type_ in OBJECTS.items():
        if name.endswith("Payload"):
            strict = {
                field
                for field, definition in type_.fields.items()
                if is_non_null_type(definition.type) and not is_list_type(definition.type.of_type)
            }
            assert {field for field in strict if not field.endswith("Count")} == set(), name


def test_connections_have_one_shape() -> None:
    """Edges, nodes, position and count; some have the position of the change feed."""
    for name, type_ in OBJECTS.items():
        if not name.endswith("Connection"):
            continue
        item = name.removesuffix("Connection")
        shape = {field: str(definition.type) for field, definition in type_.fields.items()}
        assert shape.pop("changeCursor", "String!") == "String!"
        assert shape == {
            "edges": f"[{item}Edge!]!",
            "nodes": f"[{item}!]!",
            "pageInfo": "PageInfo!",
            "totalCount": "Int!",
        }
        edge = {field: str(definition.type) for field, definition in OBJECTS[f"{item}Edge"].fields.items()}
        assert edge == {"cursor": "String!", "node": f"{item}!"}


def test_whatever_has_pages_is_asked_for_in_one_way() -> None:
    """`first` has a default between 1 and 100, `after` is a cursor; the texts are the same everywhere."""
    for name, field in fields():
        if not str(get_named_type(field.type)).endswith("Connection"):
            continue
        first, after = field.args["first"], field.args["after"]
        assert (str(first.type), first.description) == ("Int!", "Number of items, from 1 to 100."), name
        assert 1 <= first.default_value <= 100, name
        assert (str(after.type), after.description) == ("String", "Cursor to continue after."), name
        assert after.default_value is Undefined, name


def test_root_fields_may_fail_alone() -> None:
    """All but two are nullable, so a neighbour's failure leaves them their results."""
    strict = [
        name for name, field in fields() if name.startswith(("Query.", "Mutation.")) and is_non_null_type(field.type)
    ]
    assert sorted(strict) == ["Query.tenant", "Query.viewer"]


def test_lists_have_no_holes_but_those_that_are_meant() -> None:
    """Items are never null, but those of `nodes(ids:)`, where nothing was found, and of batches, one by one."""

    def has_nullable_items(type_: Any) -> bool:
        inner = type_.of_type if is_non_null_type(type_) else type_
        return is_list_type(inner) and not is_non_null_type(inner.of_type)

    assert [name for name, field in fields() if has_nullable_items(field.type)] == NULLABLE_ITEMS
    assert [name for name, argument in arguments() if has_nullable_items(argument.type)] == []
    for name, type_ in INPUTS.items():
        assert [field for field in type_.fields.values() if has_nullable_items(field.type)] == [], name


def test_nothing_is_null_by_default() -> None:
    """What may be left out says so by its type alone."""
    assert [name for name, argument in arguments() if argument.default_value is None] == []
    for name, type_ in INPUTS.items():
        assert [field for field, part in type_.fields.items() if part.default_value is None] == [], name


def test_every_type_can_be_reached() -> None:
    """From the roots, or as a possible type of an interface that can be."""
    reached: set[str] = set()
    pending: list[GraphQLNamedType] = [SCHEMA.type_map[root] for root in ROOTS if root in SCHEMA.type_map]
    while pending:
        type_ = pending.pop()
        if type_.name in reached:
            continue
        reached.add(type_.name)
        if isinstance(type_, GraphQLObjectType | GraphQLInterfaceType):
            for field in type_.fields.values():
                pending.append(get_named_type(field.type))
                pending += [get_named_type(argument.type) for argument in field.args.values()]
            pending += type_.interfaces
        if isinstance(type_, GraphQLInterfaceType | GraphQLUnionType):
            pending += SCHEMA.get_possible_types(type_)
        if isinstance(type_, GraphQLInputObjectType):
            pending += [get_named_type(field.type) for field in type_.fields.values()]
    assert set(TYPES) - reached == set()


def test_deprecations_name_replacement_and_date() -> None:
    """As in "Use `x`. Removed after 2027-06-30."."""
    reasons = {name: field.deprecation_reason for name, field in fields()}
    reasons |= {name: argument.deprecation_reason for name, argument in arguments()}
    wanted = re.compile(r"Use `\w+`\. Removed after \d{4}-\d\d-\d\d\.")
    assert {name: reason for name, reason in reasons.items() if reason and not wanted.fullmatch(reason)} == {}


def test_every_enum_is_open_or_closed() -> None:
    """A new value of a closed one needs a new look at every client."""
    assert set() == OPEN_ENUMS & CLOSED_ENUMS
    assert set(ENUMS) - OPEN_ENUMS - CLOSED_ENUMS == set()


def test_scalars_are_few() -> None:
    """Clients map each of them by hand."""
    scalars = {name for name, type_ in TYPES.items() if isinstance(type_, GraphQLScalarType)}
    assert scalars <= {"Date", "DateTime"}


def test_ids_are_ids() -> None:
    """Fields named after an ID have the type; whatever has an ID is a node."""
    for name, field in fields():
        if re.search(r"\.id$|[a-z]Id$", name) and not name.endswith("externalId"):
            assert str(get_named_type(field.type)) == "ID", name
    for name, type_ in OBJECTS.items():
        if "id" in type_.fields:
            assert "Node" in {interface.name for interface in type_.interfaces}, name
