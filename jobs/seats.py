"""Gives away seats that are free while somebody waits: what a crash after the commit that freed them has left."""

from datetime import datetime

from domain.enrollments.promotion import promote_waiting
from domain.foundation.database import across_tenants
from jobs.sweeps import sweep


async def give_free_seats(now: datetime) -> None:
    """Promote whoever waits although there is a seat."""

    async def promote(tenant_id: int, content_ids: list[int]) -> None:
        for content_id in content_ids:
            await promote_waiting(tenant_id, now, content_id)

    due = await across_tenants("SELECT tenant_id, id FROM contents_with_seats_to_give()")
    await sweep(due, promote, together=1)
