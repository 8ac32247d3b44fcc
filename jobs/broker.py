"""The queue between the scheduler and the workers. Nothing connects before the first message is sent or fetched."""

from collections.abc import Sequence
from urllib.parse import urlsplit

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from domain.foundation.settings import BadSettings

NAMESPACE = "mandate"
#: Milliseconds after which the messages of a silent worker are given to others. The rows would be sent again anyway.
HEARTBEAT_TIMEOUT = 5_000
#: Seconds that the queue's server has for an answer.
SOCKET_TIMEOUT = 2.0


class UnknownBroker(BadSettings):
    """The scheme of the broker's URL is not supported."""


def create_broker(url: str, *, middleware: Sequence[dramatiq.Middleware] = ()) -> dramatiq.Broker:
    """Return the broker that the scheme of the URL names; raises UnknownBroker.

    Retries, age and time limits are left out on purpose: jobs are retried from their rows, each chunk is bounded by the
    timeouts of its statements, and a job as a whole may take as long as it needs.
    """
    scheme = urlsplit(url).scheme
    if scheme not in ("redis", "rediss", "unix"):
        raise UnknownBroker(f"REDIS_URL has the scheme {scheme!r}; it has to be redis, rediss or unix.")
    client = Redis.from_url(
        url,
        socket_timeout=SOCKET_TIMEOUT,
        socket_connect_timeout=SOCKET_TIMEOUT,
        # Once more at once, as a connection of the pool may have died with an earlier server.
        retry=Retry(NoBackoff(), 1),
    )
    return RedisBroker(  # type: ignore[no-untyped-call]
        client=client,
        namespace=NAMESPACE,
        heartbeat_timeout=HEARTBEAT_TIMEOUT,
        # Out of a million: with each command. By default the messages of a killed worker wait for minutes.
        maintenance_chance=1_000_000,
        middleware=list(middleware),
    )
