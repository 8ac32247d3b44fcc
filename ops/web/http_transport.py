"""How uvicorn speaks HTTP here: who takes or says nothing for too long is cut off, and nobody's answer is another's.

uvicorn waits as long as a client keeps the connection open, so one that reads nothing would hold a stream, and all
that it follows, for ever; and a stream would hold a process that is to end. It also takes a request that never gets to
its body for as long as it likes to be, in time as in bytes. Of a request that asks for another protocol it loses the
body, or takes it for the next request; one that cannot be read it refuses before it has answered those before.
"""

import asyncio
import re
from typing import Any

import httptools
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

#: Seconds for which a client may take nothing before it is let go.
SEND_TIMEOUT = 30.0
#: Seconds that a client has for a request's line and headers, and how many bytes these may have before more is read.
HEAD_TIMEOUT = 10.0
HEAD_BYTES = 64 * 1024
#: Seconds that a connection is kept for the next request: longer than proxies keep it (60 s are usual), so that it is
#: them who close it. Who closes first may cut off a request that is on its way.
IDLE_TIMEOUT = 75
#: Seconds that a new connection has for its request when the process ends: the request may be on its way already.
LAST_REQUEST = 1.0
#: Bytes that the parser gets at a time, and requests that may wait on one connection before it gets more: a request of
#: 30 bytes takes a hundred times as much once it is parsed.
PIECE = 4 * 1024
MAX_WAITING = 8
#: What can be in a `Host`: a name or an address, with a port or without.
HOST = re.compile(rb"[A-Za-z0-9\-._~%!$&'()*+,;=\[\]:]*")


class ImpatientFlowControl(FlowControl):
    """Waits for a client to read, but not for ever."""

    async def drain(self) -> None:
        """Wait until the client has taken enough."""
        try:
            async with asyncio.timeout(SEND_TIMEOUT):
                await super().drain()
        except TimeoutError:
            # What is sent after this is dropped, and the application told that the client has gone.
            self._transport.abort()
            await super().drain()


class BadHead(Exception):
    """Line and headers of a request that may mean different things to different servers."""


