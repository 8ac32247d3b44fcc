"""What goes wrong and how it is told: expected failures, failures of the request, and what nobody expected."""

import asyncio
import logging
from typing import Any, TypeVar
from unittest.mock import ANY

import asyncpg
import pytest

from domain.foundation.access import Principal
from domain.foundation.database.sessions import ReadScope
from domain.foundation.errors import DomainError, Invalid, NotPermitted, ProblemList, Problems, RequestFailure
from domain.foundation.unit_of_work import UnitOfWork
from domain.tenants.models import Tenant
from gql.contract.ids import LEARNER, encode
from gql.contract.user_errors import UserErrorCode, user_errors
from gql.execution.context import Context, MutationInput
from tests.support.api import Api, ApiClient

Failure = TypeVar("Failure", DomainError, RequestFailure)


def subclasses(cls: type[Failure]) -> set[type[Failure]]:
    """Return all classes below one."""
    direct: list[type[Failure]] = cls.__subclasses__()
    return set(direct).union(*(subclasses(below) for below in direct))


def test_every_expected_failure_has_a_published_code() -> None:
    """And only one class means each code, unless a class refines another."""
    codes = {cls.code for cls in subclasses(DomainError) if cls is not Problems and cls.__module__.startswith("domain")}
    assert codes <= {code.name for code in UserErrorCode}


def test_every_failure_of_a_request_has_a_code_of_its_own() -> None:
    """Clients tell them apart by it."""
    codes = [cls.code for cls in subclasses(RequestFailure)]
    assert len(codes) == len(set(codes))
    assert set(codes) == {
        "UNAUTHENTICATED",
        "FORBIDDEN",
        "IDEMPOTENCY_KEY_IN_USE",
        "TRY_AGAIN",
        "TIMEOUT",
        "UNAVAILABLE",
    }


def test_problems_of_one_input_are_told_together() -> None:
    """A form shows all of them at once; paths begin at `input`."""
    problems = ProblemList()
    problems.add(Invalid("Bad.", path=["changes", "email"]))
    problems.add(NotPermitted(path=["rows", 3, "role"]))
    with pytest.raises(Problems) as raised:
        problems.raise_if_any()
    published = user_errors(raised.value)
    assert [(error.code.name, error.path) for error in published] == [
        ("INVALID", ["input", "changes", "email"]),
        ("NOT_PERMITTED", ["input", "rows", "3", "role"]),
    ]
    assert published[0].message == "Bad."


async def test_an_expected_failure_of_a_query_is_a_top_level_error_with_its_place(as_admin: ApiClient) -> None:
    """The field is null and its neighbours have their results."""
    response = await as_admin.post("{ tenant { name } backgroundJobs(first: 0) { totalCount } }")
    assert response.status_code == 200
    assert response.json() == {
        "data": {"tenant": {"name": "Acme"}, "backgroundJobs": None},
        "errors": [
            {
                "message": "From 1 to 100.",
                "locations": [{"line": 1, "column": 19}],
                "path": ["backgroundJobs"],
                "extensions": {"code": "INVALID", "path": ["first"]},
            }
        ],
        "extensions": {"cost": {"requested": 76, "remaining": ANY, "limit": 1_000_000, "resetSeconds": 1}},
    }


async def test_data_of_an_error_comes_with_it(as_admin: ApiClient) -> None:
    """What the error type of a mutation would say."""
    result = await as_admin.execute("query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", ids=["x"] * 101)
    assert result["errors"][0]["extensions"] == {"code": "TOO_MANY_ITEMS", "path": ["ids"], "limit": 100}


async def test_what_a_role_may_never_use_is_forbidden(as_learner: ApiClient, as_sync: ApiClient) -> None:
    """At the top level, 200, and the field is null."""
    for client in (as_learner, as_sync):
        response = await client.post("{ serviceAccounts { totalCount } }")
        assert response.status_code == 200
        assert response.json()["data"] == {"serviceAccounts": None}
        assert response.json()["errors"][0]["extensions"] == {"code": "FORBIDDEN"}


