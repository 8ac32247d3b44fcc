"""Lists in arguments: how long they may be, found out before anything of them is read."""

import time

import pytest

from tests.support.api import ApiClient

LONG: list[tuple[str, str, int, list[str]]] = [
    ("enrollments(filter: {statuses: $l})", "[EnrollmentStatus!]", 100, ["filter", "statuses"]),
    ("enrollments(filter: {sources: $l})", "[ContentActionSource!]", 100, ["filter", "sources"]),
    ("mandatoryTasks(filter: {departmentIds: $l})", "[ID!]", 100, ["filter", "departmentIds"]),
    ("learners(filter: {roles: $l})", "[Role!]", 100, ["filter", "roles"]),
    ("learners(filter: {clientIds: $l})", "[ID!]", 100, ["filter", "clientIds"]),
    ("contentActions(filter: {actions: $l})", "[ContentActionKind!]", 100, ["filter", "actions"]),
    ("backgroundJobs(filter: {kinds: $l})", "[BackgroundJobKind!]", 100, ["filter", "kinds"]),
    ("auditEntries(filter: {actorIds: $l})", "[ID!]", 100, ["filter", "actorIds"]),
    (
        'bulkAssignmentPreview(input: {target: {externalId: "x"}, audience: $l})',
        "[AudiencePartInput!]!",
        1_000,
        ["input", "audience"],
    ),
    ("autoAssignmentRulePreview(input: {conditions: $l})", "[RuleConditionInput!]!", 100, ["input", "conditions"]),
]


@pytest.mark.parametrize(("field", "type_", "limit", "path"), LONG)
async def test_lists_in_arguments_are_looked_at_before_they_are_read(
    as_admin: ApiClient, field: str, type_: str, limit: int, path: list[str]
) -> None:
    """As variables, and where they are part of one; what is in them does not matter."""
    document = f"query ($l: {type_}) {{ {field} {{ __typename }} }}"
    begin = time.perf_counter()
    for length in (limit + 1, 140_000):
        (error,) = (await as_admin.execute(document, l=["x"] * length))["errors"]
        assert error["extensions"] == {"code": "TOO_MANY_ITEMS", "limit": limit, "path": path}
    assert time.perf_counter() - begin < 3
    # As many as there may be are read, and found to be nonsense, or nothing.
    found = await as_admin.execute(document, l=[{}] * limit)
    codes = {error["extensions"]["code"] for error in found.get("errors", [])}
    assert codes <= {"BAD_VARIABLES", "INVALID"}


async def test_lists_are_limited_in_whole_variables_in_literals_and_in_defaults(as_admin: ApiClient) -> None:
    """And in fields below others, in fragments, and in lists in lists."""
    many = " ".join(['"x"'] * 101)
    expected = {"code": "TOO_MANY_ITEMS", "limit": 100, "path": ["filter", "departmentIds"]}
    for document, variables in (
        (
            "query ($f: LearnerFilterInput) { learners(filter: $f) { totalCount } }",
            {"f": {"departmentIds": ["x"] * 101}},
        ),
        (f"{{ learners(filter: {{departmentIds: [{many}]}}) {{ totalCount }} }}", {}),
        (f"query ($l: [ID!] = [{many}]) {{ learners(filter: {{departmentIds: $l}}) {{ totalCount }} }}", {}),
        (f"{{ ...F }} fragment F on Query {{ learners(filter: {{departmentIds: [{many}]}}) {{ totalCount }} }}", {}),
    ):
        (error,) = (await as_admin.execute(document, **variables))["errors"]
        assert error["extensions"] == expected
    below = (
        "query ($l: [EnrollmentStatus!]) { learners { nodes { enrollments(filter: {statuses: $l}) { totalCount } } } }"
    )
    (error,) = (await as_admin.execute(below, l=["COMPLETED"] * 101))["errors"]
    assert error["extensions"]["path"] == ["filter", "statuses"]
    inner = "query ($c: [RuleConditionInput!]!) { autoAssignmentRulePreview(input: {conditions: $c}) { __typename } }"
    condition = {"refValue": {"fieldNumber": 1, "operator": "EQUALS", "values": ["x"] * 101}}
    (error,) = (await as_admin.execute(inner, c=[{}, condition]))["errors"]
    assert error["extensions"]["path"] == ["input", "conditions", "1", "refValue", "values"]


async def test_a_mutation_says_itself_which_lists_are_too_long(as_admin: ApiClient) -> None:
    """In its payload, unless nobody should look at it at all."""
    document = "mutation ($i: AddMembersInput!) { addMembers(input: $i) { errors { code path } } }"
    given = {"target": {"clientId": "x"}}
    assert ("TOO_MANY_ITEMS", "input.learners") in await as_admin.user_errors(
        document, i=given | {"learners": [{"email": "x"}] * 101}
    )
    (error,) = (await as_admin.execute(document, i=given | {"learners": [{"email": "x"}] * 70_000}))["errors"]
    assert error["extensions"] == {"code": "TOO_MANY_ITEMS", "limit": 2_000, "path": ["input", "learners"]}
