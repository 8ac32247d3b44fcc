"""Clients of Redis or Valkey whose connections are given up with the server that they lead to.

After a switch-over connections may stay open for ever, and lead to a server that no longer serves: one that is
read-only, still loads, or has lost its disk. So a connection that answers like that is closed, and the command is sent
once more on a new one, which leads to wherever the address leads now. And no connection is used for long, as one that
leads to the wrong server may not show it: a replica tells old lengths and publishes to nobody.
"""

import time
from functools import cache
from typing import Any

import redis
import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    ClusterDownError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
)
from redis.exceptions import ConnectionError as ConnectionLost
from redis.exceptions import TimeoutError as AnswerTooLate
from redis.retry import Retry as BlockingRetry

#: Seconds after which a connection is replaced before the next command.
MAX_AGE = 5.0
_CANNOT_SERVE = (AuthenticationError, BusyLoadingError, ClusterDownError, OutOfMemoryError, ReadOnlyError)
#: How answers begin that the client has no class for; those of scripts have them further back.
_WORDS = frozenset(
    {
        *("READONLY", "LOADING", "MASTERDOWN", "NOAUTH", "MISCONF", "CLUSTERDOWN", "OOM"),
        *("UNBLOCKED", "NOREPLICAS", "WRONGPASS", "NOPERM"),
    }
)


class ServerCannotServe(ConnectionLost):
    """The server has answered that it cannot do its work; the connection to it is closed."""


def client(url: str, *, timeout: float) -> "redis.asyncio.Redis":
    """Return a client for an event loop; `timeout` is seconds for each step."""
    made = redis.asyncio.Redis.from_url(
        url,
        socket_timeout=timeout,
        socket_connect_timeout=timeout,
        retry=Retry(NoBackoff(), 1),
    )
    pool: Any = made.connection_pool
    pool.connection_class = _asynchronous(pool.connection_class)
    return made


def blocking_client(url: str, *, timeout: float) -> "redis.Redis":
    """Return a client for threads; `timeout` is seconds for each step."""
    made = redis.Redis.from_url(
        url, socket_timeout=timeout, socket_connect_timeout=timeout, retry=BlockingRetry(NoBackoff(), 1)
    )
    pool: Any = made.connection_pool
    pool.connection_class = _blocking(pool.connection_class)
    return made


def cannot_serve(error: RedisError) -> bool:
    """Tell whether an answer says that this server is the wrong one to ask."""
    return isinstance(error, _CANNOT_SERVE) or not _WORDS.isdisjoint(str(error).replace("-", " ").split())


@cache
def _asynchronous(kind: Any) -> Any:
    """Return a class of connections that are given up."""

    class Connection(kind):  # type: ignore[misc]
        _made_at = 0.0

        async def connect(self) -> None:
            if self.is_connected and time.monotonic() - self._made_at > MAX_AGE:
                await self.disconnect(nowait=True)
            if not self.is_connected:
                self._made_at = time.monotonic()
            await super().connect()

        async def read_response(self, *args: Any, **options: Any) -> Any:
            try:
                return await super().read_response(*args, **options)
            except RedisError as error:
                if not cannot_serve(error):
                    raise
                await self.disconnect(nowait=True)
                raise ServerCannotServe(str(error)) from error

    return Connection


@cache
def _blocking(kind: Any) -> Any:
    """Return a class of connections that are given up."""

    class Connection(kind):  # type: ignore[misc]
        _made_at = 0.0

        def connect(self) -> None:
            if self.is_connected and time.monotonic() - self._made_at > MAX_AGE:
                self.disconnect()
            if not self.is_connected:
                self._made_at = time.monotonic()
            super().connect()

        def read_response(self, *args: Any, **options: Any) -> Any:
            try:
                return super().read_response(*args, **options)
            except AnswerTooLate as error:
                # What reads from a queue knows lost connections only.
                self.disconnect()
                raise ConnectionLost(str(error)) from error
            except RedisError as error:
                if not cannot_serve(error):
                    raise
                self.disconnect()
                raise ServerCannotServe(str(error)) from error

    return Connection
