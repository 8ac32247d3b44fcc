"""The floor of a mutation: Strawberry on the same stack, one resolver, one row written with asyncpg. No rights, no log.

Run it with `uvicorn --factory bench.bare_mutation:create_app`; `DATABASE_URL` says where the table `bare_row` is.
"""

import contextlib
import os
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import strawberry
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from strawberry.asgi import GraphQL
from strawberry.extensions import ParserCache, ValidationCache

TABLE = "CREATE TABLE bare_row (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, learner_id bigint, value text)"


@strawberry.type
class BareRow:
    """What was written."""

    id: strawberry.ID
    value: str


@strawberry.type
class Query:
    """Needed by GraphQL."""

    @strawberry.field
    def hello(self) -> str:
        """Answer."""
        return "world"


@strawberry.type
class Mutation:
    """The one mutation."""

    @strawberry.mutation
    async def write_row(
        self, info: strawberry.Info[dict[str, Any], None], learner_id: strawberry.ID, value: str
    ) -> BareRow:
        """Write a row and return it."""
        pool: asyncpg.Pool[asyncpg.Record] = info.context["request"].app.state.pool
        row_id = await pool.fetchval(
            "INSERT INTO bare_row (learner_id, value) VALUES ($1, $2) RETURNING id", int(learner_id), value
        )
        return BareRow(id=strawberry.ID(str(row_id)), value=value)


def create_app() -> Starlette:
    """Return the application."""
    schema = strawberry.Schema(Query, Mutation, extensions=[ParserCache, ValidationCache])

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with asyncpg.create_pool(os.environ["DATABASE_URL"], min_size=1, max_size=10) as app.state.pool:
            yield

    async def healthz(request: Request) -> Response:
        return PlainTextResponse("ok")

    return Starlette(
        routes=[Route("/graphql", GraphQL(schema, graphql_ide=None)), Route("/healthz", healthz)], lifespan=lifespan
    )