class PatientHttpProtocol(HttpToolsProtocol):
    """A connection that ends when its client takes nothing, or has nothing to say."""

    #: Set while something is on its way that nobody works on: line and headers, or the rest of an answered request.
    _due: asyncio.TimerHandle | None = None
    #: Bytes since line and headers were complete, or since there was a part of a body.
    _overhead = 0
    #: Whether the request being read asks for another protocol.
    _asks_for_upgrade = False
    #: Whether the request being read has been read to its end, and what answers it once its headers are complete.
    _is_whole = True
    _reading: Any = None
    #: What is being answered, or was last; those that wait for their turn are in `pipeline`.
    _running: Any = None
    #: What is read later, as too many requests wait.
    _held = b""
    #: Whether nothing more is read: what came last cannot be understood.
    _is_deaf = False
    _is_ending = False

    def connection_made(self, transport: Any) -> None:
        """Begin a connection."""
        super().connection_made(transport)
        self.flow = ImpatientFlowControl(transport)
        self._expect_more()

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that the connection is gone."""
        self._expect_nothing()
        # uvicorn tells only the request that came last.
        if self._running is not None and not self._running.response_complete:
            self._running.disconnected = True
            self._running.message_event.set()
        self.pipeline.clear()
        self._held = b""
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on; what has no end is refused."""
        if self._held:
            self._held += data
            self.flow.pause_reading()
        else:
            self._read(data)

    def _read(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        for start in range(0, len(data), PIECE):
            if self._is_deaf or self.transport.is_closing():
                return
            if len(self.pipeline) >= MAX_WAITING:
                self._held = data[start:]
                self.flow.pause_reading()
                return
            piece = data[start : start + PIECE]
            self._overhead += len(piece)
            try:
                self.parser.feed_data(piece)
            except httptools.HttpParserUpgrade as upgrade:
                self._answer_upgrade(data[start + upgrade.args[0] :])
                return
            except httptools.HttpParserError:
                self.send_400_response("Invalid HTTP request received.")
                return
            if self._overhead > HEAD_BYTES:
                self.send_400_response("The headers of the request are too long.")
                return
        if self._due is None and self._is_whole and not self._is_busy():
            # Empty lines, which are no request.
            self._expect_more()

    def _is_busy(self) -> bool:
        """Tell whether there is an answer to come."""
        return self._running is not None and not self._running.response_complete

    def _answer_upgrade(self, rest: bytes) -> None:
        """Begin a WebSocket, or read the request again as what it is besides; `rest` is what follows its headers."""
        if self._is_handshake():
            self.handle_websocket_upgrade()
            if rest and not self.transport.is_closing():
                self.transport.get_protocol().data_received(rest)  # type: ignore[attr-defined]
            return
        version = self.parser.get_http_version().encode()
        head = [self.parser.get_method(), b" ", self.url, b" HTTP/", version, b"\r\n"]
        for name, value in self.headers:
            if name != b"upgrade":
                head += [name, b": ", value, b"\r\n"]
        # The parser that has seen the header takes the body for another protocol.
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self._read(b"".join([*head, b"\r\n", rest]))

    def _is_handshake(self) -> bool:
        """Tell whether a request that asks for another protocol begins a WebSocket; any other wish is ignored."""
        upgrades = [value.strip().lower() for name, value in self.headers if name == b"upgrade"]
        has_body = any(
            name == b"transfer-encoding" or (name == b"content-length" and value.strip(b"0"))
            for name, value in self.headers
        )
        return (
            self.parser.get_method() == b"GET"
            and self.parser.get_http_version() == "1.1"
            and upgrades == [b"websocket"]
            and not has_body
            # Its answer would come before those that are due.
            and not self._is_busy()
        )

    def send_400_response(self, msg: str) -> None:
        """Refuse what came last and end the connection, once what came before it is answered."""
        self._is_deaf = True
        self._expect_nothing()
        with_bad_body = None if self._is_whole else self._reading
        if with_bad_body is not None and with_bad_body.response_started:
            self.transport.close()
        elif with_bad_body is self._running or not self._is_busy():
            if with_bad_body is not None:
                with_bad_body.disconnected = True
                with_bad_body.message_event.set()
            super().send_400_response(msg)
        else:
            if with_bad_body is not None:
                self.pipeline.popleft()
            last = self.pipeline[0][0] if self.pipeline else self._running
            last.keep_alive = False

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self._is_whole, self._reading = False, None
        self._asks_for_upgrade = False
        if self._due is None:
            self._expect_more()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Read a header. What follows a body in chunks is none, though it looks the same."""
        if self._due is not None:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Go on with the body."""
        self._expect_nothing()
        self._overhead = 0
        _check_head(self.parser.get_method(), self.parser.get_http_version(), self.headers)
        self._asks_for_upgrade = self.parser.should_upgrade()
        if self._asks_for_upgrade:
            self.scope["method"] = self.parser.get_method().decode("ascii")
            return
        if self.parser.get_http_version() == "1.0":
            # It would not understand the answer in between.
            self.expect_100_continue = False
        super().on_headers_complete()
        self._reading = self.cycle
        if 0 < len(self.pipeline) < MAX_WAITING:
            # uvicorn stops reading, and would not see that the client of a stream has gone.
            self.flow.resume_reading()
        if self._is_ending:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """Take a part of a body."""
        self._overhead = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request."""
        self._is_whole = True
        self._overhead = 0
        if not self._asks_for_upgrade:
            self._expect_nothing()
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """Go on with the next request."""
        super().on_response_complete()
        if self.transport.is_closing():
            return
        if not self._is_whole and not self._is_busy() and self._due is None:
            self._expect_more()
        if self._held and len(self.pipeline) < MAX_WAITING:
            held, self._held = self._held, b""
            self._read(held)

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        self._running = cycle

        async def framed(scope: Any, receive: Any, send: Any) -> None:
            """Answer so that the client knows where the answer ends, and what becomes of the connection."""
            ends_with_connection = False

            async def send_framed(message: Any) -> None:
                nonlocal ends_with_connection
                if message["type"] == "http.response.start":
                    is_sized = any(name.lower() == b"content-length" for name, _ in message.get("headers", ()))
                    ends_with_connection = scope["http_version"] == "1.0" and not is_sized
                    if ends_with_connection:
                        cycle.chunked_encoding = False
                    is_not_sent = cycle.waiting_for_100_continue and cycle.more_body
                    if is_not_sent or getattr(self.server_state, "is_draining", False):
                        # Whoever was not told to send a body may send the next request instead.
                        cycle.keep_alive = False
                elif ends_with_connection:
                    cycle.expected_content_length = len(message.get("body", b""))
                await send(message)

            await app(scope, receive, send_framed)

        super()._start_asgi_task(cycle, framed)

    def _expect_more(self) -> None:
        self._due = self.loop.call_later(HEAD_TIMEOUT, self._give_up)

    def _expect_nothing(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None

    def _give_up(self) -> None:
        if self._is_busy():
            # The request before is still being answered.
            self._expect_more()
        else:
            self.transport.close()

    def shutdown(self) -> None:
        """End the connection with its answer; a stream, which has no end, as if the client had gone."""
        cycle = self._running
        if cycle is None:
            # A proxy has just opened it, and does not repeat a request that it has sent.
            self._is_ending = True
            self.loop.call_later(LAST_REQUEST, self._end_unused)
            return
        super().shutdown()
        if cycle.response_started and not cycle.response_complete and _asks_for_events(cycle.scope):
            cycle.disconnected = True
            cycle.message_event.set()
            # The last chunk is missing, and nothing says `complete`: the client comes back.
            self.transport.close()

    def _end_unused(self) -> None:
        if self._running is None and self.transport.get_protocol() is self:
            self.transport.close()


def _check_head(method: bytes, version: str, headers: list[tuple[bytes, bytes]]) -> None:
    """Raise BadHead for what the parser accepts and a proxy may read otherwise."""
    names = [name for name, _ in headers]
    hosts = [value for name, value in headers if name == b"host"]
    if len(hosts) > 1 or (not hosts and version != "1.0") or not all(HOST.fullmatch(host) for host in hosts):
        raise BadHead
    if version not in ("1.0", "1.1"):
        raise BadHead
    if method == b"CONNECT" or (version == "1.0" and b"transfer-encoding" in names):
        raise BadHead
    if any(b"\r" in value or b"\n" in value or b"\0" in value for _, value in headers):
        raise BadHead


def _asks_for_events(scope: Any) -> bool:
    return any(name == b"accept" and b"text/event-stream" in value.lower() for name, value in scope["headers"])
