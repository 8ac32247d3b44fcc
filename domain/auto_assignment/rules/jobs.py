"""What happens to the jobs of a rule when somebody cancels them, lets them go on, or takes the rule from under them."""

from collections.abc import Sequence

from domain.auto_assignment.evaluation.backfill import begin_preparation, set_state
from domain.auto_assignment.models import RuleState
from domain.auto_assignment.rules.validation import require_feature
from domain.foundation.jobs.control import JobCancelled, JobResumed
from domain.foundation.models import JobKind
from domain.foundation.unit_of_work import UnitOfWork


async def cancel_jobs_of_rule(work: UnitOfWork, rule_id: int, *kinds: JobKind) -> None:
    """End the running jobs of a rule, of these kinds or all, as their work has no meaning any more."""
    await work.sql.execute(
        """
        WITH cancelled AS (
          UPDATE background_job SET status = 'CANCELLED', finished_at = $2, leased_until = NULL, version = version + 1
           WHERE tenant_id = $1 AND subject_type = 'RULE' AND subject_id = $3 AND status IN ('QUEUED', 'RUNNING')
             AND kind = ANY ($4::text[])
          RETURNING id, version)
        INSERT INTO change_pending (tenant_id, object_type, object_id, version, at)
        SELECT $1, 'JOB', id, version, $2::timestamptz FROM cancelled
        """,
        work.tenant_id,
        work.now,
        rule_id,
        [kind.value for kind in kinds or (JobKind.RULE_BACKFILL, JobKind.RULE_PREPARATION)],
    )


#: Whether a backfill, `j`, is what makes members of those who meet its rule.
_LEAVES_A_REST = "NOT coalesce((j.progress ->> 'was_in_force')::boolean, false)"


async def lay_down_the_rest(work: UnitOfWork, events: Sequence[JobCancelled]) -> None:
    """After a cancelled backfill, let the rest count as members who were not enrolled (spec 3.10).

    Of a rule that was in force before, they are members: whoever is none has yet to enter by their evaluation.
    """
    job_ids = [event.job_id for event in events if event.kind == JobKind.RULE_BACKFILL]
    for rule in await work.sql.fetch(
        "SELECT DISTINCT r.id, r.name FROM background_job j JOIN rule r ON r.id = j.subject_id"
        " WHERE j.tenant_id = $1 AND j.id = ANY ($2::bigint[]) AND r.tenant_id = $1 AND r.state = 'ACTIVE'"
        f"   AND {_LEAVES_A_REST} ORDER BY r.id",
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
        if await work.sql.value(
            f"SELECT {_LEAVES_A_REST} FROM background_job j WHERE j.tenant_id = $1 AND j.id = $2",
            work.tenant_id,
            event.job_id,
        ):
            await cancel_jobs_of_rule(work, event.subject_id, JobKind.RULE_PREPARATION)
            await set_state(work, event.subject_id, RuleState.ACTIVE)
        # Whoever was laid down behind the place where it ended is to be enrolled too: it begins anew.
        await work.sql.execute(
            "UPDATE background_job SET progress = progress - 'after' WHERE tenant_id = $1 AND id = $2",
            work.tenant_id,
            event.job_id,
        )
