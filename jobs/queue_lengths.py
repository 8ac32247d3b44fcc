"""How many messages wait in a queue, whatever keeps it; asked without blocking the loop."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import dramatiq

from domain.foundation import redis_connections
from jobs.broker import NAMESPACE, SOCKET_TIMEOUT, is_rabbitmq


class QueueLengths(Protocol):
    """What tells lengths of queues."""

    async def of(self, queue: str) -> int: ...
    async def close(self) -> None: ...


def queue_lengths(broker: dramatiq.Broker, url: str) -> QueueLengths:
    """Return what tells the lengths of a broker's queues."""
    return _RabbitmqLengths(broker) if is_rabbitmq(url) else _RedisLengths(url)


class _RedisLengths:
    def __init__(self, url: str) -> None:
        self._redis: Any = redis_connections.client(url, timeout=SOCKET_TIMEOUT)

    async def of(self, queue: str) -> int:
        """Return the length; raises what the client raises."""
        return int(await self._redis.llen(f"{NAMESPACE}:{queue}"))

    async def close(self) -> None:
        """Disconnect."""
        await self._redis.aclose()


class _RabbitmqLengths:
    def __init__(self, broker: Any) -> None:
        self._broker = broker
        # A thread for good: the client has a connection for each.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="queue-lengths")

    async def of(self, queue: str) -> int:
        """Return the length, after making the queue where it is missing; raises what the client raises."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._ask, queue)

    def _ask(self, queue: str) -> int:
        self._broker.declare_queue(queue, ensure=True)
        ready, _, _ = self._broker.get_queue_message_counts(queue)
        return int(ready)

    async def close(self) -> None:
        """Let the thread end; its connection goes with the broker's."""
        self._thread.shutdown(wait=False, cancel_futures=True)
