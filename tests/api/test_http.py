"""GraphQL over HTTP: media types, status codes, limits of bodies and documents, and the page for browsers."""

import gzip
import json
from typing import Any

import pytest

from domain.foundation.access import Principal
from domain.foundation.feed.reader import FeedReaders
from domain.foundation.settings import Settings
from gql.schema import schema
from gql.transport.http import GraphQLEndpoint
from gql.transport.negotiation import media_type
from tests.support.api import Api, ApiClient

GRAPHQL_JSON = "application/graphql-response+json"
JSON = "application/json"


async def post(client: ApiClient, body: Any, accept: str = GRAPHQL_JSON, content_type: str = JSON) -> Any:
    """Send a body as it stands."""
    content = body if isinstance(body, str | bytes) else json.dumps(body)
    headers = client.headers | {"Accept": accept, "Content-Type": content_type}
    return await client.http.post("/graphql", content=content, headers=headers)


def codes(response: Any) -> list[str]:
    """Return the codes of a response's errors."""
    return [error["extensions"]["code"] for error in response.json()["errors"]]


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("*/*", JSON),
        ("application/json", JSON),
        (GRAPHQL_JSON, GRAPHQL_JSON),
        (f"{GRAPHQL_JSON}, application/json;q=0.9", GRAPHQL_JSON),
        (f"{JSON}, {GRAPHQL_JSON}", JSON),
        (f"{GRAPHQL_JSON};q=0.5, {JSON};q=0.8", JSON),
        ("application/*", GRAPHQL_JSON),
        ("text/html", JSON),
        (f"{GRAPHQL_JSON};q=nonsense", JSON),
        (f"{GRAPHQL_JSON};q=inf, {JSON}", JSON),
        (f"{GRAPHQL_JSON} ; Q=0.5 , {JSON} ; q = 0.8", JSON),
        (f'text/x;a=",{JSON},", {GRAPHQL_JSON}', GRAPHQL_JSON),
    ],
)
def test_the_response_has_the_media_type_that_the_client_prefers(accept: str, expected: str) -> None:
    """By weight, then by place; who asks for anything gets plain JSON."""
    assert media_type(accept) == expected


@pytest.mark.parametrize("accept", [JSON, GRAPHQL_JSON])
async def test_a_result_is_200_in_either_media_type(as_admin: ApiClient, accept: str) -> None:
    """Data makes a response a success."""
    response = await post(as_admin, {"query": "{ tenant { name } }"}, accept)
    assert response.status_code == 200
    assert response.headers["content-type"] == f"{accept}; charset=utf-8"
    assert response.json()["data"] == {"tenant": {"name": "Acme"}}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"query": "{ tenant { name "}, "GRAPHQL_PARSE_FAILED"),
        ({"query": "{ tenant { nonsense } }"}, "GRAPHQL_VALIDATION_FAILED"),
        ({"query": "query ($id: ID!) { node(id: $id) { id } }"}, "BAD_VARIABLES"),
        ({"query": "query A { tenant { name } } query B { tenant { name } }"}, "BAD_REQUEST"),
    ],
)
async def test_a_document_that_cannot_run_is_400_or_in_plain_json_200(
    as_admin: ApiClient, body: dict[str, Any], code: str
) -> None:
    """Nothing was executed, so there is no data in either media type."""
    response = await post(as_admin, body)
    assert (response.status_code, codes(response)) == (400, [code])
    assert "data" not in response.json()
    plain = await post(as_admin, body, JSON)
    assert (plain.status_code, codes(plain)) == (200, [code])
    assert "data" not in plain.json()


async def test_the_name_says_which_operation_runs(as_admin: ApiClient) -> None:
    """Also when another one comes first."""
    document = "query A { tenant { id } } query B { tenant { name } }"
    response = await post(as_admin, {"query": document, "operationName": "B"})
    assert response.json()["data"] == {"tenant": {"name": "Acme"}}


