"""Documents that are named instead of sent: by hash as they come, or only those that an operator has named.

Whatever way a request comes in.
"""

import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from domain.foundation.access import Principal
from domain.foundation.settings import BadSettings, Settings
from gql.execution import persisted_documents
from gql.transport.app import create_app
from tests.support import factories
from tests.support.api import Api
from tests.support.event_stream import EventStream
from tests.support.live import LiveServer, Socket, serving

NAME = "{ tenant { name } }"
ACME = {"tenant": {"name": "Acme"}}
NEWS = "subscription ($after: String) { notificationsReceived(after: $after) { cursor } }"
NOT_FOUND = "PERSISTED_QUERY_NOT_FOUND"
NOT_TRUSTED = "DOCUMENT_NOT_TRUSTED"
GRAPHQL_JSON = "application/graphql-response+json"

#: Sends a request and returns the body of its answer.
Ask = Callable[..., Awaitable[dict[str, Any]]]


def named(query: str, *, hash: str | None = None, **others: Any) -> dict[str, Any]:
    """Return the extensions that name a document."""
    digest = hash or hashlib.sha256(query.encode()).hexdigest()
    return {"persistedQuery": {"version": 1, "sha256Hash": digest, **others}}


def code_of(answer: dict[str, Any]) -> str:
    """Return the code of the only error of an answer that has no data."""
    assert answer.get("data") is None, answer
    [error] = answer["errors"]
    return str(error["extensions"]["code"])


def asking(api: Api, live: LiveServer, principal: Principal, way: str) -> Ask:
    """Return a way to ask."""
    headers = api.acting_as(principal).headers
    sockets: list[Socket] = []

    async def by_get(**request: Any) -> dict[str, Any]:
        parameters = {name: value if name == "query" else json.dumps(value) for name, value in request.items()}
        async with httpx.AsyncClient() as http:
            return dict((await http.get(live.url, params=parameters, headers=headers)).json())

    async def by_post(**request: Any) -> dict[str, Any]:
        async with httpx.AsyncClient() as http:
            return dict((await http.post(live.url, json=request, headers=headers)).json())

    async def by_events(**request: Any) -> dict[str, Any]:
        accepting = headers | {"Accept": "text/event-stream"}
        async with httpx.AsyncClient() as http, http.stream("POST", live.url, json=request, headers=accepting) as body:
            if body.status_code != 200:
                return dict(json.loads(await body.aread()))
            return dict((await EventStream(body).event())[1])

    async def by_socket(**request: Any) -> dict[str, Any]:
        if not sockets:
            sockets.append(await live.acting_as(principal))
        [socket] = sockets
        stream = await socket.subscribe(NAME)
        await stream.message()
        await stream.message()
        await socket.send({"id": stream.id, "type": "subscribe", "payload": request})
        message = await stream.message()
        return dict(message["payload"]) if message["type"] == "next" else {"errors": message["payload"]}

    return {"GET": by_get, "POST": by_post, "events": by_events, "socket": by_socket}[way]


WAYS = ["GET", "POST", "events", "socket"]


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    """How a request comes in."""
    return str(request.param)


@pytest.fixture
def ask(api: Api, live: LiveServer, admin: Principal, way: str) -> Ask:
    """How an administrator asks."""
    return asking(api, live, admin, way)


async def test_a_document_is_known_by_its_hash_once_it_was_sent(ask: Ask) -> None:
    """Clients ask by the hash, are told that it is not known, send both, and ask by the hash from then on."""
    missing = await ask(extensions=named(NAME))
    assert (code_of(missing), missing["errors"][0]["message"]) == (NOT_FOUND, "PersistedQueryNotFound")
    assert (await ask(query=NAME, extensions=named(NAME)))["data"] == ACME
    assert (await ask(extensions=named(NAME)))["data"] == ACME
    upper = hashlib.sha256(NAME.encode()).hexdigest().upper()
    assert (await ask(extensions=named(NAME, hash=upper)))["data"] == ACME


async def test_a_document_that_came_one_way_is_known_every_way(api: Api, live: LiveServer, admin: Principal) -> None:
    """And an empty document says no more than none."""
    assert (await asking(api, live, admin, "POST")(query=NAME, extensions=named(NAME)))["data"] == ACME
    for way in WAYS:
        assert (await asking(api, live, admin, way)(extensions=named(NAME)))["data"] == ACME
    assert (await asking(api, live, admin, "POST")(query="", extensions=named(NAME)))["data"] == ACME


