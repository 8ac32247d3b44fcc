"""What happens to the jobs of a rule when somebody cancels them, lets them go on, or takes the rule from under them."""

from collections.abc import Sequence

from domain.auto_assignment.backfill import begin_preparation, set_state
from domain.auto_assignment.models import RuleState
from domain.auto_assignment.rule_judgment import require_feature
from domain.foundation.job_control import JobCancelled, JobResumed
from domain.foundation.models import JobKind
from domain.foundation.unit_of_work import UnitOfWork


async def cancel_jobs_of_rule(work: UnitOfWork, rule_id: int, *kinds: JobKind, begun_after: int = 0) -> None:
    """End the running jobs of a rule, of these kinds or all, as their work has no meaning any more.

    `begun_after` spares those that are older than a job.
    """
    await work.sql.execute(
        """
        WITH cancelled AS (
          UPDATE background_job SET status = 'CANCELLED', finished_at = $2, leased_until = NULL, version = version + 1
           WHERE tenant_id = $1 AND subject_type = 'RULE' AND subject_id = $3 AND status IN ('QUEUED', 'RUNNING')
             AND kind = ANY ($4::text[]) AND id > $5
          RETURNING id, version)
        INSERT INTO change_pending (tenant_id, object_type, object_id, version, at)
        SELECT $1, 'JOB', id, version, $2::timestamptz FROM cancelled
        """,
        work.tenant_id,
        work.now,
        rule_id,
        [kind.value for kind in kinds or (JobKind.RULE_BACKFILL, JobKind.RULE_PREPARATION)],
        begun_after,
    )


async def lay_down_the_rest(work: UnitOfWork, events: Sequence[JobCancelled]) -> None:
    """After a cancelled backfill, let the rest count as members who were not enrolled (spec 3.10).

    Of a rule that was in force before, they are members: whoever is none has yet to enter by their evaluation.
    """
    job_ids = [event.job_id for event in events if event.kind == JobKind.RULE_BACKFILL]
    for rule in await work.sql.fetch(
        "SELECT DISTINCT r.id, r.name FROM background_job j JOIN rule r ON r.id = j.subject_id"
        " WHERE j.tenant_id = $1 AND j.id = ANY ($2::bigint[]) AND r.tenant_id = $1 AND r.state = 'ACTIVE'"
        "   AND NOT coalesce((j.progress ->> 'was_in_force')::boolean, false) ORDER BY r.id",
        work.tenant_id,
        job_ids,
    ):
        await begin_preparation(work, rule["id"], rule["name"])


async def resume_rule_work(work: UnitOfWork, events: Sequence[JobResumed]) -> None:
    """A backfill that goes on enrolls whom the preparation after its end would only have laid down."""
    for event in events:
        if event.kind != JobKind.RULE_BACKFILL or event.subject_id is None:
            continue
        await require_feature(work.sql, work.tenant_id)
        # One that is older lays down who met the rule before all that this backfill is for.
        await cancel_jobs_of_rule(work, event.subject_id, JobKind.RULE_PREPARATION, begun_after=event.job_id)
        if not await _is_prepared_by_job(work, event.subject_id):
            await set_state(work, event.subject_id, RuleState.ACTIVE)
        # Whoever was laid down behind the place where it ended is to be enrolled too: it begins anew.
        await work.sql.execute(
            "UPDATE background_job SET progress = progress - 'after' WHERE tenant_id = $1 AND id = $2",
            work.tenant_id,
            event.job_id,
        )


async def _is_prepared_by_job(work: UnitOfWork, rule_id: int) -> bool:
    return bool(
        await work.sql.value(
            "SELECT EXISTS (SELECT 1 FROM background_job WHERE tenant_id = $1 AND subject_type = 'RULE'"
            " AND subject_id = $2 AND kind = $3 AND status IN ('QUEUED', 'RUNNING'))",
            work.tenant_id,
            rule_id,
            JobKind.RULE_PREPARATION.value,
        )
    )
