"""Background jobs: whoever runs them, however often and whatever dies, each piece is done once and the row knows."""

import asyncio
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from domain.foundation.access import Principal
from domain.foundation.database.sessions import ReadScope, writing
from domain.foundation.feed.changes import ObjectType, read_changes, sequence
from domain.foundation.jobs import running as background
from domain.foundation.jobs.running import LEASE, MAX_ATTEMPTS, RESEND_AFTER, Job, create_job, dispatch_jobs, run_job
from domain.foundation.models import JobKind, JobStatus
from domain.foundation.unit_of_work import UnitOfWork, perform
from domain.people.models import Place, PlaceKind
from domain.tenants.models import Tenant
from tests.support.tasks import PATIENCE, held

KIND = JobKind.RULE_BACKFILL


class Clock:
    """A clock that goes as the test says."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


class Counting:
    """A job that makes the places "1", "2", … up to its total, one in each chunk."""

    def __init__(self, *, breaks_at: int | None = None) -> None:
        self.breaks_at = breaks_at
        self.principals: list[Principal] = []
        self.is_stuck = asyncio.Event()
        self.sticks_at: int | None = None

    async def __call__(self, work: UnitOfWork, job: Job) -> bool:
        self.principals.append(work.principal)
        number: int = job.progress.get("done", 0) + 1
        await Place.create(
            tenant_id=work.tenant_id, kind=PlaceKind.LEARNING_GROUP, name=str(number), name_key=str(number)
        )
        if number == self.breaks_at:
            raise RuntimeError("a bug")
        if number == self.sticks_at:
            self.is_stuck.set()
            await asyncio.sleep(60)
        job.progress["done"] = number
        job.processed_count = number
        return number == job.total_count

    async def run(self, tenant_id: int, job_id: int, clock: Callable[[], datetime]) -> None:
        """Run the job as a worker does."""
        await run_job(tenant_id, job_id, {KIND: self}, clock)


async def start(principal: Principal, now: datetime, total: int = 3) -> int:
    """Ask for a job."""

    async def action(work: UnitOfWork) -> int:
        return await create_job(work, KIND, subject=(ObjectType.RULE, 5, "Fire safety"), total_count=total)

    return (await perform(principal, now, "createRule", action)).result


async def made(tenant_id: int) -> list[str]:
    """Return what jobs have made so far."""
    async with writing(tenant_id) as sql:
        return await sql.values("SELECT name FROM place WHERE tenant_id = $1 ORDER BY id", tenant_id)


async def row(tenant_id: int, job_id: int, *columns: str) -> tuple[Any, ...]:
    """Return columns of a job."""
    async with writing(tenant_id) as sql:
        records = await sql.fetch(f"SELECT {', '.join(columns)} FROM background_job WHERE id = $1", job_id)
    return tuple(records[0])


async def dispatch(now: datetime) -> list[tuple[int, int]]:
    """Return what the dispatcher sends."""
    sent: list[tuple[int, int]] = []
    count = await dispatch_jobs(now, lambda tenant_id, job_id: sent.append((tenant_id, job_id)))
    assert count == len(sent)
    return sent


async def test_job_runs_to_its_end(tenant: Tenant, admin: Principal, now: datetime) -> None:
    """Chunk by chunk, with the account that asked for it as the one who acts."""
    job_id = await start(admin, now)
    assert await row(tenant.id, job_id, "status", "processed_count", "finished_at") == ("QUEUED", 0, None)
    work = Counting()
    await work.run(tenant.id, job_id, Clock(now + timedelta(seconds=1)))
    assert await made(tenant.id) == ["1", "2", "3"]
    assert await row(tenant.id, job_id, "status", "total_count", "processed_count", "failed_count", "leased_until") == (
        ("SUCCEEDED", 3, 3, 0, None)
    )
    assert await row(tenant.id, job_id, "created_at", "finished_at") == (now, now + timedelta(seconds=1))
    assert {principal.learner_id for principal in work.principals} == {admin.learner_id}


async def test_each_step_of_a_job_is_in_the_feed(tenant: Tenant, admin: Principal, now: datetime) -> None:
    """The job's creation and every chunk are changes of the job, with rising versions."""
    job_id = await start(admin, now)
    await Counting().run(tenant.id, job_id, Clock(now))
    await sequence(tenant.id)
    async with ReadScope(tenant.id) as reads:
        changes = await read_changes(reads, tenant.id, after=0)
    assert [(change.object_type, change.object_id, change.version) for change in changes] == [
        ("JOB", job_id, version) for version in (1, 2, 3, 4)
    ]