@pytest.mark.parametrize("accept", [JSON, GRAPHQL_JSON])
@pytest.mark.parametrize(
    "body",
    [
        "{",
        "nonsense",
        b'{"query": "\xff"}',
        '"{ tenant { name } }"',
        "[]",
        [{"query": "{ tenant { name } }"}],
        {},
        {"query": None},
        {"query": 5},
        {"query": "{ tenant { name } }", "variables": []},
        {"query": "{ tenant { name } }", "variables": "{}"},
        {"query": "{ tenant { name } }", "operationName": {}},
        {"query": "{ tenant { name } }", "operationName": "Other"},
        {"query": "{ tenant { name } }", "extensions": 5},
    ],
)
async def test_a_body_that_cannot_be_read_is_400(as_admin: ApiClient, body: Any, accept: str) -> None:
    """Not JSON, not an object, or parameters of the wrong types; several operations in one array neither."""
    response = await post(as_admin, body, accept)
    assert (response.status_code, codes(response)) == (400, ["BAD_REQUEST"])


@pytest.mark.parametrize(
    "content_type",
    [
        *("", "text/plain", "multipart/form-data", "application/x-www-form-urlencoded"),
        *("application/json; charset=latin-1", "application/json; profile=x; charset=utf-16"),
        *("application/json; charset=nonsense", "application/jsonp", 'text/plain; a="; application/json"'),
    ],
)
async def test_a_body_that_a_foreign_page_could_send_is_415(as_admin: ApiClient, content_type: str) -> None:
    """Only JSON is read, which browsers do not send across origins without asking first."""
    response = await post(as_admin, {"query": "{ tenant { name } }"}, content_type=content_type)
    assert (response.status_code, codes(response)) == (415, ["BAD_REQUEST"])


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json; charset=utf-8; profile=x",
        "application/json; odata=verbose",
        "application/json; charset = utf-8",
        "application/json; charset=utf8",
        "Application/JSON;CharSet='UTF-8'".replace("'", '"'),
        'application/json; profile="a;charset=latin-1"; charset=UTF-8',
        "application/json;",
        "application/json; charset=",
    ],
)
async def test_only_another_charset_refuses_json(as_admin: ApiClient, content_type: str) -> None:
    """Whatever else a client says of its body; a mark in front of it means nothing."""
    for mark in (b"", b"\xef\xbb\xbf"):
        response = await post(as_admin, mark + b'{"query": "{ tenant { name } }"}', content_type=content_type)
        assert response.status_code == 200, response.text


@pytest.mark.parametrize("encoding", ["gzip", "br", "identity, gzip", "x-nonsense", "Deflate"])
async def test_a_compressed_body_is_415(as_admin: ApiClient, encoding: str) -> None:
    """The answer says what is understood; `identity` says nothing."""
    headers = as_admin.headers | {"Content-Type": JSON, "Content-Encoding": encoding}
    refused = await as_admin.http.post("/graphql", content=gzip.compress(b"{}"), headers=headers)
    assert (refused.status_code, codes(refused)) == (415, ["BAD_REQUEST"])
    assert "compressed" in refused.json()["errors"][0]["message"]
    assert refused.headers["accept-encoding"] == "identity"
    plain = json.dumps({"query": "{ tenant { name } }"})
    accepted = await as_admin.http.post("/graphql", content=plain, headers=headers | {"Content-Encoding": "identity"})
    assert accepted.status_code == 200


async def test_what_a_client_accepts_may_come_in_several_lines(as_admin: ApiClient) -> None:
    """As if they were one."""
    for lines, expected in (
        (["text/html", f"{GRAPHQL_JSON}"], GRAPHQL_JSON),
        ([f"{JSON};q=0.1", "image/png", GRAPHQL_JSON], GRAPHQL_JSON),
        ([JSON, "text/event-stream"], JSON),
        (["image/png", "text/event-stream"], "text/event-stream"),
    ):
        headers = [*as_admin.headers.items(), ("Content-Type", JSON), *(("Accept", line) for line in lines)]
        response = await as_admin.http.post("/graphql", content='{"query": "{ tenant { name } }"}', headers=headers)
        assert response.headers["content-type"].startswith(expected)


