"""What is on a connection, byte by byte: where each request ends, whose answer is whose, and what is no request."""

import asyncio
import base64
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest

from domain.foundation.access import Principal
from domain.foundation.settings import Settings
from ops.web import http_transport
from tests.support import factories
from tests.support.api import Api
from tests.support.live import LiveServer, serving

NAME = orjson.dumps({"query": "{ viewer { actor { name } } }"})
NEWS = orjson.dumps({"query": "subscription { enrollmentChanges { cursor } }"})
KEY = base64.b64encode(b"0123456789abcdef")
#: What Java's HttpClient and `curl --http2` send along with their first request.
TO_HTTP_2 = (
    b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
    b"HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\n"
)
TO_WEBSOCKET = b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
HANDSHAKE = TO_WEBSOCKET + b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + KEY + b"\r\n"


@pytest.fixture
async def live(api: Api, settings: Settings) -> AsyncIterator[LiveServer]:
    """The application behind a real server."""
    async with serving(api, settings) as live:
        yield live


class Connection:
    """A connection to the server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self._writer = writer

    async def send(self, *parts: bytes) -> None:
        """Send each part in a segment of its own."""
        for number, part in enumerate(parts):
            if number:
                await asyncio.sleep(0.05)
            self._writer.write(part)
            await self._writer.drain()

    async def head(self) -> bytes:
        """Return status line and headers of the next answer."""
        return await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 5)

    async def answer(self) -> tuple[int, Any]:
        """Return status and body of the next answer that says how long it is."""
        head = await self.head()
        found = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        assert found is not None, head
        body = await asyncio.wait_for(self.reader.readexactly(int(found.group(1))), 5)
        return int(head.split()[1]), orjson.loads(body) if body.startswith(b"{") else body

    async def names(self) -> str:
        """Return the name that the next answer says."""
        status, body = await self.answer()
        assert status == 200, body
        name: str = body["data"]["viewer"]["actor"]["name"]
        return name

    async def rest(self, seconds: float = 5) -> bytes:
        """Return what comes until the server hangs up."""
        return await asyncio.wait_for(self.reader.read(), seconds)


@asynccontextmanager
async def connected(live: LiveServer) -> AsyncIterator[Connection]:
    """Open a connection to the server."""
    reader, writer = await asyncio.open_connection("127.0.0.1", live.port)
    try:
        yield Connection(reader, writer)
    finally:
        writer.close()


@pytest.fixture
async def connection(live: LiveServer) -> AsyncIterator[Connection]:
    """A connection to the server."""
    async with connected(live) as opened:
        yield opened


@pytest.fixture
def request_of(api: Api) -> Callable[..., bytes]:
    """How somebody's request is written."""

    def write(
        principal: Principal,
        extra: bytes = b"",
        body: bytes = NAME,
        *,
        framing: bytes | None = None,
        version: str = "1.1",
    ) -> bytes:
        authorization = api.acting_as(principal).headers["Authorization"].encode()
        length = b"Content-Length: %d\r\n" % len(body) if framing is None else framing
        lines = b"Host: localhost\r\nContent-Type: application/json\r\nAuthorization: %b\r\n" % authorization
        return b"POST /graphql HTTP/%b\r\n%b%b%b\r\n%b" % (version.encode(), lines, length, extra, body)

    return write


@pytest.fixture
async def people(admin: Principal) -> dict[str, Principal]:
    """Three people by their names."""
    return {name: await factories.create_person(admin.tenant_id, name=name) for name in ("Ada", "Ben", "Cid")}


@pytest.mark.parametrize(
    "wish",
    [
        TO_HTTP_2,
        TO_WEBSOCKET,
        HANDSHAKE,
        b"Connection: upgrade\r\nUpgrade: TLS/1.0, HTTP/1.1\r\n",
        b"Connection: keep-alive\r\nConnection: Upgrade\r\nUpgrade: foo\r\nUpgrade: websocket\r\n",
        b"Upgrade: h2c\r\n",
    ],
)
@pytest.mark.parametrize("cut", ["whole", "before the body", "in the body", "in the headers"])
async def test_a_wish_for_another_protocol_is_ignored(
    people: dict[str, Principal], connection: Connection, request_of: Callable[..., bytes], wish: bytes, cut: str
) -> None:
    """However the request is cut into segments, its body is its body, and what follows is the next request."""
    first, second = request_of(people["Ada"], wish), request_of(people["Ben"], wish)
    at = {"whole": 0, "before the body": len(first) - len(NAME), "in the body": len(first) - 5, "in the headers": 60}
    await connection.send(first[: at[cut]], first[at[cut] :] + second + request_of(people["Cid"]))
    assert [await connection.names() for _ in range(3)] == ["Ada", "Ben", "Cid"]


