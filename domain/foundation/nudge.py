"""The only place where the domain knows Redis: after a commit it says "tenant T has news". Losing it costs a poll.

Nothing waits for it and nothing fails by it: nudges are merged per tenant and sent by one task of the process.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

CHANNEL = "mandate:news"
JOBS = "jobs"
#: Seconds without a try after Redis could not be reached.
PAUSE = 2.0
#: Seconds between two tries to listen again.
LISTENING_PAUSE = 1.0

log = logging.getLogger(__name__)


class Nudger:
    """Sends the nudges of one process until it is closed."""

    def __init__(self, redis_url: str) -> None:
        self._redis = Redis.from_url(
            redis_url, socket_timeout=1.0, socket_connect_timeout=1.0, retry=Retry(NoBackoff(), 0)
        )
        self._news: set[str] = set()
        self._wake = asyncio.Event()
        self._task = asyncio.get_running_loop().create_task(self._run())

    def add(self, message: str) -> None:
        """Have `message` published soon."""
        self._news.add(message)
        self._wake.set()

    async def close(self) -> None:
        """Stop; nudges that are not sent yet are dropped, which the polls make good."""
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        await self._redis.aclose()

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            news, self._news = self._news, set()
            try:
                for message in news:
                    await self._redis.publish(CHANNEL, message)
            except Exception as error:
                # Whatever Redis does, nobody may notice; its clients poll meanwhile.
                log.warning("nudge failed: %s", type(error).__name__)
                await asyncio.sleep(PAUSE)


_nudger: Nudger | None = None


def start(redis_url: str) -> None:
    """Begin to nudge in this process; without it, `send` does nothing."""
    global _nudger
    _nudger = Nudger(redis_url) if redis_url else None


async def stop() -> None:
    """End what `start` began."""
    global _nudger
    if _nudger is not None:
        await _nudger.close()
        _nudger = None


def send(tenant_id: int, *, has_jobs: bool = False) -> None:
    """Say that a tenant has news, and whether there is something new to hand out: a background job or emails."""
    if _nudger is not None:
        _nudger.add(str(tenant_id))
        if has_jobs:
            _nudger.add(JOBS)


async def listen(redis_url: str, on_news: Callable[[str], None], on_connection: Callable[[bool], None]) -> None:
    """Call `on_news` with each message (a tenant's ID, or JOBS) until cancelled; connects again for ever.

    `on_connection` is told when listening begins and ends: what was said in between is lost, so whoever listens looks
    for themselves then, and looks often while nobody can tell them anything.
    """
    while True:
        with contextlib.suppress(Exception):
            async with (
                # The connection must not come back by itself: what was missed meanwhile would go unnoticed.
                Redis.from_url(
                    redis_url, decode_responses=True, socket_connect_timeout=1.0, retry=Retry(NoBackoff(), 0)
                ) as redis,
                redis.pubsub() as channel,
            ):
                await channel.subscribe(CHANNEL)
                try:
                    async for message in channel.listen():
                        if message["type"] == "subscribe":
                            on_connection(True)
                        elif message["type"] == "message":
                            on_news(message["data"])
                finally:
                    on_connection(False)
        await asyncio.sleep(LISTENING_PAUSE)
