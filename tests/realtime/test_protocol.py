"""The protocol of the sockets: what is a message and what is not, what ends an operation and what ends a connection.

The close codes decide what the reference client does: it comes back after 1012, 1013, 4403 and 4408 and after no other.
"""

import asyncio
import contextlib
from datetime import timedelta
from typing import Any

import orjson
import pytest
import websockets

from domain.foundation.access import Principal
from domain.foundation.database.sessions import writing
from gql.contract.ids import LEARNER, encode
from gql.execution import streaming
from gql.transport import http
from tests.support.api import Api
from tests.support.live import PATIENCE, LiveServer, Socket, code_after

NEWS = "subscription ($after: String) { notificationsReceived(after: $after) { cursor notifications { title } } }"
TENANT = "{ tenant { name } }"
INIT = {"type": "connection_init"}


@pytest.fixture
async def socket(live: LiveServer, admin: Principal) -> Socket:
    """An acknowledged connection of an administrator."""
    return await live.acting_as(admin)


@pytest.mark.parametrize(
    "message",
    [
        pytest.param("{", id="not JSON"),
        pytest.param("", id="nothing"),
        pytest.param(b'{"type": "ping"}', id="binary"),
        pytest.param([], id="array"),
        pytest.param([{"type": "ping"}], id="array of messages"),
        pytest.param({"type": "ping", "payload": {"x": [0] * 20_001}}, id="too many values"),
        pytest.param("null", id="null"),
        pytest.param('"ping"', id="text"),
        pytest.param({}, id="no type"),
        pytest.param({"type": 1}, id="type is a number"),
        pytest.param({"type": ["ping"]}, id="type is a list"),
        pytest.param({"type": "start", "id": "1", "payload": {"query": TENANT}}, id="of the older protocol"),
        pytest.param({"type": "next", "id": "1", "payload": {}}, id="what servers say"),
        pytest.param({"type": "ping", "payload": []}, id="ping with a list"),
        pytest.param({"type": "pong", "payload": "x"}, id="pong with a text"),
        pytest.param({"type": "complete"}, id="complete of nothing"),
        pytest.param({"type": "complete", "id": 1}, id="complete of a number"),
        pytest.param({"type": "subscribe", "payload": {"query": TENANT}}, id="no id"),
        pytest.param({"type": "subscribe", "id": "", "payload": {"query": TENANT}}, id="empty id"),
        pytest.param({"type": "subscribe", "id": 1, "payload": {"query": TENANT}}, id="id is a number"),
        pytest.param({"type": "subscribe", "id": None, "payload": {"query": TENANT}}, id="id is null"),
        pytest.param({"type": "subscribe", "id": "1"}, id="no payload"),
        pytest.param({"type": "subscribe", "id": "1", "payload": None}, id="payload is null"),
        pytest.param({"type": "subscribe", "id": "1", "payload": [TENANT]}, id="payload is a list"),
        pytest.param({"type": "subscribe", "id": "1", "payload": {}}, id="no query"),
        pytest.param({"type": "subscribe", "id": "1", "payload": {"query": 1}}, id="query is a number"),
        pytest.param(
            {"type": "subscribe", "id": "1", "payload": {"query": TENANT, "variables": []}}, id="variables are a list"
        ),
        pytest.param(
            {"type": "subscribe", "id": "1", "payload": {"query": TENANT, "operationName": 1}}, id="name is a number"
        ),
        pytest.param(
            {"type": "subscribe", "id": "1", "payload": {"query": TENANT, "extensions": "x"}},
            id="extensions are text",
        ),
    ],
)
async def test_what_is_no_message_closes_with_4400(socket: Socket, message: Any) -> None:
    """Clients that say it have to be repaired, and shall not come back to say it again."""
    assert await code_after(socket.connection, message) == 4400


