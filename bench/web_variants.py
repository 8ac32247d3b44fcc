"""The web application with one of its duties taken out, so that its cost shows; and one that tells where time goes.

Run it with `uvicorn --factory bench.web_variants:create_app`; `BENCH_WITHOUT` names the duty. Never for anything else.
"""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import contextmanager
from time import perf_counter
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

import gql.transport.http
import gql.transport.request_log
from domain.foundation.database import server
from domain.foundation.database.sessions import ReadScope
from domain.foundation.settings import Settings
from gql.execution import tracing_extension as observing
from gql.exports import log as log_report
from gql.identity.authentication import Caller
from gql.limits.budget import OperationBudget
from gql.schema import Schema

#: As what they are here: things to be changed.
HTTP: Any = gql.transport.http
REQUEST_LOG: Any = gql.transport.request_log
OBSERVING: Any = observing
#: Duties that can be taken out.
DUTIES = ("authentication", "limits", "row security", "metrics")
TIMES = "/times"


def create_app() -> Starlette:
    """Return the application without the duty that the environment names."""
    from gql.transport.app import create_app as create_whole_app

    assert log_report, "all routes are loaded before anything is changed"
    changes: dict[str, Callable[[], object]] = {
        "authentication": _know_everybody,
        "limits": _limit_nothing,
        "row security": _trust_the_role,
        "metrics": _count_nothing,
        "nothing, but with a clock": lambda: None,
    }
    without = os.environ.get("BENCH_WITHOUT", "")
    if without:
        changes[without]()
    app = create_whole_app(Settings())
    if "clock" in without:
        times = _watch()

        async def tell(request: Request) -> Response:
            told = dict(times)
            times.update(dict.fromkeys(times, 0.0))
            return JSONResponse(told)

        app.router.routes.append(Route(TIMES, tell))
    return app


def _know_everybody() -> None:
    """Verify one credential only, and take everybody for its owner."""
    verify = HTTP.authenticate
    known: list[Any] = []

    async def authenticate(*args: Any) -> Caller:
        if not known:
            caller: Caller = await verify(*args)
            known.append(caller.principal)
            return caller
        return Caller(known[0], ReadScope(known[0].tenant_id))

    HTTP.authenticate = authenticate


def _limit_nothing() -> None:
    async def on_execute(self: Any) -> AsyncIterator[None]:
        yield

    OperationBudget.on_execute = on_execute  # type: ignore[method-assign]


def _trust_the_role() -> None:
    """Let the process be the owner of the tables, whom row level security does not bind."""

    async def accept(connection: Any, role: str | None = None) -> None:
        return None

    server.refuse_unsafe_role = accept


def _count_nothing() -> None:
    class Nothing:
        def __getattr__(self, name: str) -> Any:
            return lambda *_args, **_kwargs: self

    nothing: Any = Nothing()
    OBSERVING.OPERATIONS = OBSERVING.OPERATION_SECONDS = nothing
    REQUEST_LOG.HTTP_REQUESTS = nothing


def _watch() -> dict[str, float]:
    """Add up the seconds of the parts of requests; one request at a time, as parts of several would overlap."""
    times = dict.fromkeys(("authentication", "database", "operation", "encoding", "whole"), 0.0)

    @contextmanager
    def counted(name: str) -> Any:
        begun = perf_counter()
        yield
        times[name] += perf_counter() - begun

    def watched(owner: Any, attribute: str, name: str) -> None:
        original = getattr(owner, attribute)

        async def run(*args: Any, **kwargs: Any) -> Any:
            with counted(name):
                return await original(*args, **kwargs)

        setattr(owner, attribute, run)

    watched(ReadScope, "fetch", "database")
    watched(ReadScope, "close", "database")
    watched(Schema, "execute", "operation")
    watched(HTTP, "authenticate", "authentication")
    watched(gql.transport.http.GraphQLEndpoint, "__call__", "whole")
    encode: Callable[[Any], bytes] = HTTP.orjson.dumps

    class Encoder:
        loads = staticmethod(HTTP.orjson.loads)

        @staticmethod
        def dumps(value: Any) -> bytes:
            with counted("encoding"):
                return encode(value)

    HTTP.orjson = Encoder
    return times
