"""Background jobs run in this process, as a worker would run them."""

from collections.abc import Callable
from datetime import datetime

from domain.foundation.database.sessions import writing
from domain.foundation.jobs.running import run_job
from domain.reactions import CHUNKS
from domain.tenants.models import Tenant


async def waiting_jobs(tenant: Tenant) -> list[int]:
    """Return the jobs of the tenant that have not ended, oldest first."""
    async with writing(tenant.id) as sql:
        ids: list[int] = await sql.values(
            "SELECT id FROM background_job WHERE tenant_id = $1 AND status IN ('QUEUED', 'RUNNING') ORDER BY id",
            tenant.id,
        )
        return ids


async def run_all_jobs(tenant: Tenant, clock: Callable[[], datetime]) -> int:
    """Run every job of the tenant to its end, those that come up meanwhile too; return how many there were."""
    count = 0
    while waiting := await waiting_jobs(tenant):
        for job_id in waiting:
            await run_job(tenant.id, job_id, CHUNKS, clock)
            count += 1
    return count