async def test_what_is_empty_is_as_left_out(as_admin: ApiClient) -> None:
    """Forms of tools send all fields that they have."""
    query = "query A { tenant { name } }"
    empty = {"query": query, "operationName": "", "variables": "", "extensions": ""}
    by_get = await as_admin.http.get("/graphql", params=empty, headers=as_admin.headers)
    assert by_get.json()["data"] == {"tenant": {"name": "Acme"}}
    for name in ("", None):
        by_post = await post(as_admin, {"query": query, "operationName": name})
        assert by_post.json()["data"] == {"tenant": {"name": "Acme"}}
    two = await post(as_admin, {"query": "query A { tenant { id } } query B { tenant { id } }", "operationName": ""})
    assert codes(two) == ["BAD_REQUEST"]


@pytest.mark.parametrize("parameters", [{}, {"query": ""}, {"variables": "{}"}, {"operationName": "A"}])
async def test_get_without_a_query_says_what_is_missing(as_admin: ApiClient, parameters: dict[str, str]) -> None:
    """And so does a body without one."""
    by_get = await as_admin.http.get("/graphql", params=parameters, headers=as_admin.headers)
    by_post = await post(as_admin, {"operationName": "A"})
    for response in (by_get, by_post):
        assert (response.status_code, codes(response)) == (400, ["BAD_REQUEST"])
        assert "`query` is missing" in response.json()["errors"][0]["message"]


async def test_a_batch_is_told_that_there_are_none(as_admin: ApiClient) -> None:
    """Each operation of it, as clients that make batches look for an answer to each; a huge one is told once."""
    operation = {"query": "{ tenant { name } }"}
    for size in (0, 1, 2, 10, 5_000):
        response = await post(as_admin, [operation] * size)
        assert response.status_code == 400
        told = response.json() if 2 <= size <= 100 else [response.json()]
        assert len(told) == (size if 2 <= size <= 100 else 1)
        for one in told:
            assert "Batching is off" in one["errors"][0]["message"]


async def test_a_body_of_more_than_4_mib_is_413(as_admin: ApiClient) -> None:
    """Whether its length is announced or not."""
    body = json.dumps({"query": "{ tenant { name } }", "padding": "x" * 4 * 1024 * 1024})
    announced = await post(as_admin, body)
    assert (announced.status_code, codes(announced)) == (413, ["BAD_REQUEST"])

    async def parts() -> Any:
        for start in range(0, len(body), 65_536):
            yield body[start : start + 65_536].encode()

    headers = as_admin.headers | {"Content-Type": JSON}
    streamed = await as_admin.http.post("/graphql", content=parts(), headers=headers)
    assert (streamed.status_code, codes(streamed)) == (413, ["BAD_REQUEST"])


async def test_queries_may_come_by_get(as_admin: ApiClient) -> None:
    """The parameters are those of the body, variables as JSON."""
    query = "query ($id: ID!) { node(id: $id) { id } tenant { id } }"
    tenant = await as_admin.value("{ tenant { id } }")
    parameters = {"query": query, "variables": json.dumps({"id": tenant["id"]})}
    response = await as_admin.http.get("/graphql", params=parameters, headers=as_admin.headers)
    assert response.status_code == 200
    assert response.json()["data"] == {"node": tenant, "tenant": tenant}
    broken = await as_admin.http.get("/graphql", params={"query": query, "variables": "{"}, headers=as_admin.headers)
    assert broken.status_code == 400


