"""Hands out what is due to the queues, by turns of the tenants. Whatever a queue loses is sent again."""

from datetime import datetime, timedelta

import dramatiq

from jobs.metrics import DISPATCHED, QUEUE_LENGTH
from jobs.queue_lengths import queue_lengths
from jobs.rounds import Look, Round

#: Messages of a kind that wait at most. Of one tenant there are a few, so nobody's backlog fills a queue: this is for
#: very many tenants, and for a queue that nobody takes anything from.
MAX_WAITING = 1_000
#: Parts that a look goes through: where few tenants have something due, each has more of them under way at once.
PARTS = 64
#: While others wait in the queue, so do messages that nobody has taken; only after this time they count as lost.
BUSY_RESEND_AFTER = timedelta(seconds=30)


class Dispatcher:
    """Hands out the work of all tenants; any number of processes may do so at once."""

    def __init__(self, broker: dramatiq.Broker, queue_url: str) -> None:
        self._broker = broker
        self._lengths = queue_lengths(broker, queue_url)
        self._handed_out: dict[str, dict[tuple[int, int], datetime]] = {}
        self._tenant_counts: dict[str, int] = {}

    async def dispatch(self, one: Round, now: datetime) -> int:
        """Hand out what is due of a kind and return how many objects that were; raises what the queue's server does."""
        # Asked first also because this does not block the loop when the server hangs; sending does.
        length = await self._length(one.name)
        room = MAX_WAITING - length
        if room <= 0:
            return 0
        handed_out = self._handed_out.setdefault(one.name, {})
        tenants: set[int] = set()

        def send(tenant_id: int, ids: list[int]) -> None:
            self._broker.enqueue(one.message(tenant_id, ids))
            tenants.add(tenant_id)

        at_once = max(1, min(one.at_once, PARTS // max(1, self._tenant_counts.get(one.name, PARTS))))
        patience = max(one.resend_after, BUSY_RESEND_AFTER) if length else one.resend_after
        look = Look(now, send, now - patience, one.together, at_once * one.together, room, handed_out)
        count = await one.hand_out(look)
        self._tenant_counts[one.name] = len(tenants | {tenant_id for tenant_id, _ in handed_out})
        DISPATCHED.labels(one.name).inc(count)
        return count

    async def _length(self, queue: str) -> int:
        length = await self._lengths.of(queue)
        QUEUE_LENGTH.labels(queue).set(length)
        return length

    async def close(self) -> None:
        """Disconnect."""
        await self._lengths.close()
        self._broker.close()
