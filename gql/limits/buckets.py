"""Buckets of points that fill up again: one per account, a minute from empty to full. Here in memory.

`gql/limits/rate_limit.py` says the same in Redis, for all processes together; a test holds both to the same figures.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

#: Seconds from empty to full.
FULL_AFTER = 60.0
#: Accounts that are remembered at most, so that memory is bounded. Who is forgotten has a full bucket.
MAX_ACCOUNTS = 10_000


@dataclass(slots=True)
class _Bucket:
    points: float
    at: float


class MemoryBuckets:
    """The buckets of one process."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Take over a clock that only goes forward, in seconds."""
        self._clock = clock
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, account: str, points: int, limit: int, *, may_owe: bool) -> tuple[bool, float]:
        """Take points if there are enough; return whether that was so, and how many are left.

        With `may_owe` they are taken in any case, down to minus a full bucket.
        """
        now = self._clock()
        bucket = self._buckets.pop(account, None) or _Bucket(float(limit), now)
        left = min(float(limit), bucket.points + (now - bucket.at) * limit / FULL_AFTER)
        is_taken = may_owe or left >= points
        if is_taken:
            left = max(left - points, -float(limit))
        self._buckets[account] = _Bucket(left, now)
        self._forget(now)
        return is_taken, left

    def _forget(self, now: float) -> None:
        """Drop who has not been here for so long that the bucket is full anyway, and who is one too many."""
        # Two for each one that comes, so that they get fewer.
        for account, bucket in list(islice(self._buckets.items(), 2)):
            # Twice the time, for those that owe a whole bucket.
            if bucket.at + 2 * FULL_AFTER < now or len(self._buckets) > MAX_ACCOUNTS:
                del self._buckets[account]