async def test_a_mutation_that_is_forbidden_leaves_its_neighbours_their_results(as_trainer: ApiClient) -> None:
    """Each root field stands for itself."""
    result = await as_trainer.execute(
        'mutation { updateTenant(input: {changes: {name: "Evil"}}) { errors { code } } __typename }'
    )
    assert result["data"] == {"updateTenant": None, "__typename": "Mutation"}
    assert [error["extensions"]["code"] for error in result["errors"]] == ["FORBIDDEN"]


@pytest.mark.usefixtures("answered_once")
async def test_what_nobody_expected_is_masked_and_logged(
    as_admin: ApiClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The client gets a reference; the log has the same one and the whole story."""

    async def broken(*_args: Any, **_wanted: Any) -> Any:
        raise ValueError("the secret is swordfish")

    monkeypatch.setattr("gql.background_jobs.queries.list_jobs", broken)
    with caplog.at_level(logging.ERROR):
        response = await as_admin.post("{ backgroundJobs { totalCount } }")
    assert response.status_code == 200
    (error,) = response.json()["errors"]
    assert error["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
    assert "swordfish" not in response.text
    (record,) = [record for record in caplog.records if record.name == "mandate.api"]
    assert record.reference == error["extensions"]["reference"]  # type: ignore[attr-defined]
    assert record.exc_info is not None
    assert str(record.exc_info[1]) == "the secret is swordfish"


@pytest.mark.parametrize(
    ("raised", "code", "status"),
    [
        (asyncpg.QueryCanceledError("cancelled"), "TIMEOUT", 200),
        (asyncpg.ConnectionDoesNotExistError("gone"), "UNAVAILABLE", 503),
        (ConnectionRefusedError("refused"), "UNAVAILABLE", 503),
        (asyncpg.TooManyConnectionsError("full"), "UNAVAILABLE", 503),
    ],
)
async def test_failures_of_the_database_have_codes(
    as_admin: ApiClient, monkeypatch: pytest.MonkeyPatch, raised: Exception, code: str, status: int
) -> None:
    """A client knows whether it makes sense to come back later."""

    async def failing(*_args: Any, **_wanted: Any) -> Any:
        raise raised

    monkeypatch.setattr("gql.background_jobs.queries.list_jobs", failing)
    response = await as_admin.post("{ backgroundJobs { totalCount } }")
    assert response.status_code == status
    assert response.json()["errors"][0]["extensions"]["code"] == code


async def test_a_database_that_is_away_is_503(api: Api, admin: Principal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Already when nobody can be authenticated."""

    async def refused(*_args: Any, **_wanted: Any) -> Any:
        raise ConnectionRefusedError

    client = api.acting_as(admin)
    monkeypatch.setattr("gql.identity.authentication.find_tenant_id", refused)
    response = await client.post("{ tenant { name } }")
    assert response.status_code == 503
    assert response.json()["errors"][0]["extensions"] == {"code": "UNAVAILABLE"}


async def test_a_change_that_takes_too_long_is_not_made(as_admin: ApiClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the answer says so."""
    rename = 'updateTenant(input: {changes: {name: "Late"}}) { tenant { name } errors { code } }'
    with monkeypatch.context() as patched:
        patched.setattr("gql.execution.context.MUTATION_TIMEOUT", 0.0)
        result = await as_admin.execute(f"mutation {{ {rename} }}")
    assert result["data"] == {"updateTenant": None}
    assert result["errors"][0]["extensions"] == {"code": "TIMEOUT"}
    assert await as_admin.value("{ tenant { name } }") == {"name": "Acme"}


async def test_a_query_that_takes_too_long_ends(as_admin: ApiClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """And gives back its connection, so the next one is served."""

    async def slow(reads: ReadScope, *_args: Any, **_wanted: Any) -> Any:
        await reads.fetch("SELECT pg_sleep(3)")

    with monkeypatch.context() as patched:
        patched.setattr("gql.schema.QUERY_TIMEOUT", 0.1)
        patched.setattr("gql.background_jobs.queries.list_jobs", slow)
        assert await as_admin.errors("{ backgroundJobs { totalCount } }") == ["TIMEOUT"]
    assert await as_admin.value("{ tenant { name } }") == {"name": "Acme"}


SECRET_INPUT = "query ($input: LearnerKeyInput!) { learner(by: $input) { id } }"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("s3cret", "Variable '$input' is invalid: expected a value of type 'LearnerKeyInput!'."),
        ({"id": {"s3cret": 1}}, "Variable '$input' is invalid at .id: expected a value of type 'ID'."),
        ({"s3cret": 1}, "Variable '$input' is invalid: expected not to include unknown field 's3cret'."),
        ({"id": "x", "email": "s3cret"}, "OneOf Input Object 'LearnerKeyInput' must specify exactly one key."),
    ],
)
async def test_errors_of_variables_do_not_repeat_values(as_admin: ApiClient, value: Any, message: str) -> None:
    """They may be secrets, and errors end in logs."""
    result = await as_admin.execute(SECRET_INPUT, input=value)
    (error,) = result["errors"]
    assert error["extensions"] == {"code": "BAD_VARIABLES"}
    assert error["message"] == message


@pytest.mark.parametrize(
    "document",
    [
        "query ($n: Int = 5) { tenant { name } learners(first: $n) { nodes { id } } }",
        "query ($n: Int = 5) { tenant { name } learners { nodes { id enrollments(first: $n) { nodes { id } } } } }",
        "query ($n: Boolean = true) { tenant { name } learners { nodes { id @include(if: $n) } } }",
    ],
)
async def test_null_for_a_variable_that_has_a_default_is_an_error_of_the_variables(
    as_admin: ApiClient, caplog: pytest.LogCaptureFixture, document: str
) -> None:
    """Documents may use such a variable where null is not allowed; nothing is logged as unexpected."""
    result = await as_admin.execute(document, n=None)
    assert result["data"] == {"tenant": {"name": "Acme"}, "learners": None}
    (error,) = result["errors"]
    assert (error["message"], error["extensions"]) == (
        "The variables do not fit the document.",
        {"code": "BAD_VARIABLES"},
    )
    assert not [record for record in caplog.records if record.name == "mandate.api"]


async def test_errors_of_literals_do_not_repeat_values(as_admin: ApiClient) -> None:
    """Nor do those of values within the document."""
    response = await as_admin.post('{ backgroundJobs(first: "s3cret") { totalCount } }')
    assert response.json()["errors"][0]["extensions"] == {"code": "GRAPHQL_VALIDATION_FAILED"}
    assert "s3cret" not in response.text


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ('{ node(id "s3cret") { id } }', "Syntax Error: Expected ':', found String."),
        ('{ node(id: "x" """s3cret\n\'s""") { id } }', "Syntax Error: Expected Name, found BlockString."),
        ("{ node(id: 1 4711) { id } }", "Syntax Error: Expected Name, found Int."),
        ("{ node(id: 1 47.11) { id } }", "Syntax Error: Expected Name, found Float."),
        ("{ node(id: 1) { id", "Syntax Error: Expected Name, found <EOF>."),
    ],
)
async def test_syntax_errors_do_not_repeat_values(as_admin: ApiClient, document: str, message: str) -> None:
    """They tell where it is, and what would be right there."""
    (error,) = (await as_admin.execute(document))["errors"]
    assert (error["message"], error["extensions"]) == (message, {"code": "GRAPHQL_PARSE_FAILED"})
    assert error["locations"]


