"""What a document may ask for. Each limit is tried at its edge and, where values matter, twice with different ones."""

import time
from typing import Any

import pytest
from graphql import Source, parse

from gql.execution.documents import Text
from gql.limits.cost import cost_of
from gql.limits.document import MAX_DOCUMENT_BYTES
from gql.schema import schema
from tests.support.api import ApiClient


async def refusal(client: ApiClient, document: str, **variables: Any) -> dict[str, Any]:
    """Return the extensions of the one error that a document is refused with."""
    result = await client.execute(document, **variables)
    assert "data" not in result
    (error,) = result["errors"]
    extensions: dict[str, Any] = error["extensions"]
    return extensions


async def test_a_document_has_at_most_1000_tokens(as_admin: ApiClient) -> None:
    """Longer ones are not even parsed to the end."""
    # Twelve tokens around the items of the list.
    just_right = f"{{ nodes(ids: [{'0 ' * 988}]) {{ id }} }}"
    assert await as_admin.errors(just_right) == ["TOO_MANY_ITEMS"]
    too_long = f"{{ nodes(ids: [{'0 ' * 989}]) {{ id }} }}"
    assert await refusal(as_admin, too_long) == {"code": "QUERY_TOO_EXPENSIVE", "limit": 1000}


FULL = "{ tenant { name } }"


