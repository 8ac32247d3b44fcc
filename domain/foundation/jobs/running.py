"""Background jobs: rows that say what is to be done and how far it is. Redis only carries their IDs.

A worker leases a job for a few seconds and renews the lease with every chunk; each chunk is one transaction that locks
the row, works, and moves `progress` on. So a killed worker's job is taken up by another one within seconds, and
nothing is done twice whoever runs it.
"""

import logging
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from domain.foundation import metrics
from domain.foundation.access import Principal
from domain.foundation.database.sessions import across_tenants, refresh_statistics
from domain.foundation.errors import DomainError, RequestFailure
from domain.foundation.fair_order import in_turns
from domain.foundation.feed.changes import ObjectType, record_changes
from domain.foundation.locks import share_rules
from domain.foundation.models import JobKind, JobStatus
from domain.foundation.tracing import span
from domain.foundation.unit_of_work import UnitOfWork, perform, with_retry

log = logging.getLogger(__name__)

#: From this many people on, work is a background job instead of part of the request.
BACKGROUND_THRESHOLD = 100
LEASE = timedelta(seconds=5)
#: A dispatched job that no worker has taken after this time is sent again: its message may be lost.
RESEND_AFTER = timedelta(seconds=3)
MAX_ATTEMPTS = 5
#: Jobs of one tenant that are handed out at once, if nothing else is said.
MAX_UNDER_WAY = 100

TERMINAL = frozenset({JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.CANCELLED})


@dataclass(slots=True)
class Job:
    """A job row, as its runner sees and changes it."""

    id: int
    kind: str
    status: str
    total_count: int | None
    processed_count: int
    failed_count: int
    subject_type: str | None
    subject_id: int | None
    started_by_learner_id: int | None
    started_by_service_account_id: int | None
    progress: dict[str, Any]
    attempt_count: int
    version: int

    def principal(self, tenant_id: int) -> Principal:
        """Return who log rows of the job name as actor: the account that asked for it."""
        return Principal(
            tenant_id=tenant_id,
            learner_id=self.started_by_learner_id,
            service_account_id=self.started_by_service_account_id,
            is_operator=True,
        )


@dataclass(frozen=True, slots=True)
class JobGivenUp:
    """A job has failed too often."""

    job_id: int
    kind: JobKind
    subject_id: int | None


#: Does one chunk in the transaction given, changes the job's counts and progress, and returns whether it is finished.
Chunk = Callable[[UnitOfWork, Job], Awaitable[bool]]

_COLUMNS = (
    "id, kind, status, total_count, processed_count, failed_count, subject_type, subject_id, started_by_learner_id,"
    " started_by_service_account_id, progress, attempt_count, version"
)


async def create_job(
    work: UnitOfWork,
    kind: JobKind,
    *,
    subject: tuple[ObjectType, int, str] | None = None,
    total_count: int | None = None,
    progress: dict[str, Any] | None = None,
    finished_with: int | None = None,
    failed_count: int = 0,
) -> int:
    """Insert a job and return its ID.

    With `finished_with`, the work was small and is done already: the job is SUCCEEDED with that count, of which some
    may have failed.
    """
    is_done = finished_with is not None
    job_id: int = await work.sql.value(
        """
        INSERT INTO background_job (tenant_id, kind, status, total_count, processed_count, failed_count, subject_type,
                                    subject_id, subject_name, started_by_learner_id, started_by_service_account_id,
                                    progress, attempt_count, created_at, finished_at, version)
        VALUES ($1, $2, $3, $4, $5, $14, $6, $7, $8, $9, $10, $11, 0, $12, $13, 1) RETURNING id
        """,
        work.tenant_id,
        kind.value,
        (JobStatus.SUCCEEDED if is_done else JobStatus.QUEUED).value,
        finished_with if is_done else total_count,
        finished_with or 0,
        subject[0].value if subject else None,
        subject[1] if subject else None,
        subject[2] if subject else None,
        work.principal.learner_id,
        work.principal.service_account_id,
        progress or {},
        work.now,
        work.now if is_done else None,
        failed_count,
    )
    await record_changes(work, ObjectType.JOB, [(job_id, 1)])
    work.has_new_jobs = work.has_new_jobs or not is_done
    return job_id


