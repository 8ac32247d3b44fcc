"""Hands the jobs that wait to the queue, from their rows. Whatever the queue loses or refuses is sent again."""

from datetime import datetime

import dramatiq
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from domain.foundation.background import dispatch_jobs
from jobs.broker import NAMESPACE, SOCKET_TIMEOUT
from jobs.rule_work import QUEUE, job_message

#: Messages in the queue from which on nothing is added: without workers, jobs are not sent again and again for ever.
MOST_WAITING = 1_000


class Dispatcher:
    """Sends jobs of all tenants to the workers; any number of processes may do so at once."""

    def __init__(self, broker: dramatiq.Broker, redis_url: str) -> None:
        self._broker = broker
        self._redis = Redis.from_url(
            redis_url,
            socket_timeout=SOCKET_TIMEOUT,
            socket_connect_timeout=SOCKET_TIMEOUT,
            retry=Retry(NoBackoff(), 1),
        )

    async def dispatch(self, now: datetime) -> int:
        """Send what waits and return how many jobs that were; raises what the queue's server raises."""
        # Asked first also because this does not block the loop when the server hangs; sending does.
        if await self._redis.llen(f"{NAMESPACE}:{QUEUE}") >= MOST_WAITING:
            return 0
        return await dispatch_jobs(now, self._send)

    def _send(self, tenant_id: int, job_id: int) -> None:
        self._broker.enqueue(job_message(tenant_id, job_id))

    async def close(self) -> None:
        """Disconnect."""
        await self._redis.aclose()
        self._broker.close()
