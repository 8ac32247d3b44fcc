"""One line in the log for each request, under an ID that callers may choose, and that all other lines about it carry.

Neither bodies, nor parameters, nor headers, nor whole paths are logged: they may hold credentials and personal data.
"""

import logging
import re
import time
import uuid

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gql.execution.metrics import HTTP_REQUESTS
from gql.exports.rest_errors import failure

log = logging.getLogger("mandate.api")

HEADER = "X-Request-ID"
_ACCEPTED = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)

_ROUTES = frozenset({"/graphql", "/healthz", "/readyz"})
_PREFIXES = ("/calendar/", "/export/")
#: Asked for every few seconds by machines.
_QUIET = frozenset({"/healthz", "/readyz"})


def route_of(path: str) -> str:
    """Return a path as it may be logged: what follows a known beginning may be a secret, or somebody's ID."""
    if path in _ROUTES:
        return path
    return next((f"{prefix}*" for prefix in _PREFIXES if path.startswith(prefix)), "other")


def request_id_of(headers: Headers) -> str:
    """Return the caller's ID of a request where it is a proper one, else a new one."""
    given = headers.get(HEADER, "")
    return given if _ACCEPTED.fullmatch(given) else uuid.uuid4().hex


class RequestLog:
    """Middleware around everything: whatever nobody expected ends here, masked like everywhere."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        request_id = request_id_of(Headers(scope=scope))
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            if scope["type"] == "http":
                await self._serve(scope, receive, send, request_id)
            else:
                await self._app(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
        begun, status = time.perf_counter(), 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[HEADER] = request_id
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        except Exception as error:
            response = failure(error)
            if status:
                # It has begun to answer: all that is left is to break off.
                raise
            await response(scope, receive, send_with_id)
        finally:
            route = route_of(scope["path"])
            HTTP_REQUESTS.labels(route, str(status or "none")).inc()
            log.log(
                logging.DEBUG if route in _QUIET else logging.INFO,
                "request",
                extra={
                    "method": scope["method"] if scope["method"] in _METHODS else "other",
                    "route": route,
                    "status": status,
                    "milliseconds": round((time.perf_counter() - begun) * 1_000, 1),
                },
            )


_METHODS = frozenset({"GET", "POST", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE"})
