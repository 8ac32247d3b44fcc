"""The floor of reads: one statement as the owner of the tables, encoded by orjson. No GraphQL, no rights, no limits.

Run it with `uvicorn --factory bench.bare_reads:create_app`; `DATABASE_URL` says where the tables are.
"""

import contextlib
import os
from collections.abc import AsyncIterator
from datetime import date
from typing import Any

import asyncpg
import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from bench.read_cases import STATEMENTS


def create_app() -> Starlette:
    """Return the application."""

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with asyncpg.create_pool(os.environ["DATABASE_URL"], min_size=1, max_size=10) as app.state.pool:
            yield

    async def answer(request: Request) -> Response:
        asked = orjson.loads(await request.body())
        args: list[Any] = asked["variables"]["args"]
        if asked["query"] == "tasks":
            args[1] = date.fromisoformat(args[1])
        records = await request.app.state.pool.fetch(STATEMENTS[asked["query"]], *args)
        return Response(orjson.dumps([dict(record) for record in records]), media_type="application/json")

    async def healthz(request: Request) -> Response:
        return PlainTextResponse("ok")

    return Starlette(
        routes=[Route("/graphql", answer, methods=["POST"]), Route("/healthz", healthz)], lifespan=lifespan
    )
