"""Cancelling jobs and letting them go on. What that means for their subjects follows from the events (`reactions`)."""

from dataclasses import dataclass

from domain.foundation.access import Principal, Role, Scope
from domain.foundation.errors import Forbidden, NotFound, NotPermitted
from domain.foundation.jobs.running import TERMINAL, Job, lock_job, save_job
from domain.foundation.locks import lock_rules
from domain.foundation.metrics import JOBS
from domain.foundation.models import JobKind, JobStatus
from domain.foundation.unit_of_work import UnitOfWork

#: On the others the truth of memberships, paths or dates depends.
CANCELLABLE = frozenset({JobKind.BULK_ASSIGNMENT, JobKind.RULE_BACKFILL})
RESUMABLE = frozenset({JobStatus.FAILED, JobStatus.CANCELLED})


@dataclass(frozen=True, slots=True)
class JobCancelled:
    """A job was cancelled; what it has processed stays."""

    job_id: int
    kind: JobKind
    subject_id: int | None


@dataclass(frozen=True, slots=True)
class JobResumed:
    """A job that had failed or was cancelled goes on."""

    job_id: int
    kind: JobKind
    subject_id: int | None


def may_control(
    principal: Principal, *, started_by_learner_id: int | None, started_by_service_account_id: int | None
) -> bool:
    """Tell whether the account may cancel and resume a job: admins any, others what they started."""
    if principal.is_operator or principal.role is Role.ADMIN:
        return True
    if principal.service_account_id is not None:
        return principal.service_account_id == started_by_service_account_id
    return principal.role is Role.TRAINER and principal.learner_id == started_by_learner_id


async def cancel_job(work: UnitOfWork, *, job_id: int) -> int:
    """Cancel a job between two of its chunks; one that has ended is left as it is. Returns its ID."""
    job = await _locked(work, job_id)
    if job.status in TERMINAL:
        return job_id
    if job.kind not in CANCELLABLE:
        raise NotPermitted("The truth of what it works on depends on this job.", path=["id"])
    job.status = JobStatus.CANCELLED.value
    await save_job(work, job, leased_until=None)
    work.count(JOBS.labels(job.kind, job.status).inc)
    work.record(JobCancelled(job_id, JobKind(job.kind), job.subject_id))
    return job_id


async def resume_job(work: UnitOfWork, *, job_id: int) -> int:
    """Let a failed or cancelled job go on where it ended; one that runs is left as it is. Returns its ID."""
    job = await _locked(work, job_id)
    if job.status == JobStatus.SUCCEEDED:
        raise NotPermitted("The job has succeeded: there is nothing left of it.", path=["id"])
    if job.status not in RESUMABLE:
        return job_id
    if not await is_resumable(work, job):
        raise NotPermitted("What the job worked for is gone.", path=["id"])
    job.status = JobStatus.QUEUED.value
    job.attempt_count = 0
    await save_job(work, job, leased_until=None)
    work.has_new_jobs = True
    work.record(JobResumed(job_id, JobKind(job.kind), job.subject_id))
    return job_id


async def is_resumable(work: UnitOfWork, job: Job) -> bool:
    """Tell whether the subject of a job is still there; a revocation works for a deleted rule."""
    if job.subject_type != "RULE" or job.kind == JobKind.RULE_REVOCATION:
        return True
    return bool(
        await work.sql.value(
            "SELECT EXISTS (SELECT 1 FROM rule WHERE tenant_id = $1 AND id = $2 AND state <> 'DELETED')",
            work.tenant_id,
            job.subject_id,
        )
    )


async def _locked(work: UnitOfWork, job_id: int) -> Job:
    principal = work.principal
    if principal.role is Role.LEARNER:
        raise Forbidden
    # Alone, because the end of a backfill lays down who meets its rule.
    await lock_rules(work)
    job = await lock_job(work, job_id)
    if job is None:
        raise NotFound(path=["id"])
    if not may_control(
        principal,
        started_by_learner_id=job.started_by_learner_id,
        started_by_service_account_id=job.started_by_service_account_id,
    ):
        sees_it = Scope.READ in principal.scopes
        raise NotPermitted(path=["id"]) if sees_it else NotFound(path=["id"])
    return job