async def test_a_body_is_never_a_request(
    people: dict[str, Principal], connection: Connection, request_of: Callable[..., bytes]
) -> None:
    """Somebody's text that looks like a request, with credentials, is told as what it is: no JSON."""
    inner = request_of(people["Ben"])
    await connection.send(request_of(people["Ada"], TO_HTTP_2, b""), b"")
    assert (await connection.answer())[0] == 400
    await connection.send(request_of(people["Ada"], TO_HTTP_2, inner)[: -len(inner)], inner, request_of(people["Cid"]))
    status, body = await connection.answer()
    assert (status, body["errors"][0]["extensions"]["code"]) == (400, "BAD_REQUEST")
    assert await connection.names() == "Cid"


async def test_a_body_in_chunks_with_a_wish_for_another_protocol(
    people: dict[str, Principal], connection: Connection, request_of: Callable[..., bytes]
) -> None:
    """The other way to say where a body ends; what follows it is no header."""
    trailer = b"Authorization: nobody\r\nX-Padding: " + b"x" * 1_000 + b"\r\n"
    chunks = b"%x\r\n%b\r\n0\r\n%b\r\n" % (len(NAME), NAME, trailer)
    framing = b"Transfer-Encoding: chunked\r\n"
    for wish in (b"", TO_HTTP_2):
        await connection.send(request_of(people["Ada"], wish, chunks, framing=framing), request_of(people["Ben"]))
        assert [await connection.names() for _ in range(2)] == ["Ada", "Ben"]


async def test_answers_come_in_order_however_many_requests_wait(
    people: dict[str, Principal], connection: Connection, request_of: Callable[..., bytes]
) -> None:
    """More than are read at once, of different people, with long and short bodies."""
    padded = orjson.dumps({"query": "{ viewer { actor { name } } }", "padding": "x" * 20_000})
    names = [["Ada", "Ben", "Cid"][number % 3] for number in range(60)]
    requests = [
        request_of(people[name], TO_HTTP_2 if number % 7 == 0 else b"", padded if number % 5 == 0 else NAME)
        for number, name in enumerate(names)
    ]
    await connection.send(b"".join(requests))
    assert [await connection.names() for _ in names] == names


async def test_a_handshake_behind_a_request_waits_its_turn(
    people: dict[str, Principal], connection: Connection, request_of: Callable[..., bytes]
) -> None:
    """Its answer must not come before the one that is due: so it is an ordinary request."""
    handshake = b"GET /graphql HTTP/1.1\r\nHost: localhost\r\n" + HANDSHAKE + b"\r\n"
    await connection.send(request_of(people["Ada"]) + handshake)
    assert await connection.names() == "Ada"
    assert (await connection.answer())[0] in (400, 401)


BROKEN = [
    b"GET /healthz HTTP/1.1\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: a b\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: a/b\r\n\r\n",
    b"GET /healthz HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n",
    b"GET /graphql HTTP/1.1\r\n" + HANDSHAKE + b"\r\n",
    b"GET /healthz\r\n\r\n",
    b"GET /healthz HTTP/2.0\r\nHost: a\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"CONNECT /graphql HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST /graphql HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /graphql HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    b"POST /graphql HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    b"POST /graphql HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\nhello",
    b"POST /graphql HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nhello",
    b"POST /graphql HTTP/1.1\r\nHost: a\r\nContent-Length : 5\r\n\r\nhello",
    b"POST /graphql HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked, identity\r\n\r\n0\r\n\r\n",
    b"POST /graphql HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /graphql HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n",
    b"GET /healthz HTTP/1.1\nHost: a\n\n",
]


