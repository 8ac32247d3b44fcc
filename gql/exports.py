"""Reports as files: `GET /export/content-actions.csv`, with the credentials and rights of the query of the same name.

A report is copied to a temporary file first, from one snapshot, and then sent: however slowly a client reads, no
connection to the database waits for it. The file has no name, so it is gone with the request, whatever becomes of that.
"""

import asyncio
import contextlib
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from datetime import datetime
from typing import IO, Any

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from domain.enrollments.log_export import report_content_actions
from domain.enrollments.log_filter import ActionFilter
from domain.foundation.access import Principal
from domain.foundation.database import ReadScope
from domain.foundation.errors import DomainError, Forbidden, Problems, RequestFailure, TimedOut, Unauthenticated
from domain.foundation.settings import Settings
from gql.authentication import authenticate
from gql.enrollments.inputs import ContentActionFilterInput, action_filter
from gql.failures import BAD_REQUEST, as_request_failure, unexpected
from gql.log_report import header, lines_of
from gql.query_parameters import parse_parameters
from gql.schema import Schema
from gql.user_errors import error_extensions

#: Seconds for a report to be copied, its turn included.
TIME_LIMIT = 600
REPORTS_PER_ACCOUNT = 2
RETRY_AFTER = 10
CHUNK = 64 * 1024

_STATUS = {Unauthenticated.code: 401, Forbidden.code: 403}


class TooManyReports(Exception):
    """The account is being sent as many reports as it may have at once."""


class ContentActionsExport:
    """The route `/export/content-actions.csv`."""

    def __init__(self, schema: Schema, settings: Settings, clock: Callable[[], datetime]) -> None:
        self._schema = schema
        self._settings = settings
        self._clock = clock
        self._running: Counter[tuple[int, int | None, int | None]] = Counter()
        # Reports are long, so they must not take the connections that operations need.
        self._turns = asyncio.Semaphore(max(1, settings.database_pool_size // 4))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        with contextlib.ExitStack() as held:
            try:
                response = await self._answer(request, held)
                await response(scope, receive, send)
            except ClientDisconnect:
                return

    async def _answer(self, request: Request, held: contextlib.ExitStack) -> Response:
        if request.method != "GET":
            return _refusal(405, BAD_REQUEST, "Only GET is supported.", {"Allow": "GET"})
        try:
            caller = await authenticate(request.headers.get("authorization"), self._settings, self._clock())
            # The report has a snapshot of its own, opened when it is its turn.
            await caller.reads.close()
            items = request.query_params.multi_items()
            restriction = action_filter(parse_parameters(self._schema, ContentActionFilterInput, items))
            held.enter_context(self._counted(caller.principal))
            file = held.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - closed with what is held
            await _unless_disconnected(request, self._copy(caller.principal, restriction, file))
        except DomainError as error:
            return _bad_filter(error)
        except TooManyReports:
            return _refusal(
                429,
                "RATE_LIMITED",
                f"At most {REPORTS_PER_ACCOUNT} reports at once.",
                {"Retry-After": str(RETRY_AFTER)},
                retryAfterSeconds=RETRY_AFTER,
            )
        except ClientDisconnect:
            raise
        except Exception as error:
            return _failure(error)
        return _download(file)

    @contextlib.contextmanager
    def _counted(self, principal: Principal) -> Iterator[None]:
        """Count a report of an account until it is sent; raises TooManyReports."""
        account = (principal.tenant_id, principal.learner_id, principal.service_account_id)
        if self._running[account] >= REPORTS_PER_ACCOUNT:
            raise TooManyReports
        self._running[account] += 1
        try:
            yield
        finally:
            self._running[account] -= 1
            # Forgets accounts that have none left.
            self._running += Counter()

    async def _copy(self, principal: Principal, restriction: ActionFilter, file: IO[bytes]) -> None:
        """Write the report to the file. Raises Forbidden, TooManyItems and TimedOut."""
        try:
            async with asyncio.timeout(TIME_LIMIT), self._turns, ReadScope(principal.tenant_id) as reads:
                await reads.allow(TIME_LIMIT * 1_000)
                file.write(header())
                async with aclosing(report_content_actions(reads, principal, restriction)) as batches:
                    async for batch in batches:
                        # Beside the loop, which has other requests to serve.
                        file.write(await asyncio.to_thread(lines_of, batch))
        except TimeoutError as error:
            raise TimedOut from error


async def _unless_disconnected(request: Request, work: Any) -> None:
    """Do the work; give it up and raise ClientDisconnect as soon as nobody waits for it any more."""

    async def disconnection() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    working, leaving = asyncio.ensure_future(work), asyncio.ensure_future(disconnection())
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientDisconnect
        await working
    finally:
        for task in (working, leaving):
            task.cancel()
        # Nothing is left behind, neither a transaction nor a task.
        await asyncio.gather(working, leaving, return_exceptions=True)


def _download(file: IO[bytes]) -> Response:
    size = file.tell()
    file.seek(0)

    async def chunks() -> AsyncIterator[bytes]:
        while chunk := file.read(CHUNK):
            yield chunk

    return StreamingResponse(
        chunks(),
        media_type="text/csv; charset=utf-8",
        headers={
            "Content-Length": str(size),
            "Content-Disposition": 'attachment; filename="content-actions.csv"',
            "Cache-Control": "no-store",
            "Vary": "Authorization",
            "X-Content-Type-Options": "nosniff",
        },
    )


def _bad_filter(error: DomainError) -> Response:
    """Return the answer to a bad filter: an error for each parameter, named by itself and not by the API's argument."""
    errors = []
    for part in error.errors if isinstance(error, Problems) else [error]:
        extensions = error_extensions(part)
        extensions["path"] = extensions["path"][1:] if extensions["path"][:1] == ["filter"] else extensions["path"]
        errors.append({"message": part.message, "extensions": extensions})
    return _json(400, errors)


def _failure(error: Exception) -> Response:
    failure: RequestFailure | None = as_request_failure(error)
    if failure is None:
        extensions = unexpected(error)
        return _refusal(500, extensions.pop("code"), extensions.pop("message"), **extensions)
    status = _STATUS.get(failure.code, 503)
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    return _refusal(status, failure.code, failure.message, headers)


def _refusal(
    status: int, code: str, message: str, headers: dict[str, str] | None = None, **extensions: Any
) -> Response:
    return _json(status, [{"message": message, "extensions": {"code": code, **extensions}}], headers)


def _json(status: int, errors: list[dict[str, Any]], headers: dict[str, str] | None = None) -> Response:
    return Response(
        orjson.dumps({"errors": errors}),
        status_code=status,
        media_type="application/json",
        headers={"Cache-Control": "no-store", "Vary": "Authorization"} | (headers or {}),
    )
