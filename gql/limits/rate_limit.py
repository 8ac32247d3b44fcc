"""How much an account may ask for: points per minute, kept in Redis for all processes together.

Without Redis the buckets go on in the memory of the process, with the same figures. No request fails and none waits
because of it: a call has a quarter of a second, and after one that fails nobody calls until Redis answers again, which
is tried apart from all requests.
"""

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from domain.foundation import redis_connections
from domain.foundation.access import Principal
from gql.execution.metrics import RATE_LIMIT_FALLBACK
from gql.limits.buckets import FULL_AFTER, MemoryBuckets

RATE_LIMITED = "RATE_LIMITED"
KEY = "mandate:cost:"
#: Seconds that Redis has for an answer.
PATIENCE = 0.25
#: Streams that pay at the same time, fewer than the client has connections: thousands may get the same at once.
OWING_AT_ONCE = 20
#: Seconds between two looks whether Redis answers again.
PAUSE = 1.0

log = logging.getLogger("mandate.api")

# Time is that of Redis, so that processes whose clocks differ share a bucket. A bucket that is full again needs no row.
_TAKE = """
local limit, points, may_owe, full_after = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3] == '1', tonumber(ARGV[4])
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
local bucket = redis.call('HMGET', KEYS[1], 'points', 'at')
local left, at = tonumber(bucket[1] or limit), tonumber(bucket[2] or now)
left = math.min(limit, left + math.max(0, now - at) * limit / full_after)
local is_taken = may_owe or left >= points
if is_taken then
  left = math.max(left - points, -limit)
  redis.call('HSET', KEYS[1], 'points', string.format('%.6f', left), 'at', string.format('%.6f', now))
  redis.call('PEXPIRE', KEYS[1], math.ceil((limit - left) / limit * full_after * 1000) + 1000)
end
return { is_taken and 1 or 0, string.format('%.6f', left) }
"""


def account_of(principal: Principal) -> str:
    """Return the name of an account's bucket."""
    return f"{principal.tenant_id}:{principal.learner_id or ''}:{principal.service_account_id or ''}"


@dataclass(frozen=True, slots=True)
class Charge:
    """What was asked of a bucket, and how it is now."""

    requested: int
    limit: int
    is_paid: bool
    left: float

    @property
    def retry_after_seconds(self) -> int:
        """Seconds until there are as many points as were asked for."""
        return max(1, math.ceil((self.requested - self.left) * FULL_AFTER / self.limit))

    @property
    def debt_seconds(self) -> float:
        """Seconds until nothing is owed any more."""
        return max(0.0, -self.left) * FULL_AFTER / self.limit

    def as_extension(self) -> dict[str, int]:
        """Return what clients are told."""
        return {
            "requested": self.requested,
            "remaining": max(0, math.floor(self.left)),
            "limit": self.limit,
            "resetSeconds": math.ceil((self.limit - self.left) * FULL_AFTER / self.limit),
        }


class CostLimiter:
    """The buckets of all accounts."""

    def __init__(self, redis_url: str, *, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Connect to nothing yet; without an address, the buckets are in memory. `clock` is for those."""
        self.limit = limit
        self._memory = MemoryBuckets(clock)
        self._redis: Any = None
        if redis_url:
            self._redis = redis_connections.client(redis_url, timeout=PATIENCE)
            self._script = self._redis.register_script(_TAKE)
        self._turn = asyncio.Semaphore(OWING_AT_ONCE)
        self._return: asyncio.Task[None] | None = None
        RATE_LIMIT_FALLBACK.set(0 if redis_url else 1)

    @property
    def is_shared(self) -> bool:
        """Whether all processes take from the same buckets right now."""
        return self._redis is not None and self._return is None

    async def pay(self, account: str, points: int, *, limit: int | None = None) -> Charge:
        """Take points from a bucket, unless it has too few."""
        return await self._take(account, points, limit or self.limit, may_owe=False)

    async def owe(self, account: str, points: int) -> Charge:
        """Take points for what has been done already, so that a bucket may end up below zero."""
        async with self._turn:
            return await self._take(account, points, self.limit, may_owe=True)

    async def _take(self, account: str, points: int, limit: int, *, may_owe: bool) -> Charge:
        if self.is_shared:
            try:
                # The client's own timeouts are per step; this one is for all of them together.
                async with asyncio.timeout(PATIENCE):
                    is_taken, left = await self._script([KEY + account], [limit, points, int(may_owe), FULL_AFTER])
            except Exception as error:
                self._leave(error)
            else:
                return Charge(points, limit, bool(is_taken), float(left))
        is_taken, left = self._memory.take(account, points, limit, may_owe=may_owe)
        return Charge(points, limit, is_taken, left)

    def _leave(self, error: Exception) -> None:
        """Go on without Redis until it answers again."""
        if self._return is None:
            log.warning("limits go on in memory, Redis does not answer: %s", type(error).__name__)
            RATE_LIMIT_FALLBACK.set(1)
            self._return = asyncio.get_running_loop().create_task(self._wait_for_redis())

    async def _wait_for_redis(self) -> None:
        while True:
            await asyncio.sleep(PAUSE)
            with contextlib.suppress(Exception):
                # Others may lead to a server that is gone; one of them would end the return at once.
                await self._redis.connection_pool.disconnect(inuse_connections=False)
                async with asyncio.timeout(PATIENCE):
                    # What is asked of it for requests too: a replica that takes nothing answers a ping.
                    await self._script([KEY], [1, 0, 1, FULL_AFTER])
                log.warning("limits are shared through Redis again")
                self._return = None
                RATE_LIMIT_FALLBACK.set(0)
                return

    async def close(self) -> None:
        """Disconnect."""
        if self._return is not None:
            self._return.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._return
        if self._redis is not None:
            await self._redis.aclose()