@pytest.mark.parametrize(
    "extensions",
    [
        named(NAME, hash="0" * 64),
        named(NAME + " "),
        named(NAME, version=2),
        named(NAME, version=True),
        named(NAME, version="1"),
        {"persistedQuery": {"version": 1}},
        {"persistedQuery": {"version": 1, "sha256Hash": 5}},
        {"persistedQuery": {"version": 1, "sha256Hash": "x" * 5_000}},
        {"persistedQuery": {"version": 1, "sha256Hash": ""}},
        {"persistedQuery": []},
        {"persistedQuery": "x"},
    ],
)
async def test_a_hash_has_to_be_that_of_the_document(ask: Ask, extensions: dict[str, Any]) -> None:
    """Or others would run something else under it; nothing is kept."""
    assert code_of(await ask(query=NAME, extensions=extensions)) == "BAD_REQUEST"
    assert code_of(await ask(extensions=named(NAME))) == NOT_FOUND


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ("{ tenant {", "GRAPHQL_PARSE_FAILED"),
        ("{ tenant { nonsense } }", "GRAPHQL_VALIDATION_FAILED"),
        (f"{{ {' '.join(f'a{number}: tenant {{ name }}' for number in range(40))} }}", "QUERY_TOO_EXPENSIVE"),
        (f"{{ {'tenant { name } ' * 400} }}", "QUERY_TOO_EXPENSIVE"),
    ],
)
async def test_what_may_not_run_is_not_kept(ask: Ask, document: str, code: str) -> None:
    """Limits are those of any document."""
    assert code_of(await ask(query=document, extensions=named(document))) == code
    assert code_of(await ask(extensions=named(document))) == NOT_FOUND


async def test_a_name_changes_nothing_about_what_may_run(api: Api, live: LiveServer, admin: Principal) -> None:
    """Mutations by GET are refused under any name, and everybody has their own rights."""
    mutation = 'mutation { updateTenant(input: { changes: { name: "Evil" } }) { tenant { name } errors { code } } }'
    learner = await factories.create_person(admin.tenant_id)
    post = asking(api, live, admin, "POST")
    assert (await post(query=mutation, extensions=named(mutation)))["data"]["updateTenant"]["errors"] == []
    assert "Only queries" in (await asking(api, live, admin, "GET")(extensions=named(mutation)))["errors"][0]["message"]
    as_learner = await asking(api, live, learner, "POST")(extensions=named(mutation))
    assert as_learner["errors"][0]["extensions"]["code"] == "FORBIDDEN"


async def test_nobody_learns_what_others_ask(api: Api, live: LiveServer, admin: Principal) -> None:
    """Neither without a credential nor in another tenant."""
    async with httpx.AsyncClient() as http:
        assert (await http.post(live.url, json={"query": NAME, "extensions": named(NAME)})).status_code == 401
    assert code_of(await asking(api, live, admin, "POST")(extensions=named(NAME))) == NOT_FOUND
    await asking(api, live, admin, "POST")(query=NAME, extensions=named(NAME))
    async with httpx.AsyncClient() as http:
        assert (await http.post(live.url, json={"extensions": named(NAME)})).status_code == 401
    other = await factories.create_tenant()
    stranger = await factories.create_person(other.id)
    assert code_of(await asking(api, live, stranger, "POST")(extensions=named(NAME))) == NOT_FOUND


async def test_streams_have_names_too(api: Api, live: LiveServer, admin: Principal) -> None:
    """Over both ways that lead to them."""
    for way, document in (("socket", NEWS), ("events", NEWS + "#")):
        ask = asking(api, live, admin, way)
        assert code_of(await ask(extensions=named(document))) == NOT_FOUND
        first = await ask(query=document, extensions=named(document))
        again = await ask(extensions=named(document), variables={})
        for answer in (first, again):
            assert answer["data"]["notificationsReceived"]["cursor"]


