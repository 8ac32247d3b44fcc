"""Queries that run both ways: as functions compiled from their selections, and then in the ordinary way.

Every query that a test sends is answered a second time with compilation off, at the same instant and without limits;
both have to give the same bytes. What a test changes meanwhile, in another task, is looked at once more.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import httpx
import orjson
from graphql import GraphQLError, OperationDefinitionNode, OperationType, parse

from domain.foundation.settings import Settings

#: Fields that are chosen at random.
RANDOM = ("sample",)
#: Attempts until two answers have to be equal.
ATTEMPTS = 3


class BothWays(httpx.AsyncBaseTransport):
    """Sends requests to the application, and queries that it has answered both ways."""

    def __init__(
        self, application: httpx.AsyncBaseTransport, settings: Settings, clock: Callable[[], datetime]
    ) -> None:
        self.application = application
        self.compiled = _without_limits(settings, clock, is_compiling=True)
        self.ordinary = _without_limits(settings, clock, is_compiling=False)
        #: Tests that count what happens in the process switch it off.
        self.is_on = True

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer a request."""
        content = await request.aread()
        response = await self.application.handle_async_request(request)
        if self.is_on and request.url.path == "/graphql" and is_query(request, content):
            body = await response.aread()
            if response.status_code == 200:
                await self._compare(request, content, body)
        return response

    async def _compare(self, request: httpx.Request, content: bytes, body: bytes) -> None:
        shown = told(body)
        expected = told(await self._repeat(self.ordinary, request, content))
        for _ in range(ATTEMPTS - 1):
            if shown == expected:
                return
            shown = told(await self._repeat(self.compiled, request, content))
            expected = told(await self._repeat(self.ordinary, request, content))
        assert shown == expected, f"compiled: {shown!r}\nordinary: {expected!r}"

    async def _repeat(self, to: httpx.AsyncBaseTransport, request: httpx.Request, content: bytes) -> bytes:
        again = httpx.Request(request.method, request.url, headers=request.headers, content=content)
        return await (await to.handle_async_request(again)).aread()


def is_query(request: httpx.Request, content: bytes) -> bool:
    """Tell whether a request can be answered again without a difference."""
    if "text/event-stream" in request.headers.get("accept", ""):
        return False
    try:
        if request.method == "GET":
            document: Any = request.url.params.get("query")
        else:
            document = orjson.loads(content)["query"]
        operations = [node for node in parse(document).definitions if isinstance(node, OperationDefinitionNode)]
    except (GraphQLError, ValueError, KeyError, TypeError):
        return False
    return all(node.operation is OperationType.QUERY for node in operations) and not any(
        field in document for field in RANDOM
    )


def told(body: bytes) -> bytes:
    """Return what an answer says: what it cost, and the names of entries in the log, are its own."""
    answer = orjson.loads(body)
    answer.pop("extensions", None)
    for error in answer.get("errors", ()):
        error.get("extensions", {}).pop("reference", None)
    return orjson.dumps(answer)


def _without_limits(settings: Settings, clock: Callable[[], datetime], *, is_compiling: bool) -> httpx.ASGITransport:
    from domain.foundation.feed.reader import FeedReaders
    from gql.schema import schema
    from gql.transport.http import GraphQLEndpoint

    changed = settings.model_copy(update={"is_compilation_enabled": is_compiling})
    endpoint = GraphQLEndpoint(schema(), changed, clock, FeedReaders(""))
    return httpx.ASGITransport(endpoint, raise_app_exceptions=False)
