"""GraphQL over server-sent events: one operation per request, for clients behind proxies that know only HTTP.

There are no close codes: a body that ends without `complete` says "come back with your last cursor".
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, aclosing

import orjson
from graphql import GraphQLError
from starlette.responses import StreamingResponse
from strawberry.types import ExecutionResult

from domain.foundation.errors import Unauthenticated
from domain.foundation.feed.live import ResetReason
from gql.execution.request_errors import result_body
from gql.execution.streaming import Payload, Refused

EVENT_STREAM = "text/event-stream"

COMPLETE = b"event: complete\ndata:\n\n"

log = logging.getLogger("mandate.api")


def next_event(body: bytes) -> bytes:
    """Return one result as an event."""
    return b"event: next\ndata: " + body + b"\n\n"


def single_event(result: ExecutionResult) -> AsyncIterator[bytes]:
    """Return the events of an operation that has one result."""
    return _whole(result_body(result))


def refusal_events(errors: list[GraphQLError]) -> AsyncIterator[bytes]:
    """Return the events of an operation that did not begin."""
    return _whole({"errors": [error.formatted for error in errors]})


async def _whole(body: object) -> AsyncIterator[bytes]:
    yield next_event(orjson.dumps(body))
    yield COMPLETE


async def stream_events(
    stream: AsyncGenerator[Payload, None],
    *,
    seconds: float | None,
    check: Callable[[], Awaitable[None]],
    held: ExitStack,
) -> AsyncIterator[bytes]:
    """Yield the events of a stream for at most so many seconds: then its credential ends.

    `check` raises Unauthenticated when the credential is gone; `held` is let go at the end.
    """
    loop = asyncio.get_running_loop()
    end = None if seconds is None else loop.time() + seconds
    with held:
        try:
            async with aclosing(stream):
                while end is None or loop.time() < end:
                    # Not around the `yield`: there, it is the server that would be interrupted.
                    async with asyncio.timeout_at(end):
                        payload = await anext(stream, None)
                        if payload is None:
                            break
                        if payload.reset is ResetReason.SCOPE_CHANGED:
                            await check()
                    yield next_event(payload.body)
                else:
                    return
        except Refused as refusal:
            yield next_event(orjson.dumps({"errors": [error.formatted for error in refusal.errors]}))
        except (TimeoutError, Unauthenticated):
            return
        except Exception as error:
            log.warning("a stream failed: %s", type(error).__name__, exc_info=error)
            return
        yield COMPLETE


class EventStreamResponse(StreamingResponse):
    """Answer whose body goes on."""

    media_type = EVENT_STREAM

    def __init__(self, events: AsyncIterator[bytes]) -> None:
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no", "Vary": "Accept, Authorization"}
        super().__init__(events, headers=headers)
