"""Background jobs: rows that say what is to be done and how far it is. Redis only carries their IDs.

A worker leases a job for a few seconds and renews the lease with every chunk; each chunk is one transaction that locks
the row, works, and moves `progress` on. So a killed worker's job is taken up by another one within seconds, and
nothing is done twice whoever runs it.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from domain.foundation.access import Principal
from domain.foundation.change_feed import ObjectType, record_changes
from domain.foundation.database import across_tenants
from domain.foundation.locks import share_rules
from domain.foundation.models import JobKind, JobStatus
from domain.foundation.unit_of_work import UnitOfWork, perform, with_retry

#: From this many people on, work is a background job instead of part of the request.
BACKGROUND_THRESHOLD = 100
LEASE = timedelta(seconds=5)
#: A dispatched job that no worker has taken after this time is sent again: its message may be lost.
RESEND_AFTER = timedelta(seconds=3)
MAX_ATTEMPTS = 5

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
) -> int:
    """Insert a job and return its ID.

    With `finished_with`, the work was small and is done already: the job is SUCCEEDED with that count.
    """
    is_done = finished_with is not None
    job_id: int = await work.sql.value(
        """
        INSERT INTO background_job (tenant_id, kind, status, total_count, processed_count, failed_count, subject_type,
                                    subject_id, subject_name, started_by_learner_id, started_by_service_account_id,
                                    progress, attempt_count, created_at, finished_at, version)
        VALUES ($1, $2, $3, $4, $5, 0, $6, $7, $8, $9, $10, $11, 0, $12, $13, 1) RETURNING id
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


async def run_job(tenant_id: int, job_id: int, chunks: Mapping[str, Chunk], clock: Callable[[], datetime]) -> None:
    """Work on a job until it has ended; safe to call twice, at once, and after a crash between any two steps.

    A chunk that fails is tried again from the row, with a growing pause, and gives the job up after a few times.
    """
    principal = await _job_principal(tenant_id, job_id, clock())
    if principal is None:
        return

    async def step(work: UnitOfWork) -> bool:
        # Before the job's own row, as whoever locks the rules alone may end their jobs.
        await share_rules(work)
        job = await lock_job(work, job_id)
        if job is None or job.status in TERMINAL:
            return True
        is_finished = await chunks[job.kind](work, job)
        job.status = (JobStatus.SUCCEEDED if is_finished else JobStatus.RUNNING).value
        job.attempt_count = 0
        await save_job(work, job, leased_until=None if is_finished else work.now + LEASE)
        return is_finished

    is_finished = False
    while not is_finished:
        try:
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


async def _note_failure(principal: Principal, job_id: int, now: datetime, error: Exception) -> None:
    async def note(work: UnitOfWork) -> None:
        job = await lock_job(work, job_id)
        if job is None or job.status in TERMINAL:
            return
        job.attempt_count += 1
        if job.attempt_count >= MAX_ATTEMPTS:
            job.status = JobStatus.FAILED.value
        # Nobody takes the job up again before the lease ends: that is the pause.
        pause = LEASE * (2**job.attempt_count)
        await save_job(work, job, leased_until=now + pause, reason=f"{type(error).__name__}: {error}"[:500])

    await perform(principal, now, "backgroundJob", note)


async def dispatch_jobs(now: datetime, send: Callable[[int, int], None]) -> int:
    """Hand every job that waits, or whose worker is gone, to `send(tenant_id, job_id)`; return how many."""
    waiting = await across_tenants("SELECT tenant_id, id FROM jobs_to_dispatch($1, $2)", now, now - RESEND_AFTER)
    for record in waiting:
        send(record["tenant_id"], record["id"])

        async def mark(work: UnitOfWork, job_id: int = record["id"]) -> None:
            await work.sql.execute(
                "UPDATE background_job SET dispatched_at = $3 WHERE tenant_id = $1 AND id = $2",
                work.tenant_id,
                job_id,
                work.now,
            )

        await perform(Principal.operator(record["tenant_id"]), now, "dispatch", mark)
    return len(waiting)
