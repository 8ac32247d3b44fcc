"""Who may run a job: one worker at a time, the next one when the lease is over or given back; nobody waits for it."""

from datetime import datetime, timedelta

import pytest

from domain.foundation.access import Principal
from domain.foundation.jobs.running import LEASE, Job, create_job, dispatch_jobs, lock_job, run_job, take_job
from domain.foundation.models import JobKind
from domain.foundation.unit_of_work import UnitOfWork, perform
from tests.support.catalogue import Connection
from tests.support.tasks import held

KIND = JobKind.RULE_BACKFILL
MOMENT = timedelta(milliseconds=1)


@pytest.fixture
async def job_id(admin: Principal, now: datetime) -> int:
    """A job that nobody has begun."""

    async def action(work: UnitOfWork) -> int:
        return await create_job(work, KIND, total_count=3)

    return (await perform(admin, now, "createRule", action)).result


async def one_of_three(work: UnitOfWork, job: Job) -> bool:
    """Do a chunk of three."""
    job.processed_count += 1
    return job.processed_count == 3


async def test_job_is_leased_to_one_worker_at_a_time(admin: Principal, job_id: int, now: datetime) -> None:
    """A message that comes twice finds the job taken; once the lease is over, it is free."""
    assert await take_job(admin.tenant_id, job_id, now)
    assert not await take_job(admin.tenant_id, job_id, now + LEASE)
    assert await take_job(admin.tenant_id, job_id, now + LEASE + MOMENT)


async def test_finished_or_unknown_job_cannot_be_taken(admin: Principal, job_id: int, now: datetime) -> None:
    """Late messages do no harm."""
    await run_job(admin.tenant_id, job_id, {KIND: one_of_three}, lambda: now)
    assert not await take_job(admin.tenant_id, job_id, now + timedelta(days=1))
    assert not await take_job(admin.tenant_id, job_id + 1, now)


async def test_nobody_waits_for_a_job_that_is_worked_on(admin: Principal, job_id: int, now: datetime) -> None:
    """A long chunk holds its row past its lease: it is neither taken nor sent again meanwhile."""
    sent: list[int] = []
    async with held(admin, now, lambda work: lock_job(work, job_id)):
        assert not await take_job(admin.tenant_id, job_id, now)
        assert await dispatch_jobs(now, lambda tenant_id, job_id: sent.append(job_id)) == 0
    assert await dispatch_jobs(now, lambda tenant_id, job_id: sent.append(job_id)) == 1
    assert sent == [job_id]


async def test_lease_counts_from_the_end_of_a_chunk(
    admin: Principal, job_id: int, now: datetime, superuser: Connection
) -> None:
    """However long the chunk has taken."""
    clock, leases = [now], []

    async def slow_chunk(work: UnitOfWork, job: Job) -> bool:
        leases.append(await superuser.fetchval("SELECT leased_until FROM background_job WHERE id = $1", job_id))
        clock[0] += timedelta(minutes=1)
        return len(leases) == 2

    await run_job(admin.tenant_id, job_id, {KIND: slow_chunk}, lambda: clock[0])
    assert leases == [None, now + timedelta(minutes=1) + LEASE]


async def test_worker_that_stops_gives_the_job_back(
    admin: Principal, job_id: int, now: datetime, superuser: Connection
) -> None:
    """After the chunk that it is at; the job is sent and taken again at once."""
    assert await dispatch_jobs(now, lambda tenant_id, job_id: None) == 1
    assert await take_job(admin.tenant_id, job_id, now)
    await run_job(admin.tenant_id, job_id, {KIND: one_of_three}, lambda: now, should_stop=lambda: True)
    row = await superuser.fetchrow(
        "SELECT status, processed_count, leased_until, dispatched_at FROM background_job WHERE id = $1", job_id
    )
    assert row is not None
    assert tuple(row) == ("RUNNING", 1, None, None)
    assert await dispatch_jobs(now, lambda tenant_id, job_id: None) == 1
    assert await take_job(admin.tenant_id, job_id, now)


async def test_worker_that_stops_with_the_last_chunk_has_finished(
    admin: Principal, job_id: int, now: datetime, superuser: Connection
) -> None:
    """Nothing is left to give back."""
    done: list[int] = []

    async def all_three(work: UnitOfWork, job: Job) -> bool:
        done.append(1)
        return True

    await run_job(admin.tenant_id, job_id, {KIND: all_three}, lambda: now, should_stop=lambda: True)
    assert await superuser.fetchval("SELECT status FROM background_job WHERE id = $1", job_id) == "SUCCEEDED"
    assert await dispatch_jobs(now + timedelta(hours=1), lambda tenant_id, job_id: None) == 0
