"""Receiving bodies of requests: they may be so large, take so long, and hold nothing while they are on their way."""

import asyncio
from collections.abc import Awaitable, Callable

from starlette.types import Message, Receive

from gql.limits.document import LARGE_BODY_BYTES, MAX_BODY_BYTES

#: Seconds for a body to arrive, from the first to the last byte.
TIME_LIMIT = 10.0
#: Seconds after which a body counts as slow.
SLOW_AFTER = 0.1


class BodyTooLarge(Exception):
    """The body of a request is larger than allowed."""


class BodyTooSlow(Exception):
    """The body of a request does not arrive in time."""


def limit_body(
    receive: Receive, when_slow: Callable[[], Awaitable[None]], when_large: Callable[[], Awaitable[None]]
) -> Receive:
    """Return `receive` that raises BodyTooLarge and BodyTooSlow.

    `when_slow` is called where the client lets us wait: what the request holds by then is given back. `when_large` is
    called once, before more than a little of a large body is taken in.
    """
    size = 0
    is_large = False
    deadline: float | None = None
    is_complete = False

    async def receive_limited() -> Message:
        nonlocal size, is_large, deadline, is_complete
        if is_complete:
            # From now on only the end of the connection can be told, and that may take as long as it likes.
            return await receive()
        now = asyncio.get_running_loop().time()
        deadline = now + TIME_LIMIT if deadline is None else deadline
        try:
            async with asyncio.timeout(SLOW_AFTER):
                message = await receive()
        except TimeoutError:
            await when_slow()
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError as error:
                raise BodyTooSlow from error
        size += len(message.get("body", b""))
        if size > MAX_BODY_BYTES:
            raise BodyTooLarge
        if size > LARGE_BODY_BYTES and not is_large:
            is_large = True
            await when_large()
        is_complete = message["type"] != "http.request" or not message.get("more_body", False)
        # One that comes a little at a time never lets us wait for long.
        if not is_complete and asyncio.get_running_loop().time() > deadline:
            raise BodyTooSlow
        return message

    return receive_limited


def count_values(text: str | bytes) -> int:
    """Return how many values a JSON text has at most, without reading it."""
    if isinstance(text, str):
        return text.count(",") + text.count("[") + text.count("{")
    return text.count(b",") + text.count(b"[") + text.count(b"{")
