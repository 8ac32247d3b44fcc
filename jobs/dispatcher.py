"""Hands the jobs and emails that wait to their queues, from their rows. Whatever a queue loses is sent again."""

from datetime import datetime

import dramatiq

from domain.foundation.background import dispatch_jobs
from domain.notifications.dispatching import dispatch_emails
from jobs import emails
from jobs.metrics import DISPATCHED, QUEUE_LENGTH
from jobs.queue_lengths import queue_lengths
from jobs.rule_work import QUEUE, job_message

#: Messages in a queue from which on nothing is added: without workers, rows are not sent again and again for ever.
MOST_WAITING = 1_000
#: A message has many emails, and those that wait for a slow mail server shall not be sent in vain.
MOST_WAITING_WITH_EMAILS = 100


class Dispatcher:
    """Sends jobs and emails of all tenants to the workers; any number of processes may do so at once."""

    def __init__(self, broker: dramatiq.Broker, queue_url: str) -> None:
        self._broker = broker
        self._lengths = queue_lengths(broker, queue_url)

    async def dispatch(self, now: datetime) -> int:
        """Send what waits and return how many jobs that were; raises what the queue's server raises."""
        # Asked first also because this does not block the loop when the server hangs; sending does.
        if await self._length(QUEUE) >= MOST_WAITING:
            return 0
        count = await dispatch_jobs(now, self._send)
        DISPATCHED.labels("jobs").inc(count)
        return count

    async def dispatch_emails(self, now: datetime) -> int:
        """Send what is due and return how many emails that were; raises what the queue's server raises."""
        if await self._length(emails.QUEUE) >= MOST_WAITING_WITH_EMAILS:
            return 0
        count = await dispatch_emails(now, self._send_emails)
        DISPATCHED.labels("emails").inc(count)
        return count

    async def _length(self, queue: str) -> int:
        length = await self._lengths.of(queue)
        QUEUE_LENGTH.labels(queue).set(length)
        return length

    def _send(self, tenant_id: int, job_id: int) -> None:
        self._broker.enqueue(job_message(tenant_id, job_id))

    def _send_emails(self, tenant_id: int, email_ids: list[int]) -> None:
        self._broker.enqueue(emails.emails_message(tenant_id, email_ids))

    async def close(self) -> None:
        """Disconnect."""
        await self._lengths.close()
        self._broker.close()
