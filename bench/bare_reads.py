"""The floors of reads: one statement, encoded by orjson, without any GraphQL.

`create_app` reads as the owner of the tables, for whoever asks. `create_signed_in_app` keeps what the product keeps: it
verifies the token and looks up the account, charges it, and reads in a snapshot of its tenant under row level security.
Run one with `uvicorn --factory bench.bare_reads:create_app`; `DATABASE_URL` and the settings say the rest.
"""

import contextlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import date
from typing import Any

import asyncpg
import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from bench.read_cases import STATEMENTS
from domain.foundation import clock
from domain.foundation.database.sessions import connected
from domain.foundation.settings import Settings
from gql.identity.authentication import authenticate
from gql.limits.rate_limit import CostLimiter, account_of

Fetch = Callable[[Request, str, list[Any]], Awaitable[Sequence[Any]]]


def create_app() -> Starlette:
    """Return the application that asks nobody who they are."""

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with asyncpg.create_pool(os.environ["DATABASE_URL"], min_size=1, max_size=10) as app.state.pool:
            yield

    async def fetch(request: Request, statement: str, args: list[Any]) -> Sequence[Any]:
        records: Sequence[Any] = await request.app.state.pool.fetch(statement, *args)
        return records

    return _application(lifespan, fetch)


def create_signed_in_app() -> Starlette:
    """Return the application that answers accounts, each from its own tenant."""
    settings = Settings()
    limiter = CostLimiter(settings.redis_url.get_secret_value(), limit=settings.cost_per_minute)

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        url = settings.database_url.get_secret_value()
        async with connected(url, application_name="bench", pool_size=settings.database_pool_size):
            yield

    async def fetch(request: Request, statement: str, args: list[Any]) -> Sequence[Any]:
        caller = await authenticate(request.headers.get("authorization"), settings, clock.now())
        async with caller.reads as reads:
            await limiter.pay(account_of(caller.principal), 1)
            return await reads.fetch(statement, *args)

    return _application(lifespan, fetch)


def _application(lifespan: Any, fetch: Fetch) -> Starlette:
    async def answer(request: Request) -> Response:
        asked = orjson.loads(await request.body())
        args: list[Any] = asked["variables"]["args"]
        if asked["query"] == "tasks":
            args[1] = date.fromisoformat(args[1])
        records = await fetch(request, STATEMENTS[asked["query"]], args)
        return Response(orjson.dumps([dict(record) for record in records]), media_type="application/json")

    async def healthz(request: Request) -> Response:
        return PlainTextResponse("ok")

    return Starlette(
        routes=[Route("/graphql", answer, methods=["POST"]), Route("/healthz", healthz)], lifespan=lifespan
    )
