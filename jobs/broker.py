"""The queue between the scheduler and the workers. Nothing connects before the first message is sent or fetched."""

from collections.abc import Sequence
from urllib.parse import urlsplit

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from domain.foundation import redis_connections
from domain.foundation.settings import BadSettings

NAMESPACE = "mandate"
REDIS_SCHEMES = ("redis", "rediss", "unix")
RABBITMQ_SCHEMES = ("amqp", "amqps")
#: Milliseconds after which the messages of a silent worker are given to others. The rows would be sent again anyway.
HEARTBEAT_TIMEOUT = 5_000
#: Seconds that the queue's server has for an answer.
SOCKET_TIMEOUT = 2.0


class UnknownBroker(BadSettings):
    """The address of the broker is none that is supported."""


def create_broker(url: str, *, middleware: Sequence[dramatiq.Middleware] = ()) -> dramatiq.Broker:
    """Return the broker that the scheme of the URL names; raises UnknownBroker.

    Retries, age and time limits are left out on purpose: jobs are retried from their rows, each chunk is bounded by the
    timeouts of its statements, and a job as a whole may take as long as it needs.
    """
    if is_rabbitmq(url):
        return _rabbitmq(url, middleware)
    scheme = urlsplit(url).scheme
    if scheme not in REDIS_SCHEMES:
        known = ", ".join((*REDIS_SCHEMES, *RABBITMQ_SCHEMES))
        raise UnknownBroker(f"BROKER_URL (or REDIS_URL) has the scheme {scheme!r}; it has to be one of: {known}.")
    return RedisBroker(  # type: ignore[no-untyped-call]
        client=redis_connections.blocking_client(url, timeout=SOCKET_TIMEOUT),
        namespace=NAMESPACE,
        heartbeat_timeout=HEARTBEAT_TIMEOUT,
        # Out of a million: with each command. By default the messages of a killed worker wait for minutes.
        maintenance_chance=1_000_000,
        middleware=list(middleware),
    )


def is_rabbitmq(url: str) -> bool:
    """Tell whether the URL names a RabbitMQ."""
    return urlsplit(url).scheme in RABBITMQ_SCHEMES


def _rabbitmq(url: str, middleware: Sequence[dramatiq.Middleware]) -> dramatiq.Broker:
    try:
        from dramatiq.brokers.rabbitmq import RabbitmqBroker
    except ImportError as error:
        raise BadSettings("BROKER_URL names a RabbitMQ, which needs a package more: mandate[rabbitmq].") from error
    try:
        # Confirmed, so that a job counts as handed out only once the queue has it, and queues that are gone are made.
        broker = RabbitmqBroker(url=url, confirm_delivery=True, middleware=list(middleware))
    except ValueError as error:
        raise UnknownBroker("BROKER_URL is no address of a RabbitMQ.") from error
    parameters = broker.parameters
    for one in parameters if isinstance(parameters, list) else [parameters]:
        # Sending blocks the scheduler, which has more to do.
        one.socket_timeout = one.stack_timeout = one.blocked_connection_timeout = SOCKET_TIMEOUT
        one.connection_attempts = 1
    return broker