async def test_a_document_has_at_most_64_kilobytes(as_admin: ApiClient) -> None:
    """In UTF-8, whatever they are: blanks, comments and texts are no tokens."""
    filling = MAX_DOCUMENT_BYTES - len(FULL)
    assert await as_admin.value(FULL + "\n" * filling) == {"name": "Acme"}
    assert await as_admin.value(FULL + "#" + "ü" * ((filling - 1) // 2)) == {"name": "Acme"}
    refused = {"code": "QUERY_TOO_EXPENSIVE", "limit": 65_536, "actual": 65_537}
    assert await refusal(as_admin, FULL + "\n" * (filling + 1)) == refused
    assert await refusal(as_admin, FULL + "#" + "\U0001f9d1" * 16_384) == refused | {"actual": 65_536 + len(FULL) + 1}
    assert await refusal(as_admin, "{" + "\n" * 2_000_000 + "nonsense }") == refused | {"actual": 2_000_000 + 11}


@pytest.mark.parametrize(
    "document",
    [
        "{{ tenant {{ {}: name }} }}",
        "query {} {{ tenant {{ name }} }}",
        "query (${}: Int) {{ tenant {{ name }} }}",
        "{{ tenant {{ ...{} }} }}",
        "{{ tenant {{ ... on {} {{ name }} }} }}",
        "{{ tenant {{ name @{} }} }}",
        "{{ {} }}",
        "{{ learners({}: 1) {{ totalCount }} }}",
        "{{ learners(filter: {{ {}: 1 }}) {{ totalCount }} }}",
        "{{ learners(filter: {{ roles: [{}] }}) {{ totalCount }} }}",
    ],
)
async def test_a_name_has_at_most_100_characters(as_admin: ApiClient, document: str) -> None:
    """Whatever it names: answers repeat aliases, and errors the others."""
    refused = await refusal(as_admin, document.format("a" * 101))
    assert refused == {"code": "QUERY_TOO_EXPENSIVE", "limit": 100, "actual": 101}
    result = await as_admin.execute(document.format("a" * 100))
    assert {error["extensions"]["code"] for error in result.get("errors", [])} <= {"GRAPHQL_VALIDATION_FAILED"}


async def test_syntax_errors_repeat_no_long_names(as_admin: ApiClient) -> None:
    """They are told before names are looked at."""
    (error,) = (await as_admin.execute("{ tenant " + "a" * 60_000 + " " + "b" * 5_000))["errors"]
    assert error["extensions"] == {"code": "GRAPHQL_PARSE_FAILED"}
    (error,) = (await as_admin.execute("b" * 60_000))["errors"]
    assert error["extensions"] == {"code": "GRAPHQL_PARSE_FAILED"}
    assert len(error["message"]) < 200


async def test_at_most_10_errors_are_told(as_admin: ApiClient) -> None:
    """Of a document as of variables, and at once, however many lines there are."""
    begin = time.perf_counter()
    unknown = " ".join(f"unknown{number}" for number in range(900))
    result = await as_admin.execute("{" + "\n" * 50_000 + unknown + "}")
    assert len(result["errors"]) == 10
    assert result["errors"][0]["locations"] == [{"line": 50_001, "column": 1}]
    wrong = {"departmentIds": [{}] * 90, "unknown": 1}
    document = "query ($filter: LearnerFilterInput) { learners(filter: $filter) { totalCount } }"
    result = await as_admin.execute(document, filter=wrong)
    assert [error["extensions"]["code"] for error in result["errors"]] == ["BAD_VARIABLES"] * 10
    assert time.perf_counter() - begin < 3


async def test_errors_find_their_lines_at_once(as_learner: ApiClient) -> None:
    """Also those of objects, of which there may be thousands."""
    forbidden = " ".join(f"a{number}: auditEntries(first: 1) {{ totalCount }}" for number in range(28))
    begin = time.perf_counter()
    result = await as_learner.execute("{" + "\n" * 60_000 + forbidden + " auditEntries(first: 1) { totalCount } }")
    assert time.perf_counter() - begin < 3
    assert len(result["errors"]) == 29
    assert {location["line"] for error in result["errors"] for location in error["locations"]} == {60_001}


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n", "\n\r"])
def test_lines_are_counted_as_the_library_counts_them(end: str) -> None:
    """Whatever ends them."""
    body = end.join(["a", "", "bc", "d"]) + end
    for position in range(len(body) + 1):
        if body[position - 1 : position + 1] == "\r\n":
            # Nothing begins within the end of a line.
            continue
        assert Text(body).get_location(position) == Source(body).get_location(position)


async def test_a_refused_document_costs_a_point(as_admin: ApiClient) -> None:
    """However it is refused, and by which way it came; see also what is taken without being told."""
    for document in ("{", "{ nonsense }", EXPENSIVE, "{ a: tenant { id } " * 40):
        result = await as_admin.execute(document, first=100)
        assert "data" not in result
        assert result["extensions"]["cost"]["requested"] == 1


async def test_a_document_has_at_most_30_aliases(as_admin: ApiClient) -> None:
    """The same field under many names is many times the work."""
    aliases = [f"a{number}: name" for number in range(30)]
    assert len(await as_admin.value(f"{{ tenant {{ {' '.join(aliases)} }} }}")) == 30
    assert await refusal(as_admin, f"{{ tenant {{ {' '.join(aliases)} more: name }} }}") == {
        "code": "QUERY_TOO_EXPENSIVE",
        "limit": 30,
        "actual": 31,
    }


async def test_fragments_hide_no_aliases(as_admin: ApiClient) -> None:
    """What is spread twice is there twice, also in another fragment."""
    fragment = " fragment F on Tenant { " + " ".join(f"a{number}: name" for number in range(8)) + " }"
    four = "a: tenant { ...F } b: tenant { ...F } c: tenant { ...F }"
    assert len(await as_admin.run(f"{{ {four} }}{fragment}")) == 3
    refused = {"code": "QUERY_TOO_EXPENSIVE", "limit": 30}
    assert await refusal(as_admin, f"{{ {four} d: tenant {{ ...F }} }}{fragment}") == refused | {"actual": 36}
    nested = f"{{ ...G }} fragment G on Query {{ {four} ... {{ d: tenant {{ ... on Tenant {{ ...F }} }} }} }}{fragment}"
    assert await refusal(as_admin, nested) == refused | {"actual": 36}
    doubling = " ".join(
        f"fragment F{number} on Learner {{ l: learner {{ ...F{number + 1} }} m: learner {{ ...F{number + 1} }} }}"
        for number in range(30)
    )
    # There is no such field: it is refused before that matters.
    assert (await refusal(as_admin, f"{{ ...F0 }} {doubling} fragment F100 on Learner {{ id }}"))["limit"] in (12, 30)


async def test_fragments_hide_no_repetitions(as_admin: ApiClient) -> None:
    """Each of forty fragments selects the same, or stands where the same is selected."""
    names = [f"F{number}" for number in range(32)]
    spreads = " ".join(f"...{name}" for name in names)
    fragments = " ".join(f"fragment {name} on Query {{ tenant {{ id }} }}" for name in names)
    inline = "... on Query { tenant { id } } " * 32
    for document in (f"{{ {spreads} }} {fragments}", f"{{ {inline} }}", f"{{ {'... { tenant { id } } ' * 32} }}"):
        assert await refusal(as_admin, document) == {"code": "QUERY_TOO_EXPENSIVE", "limit": 30, "actual": 31}
    # On different types they are different fields.
    members = ("Course", "LearningPath", "Learner", "Department", "Client", "Sublicense", "LearningGroup")
    selected = " ".join(f"... on {member} {{ id __typename }}" for member in members)
    document = "{ nodes(ids: []) { " + selected + " } }"
    assert await as_admin.value(document) == []


async def test_a_document_has_at_most_10_directives(as_admin: ApiClient) -> None:
    """Directives are counted wherever they stand."""
    directives = " ".join(["name @include(if: true)"] * 10)
    assert await as_admin.value(f"{{ tenant {{ {directives} }} }}") == {"name": "Acme"}
    assert (await refusal(as_admin, f"{{ tenant @skip(if: false) {{ {directives} }} }}"))["limit"] == 10


async def test_a_document_has_at_most_5_mutations(as_admin: ApiClient) -> None:
    """Fragments hide none of them, and nothing of a refused document happens."""
    one = "setTenantFeature(input: {feature: AUTO_ASSIGNMENT, isEnabled: false}) { tenant { id } }"
    five = " ".join(f"m{number}: {one}" for number in range(5))
    assert len(await as_admin.run(f"mutation {{ {five} }}")) == 5
    hidden = f"mutation {{ ...Four ... on Mutation {{ a: {one} b: {one} }} }} fragment Four on Mutation {{ {five} }}"
    assert await refusal(as_admin, hidden) == {"code": "QUERY_TOO_EXPENSIVE", "limit": 5, "actual": 7}


async def test_mutations_are_counted_at_once_however_often_fragments_repeat_each_other(as_learner: ApiClient) -> None:
    """Ninety fragments that spread the next one twice would be more mutations than anybody could count."""
    doubling = " ".join(
        f"fragment F{number} on Mutation {{ ...F{number + 1} ...F{number + 1} }}" for number in range(90)
    )
    document = f"mutation {{ ...F0 }} {doubling} fragment F90 on Mutation {{ __typename }}"
    assert await as_learner.value(document) == "Mutation"


def nested(levels: int, inside: str) -> str:
    """Return a query that is `levels` deep; jobs lead to jobs through their subjects."""
    opening = "... on BackgroundJob { subject { "
    return '{ node(id: "x") { ' + opening * levels + inside + " } }" * levels + " } }"


async def test_a_document_is_at_most_12_levels_deep(as_admin: ApiClient) -> None:
    """Fields count, fragments do not, and a fragment in a fragment hides nothing."""
    assert await as_admin.value(nested(10, "id")) is None
    assert await refusal(as_admin, nested(11, "id")) == {"code": "QUERY_TOO_EXPENSIVE", "limit": 12, "actual": 13}
    hidden = nested(10, "...Deep") + " fragment Deep on Node { ... on BackgroundJob { subject { id } } }"
    assert (await refusal(as_admin, hidden))["actual"] == 13


async def test_repetitions_are_few(as_admin: ApiClient) -> None:
    """Each of them is compared with each: a document that is short could take long."""
    assert await as_admin.value("{ " + "tenant { id name } " * 31 + "}")
    begin = time.perf_counter()
    aliased = "x: __typename " * 17 + "y: __typename " * 16
    for repeated in ("tenant { id } " * 32, "tenant { " + "id " * 900 + "}", aliased):
        refused = await refusal(as_admin, "{ " + repeated + "}")
        assert refused["code"] == "QUERY_TOO_EXPENSIVE"
        assert refused["limit"] == 30
    assert time.perf_counter() - begin < 3


async def test_introspection_has_its_own_limit(as_admin: ApiClient) -> None:
    """The query that tools send is deeper than others may be; lists within lists of it are refused."""
    from graphql import get_introspection_query

    assert (await as_admin.value(get_introspection_query()))["queryType"]["name"] == "Query"
    bomb = "{ __schema { types { fields { type { fields { type { fields { type { fields { name } } } } } } } } } }"
    assert await as_admin.errors(bomb) == ["GRAPHQL_VALIDATION_FAILED"]
    chain = "{ __schema { queryType { fields { type " + "{ ofType " * 17 + "{ name }" + " }" * 17 + " } } } }"
    assert await refusal(as_admin, chain) == {"code": "QUERY_TOO_EXPENSIVE", "limit": 20, "actual": 22}
    # The whole of it many times over.
    types = "types { fields { args { type { name } } type { name } } }"
    for often in (
        "{ __schema { types { name } " + " ".join(f"a{number}: {types}" for number in range(4)) + " } }",
        "{ " + " ".join(f"a{number}: __schema {{ {types} }}" for number in range(4)) + " }",
        "{ __schema { a: types { ...T } b: types { ...T } } } fragment T on __Type { t: name }",
    ):
        assert await refusal(as_admin, often) == {"code": "QUERY_TOO_EXPENSIVE", "limit": 3, "actual": 4}
    named = " ".join(f'a{number}: __type(name: "Query") {{ name }}' for number in range(30))
    assert len(await as_admin.run(f"{{ {named} }}")) == 30


JOBS = "query ($first: Int! = 50) { backgroundJobs(first: $first) { nodes { id startedBy { ...Who } } } }"
WHO = " fragment Who on Actor { id }"


@pytest.mark.parametrize(
    ("document", "variables", "expected"),
    [
        ("{ tenant { name } }", {}, 1),
        ("{ tenant { limits { minimumLeadDays } refFields { label } } }", {}, 1 + 1 + 5),
        ("{ backgroundJobs { totalCount } }", {}, 25),
        (JOBS + WHO, {}, 50 * 2),
        (JOBS + WHO, {"first": 100}, 100 * 2),
        (
            "{ backgroundJobs(first: 10) { nodes { startedBy { id } } edges { cursor node { startedBy { id } subject "
            "{ id } } } pageInfo { endCursor } } }",
            {},
            10 * 3,
        ),
        ('{ nodes(ids: ["a", "b", "c"]) { id } }', {}, 3),
        ("query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", {"ids": ["a"] * 7}, 7),
        # JSON has one kind of numbers, and so have the variables of GraphQL.
        (JOBS + WHO, {"first": 100.0}, 100 * 2),
        (
            'query { node(id: "x") { ... on Tenant { limits { minimumLeadDays } refFields { label } } '
            "... on BackgroundJob { startedBy { id } } } }",
            {},
            1 + 6,
        ),
    ],
)
def test_objects_are_counted_as_the_contract_says(document: str, variables: dict[str, Any], expected: int) -> None:
    """Once per parent; a connection its `first`; edges and nodes together; a union as its largest member."""
    parsed = parse(document)
    operation: Any = parsed.definitions[0]
    assert cost_of(schema()._schema, parsed, operation, variables).nodes == expected


EXPENSIVE = """
query ($first: Int!) { learners(first: $first) { nodes { enrollments(first: $first) { nodes { learner { id } } } } } }
"""


async def test_an_operation_asks_for_at_most_10000_objects(as_admin: ApiClient) -> None:
    """Values of variables decide, also the second time, when the validation comes from its cache."""
    for _ in range(2):
        assert "learners" in await as_admin.run(EXPENSIVE, first=70)
        # 71 learners, each with 71 enrollments, each with a learner.
        assert await refusal(as_admin, EXPENSIVE, first=71) == {
            "code": "QUERY_TOO_EXPENSIVE",
            "limit": 10_000,
            "actual": 71 + 71 * 71 * 2,
        }


async def test_the_budget_holds_by_get_too(as_admin: ApiClient) -> None:
    """Each way in, twice with different values."""
    for first, status in ((70, 200), (71, 400), (70, 200), (71, 400)):
        response = await as_admin.http.get(
            "/graphql",
            params={"query": EXPENSIVE, "variables": f'{{"first": {first}}}'},
            headers=as_admin.headers | {"Accept": "application/graphql-response+json"},
        )
        assert response.status_code == status


async def test_numbers_of_any_length_can_be_read(as_admin: ApiClient) -> None:
    """An ID may be written as a number, and then has as many digits as it likes; a page size has not."""
    digits = "1" * 5_000
    assert await as_admin.value(f"{{ nodes(ids: [{digits}]) {{ id }} }}") == [None]
    assert await as_admin.value(f"query ($ids: [ID!]! = [{digits}]) {{ nodes(ids: $ids) {{ id }} }}") == [None]
    erase = f"mutation {{ eraseLearner(input: {{learner: {{id: {digits}}}}}) {{ errors {{ code path }} }} }}"
    assert await as_admin.user_errors(erase) == [("NOT_FOUND", "input.learner")]
    (error,) = (await as_admin.execute(f"{{ learners(first: {digits}) {{ totalCount }} }}"))["errors"]
    assert error["extensions"] == {"code": "GRAPHQL_VALIDATION_FAILED"}
    assert error["message"] == "Expected value of type 'Int'."


async def test_a_bulk_payload_is_as_long_as_its_input(as_admin: ApiClient) -> None:
    """What it shows of each row counts for each row."""
    document = """
    mutation ($rows: [LearnerRowInput!]!) { bulkUpsertLearners(input: {rows: $rows}) {
      results { learner { enrollments(first: 10) { nodes { id } } } } errors { code } } }
    """
    rows = [{"externalId": str(number), "name": "x"} for number in range(1_000)]
    refused = await refusal(as_admin, document, rows=rows)
    assert refused == {
        "code": "QUERY_TOO_EXPENSIVE",
        "limit": 10_000,
        # The payload, five errors, and per row the result, its learner and ten enrollments.
        "actual": 1 + 5 + 1_000 * (1 + 1 + 10),
    }
    assert (await as_admin.value("{ learners { totalCount } }"))["totalCount"] == 1


async def test_other_payloads_are_as_long_as_their_input_too(as_admin: ApiClient) -> None:
    """Whoever adds a hundred people gets a hundred back, and whoever reads ten notifications ten."""
    add = """
    mutation ($input: AddMembersInput!) { addMembers(input: $input) {
      learners { enrollments(first: 99) { nodes { id } } } } }
    """
    members = {"target": {"clientId": "x"}, "learners": [{"email": "x"}] * 100}
    assert (await refusal(as_admin, add, input=members))["actual"] == 1 + 100 * (1 + 99)
    read = """
    mutation ($input: MarkNotificationsReadInput!) { markNotificationsRead(input: $input) {
      notifications { mandatoryTask { requiredCourses { id } } } } }
    """
    parsed = parse(read)
    operation: Any = parsed.definitions[0]
    counted = cost_of(schema()._schema, parsed, operation, {"input": {"ids": ["x"] * 10}})
    assert counted.nodes == 1 + 10 * (1 + 1 + 5)


async def test_a_page_of_any_size_can_be_refused(as_admin: ApiClient) -> None:
    """However large the number is that comes out, it is told as one that clients can read."""
    document = (
        "query ($first: Int!) { learners(first: $first) { nodes { enrollments(first: $first) { nodes { id } } } } }"
    )
    for first in (2**63, 2**63 - 1, 2**31):
        refused = await refusal(as_admin, document, first=first)
        assert refused == {"code": "QUERY_TOO_EXPENSIVE", "limit": 10_000, "actual": 2**31 - 1}