async def test_a_message_has_at_most_4_mib(live: LiveServer, socket: Socket) -> None:
    """As a body has, before anybody is known as well; clients do not come back to say it again."""
    padding = {"x": "x" * 4_000_000}
    message = {"id": "1", "type": "subscribe", "payload": {"query": TENANT, "extensions": padding}}
    await socket.send(message)
    assert (await socket.receive())["type"] == "next"
    padding["y"] = "y" * 200_000
    assert await code_after(socket.connection, message) == 1009
    assert await code_after(await live.connect(), {**INIT, "payload": {"x": "x" * 4 * 2**20}}) == 1009


@pytest.mark.parametrize("payload", [[], "Bearer", 0, 1, True, ""])
async def test_the_payload_of_the_beginning_is_an_object(live: LiveServer, payload: Any) -> None:
    """Or null, or left out: without credentials that is Forbidden and not malformed."""
    assert await code_after(await live.connect(), {**INIT, "payload": payload}) == 4400
    for message in (INIT, {**INIT, "payload": None}, {**INIT, "payload": {}}):
        assert await code_after(await live.connect(), message) == 4403


async def test_an_operation_before_the_acknowledgement_closes_with_4401(live: LiveServer) -> None:
    """Whatever it asks."""
    message = {"id": "1", "type": "subscribe", "payload": {"query": TENANT}}
    assert await code_after(await live.connect(), message) == 4401


async def test_a_second_beginning_closes_with_4429(live: LiveServer, api: Api, admin: Principal) -> None:
    """Also one that is sent before the first is acknowledged."""
    payload = {"authorization": api.acting_as(admin).headers["Authorization"]}
    socket = await live.acting_as(admin)
    assert await code_after(socket.connection, INIT) == 4429
    assert await code_after(await live.connect(), {**INIT, "payload": payload}, INIT) == 4429