async def lock_job(work: UnitOfWork, job_id: int) -> Job | None:
    """Lock a job row for one chunk; only the lock on the rules comes before it."""
    return await work.sql.row(
        Job,
        f"SELECT {_COLUMNS} FROM background_job WHERE tenant_id = $1 AND id = $2 FOR NO KEY UPDATE",
        work.tenant_id,
        job_id,
    )


async def save_job(work: UnitOfWork, job: Job, *, leased_until: datetime | None, reason: str | None = None) -> None:
    """Write what a chunk has changed."""
    job.version += 1
    await work.sql.execute(
        """
        UPDATE background_job SET status = $3, total_count = $4, processed_count = $5, failed_count = $6, progress = $7,
               attempt_count = $8, version = $9, leased_until = $10, failure_reason = $11, finished_at = $12
         WHERE tenant_id = $1 AND id = $2
        """,
        work.tenant_id,
        job.id,
        job.status,
        job.total_count,
        job.processed_count,
        job.failed_count,
        job.progress,
        job.attempt_count,
        job.version,
        leased_until,
        reason,
        work.now if job.status in TERMINAL else None,
    )
    await record_changes(work, ObjectType.JOB, [(job.id, job.version)])


async def take_job(tenant_id: int, job_id: int, now: datetime) -> bool:
    """Lease a job to a worker and tell whether it may run it: messages come twice, and others may have the job."""

    async def take(work: UnitOfWork) -> bool:
        # Whoever has the row locked is at work on it.
        taken = await work.sql.execute(
            """
            UPDATE background_job SET leased_until = $3 WHERE id = (
              SELECT id FROM background_job WHERE tenant_id = $1 AND id = $2 AND status IN ('QUEUED', 'RUNNING')
                 AND (leased_until IS NULL OR leased_until < $4) FOR NO KEY UPDATE SKIP LOCKED)
            """,
            tenant_id,
            job_id,
            now + LEASE,
            now,
        )
        return taken == 1

    return (await perform(Principal.operator(tenant_id), now, "backgroundJob", take)).result


async def run_job(
    tenant_id: int,
    job_id: int,
    chunks: Mapping[str, Chunk],
    clock: Callable[[], datetime],
    *,
    should_stop: Callable[[], bool] = lambda: False,
) -> None:
    """Work on a job until it has ended; safe to call twice, at once, and after a crash between any two steps.

    A chunk that fails is tried again from the row, with a growing pause, and gives the job up after a few times.
    Once `should_stop` says yes, the present chunk is the last one here, and another worker can go on at once.
    """
    principal = await _job_principal(tenant_id, job_id, clock())
    if principal is None:
        return

    async def step(work: UnitOfWork) -> bool:
        begun = time.perf_counter()
        await work.sql.plan_each_time()
        # Before the job's own row, as whoever locks the rules alone may end their jobs.
        await share_rules(work)
        job = await lock_job(work, job_id)
        if job is None or job.status in TERMINAL:
            return True
        is_finished = await chunks[job.kind](work, job)
        job.status = (JobStatus.SUCCEEDED if is_finished else JobStatus.RUNNING).value
        job.attempt_count = 0
        is_given_back = not is_finished and should_stop()
        # Counted from the end of the chunk: it may have taken longer than a lease.
        await save_job(work, job, leased_until=None if is_finished or is_given_back else clock() + LEASE)
        if is_given_back:
            await _mark_dispatched(work, job_id, None, work.now)
            work.has_new_jobs = True
        work.count(lambda: metrics.JOB_CHUNKS.labels(job.kind).observe(time.perf_counter() - begun))
        if is_finished:
            work.count(metrics.JOBS.labels(job.kind, job.status).inc)
        return is_finished or is_given_back

    is_finished = False
    next_refresh, chunk_count = 1, 0
    while not is_finished:
        if chunk_count == next_refresh:
            # Ever more rarely: tables have to grow by a lot before the planner sees them in another way.
            await refresh_statistics()
            next_refresh *= 4
        chunk_count += 1
        try:
            with span("background job", chunk=chunk_count):
                done = await with_retry(lambda: perform(principal, clock(), "backgroundJob", step))
        except Exception as error:
            await _note_failure(principal, job_id, clock(), error)
            raise
        is_finished = done.result