async def test_errors_name_the_lines_of_their_own_document(as_admin: ApiClient) -> None:
    """Also where another document was the same but for where its lines end."""
    for document, line, column in (("{\n nope }", 2, 2), ("{  nope }", 1, 4), ("{\n nope }", 2, 2)):
        (error,) = (await as_admin.execute(document))["errors"]
        assert error["locations"] == [{"line": line, "column": column}]


async def test_names_of_operations_that_there_are_not_are_not_repeated(as_admin: ApiClient) -> None:
    """They are of any length, and nobody knows what is in them."""
    for document, message in (
        ("{ tenant { id } }", "The document has no operation with the name of `operationName`."),
        ("fragment A on Tenant { id }", "The document has no operation with the name of `operationName`."),
    ):
        body = {"query": document, "operationName": "s3cret"}
        response = await as_admin.http.post("/graphql", json=body, headers=as_admin.headers)
        assert response.status_code == 400
        assert response.json() == {"errors": [{"message": message, "extensions": {"code": "BAD_REQUEST"}}]}
    (error,) = (await as_admin.execute("fragment A on Tenant { id }"))["errors"]
    assert error["message"] == "The document has no operation."


async def test_every_operation_gives_back_its_connection(
    api: Api, admin: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More failures than the pool has connections leave it whole."""
    client = api.acting_as(admin)

    async def broken(reads: ReadScope, *_args: Any, **_wanted: Any) -> Any:
        await reads.fetch("SELECT 1 / 0")

    monkeypatch.setattr("gql.background_jobs.queries.list_jobs", broken)
    for _ in range(25):
        assert await client.errors("{ backgroundJobs { totalCount } }") == ["INTERNAL_SERVER_ERROR"]
    assert await client.value("{ tenant { name } }") == {"name": "Acme"}


async def test_what_was_given_up_reads_nothing_more(
    api: Api, admin: Principal, learner: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fields beside one that has failed still run when the answer is complete, and nobody would close for them."""
    scopes: list[ReadScope] = []
    begin = ReadScope.__init__

    def noted(self: ReadScope, tenant_id: int) -> None:
        begin(self, tenant_id)
        scopes.append(self)

    monkeypatch.setattr(ReadScope, "__init__", noted)
    assert learner.learner_id is not None
    document = """query ($n: Int = 5, $id: ID!) { learner(by: {id: $id}) {
      department { name } enrollments(first: 3) { nodes { reasons { source } } }
      mandatoryTasks(first: $n) { nodes { id } }
    } }"""
    for _ in range(api.settings.database_pool_size + 1):
        result = await api.acting_as(admin).execute(document, n=None, id=encode(LEARNER, learner.learner_id))
        assert result["data"] == {"learner": None}
        await asyncio.sleep(0.01)
    assert [scope for scope in scopes if scope._session is not None] == []


async def test_a_payload_shows_what_was_committed(api: Api, admin: Principal, tenant: Tenant) -> None:
    """Also when what was given up before has read during the change."""
    context = Context(admin, api.now, ReadScope(tenant.id))
    has_begun = asyncio.Event()

    async def read() -> Any:
        await has_begun.wait()
        return await context.reads.value("SELECT name FROM tenant")

    async def rename(work: UnitOfWork) -> None:
        has_begun.set()
        assert await given_up == "Acme"
        await work.sql.execute("UPDATE tenant SET name = 'Changed' WHERE id = $1", tenant.id)

    given_up = asyncio.ensure_future(read())
    await context.perform("updateTenant", MutationInput(), rename, None)
    assert await context.reads.value("SELECT name FROM tenant") == "Changed"
    await context.finish()


async def test_one_operation_reads_one_snapshot(api: Api, admin: Principal, tenant: Tenant) -> None:
    """All cursors of an operation are equal, however often they are asked for."""
    result = await api.acting_as(admin).run(
        "{ tenant { changeCursor } a: backgroundJobs { changeCursor } b: backgroundJobs(first: 1) { changeCursor } }"
    )
    assert len({value["changeCursor"] for value in result.values()}) == 1


@pytest.mark.parametrize("argument", ["occurredFrom: [[null]]", 'occurredFrom: "2026-02-30T00:00:00Z"'])
async def test_a_bad_date_in_a_document_is_an_error_of_the_document(as_admin: ApiClient, argument: str) -> None:
    """Also where the scalar itself has refused it; the value is not repeated."""
    document = f"{{ auditEntries(filter: {{{argument}}}) {{ totalCount }} }}"
    result = await as_admin.execute(document)
    assert {error["extensions"]["code"] for error in result["errors"]} == {"GRAPHQL_VALIDATION_FAILED"}
    assert "2026-02-30" not in str(result)