async def test_who_does_not_begin_in_time_is_closed_with_4408(
    live: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pings do not count."""
    assert timedelta(seconds=10) == http.INIT_TIMEOUT
    monkeypatch.setattr(live.endpoint, "connection_init_wait_timeout", timedelta(seconds=0.2))
    assert await code_after(await live.connect(), {"type": "ping"}) == 4408


@pytest.mark.parametrize("subprotocols", [["graphql-ws"], ["soap"], None])
async def test_other_subprotocols_are_closed_with_4406(live: LiveServer, subprotocols: list[str] | None) -> None:
    """The older protocol of GraphQL too."""
    connection = await live.connect(subprotocols=subprotocols)
    assert connection.subprotocol is None
    assert await code_after(connection) == 4406


async def test_the_subprotocol_is_picked_among_others(live: LiveServer) -> None:
    """Whatever else the client knows."""
    connection = await live.connect(subprotocols=["graphql-ws", "graphql-transport-ws"])
    assert connection.subprotocol == "graphql-transport-ws"
    await connection.close()


async def test_an_id_in_use_closes_with_4409(socket: Socket) -> None:
    """It may be used again after its end, and then again."""
    for _ in range(2):
        stream = await socket.follow(NEWS)
        await stream.complete()
        message = {"id": stream.id, "type": "subscribe", "payload": {"query": NEWS}}
        await socket.send(message)
        await stream.batch()
        await stream.complete()
    await socket.send(message)
    await socket.send(message)
    assert await socket.closed() == 4409


async def test_pings_are_answered_at_any_time(live: LiveServer, admin: Principal) -> None:
    """Before the beginning, and between operations; pongs are not."""
    connection = await live.connect()
    await connection.send('{"type": "pong"}')
    await connection.send('{"type": "ping", "payload": {"sent": 1}}')
    assert orjson.loads(await connection.recv()) == {"type": "pong"}
    await connection.close()
    socket = await live.acting_as(admin)
    await socket.send({"type": "ping", "payload": None})
    assert await socket.receive() == {"type": "pong"}


BROKEN: list[tuple[str, dict[str, Any], str]] = [
    ("subscription {", {}, "GRAPHQL_PARSE_FAILED"),
    ("", {}, "BAD_REQUEST"),
    ("  # nothing", {}, "GRAPHQL_PARSE_FAILED"),
    ("fragment A on Tenant { name }", {}, "BAD_REQUEST"),
    ("query A { tenant { name } } query B { tenant { name } }", {}, "BAD_REQUEST"),
    ("subscription { nothing { cursor } }", {}, "GRAPHQL_VALIDATION_FAILED"),
    (
        "subscription { notificationsReceived { cursor } backgroundJobChanges { cursor } }",
        {},
        "GRAPHQL_VALIDATION_FAILED",
    ),
    ("{ nothing }", {}, "GRAPHQL_VALIDATION_FAILED"),
    (TENANT + " " * 65_536, {}, "QUERY_TOO_EXPENSIVE"),
    (f"{{ {'a' * 101}: tenant {{ name }} }}", {}, "QUERY_TOO_EXPENSIVE"),
    (
        "subscription ($l: [EnrollmentStatus!]) { enrollmentChanges(filter: {statuses: $l}) { cursor } }",
        {"l": ["COMPLETED"] * 101},
        "TOO_MANY_ITEMS",
    ),
    (NEWS, {"after": 1}, "BAD_VARIABLES"),
    ("query ($first: Int!) { learners(first: $first) { totalCount } }", {}, "BAD_VARIABLES"),
    (
        "{ learners(first: 100) { nodes { enrollments(first: 100) { nodes { learner { enrollments(first: 100) "
        "{ nodes { id } } } } } } } }",
        {},
        "QUERY_TOO_EXPENSIVE",
    ),
    (
        "subscription { enrollmentChanges { cursor changes { enrollment { learner { enrollments(first: 100) "
        "{ nodes { content { id } } } } } } } }",
        {},
        "QUERY_TOO_EXPENSIVE",
    ),
]


@pytest.mark.parametrize(("document", "variables", "code"), BROKEN)
async def test_an_operation_that_cannot_be_run_ends_alone(
    socket: Socket, document: str, variables: dict[str, Any], code: str
) -> None:
    """By `error`, with nothing after it; other operations of the connection do not notice."""
    other = await socket.follow(NEWS)
    broken = await socket.subscribe(document, **variables)
    assert set(await broken.errors()) == {code}
    whole = await socket.subscribe(TENANT)
    assert (await whole.message())["type"] == "next"
    assert (await whole.message())["type"] == "complete"
    await broken.silence(0)
    await other.silence(0)


@pytest.mark.parametrize("long", ["x" * 200, "ü" * 100, "x" + "😀" * 60, "\x00" * 4_000])
async def test_what_a_connection_ends_with_fits_into_its_last_frame(
    live: LiveServer, admin: Principal, long: str
) -> None:
    """However long what the client has said is: without a code it would not know that it has to be repaired."""
    socket = await live.acting_as(admin)
    message = {"id": long, "type": "subscribe", "payload": {"query": NEWS}}
    assert await code_after(socket.connection, message, message) == 4409
    assert len((socket.connection.close_reason or "").encode()) <= 123
    for bad in ({"type": long}, {"type": long, "id": long, "payload": {}}):
        socket = await live.acting_as(admin)
        assert await code_after(socket.connection, bad) == 4400


async def test_an_empty_name_is_none(socket: Socket) -> None:
    """As over HTTP."""
    stream = await socket.subscribe(TENANT)
    await stream.message()
    await stream.message()
    payload = {"query": "query A { tenant { name } }", "operationName": "", "extensions": {}}
    await socket.send({"id": stream.id, "type": "subscribe", "payload": payload})
    assert (await stream.message())["payload"]["data"] == {"tenant": {"name": "Acme"}}


async def test_an_operation_is_chosen_by_its_name(socket: Socket) -> None:
    """A name that the document does not have is the operation's own fault."""
    stream = await socket.subscribe(TENANT)
    await stream.message()
    await stream.message()
    for name, code in (("B", None), ("C", "BAD_REQUEST")):
        payload = {"query": "query A { viewer { role } } query B { tenant { name } }", "operationName": name}
        await socket.send({"id": stream.id, "type": "subscribe", "payload": payload})
        if code is None:
            assert (await stream.message())["payload"]["data"] == {"tenant": {"name": "Acme"}}
            assert (await stream.message())["type"] == "complete"
        else:
            assert await stream.errors() == [code]


async def test_queries_and_mutations_have_one_result(socket: Socket, learner: Principal) -> None:
    """Expected failures are part of it, as over HTTP."""
    assert learner.learner_id is not None
    change = """mutation ($input: UpdateLearnerInput!) { updateLearner(input: $input) {
      learner { name } errors { code path } } }"""
    for version, expected in ((1, {"learner": {"name": "Lea"}, "errors": []}), (1, None)):
        stream = await socket.subscribe(
            change,
            input={
                "learner": {"id": encode(LEARNER, learner.learner_id)},
                "expectedVersion": version,
                "changes": {"name": "Lea"},
            },
        )
        message = await stream.message()
        assert (message["type"], message["id"]) == ("next", stream.id)
        payload = message["payload"]["data"]["updateLearner"]
        if expected is None:
            assert payload == {
                "learner": None,
                "errors": [{"code": "VERSION_CONFLICT", "path": ["input", "expectedVersion"]}],
            }
        else:
            assert payload == expected
        assert await stream.message() == {"id": stream.id, "type": "complete"}
    missing = await socket.subscribe("query { learners(first: 0) { totalCount } tenant { name } }")
    payload = (await missing.message())["payload"]
    assert payload["data"] == {"learners": None, "tenant": {"name": "Acme"}}
    assert [error["extensions"]["code"] for error in payload["errors"]] == ["INVALID"]


async def test_nothing_follows_the_end_of_a_stream(api: Api, live: LiveServer, admin: Principal, now: Any) -> None:
    """Not even for what had happened before; an end of what is unknown or has ended is no fault."""
    socket = await live.acting_as(admin)
    stream = await socket.follow(NEWS)
    await stream.complete()
    await stream.complete()
    await socket.send({"id": "never", "type": "complete"})
    assert admin.learner_id is not None
    async with writing(admin.tenant_id) as sql:
        await sql.execute(
            "INSERT INTO change_pending (tenant_id, object_type, object_id, version, at)"
            " VALUES ($1, 'ACCOUNT', $2, 2, $3)",
            admin.tenant_id,
            admin.learner_id,
            now,
        )
    await stream.silence(0.5)


async def test_who_does_not_answer_pings_is_closed_with_1013(live: LiveServer, admin: Principal) -> None:
    """1011, which the server would use by itself, ends the reference client for good."""
    live.config.ws_ping_interval, live.config.ws_ping_timeout = 0.1, 0.2

    connection = await live.connect()
    # What is written from now on goes nowhere; what is read, arrives.
    connection.transport.write = lambda data: None  # type: ignore[method-assign]
    async with asyncio.timeout(PATIENCE):
        await connection.wait_closed()
    assert connection.close_code == 1013


async def test_silence_alone_ends_nothing(live: LiveServer, admin: Principal) -> None:
    """As long as pings are answered."""
    live.config.ws_ping_interval, live.config.ws_ping_timeout = 0.05, 0.2
    socket = await live.acting_as(admin)
    stream = await socket.follow(NEWS)
    await stream.silence(1)
    assert websockets.State.OPEN is socket.connection.state


@pytest.mark.parametrize("place", ["owe", "pay"])
async def test_an_operation_ends_although_its_cancellation_is_lost(
    live: LiveServer, admin: Principal, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Libraries that wait with a limit of time lose it now and then; the connection is free all the same."""

    async def lose(*_: Any) -> float:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(3)
        return 0.0

    if place == "owe":
        monkeypatch.setattr(streaming, "PAID_TOGETHER", 1)
        monkeypatch.setattr(streaming, "owe", lose)
    else:
        monkeypatch.setattr(streaming._Account, "pay", lose)
    socket = await live.acting_as(admin)
    stream = await socket.follow(NEWS)
    await (await socket.follow(NEWS)).complete()
    await asyncio.sleep(0.1)
    await socket.close()
    async with asyncio.timeout(2):
        while live.endpoint.connections.count:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
    await stream.silence(0)