async def _job_principal(tenant_id: int, job_id: int, now: datetime) -> Principal | None:
    async def load(work: UnitOfWork) -> Principal | None:
        job = await lock_job(work, job_id)
        return job.principal(tenant_id) if job and job.status not in TERMINAL else None

    return (await perform(Principal.operator(tenant_id), now, "backgroundJob", load)).result


def _told(error: Exception) -> str:
    """Return what callers may read of a failure: an unexpected one may quote rows, so it goes into the log only."""
    if isinstance(error, DomainError | RequestFailure):
        return error.message
    reference = uuid.uuid4().hex
    log.error("a background job failed", exc_info=error, extra={"reference": reference})
    return f"{type(error).__name__}, logged under {reference}."


async def _note_failure(principal: Principal, job_id: int, now: datetime, error: Exception) -> None:
    async def note(work: UnitOfWork) -> None:
        await share_rules(work)
        job = await lock_job(work, job_id)
        if job is None or job.status in TERMINAL:
            return
        job.attempt_count += 1
        if job.attempt_count >= MAX_ATTEMPTS:
            job.status = JobStatus.FAILED.value
            work.record(JobGivenUp(job_id, JobKind(job.kind), job.subject_id))
        outcome = job.status if job.status == JobStatus.FAILED else "RETRIED"
        work.count(metrics.JOBS.labels(job.kind, outcome).inc)
        # Nobody takes the job up again before the lease ends: that is the pause.
        pause = LEASE * (2**job.attempt_count)
        await save_job(work, job, leased_until=now + pause, reason=reason)
        # Meanwhile it is not under way: the tenant's other jobs need not wait for it.
        await _mark_dispatched(work, job_id, None, now)

    reason = _told(error)
    await perform(principal, now, "backgroundJob", note)


async def dispatch_jobs(
    now: datetime,
    send: Callable[[int, int], None],
    *,
    resend_before: datetime | None = None,
    most: int = MAX_UNDER_WAY,
    room: int | None = None,
) -> int:
    """Hand jobs that wait, or whose worker is gone, to `send(tenant_id, job_id)`, by turns; return how many.

    A tenant has at most `most` jobs under way, and no more than `room` are sent. What was sent before `resend_before`
    and nobody has taken is sent again. Safe in several processes at once. What `send` raises is raised here, and that
    job is sent by the next call.
    """
    resend_before = now - RESEND_AFTER if resend_before is None else resend_before
    waiting = await across_tenants("SELECT tenant_id, id FROM jobs_to_dispatch($1, $2, $3)", now, resend_before, most)
    count = 0
    for tenant_id, [job_id] in in_turns(waiting, together=1):
        if room is not None and count >= room:
            break
        principal = Principal.operator(tenant_id)

        async def mark(work: UnitOfWork, job_id: int = job_id) -> bool:
            return await _mark_dispatched(work, job_id, now, resend_before)

        if not (await perform(principal, now, "dispatch", mark)).result:
            continue
        try:
            send(tenant_id, job_id)
        except BaseException:

            async def unmark(work: UnitOfWork, job_id: int = job_id) -> bool:
                return await _mark_dispatched(work, job_id, None, resend_before)

            await perform(principal, now, "dispatch", unmark)
            raise
        count += 1
    return count


async def _mark_dispatched(work: UnitOfWork, job_id: int, at: datetime | None, resend_before: datetime) -> bool:
    """Note when a job was sent, None for not at all; tell whether it was this call that did."""
    # Whoever has the row locked works on the job or sends it: neither waits for the other.
    marked = await work.sql.execute(
        """
        UPDATE background_job SET dispatched_at = $3 WHERE id = (
          SELECT id FROM background_job WHERE tenant_id = $1 AND id = $2
             AND ($3::timestamptz IS NULL OR dispatched_at IS NULL OR dispatched_at < $4)
             FOR NO KEY UPDATE SKIP LOCKED)
        """,
        work.tenant_id,
        job_id,
        at,
        resend_before,
    )
    return marked == 1
