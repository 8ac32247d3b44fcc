"""The web application: `/graphql`, exports, calendars, and the two addresses by which machines ask how it is.

Run it with `uvicorn --factory gql.transport.app:create_app`.
"""

import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from datetime import datetime

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute

import domain.reactions  # noqa: F401  Changes need the table of reactions.
from domain.foundation import clock as business_time
from domain.foundation import nudge
from domain.foundation.database.sessions import connected
from domain.foundation.feed.reader import FeedReaders
from domain.foundation.settings import BadSettings, Settings
from domain.foundation.settings import settings as process_settings
from gql.exports.calendar_feed import CalendarFeed
from gql.exports.endpoint import Exports
from gql.exports.log import CONTENT_ACTIONS
from gql.exports.person import PersonReport
from gql.exports.tasks import MANDATORY_TASKS
from gql.identity.jwks import key_set
from gql.limits.rate_limit import CostLimiter
from gql.schema import schema
from gql.transport.http import GraphQLEndpoint
from gql.transport.readiness import find_obstacle
from gql.transport.request_log import HEADER as REQUEST_ID
from gql.transport.request_log import RequestLog
from gql.transport.response_headers import ResponseHeaders

log = logging.getLogger(__name__)

__all__ = ["BadSettings", "create_app"]


def create_app(settings: Settings | None = None, *, clock: Callable[[], datetime] = business_time.now) -> Starlette:
    """Return the application; its lifespan opens and closes the connections of the process."""
    settings = settings or process_settings()
    settings.require_trusted_tokens()

    limiter = CostLimiter(settings.redis_url.get_secret_value(), limit=settings.cost_per_minute)
    feeds = FeedReaders(settings.redis_url.get_secret_value())

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with connected(
            settings.database_url.get_secret_value(),
            application_name="mandate-api",
            pool_size=settings.database_pool_size,
            keeps_statements=settings.are_statements_kept,
        ):
            for missing in settings.missing_in_production:
                log.warning("%s", missing)
            nudge.start(settings.redis_url.get_secret_value())
            feeds.start()
            try:
                async with contextlib.AsyncExitStack() as keys:
                    for url in {issuer.jwks_url for issuer in settings.issuers}:
                        await keys.enter_async_context(key_set(url).kept_fresh())
                    yield
            finally:
                await feeds.stop()
                await nudge.stop()
                await limiter.close()

    middleware = [Middleware(ResponseHeaders), Middleware(RequestLog)]
    if settings.allowed_origins:
        middleware.append(
            Middleware(
                CORSMiddleware,
                allow_origin_regex=settings.origin_pattern,
                allow_methods=["GET", "POST"],
                allow_headers=settings.headers_of_pages,
                expose_headers=["Retry-After", "Content-Disposition", REQUEST_ID],
                max_age=3600,
            )
        )
    exports = Exports(schema(), settings, clock, limiter=limiter)
    endpoint = GraphQLEndpoint(schema(), settings, clock, feeds, limiter=limiter)
    app = Starlette(
        routes=[
            Route("/graphql", endpoint),
            WebSocketRoute("/graphql", endpoint),
            *(Route(f"/export/{report.name}", exports.route(report)) for report in (CONTENT_ACTIONS, MANDATORY_TASKS)),
            Route("/calendar/{secret}.ics", CalendarFeed(settings, clock, limiter=limiter), methods=["GET"]),
            # Partners' IDs may have a slash.
            Route("/export/learners/{id:path}.json", exports.route(PersonReport())),
            Route("/healthz", healthz),
            Route("/readyz", readyz),
        ],
        middleware=middleware,
        lifespan=lifespan,
    )
    # `/graphql/` is no address of ours. A redirect would name the host that the client says, without TLS.
    app.router.redirect_slashes = False
    #: Set when the process is to end: it still answers, and whoever balances load shall go elsewhere.
    app.state.is_stopping = False
    app.state.feeds = feeds
    app.state.limiter = limiter
    return app


async def healthz(request: Request) -> Response:
    """Tell that the process answers."""
    return JSONResponse({"status": "ok"})


async def readyz(request: Request) -> Response:
    """Tell whether requests can be served, and shall be sent here."""
    if request.app.state.is_stopping:
        return JSONResponse({"status": "unavailable", "reason": "The process is stopping."}, status_code=503)
    obstacle = await find_obstacle()
    if obstacle is not None:
        return JSONResponse({"status": "unavailable", "reason": obstacle}, status_code=503)
    return JSONResponse({"status": "ok"})