async def test_mutations_by_get_are_405_and_do_nothing(as_admin: ApiClient) -> None:
    """A link must not change anything."""
    mutation = 'mutation { updateTenant(input: {changes: {name: "Evil"}}) { tenant { name } } }'
    response = await as_admin.http.get("/graphql", params={"query": mutation}, headers=as_admin.headers)
    assert response.status_code == 405
    assert response.headers["allow"] == "POST"
    assert (await as_admin.value("{ tenant { name } }")) == {"name": "Acme"}


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
async def test_other_methods_are_405(as_admin: ApiClient, method: str) -> None:
    """Only GET and POST are understood."""
    response = await as_admin.http.request(method, "/graphql", headers=as_admin.headers)
    assert response.status_code == 405
    assert response.headers["allow"] == "GET, POST"


async def test_a_browser_gets_a_page_that_needs_nothing_from_elsewhere(api: Api) -> None:
    """It works without the internet and without a credential, and runs nothing but its own script."""
    response = await api.http.get("/graphql", headers={"Accept": "text/html,application/xhtml+xml"})
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/html")
    assert "http://" not in response.text
    assert "https://" not in response.text
    assert "default-src 'none'" in response.headers["content-security-policy"]
    assert "script-src 'sha256-" in response.headers["content-security-policy"]


async def test_page_and_introspection_can_be_switched_off(settings: Settings, admin: Principal, api: Api) -> None:
    """An operator decides."""
    closed = settings.model_copy(update={"is_ide_enabled": False, "is_introspection_enabled": False})
    async with Api(closed, api.now).opened() as quiet:
        page = await quiet.http.get("/graphql", headers={"Accept": "text/html"})
        assert page.status_code == 401
        client = quiet.acting_as(admin)
        assert await client.errors('{ __type(name: "Query") { name } }') == ["GRAPHQL_VALIDATION_FAILED"]
        assert await client.value("{ tenant { __typename } }") == {"__typename": "Tenant"}
    assert await api.acting_as(admin).value("{ __schema { queryType { name } } }") == {"queryType": {"name": "Query"}}


async def test_machines_learn_how_the_process_is(api: Api) -> None:
    """`/healthz` tells that it answers, `/readyz` that the database does too and is migrated."""
    assert (await api.http.get("/healthz")).json() == {"status": "ok"}
    assert (await api.http.get("/readyz")).json() == {"status": "ok"}


async def test_nobody_is_sent_elsewhere(as_admin: ApiClient) -> None:
    """A redirect would take a credential along, to whatever host and scheme the server believes to be its own."""
    for path in ("/graphql/", "/readyz/", "/export/mandatory-tasks.csv/"):
        for method in ("GET", "POST"):
            response = await as_admin.http.request(method, path, headers=as_admin.headers)
            assert (response.status_code, response.headers.get("location")) == (404, None)


async def test_responses_are_not_stored_by_caches(as_admin: ApiClient) -> None:
    """Results depend on who asks."""
    response = await as_admin.post("{ tenant { name } }")
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["vary"] == "Accept, Authorization"


def test_the_schema_is_built_once() -> None:
    """Caches of parsing and validation hang on it."""
    assert schema() is schema()


async def test_a_client_that_goes_away_while_sending_is_no_failure_of_ours(
    api: Api, admin: Principal, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is logged as unexpected, and the connection to the database is given back."""
    client = api.acting_as(admin)
    endpoint = GraphQLEndpoint(schema(), settings, lambda: api.now, FeedReaders(""))
    headers = [(b"content-type", b"application/json"), (b"authorization", client.headers["Authorization"].encode())]
    scope = {"type": "http", "method": "POST", "path": "/graphql", "headers": headers, "query_string": b""}
    messages = [{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}]
    sent: list[Any] = []

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    await endpoint(scope, receive, send)
    assert sent[0]["status"] == 400
    assert [record for record in caplog.records if record.name == "mandate.api"] == []


async def test_a_subscription_needs_a_way_to_go_on(as_admin: ApiClient) -> None:
    """Asked for as one answer it is refused, and nothing has failed."""
    response = await post(as_admin, {"query": "subscription { enrollmentChanges { cursor } }"})
    assert (response.status_code, codes(response)) == (400, ["BAD_REQUEST"])
    assert "text/event-stream" in response.json()["errors"][0]["message"]
