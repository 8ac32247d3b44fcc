"""Ends access whose days are over. Any number of processes may do so at once."""

from datetime import datetime

from domain.enrollments.expiry import end_expired_access
from domain.foundation.unit_of_work import UnitOfWork
from jobs.sweeps import sweep_all

#: Reasons that one transaction ends.
CHUNK = 200


async def end_access_that_is_over(now: datetime) -> int:
    """End every reason whose end has come, and return how many that were."""

    async def end(work: UnitOfWork, reason_ids: list[int]) -> int:
        return await end_expired_access(work, reason_ids=reason_ids)

    return await sweep_all("reasons_to_expire", now, "expiry", end, together=CHUNK)
