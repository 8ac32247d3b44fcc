"""Ends access whose days are over. Any number of processes may do so at once."""

from datetime import datetime

from domain.enrollments.expiry import end_expired_access
from domain.foundation.access import Principal
from domain.foundation.database import across_tenants
from domain.foundation.unit_of_work import UnitOfWork, perform, with_retry
from jobs.sweeps import sweep

#: Reasons that one transaction ends.
CHUNK = 200


async def end_access_that_is_over(now: datetime) -> int:
    """End every reason whose end has come, and return how many that were."""
    total = 0

    async def end(tenant_id: int, reason_ids: list[int]) -> None:
        async def action(work: UnitOfWork) -> int:
            return await end_expired_access(work, reason_ids=reason_ids)

        nonlocal total
        total += (await with_retry(lambda: perform(Principal.operator(tenant_id), now, "expiry", action))).result

    # Of many, the list has the first only. As long as there is something to do in it, there may be more.
    before = -1
    while before < total:
        before = total
        due = await across_tenants("SELECT tenant_id, id FROM reasons_to_expire($1)", now)
        await sweep(due, end, together=CHUNK)
    return total