@pytest.mark.parametrize("accept", ["application/json", GRAPHQL_JSON, "*/*"])
async def test_clients_are_told_by_200_to_send_the_document(
    api: Api, live: LiveServer, admin: Principal, accept: str
) -> None:
    """After any other status they take it for a server that knows no hashes."""
    headers = api.acting_as(admin).headers | {"Accept": accept}
    async with httpx.AsyncClient(headers=headers) as http:
        assert (await http.post(live.url, json={"extensions": named(NAME)})).status_code == 200
        by_get = await http.get(live.url, params={"extensions": json.dumps(named(NAME))})
        assert (by_get.status_code, by_get.headers["cache-control"]) == (200, "no-store")


async def test_what_is_kept_is_bounded_by_bytes(
    api: Api, live: LiveServer, admin: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that nobody has asked for longest go."""
    ask = asking(api, live, admin, "POST")
    monkeypatch.setattr(persisted_documents, "MAX_REMEMBERED_BYTES", 20_000)
    documents = [f"{{ tenant {{ name }} }} # {number:02} {'x' * 3_000}" for number in range(10)]
    for document in documents:
        await ask(query=document, extensions=named(document))
        assert (await ask(extensions=named(documents[0])))["data"] == ACME
    answers = [await ask(extensions=named(document)) for document in documents]
    assert [number for number, answer in enumerate(answers) if "errors" not in answer] == [0, 6, 7, 8, 9]


@pytest.fixture
async def trusting(api: Api, live_settings: Settings, tmp_path: Path) -> AsyncIterator[LiveServer]:
    """A server that runs some documents only."""
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "name.graphql").write_text(NAME + "\n")
    manifest = {"operations": [{"id": "news-1", "name": "News", "type": "subscription", "body": NEWS}]}
    (tmp_path / "manifest.json").write_text(json.dumps({"format": "apollo-persisted-query-manifest", **manifest}))
    (tmp_path / "ids.json").write_text(json.dumps({"role": "{ viewer { role } }"}))
    (tmp_path / "notes.txt").write_text("{ tenant { id } }")
    async with serving(api, live_settings.model_copy(update={"trusted_documents": tmp_path})) as live:
        yield live


async def test_only_trusted_documents_run(api: Api, trusting: LiveServer, admin: Principal, way: str) -> None:
    """By hash, by ID and by exact text; nothing else, and nothing becomes trusted by being sent."""
    ask = asking(api, trusting, admin, "GET" if way == "socket" else way)
    if way == "socket":
        socket = await trusting.acting_as(admin)
        stream = await socket.subscribe(NAME + " ")
        assert await stream.errors() == [NOT_TRUSTED]
        assert (await (await socket.subscribe(NAME)).message())["payload"]["data"] == ACME
    for request in (
        {"query": NAME},
        {"query": NAME + "\n"},
        {"extensions": named(NAME)},
        {"query": NAME, "extensions": named(NAME)},
    ):
        assert (await ask(**request))["data"] == ACME
    assert (await ask(extensions=named("", hash="role")))["data"] == {"viewer": {"role": "ADMIN"}}
    for request in (
        {"query": NAME + " "},
        {"query": "{ tenant { id } }"},
        {"query": "{ __schema { types { name } } }"},
        {"query": NAME + " ", "extensions": named(NAME + " ")},
        {"extensions": named(NAME + " ")},
        {"extensions": named("", hash="Role")},
    ):
        assert code_of(await ask(**request)) == NOT_TRUSTED
    assert code_of(await ask(query=NAME, extensions=named("", hash="role"))) == "BAD_REQUEST"
    if way == "events":
        by_id = await ask(extensions=named("", hash="news-1"))
        assert by_id["data"]["notificationsReceived"]["cursor"]


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"a.txt": "{ tenant { name } }"},
        {"a.json": "["},
        {"a.json": "[]"},
        {"a.json": '{"a": 1}'},
        {"a.json": '{"operations": [{"id": "a"}]}'},
        {"a.json": '{"a": "{ tenant { id } }"}', "b.json": '{"a": "{ tenant { name } }"}'},
        {"a.graphql": b"\xff"},
    ],
)
def test_documents_that_cannot_be_read_keep_a_process_from_starting(
    settings: Settings, tmp_path: Path, files: dict[str, Any]
) -> None:
    """Rather than with fewer than were meant, or with all."""
    for name, content in files.items():
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(BadSettings, match="TRUSTED_DOCUMENTS"):
            create_app(settings.model_copy(update={"trusted_documents": path}))
