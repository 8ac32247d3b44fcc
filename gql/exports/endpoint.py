"""Reports as files: `GET /export/…`, with the credentials of the API; lists with the rights of the query of that name.

A report is copied to a temporary file first, from one snapshot, and then sent: however slowly a client reads, no
connection to the database waits for it. The file has no name, so it is gone with the request, whatever becomes of that.
"""

import asyncio
import contextlib
import tempfile
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing
from datetime import datetime
from typing import IO, Any, Protocol

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from domain.foundation.access import Principal
from domain.foundation.database.sessions import ReadScope
from domain.foundation.errors import DomainError, NotFound, TimedOut
from domain.foundation.settings import Settings
from gql.contract.failures import BAD_REQUEST
from gql.exports.rest_errors import bad_filter, failure, refusal, too_many_requests
from gql.identity.authentication import authenticate
from gql.limits.rate_limit import CostLimiter, account_of
from gql.schema import Schema

#: Seconds for a report to be copied, its turn included.
TIME_LIMIT = 600
REPORTS_PER_ACCOUNT = 2
RETRY_AFTER = 10
#: Points that a report takes, from the bucket that operations are paid from: as much as ten full pages.
REPORT_COST = 1_000
CHUNK = 64 * 1024


class TooManyReports(Exception):
    """The account is being sent as many reports as it may have at once."""


class Export(Protocol):
    """What a route needs to know of its report."""

    @property
    def name(self) -> str:
        """Name of the file."""

    @property
    def media_type(self) -> str:
        """Type of the file, for the header."""

    def wanted(self, schema: Schema, request: Request) -> Any:
        """Return what the request asks for; raises DomainError for what cannot be asked."""

    def content(
        self, reads: ReadScope, principal: Principal, wanted: Any, now: datetime
    ) -> AsyncGenerator[bytes, None]:
        """Yield the file part by part, from one snapshot. Raises what refuses the account or the request."""


class Exports:
    """What all routes of reports share: an account's reports are counted, and take turns, whatever they are about."""

    def __init__(
        self,
        schema: Schema,
        settings: Settings,
        clock: Callable[[], datetime],
        *,
        limiter: CostLimiter,
    ) -> None:
        self.schema = schema
        self.settings = settings
        self.clock = clock
        self.limiter = limiter
        self._running: Counter[tuple[int, int | None, int | None]] = Counter()
        # Reports are long, so they must not take the connections that operations need.
        self.turns = asyncio.Semaphore(max(1, settings.database_pool_size // 4))

    def route(self, report: Export) -> ASGIApp:
        """Return the application that answers with a report."""
        return _Route(self, report)

    @contextlib.contextmanager
    def counted(self, principal: Principal) -> Iterator[None]:
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


class _Route:
    """The route of one report."""

    def __init__(self, exports: Exports, report: Export) -> None:
        self._exports = exports
        self._report = report

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        with contextlib.ExitStack() as held:
            try:
                response = await self._answer(request, held)
                if request.method == "HEAD":
                    # The size and all else are those of the file, which is not sent.
                    response = Response(status_code=response.status_code, headers=dict(response.headers))
                await response(scope, receive, send)
            except ClientDisconnect:
                return

    async def _answer(self, request: Request, held: contextlib.ExitStack) -> Response:
        if request.method not in ("GET", "HEAD"):
            return refusal(405, BAD_REQUEST, "Only GET and HEAD are supported.", {"Allow": "GET, HEAD"})
        try:
            now = self._exports.clock()
            caller = await authenticate(request.headers.get("authorization"), self._exports.settings, now)
            # The report has a snapshot of its own, opened when it is its turn.
            await caller.reads.close()
            wanted = self._report.wanted(self._exports.schema, request)
            held.enter_context(self._exports.counted(caller.principal))
            charge = await self._exports.limiter.pay(account_of(caller.principal), REPORT_COST)
            if not charge.is_paid:
                return too_many_requests("The account has used up its points.", charge.retry_after_seconds)
            file = held.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - closed with what is held
            await _unless_disconnected(request, self._copy(caller.principal, wanted, now, file))
        except NotFound as error:
            return refusal(404, error.code, error.message)
        except DomainError as error:
            return bad_filter(error)
        except TooManyReports:
            return too_many_requests(f"At most {REPORTS_PER_ACCOUNT} reports at once.", RETRY_AFTER)
        except ClientDisconnect:
            raise
        except Exception as error:
            return failure(error)
        return _download(file, self._report)

    async def _copy(self, principal: Principal, wanted: Any, now: datetime, file: IO[bytes]) -> None:
        """Write the report to the file. Raises Forbidden, NotFound, TooManyItems and TimedOut."""
        try:
            async with asyncio.timeout(TIME_LIMIT), self._exports.turns, ReadScope(principal.tenant_id) as reads:
                await reads.allow(TIME_LIMIT * 1_000)
                async with aclosing(self._report.content(reads, principal, wanted, now)) as parts:
                    async for part in parts:
                        file.write(part)
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


def _download(file: IO[bytes], report: Export) -> Response:
    size = file.tell()
    file.seek(0)

    async def chunks() -> AsyncIterator[bytes]:
        while chunk := file.read(CHUNK):
            yield chunk

    return StreamingResponse(
        chunks(),
        media_type=report.media_type,
        headers={
            "Content-Length": str(size),
            "Content-Disposition": f'attachment; filename="{report.name}"',
            "Cache-Control": "no-store",
            "Vary": "Authorization",
            "X-Content-Type-Options": "nosniff",
        },
    )
