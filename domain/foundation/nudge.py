"""The only place where the domain knows Redis: after a commit it says "tenant T has news". Losing it costs a poll.

Nothing waits for it and nothing fails by it: nudges are merged per tenant and sent by one task of the process.
"""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Callable

from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from domain.foundation import redis_connections

CHANNEL = "mandate:news"
JOBS = "jobs"
#: Seconds without a try after Redis could not be reached.
PAUSE = 2.0
#: Seconds between two tries to listen again.
LISTENING_PAUSE = 1.0
#: Seconds that Redis has for each step.
PATIENCE = 1.0
#: Seconds between two looks whether what is said can be heard.
ECHO_EVERY = 3.0

log = logging.getLogger(__name__)


class Nudger:
    """Sends the nudges of one process until it is closed."""

    def __init__(self, redis_url: str) -> None:
        self._redis = redis_connections.client(redis_url, timeout=PATIENCE)
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
                    redis_url, decode_responses=True, socket_connect_timeout=PATIENCE, retry=Retry(NoBackoff(), 0)
                ) as redis,
                redis.pubsub() as channel,
            ):
                own = f"{CHANNEL}:{secrets.token_hex(8)}"
                await channel.subscribe(own, CHANNEL)
                try:
                    await _hear(redis_url, channel, own, on_news, on_connection)
                finally:
                    on_connection(False)
        await asyncio.sleep(LISTENING_PAUSE)


async def _hear(
    redis_url: str,
    channel: PubSub,
    own: str,
    on_news: Callable[[str], None],
    on_connection: Callable[[bool], None],
) -> None:
    """Pass on what is said, as long as what this process says to itself at the same address can be heard too.

    Silence looks the same where a connection leads to a server to which nobody talks any more.
    """
    loop = asyncio.get_running_loop()
    is_heard, ask_at = True, loop.time()
    while True:
        if loop.time() >= ask_at:
            if not is_heard:
                log.warning("nudges are not heard: listening again")
                return
            is_heard, ask_at = False, loop.time() + ECHO_EVERY
            # By a new connection, which leads to wherever others' do now.
            async with redis_connections.client(redis_url, timeout=PATIENCE) as redis:
                await redis.publish(own, "")
        match await channel.get_message(timeout=max(0.0, ask_at - loop.time())):
            case {"type": "subscribe", "channel": name} if name == CHANNEL:
                on_connection(True)
            case {"type": "message", "channel": name, "data": news}:
                if name == own:
                    is_heard = True
                else:
                    on_news(news)
