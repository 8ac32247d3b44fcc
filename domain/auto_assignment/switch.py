"""The switch of Auto Assignment: off, nothing runs; back on, memberships and facts are brought together again."""

from collections.abc import Sequence

from domain.auto_assignment.evaluation.evaluating import evaluate_everything
from domain.foundation.jobs.control import JobCancelled
from domain.foundation.jobs.running import BACKGROUND_THRESHOLD, create_job
from domain.foundation.models import JobKind
from domain.foundation.unit_of_work import UnitOfWork
from domain.people.queries import lock_learners
from domain.tenants.events import AutoAssignmentSwitched


async def reconcile_after_switch(work: UnitOfWork, events: Sequence[AutoAssignmentSwitched]) -> None:
    """After switching on, evaluate everybody: at once for fewer than 100 people, else by a job.

    Switched off, running backfills and re-evaluations end; switching on finds what they have left undone.
    """
    if not events[-1].is_enabled:
        await _cancel_running_work(work)
        return
    if not await work.sql.value(
        "SELECT EXISTS (SELECT 1 FROM rule WHERE tenant_id = $1 AND state <> 'DELETED')", work.tenant_id
    ):
        return
    learner_ids = await work.sql.values(
        "SELECT id FROM learner WHERE tenant_id = $1 ORDER BY id LIMIT $2", work.tenant_id, BACKGROUND_THRESHOLD
    )
    if len(learner_ids) < BACKGROUND_THRESHOLD:
        await lock_learners(work, learner_ids)
        await evaluate_everything(work, learner_ids)
    else:
        work.reevaluation_job_id = await create_job(work, JobKind.RULE_REEVALUATION, progress={"is_everybody": True})


async def _cancel_running_work(work: UnitOfWork) -> None:
    cancelled = await work.sql.fetch(
        """
        WITH cancelled AS (
          UPDATE background_job SET status = 'CANCELLED', finished_at = $2, leased_until = NULL, version = version + 1
           WHERE tenant_id = $1 AND kind IN ('RULE_BACKFILL', 'RULE_REEVALUATION') AND status IN ('QUEUED', 'RUNNING')
          RETURNING id, kind, subject_id, version),
        changed AS (
          INSERT INTO change_pending (tenant_id, object_type, object_id, version, at)
          SELECT $1, 'JOB', id, version, $2::timestamptz FROM cancelled)
        SELECT id, kind, subject_id FROM cancelled ORDER BY id
        """,
        work.tenant_id,
        work.now,
    )
    for job in cancelled:
        work.record(JobCancelled(job["id"], JobKind(job["kind"]), job["subject_id"]))