async def test_small_work_is_a_finished_job(tenant: Tenant, admin: Principal, now: datetime) -> None:
    """What was done at once is recorded as done, and nobody runs it again."""

    async def action(work: UnitOfWork) -> tuple[int, bool]:
        return await create_job(work, KIND, finished_with=7), work.has_new_jobs

    job_id, is_news = (await perform(admin, now, "assign", action)).result
    assert not is_news
    assert await row(tenant.id, job_id, "status", "total_count", "processed_count", "finished_at") == (
        ("SUCCEEDED", 7, 7, now)
    )
    assert await dispatch(now + timedelta(hours=1)) == []
    await Counting().run(tenant.id, job_id, Clock(now))
    assert await made(tenant.id) == []


async def test_running_a_finished_or_unknown_job_does_nothing(tenant: Tenant, admin: Principal, now: datetime) -> None:
    """Messages may come twice, late, and for rows that are gone."""
    job_id = await start(admin, now)
    work = Counting()
    await work.run(tenant.id, job_id, Clock(now))
    await work.run(tenant.id, job_id, Clock(now))
    await work.run(tenant.id, job_id + 1, Clock(now))
    assert await made(tenant.id) == ["1", "2", "3"]


async def test_two_runners_do_nothing_twice(tenant: Tenant, admin: Principal, now: datetime) -> None:
    """Two workers with the same job share its chunks."""
    job_id = await start(admin, now, total=30)
    first, second = Counting(), Counting()
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*(work.run(tenant.id, job_id, Clock(now)) for work in (first, second)))
    assert await made(tenant.id) == [str(number) for number in range(1, 31)]
    assert await row(tenant.id, job_id, "status", "processed_count") == ("SUCCEEDED", 30)
    assert len(first.principals) + len(second.principals) == 30


async def test_worker_that_dies_in_a_chunk_leaves_no_trace_of_it(
    tenant: Tenant, admin: Principal, now: datetime
) -> None:
    """Another worker goes on where the last whole chunk ended, once the lease of the dead one is over."""
    job_id = await start(admin, now)
    await dispatch(now)
    dying = Counting()
    dying.sticks_at = 2
    task = asyncio.create_task(dying.run(tenant.id, job_id, Clock(now)))
    await asyncio.wait_for(dying.is_stuck.wait(), PATIENCE)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await made(tenant.id) == ["1"]
    assert await row(tenant.id, job_id, "status", "processed_count", "leased_until", "attempt_count") == (
        ("RUNNING", 1, now + LEASE, 0)
    )
    assert await dispatch(now + LEASE) == []
    later = now + LEASE + timedelta(milliseconds=1)
    assert await dispatch(later) == [(tenant.id, job_id)]
    await Counting().run(tenant.id, job_id, Clock(later))
    assert await made(tenant.id) == ["1", "2", "3"]
    assert await row(tenant.id, job_id, "status", "finished_at") == ("SUCCEEDED", later)


async def test_chunk_that_fails_is_tried_again_and_given_up_after_five_times(
    tenant: Tenant, admin: Principal, now: datetime
) -> None:
    """The pause doubles; then the job is FAILED and says where to read why, with what was done before still done."""
    job_id = await start(admin, now)
    clock, work = Clock(now), Counting(breaks_at=2)
    pauses = []
    for attempt in range(1, MAX_ATTEMPTS + 1):
        assert await dispatch(clock.now) == [(tenant.id, job_id)]
        with pytest.raises(RuntimeError, match="a bug"):
            await work.run(tenant.id, job_id, clock)
        status, attempts, leased_until = await row(tenant.id, job_id, "status", "attempt_count", "leased_until")
        assert (status, attempts) == ("FAILED" if attempt == MAX_ATTEMPTS else "RUNNING", attempt)
        assert await dispatch(leased_until) == []
        pauses.append(leased_until - clock.now)
        clock.now = leased_until + timedelta(milliseconds=1)
    assert pauses[:4] == [LEASE * 2, LEASE * 4, LEASE * 8, LEASE * 16]
    reason, processed_count = await row(tenant.id, job_id, "failure_reason", "processed_count")
    assert re.fullmatch(r"RuntimeError, logged under [0-9a-f]{32}\.", reason)
    assert processed_count == 1
    assert (await row(tenant.id, job_id, "finished_at"))[0] is not None
    assert await dispatch(clock.now + timedelta(hours=1)) == []
    await Counting().run(tenant.id, job_id, clock)
    assert await made(tenant.id) == ["1"]