@pytest.mark.parametrize("broken", BROKEN)
async def test_what_may_mean_different_things_is_400_and_the_end(connection: Connection, broken: bytes) -> None:
    """Nothing that follows it is read."""
    await connection.send(broken + b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
    answers = await connection.rest()
    assert answers.startswith(b"HTTP/1.1 400 ")
    assert answers.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize("broken", BROKEN)
async def test_what_cannot_be_read_does_not_take_the_answer_of_what_was_before(
    people: dict[str, Principal], connection: Connection, request_of: Callable[..., bytes], broken: bytes
) -> None:
    """A refusal in its place would say that the change before had not been made."""
    await connection.send(request_of(people["Ada"]) + request_of(people["Ben"]) + broken)
    assert [await connection.names() for _ in range(2)] == ["Ada", "Ben"]
    assert b"200 OK" not in await connection.rest()


async def test_an_address_with_a_host_in_it_and_a_request_of_old(
    people: dict[str, Principal], live: LiveServer, request_of: Callable[..., bytes]
) -> None:
    """Proxies may ask so; HTTP/1.0 needs no host, and gets no chunks and nothing in between."""
    async with connected(live) as connection:
        await connection.send(b"GET http://localhost/healthz HTTP/1.1\r\nHost: localhost:80\r\n\r\n")
        assert (await connection.answer())[0] == 200
    for ask in (b"Connection: keep-alive\r\n", b"Expect: 100-continue\r\n", TO_HTTP_2, HANDSHAKE):
        async with connected(live) as connection:
            await connection.send(request_of(people["Ada"], ask, version="1.0").replace(b"Host: localhost\r\n", b""))
            text = await connection.rest()
            assert text.startswith(b"HTTP/1.1 200 ")
            assert text.endswith(b'{"data":{"viewer":{"actor":{"name":"Ada"}}}' + text[text.index(b',"extensions"') :])
    async with connected(live) as connection:
        await connection.send(request_of(people["Ada"], b"Accept: text/event-stream\r\n", NEWS, version="1.0"))
        head = await connection.head()
        assert b"chunked" not in head
        assert b"connection: close" in head
        assert (await connection.reader.readline()).startswith(b"event: next")


async def test_who_waits_for_leave_to_send_a_body_gets_it_or_the_end(
    people: dict[str, Principal], live: LiveServer, request_of: Callable[..., bytes]
) -> None:
    """An answer instead of leave ends the connection: what comes next could be the body or another request."""
    whole = request_of(people["Ada"], b"Expect: 100-continue\r\n")
    async with connected(live) as connection:
        await connection.send(whole[: -len(NAME)])
        assert (await connection.head()).startswith(b"HTTP/1.1 100 ")
        await connection.send(NAME)
        assert await connection.names() == "Ada"
    async with connected(live) as connection:
        await connection.send(whole[: -len(NAME)].replace(b"application/json", b"text/plain"))
        assert (await connection.answer())[0] == 415
        assert await connection.rest() == b""


async def test_head_has_no_body_and_the_next_answer_follows(
    people: dict[str, Principal], connection: Connection, request_of: Callable[..., bytes]
) -> None:
    """Also where it is refused."""
    for path in (b"/healthz", b"/graphql", b"/nonsense"):
        await connection.send(b"HEAD %b HTTP/1.1\r\nHost: a\r\n\r\n" % path + request_of(people["Ada"]))
        await connection.head()
        assert await connection.names() == "Ada"


@pytest.mark.parametrize(
    "bytes_",
    [
        b"GET /graphql HTTP/1.1\r\nHost: a\r\n" + TO_WEBSOCKET + b"\r\n",
        b"GET /graphql HTTP/1.1\r\nHost: a\r\n" + HANDSHAKE.replace(b"13", b"8") + b"\r\n",
        b"GET /graphql HTTP/1.1\r\nHost: a\r\n" + HANDSHAKE + b"Content-Length: 3\r\n\r\n",
        b"GET /graphql HTTP/1.1\r\nHost: a\r\n" + HANDSHAKE + b"Cookie: " + b"x" * 9_000 + b"\r\n\r\n",
        b"GET /graphql HTTP/1.1\r\nHost: a\r\n" + HANDSHAKE + b"X-%d: x\r\n" * 200 % (*range(200),) + b"\r\n",
        b"POST /graphql HTTP/1.1\r\nHost: a\r\n" + HANDSHAKE + b"\r\n",
        b"PUT /graphql HTTP/1.1\r\nHost: a\r\n" + HANDSHAKE + b"Transfer-Encoding: chunked\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n\r\n\r\n",
        b"POST /graphql HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{",
        b"\r\n\r\n",
        b"",
    ],
)
async def test_what_is_no_handshake_is_answered_and_does_not_stay(
    live: LiveServer, monkeypatch: pytest.MonkeyPatch, bytes_: bytes
) -> None:
    """Each of them gets an answer where there is a question, and is gone after the time for a request."""
    monkeypatch.setattr(http_transport, "HEAD_TIMEOUT", 0.5)
    monkeypatch.setattr(live.config, "timeout_keep_alive", 0.5)
    async with connected(live) as connection:
        await connection.send(bytes_)
        if bytes_.strip():
            head = await connection.head()
            assert head.split()[1] in (b"400", b"401", b"405", b"415", b"426", b"200"), head
        await connection.rest(3)


async def test_a_stream_behind_which_more_is_asked_ends_with_its_connection(
    people: dict[str, Principal], live: LiveServer, request_of: Callable[..., bytes]
) -> None:
    """It is the first request that has to be told, not the one that came last."""
    async with connected(live) as connection:
        await connection.send(
            request_of(people["Ada"], b"Accept: text/event-stream\r\n", NEWS), request_of(people["Ben"])
        )
        await connection.head()
        assert live.endpoint.connections.count == 1
    async with asyncio.timeout(5):
        while live.endpoint.connections.count:  # noqa: ASYNC110 - nothing tells it
            await asyncio.sleep(0.05)


async def test_chunks_and_what_follows_them_are_not_endless(
    people: dict[str, Principal], connection: Connection, request_of: Callable[..., bytes]
) -> None:
    """Names of chunks and headers behind the body have the same bound as headers."""
    head = request_of(people["Ada"], b"", b"", framing=b"Transfer-Encoding: chunked\r\n")
    await connection.send(head + b"1\r\n{\r\n0\r\n", *[b"X-Padding: " + b"x" * 30_000 + b"\r\n"] * 4)
    assert (await connection.head()).startswith(b"HTTP/1.1 400 ")