async def test_success_forgets_earlier_failures(tenant: Tenant, admin: Principal, now: datetime) -> None:
    """Only failures in a row count: a job may fail now and then and still end well."""
    job_id = await start(admin, now)
    for breaks_at in (1, 1, 1, 1, 2, 2, 2, 2):
        with pytest.raises(RuntimeError):
            await Counting(breaks_at=breaks_at).run(tenant.id, job_id, Clock(now))
    await Counting().run(tenant.id, job_id, Clock(now))
    assert await row(tenant.id, job_id, "status", "attempt_count", "failure_reason") == ("SUCCEEDED", 0, None)
    assert await made(tenant.id) == ["1", "2", "3"]


async def test_unknown_kind_of_job_fails_like_a_bug(tenant: Tenant, admin: Principal, now: datetime) -> None:
    """A worker of an older release does not lose the job of a newer one."""
    job_id = await start(admin, now)
    with pytest.raises(KeyError):
        await run_job(tenant.id, job_id, {}, Clock(now))
    assert await row(tenant.id, job_id, "status", "attempt_count") == ("QUEUED", 1)


async def test_jobs_are_sent_when_they_are_new(
    tenant: Tenant, admin: Principal, another_tenant: Tenant, another_admin: Principal, now: datetime
) -> None:
    """The dispatcher sends the jobs of all tenants, whichever comes first, and each once."""
    ours, theirs = await start(admin, now), await start(another_admin, now)
    assert sorted(await dispatch(now)) == [(tenant.id, ours), (another_tenant.id, theirs)]
    assert await dispatch(now) == []


async def test_lost_message_is_sent_again(tenant: Tenant, admin: Principal, now: datetime) -> None:
    """A job that no worker has taken three seconds after it was sent is sent again."""
    job_id = await start(admin, now)
    assert await dispatch(now) == [(tenant.id, job_id)]
    assert await dispatch(now + RESEND_AFTER) == []
    assert await dispatch(now + RESEND_AFTER + timedelta(milliseconds=1)) == [(tenant.id, job_id)]


async def test_job_that_could_not_be_sent_is_sent_later(tenant: Tenant, admin: Principal, now: datetime) -> None:
    """With the broker down, rows stay as they are."""

    def fail(tenant_id: int, job_id: int) -> None:
        raise ConnectionError

    job_id = await start(admin, now)
    with pytest.raises(ConnectionError):
        await dispatch_jobs(now, fail)
    assert await dispatch(now) == [(tenant.id, job_id)]


async def test_jobs_of_an_uncommitted_change_are_not_sent(tenant: Tenant, admin: Principal, now: datetime) -> None:
    """A job exists when the change that asked for it does."""

    async def action(work: UnitOfWork) -> int:
        return await create_job(work, KIND)

    async with held(admin, now, action) as work:
        assert await dispatch(now) == []
        job_id = (await work.commit()).result
    assert await dispatch(now) == [(tenant.id, job_id)]


async def test_cancelled_job_stops_before_its_next_chunk(tenant: Tenant, admin: Principal, now: datetime) -> None:
    """What ends a job from outside is seen by its runner under the lock."""
    job_id = await start(admin, now)

    begun = asyncio.Event()

    class Endless(Counting):
        async def __call__(self, work: UnitOfWork, job: Job) -> bool:
            await super().__call__(work, job)
            begun.set()
            return False

    work = Endless()
    running = asyncio.create_task(work.run(tenant.id, job_id, Clock(now)))
    await asyncio.wait_for(begun.wait(), PATIENCE)

    async def cancel(unit: UnitOfWork) -> None:
        job = await background.lock_job(unit, job_id)
        assert job is not None
        job.status = JobStatus.CANCELLED.value
        await background.save_job(unit, job, leased_until=None)

    await perform(admin, now, "cancel", cancel)
    await asyncio.wait_for(running, PATIENCE)
    assert await row(tenant.id, job_id, "status", "finished_at") == ("CANCELLED", now)
    assert len(await made(tenant.id)) == len(work.principals)
