"""Reading background jobs. Admins and READ see all of the tenant, everybody else those that they have started."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from domain.foundation.access import Principal, Role
from domain.foundation.database.sessions import Statements
from domain.foundation.errors import Forbidden
from domain.foundation.models import JobKind, JobStatus
from domain.foundation.paging import Order, Page, PageRequest, Query, SortKey, read_page


@dataclass(frozen=True, slots=True)
class JobRow:
    """A background job."""

    id: int
    kind: str
    status: str
    total_count: int | None
    processed_count: int
    failed_count: int
    subject_type: str | None
    subject_id: int | None
    subject_name: str | None
    started_by_learner_id: int | None
    started_by_service_account_id: int | None
    failure_reason: str | None
    created_at: datetime
    finished_at: datetime | None
    version: int


_COLUMNS = (
    "id, kind, status, total_count, processed_count, failed_count, subject_type, subject_id, subject_name,"
    " started_by_learner_id, started_by_service_account_id, failure_reason, created_at, finished_at, version"
)


def visible_to(query: Query, principal: Principal) -> Query:
    """Restrict a query of jobs to what the account may see."""
    query.where("tenant_id = ?", principal.tenant_id)
    if principal.sees_all:
        return query
    if principal.service_account_id is not None:
        return query.where("started_by_service_account_id = ?", principal.service_account_id)
    if principal.role is Role.TRAINER:
        return query.where("started_by_learner_id = ?", principal.learner_id)
    return query.where("false")


def require_jobs(principal: Principal) -> None:
    """Raise Forbidden for those who never start a job: learners."""
    if principal.role is Role.LEARNER:
        raise Forbidden


async def load_visible_jobs_by_id(reads: Statements, principal: Principal, ids: Sequence[int]) -> list[JobRow | None]:
    """Return jobs aligned with their IDs, None for those that the account may not see."""
    query = visible_to(Query(_COLUMNS, "background_job"), principal).where("id = ANY(?::bigint[])", list(ids))
    by_id = {row.id: row for row in await reads.rows(JobRow, query.text, *query.args)}
    return [by_id.get(id) for id in ids]


async def load_jobs_by_id(reads: Statements, principal: Principal, ids: Sequence[int]) -> list[JobRow | None]:
    """Return jobs aligned with their IDs, whoever started them."""
    rows = await reads.rows(
        JobRow,
        f"SELECT {_COLUMNS} FROM background_job WHERE tenant_id = $1 AND id = ANY($2)",
        principal.tenant_id,
        list(ids),
    )
    by_id = {row.id: row for row in rows}
    return [by_id.get(id) for id in ids]


async def load_resumable_by_id(reads: Statements, principal: Principal, ids: Sequence[int]) -> list[bool]:
    """Tell of each job whether it could go on: it has failed or was cancelled, and what it works for is still there.

    A backfill needs Auto Assignment to be switched on.
    """
    resumable = await reads.values(
        """
        SELECT j.id
          FROM background_job j JOIN tenant t ON t.id = j.tenant_id
         WHERE j.tenant_id = $1 AND j.id = ANY($2) AND j.status IN ('FAILED', 'CANCELLED')
           AND (j.kind <> 'RULE_BACKFILL' OR t.is_auto_assignment_enabled)
           AND (j.subject_type IS DISTINCT FROM 'RULE' OR j.kind = 'RULE_REVOCATION'
                OR EXISTS (SELECT 1 FROM rule r
                            WHERE r.tenant_id = $1 AND r.id = j.subject_id AND r.state <> 'DELETED'))
        """,
        principal.tenant_id,
        list(ids),
    )
    found = set(resumable)
    return [id in found for id in ids]


async def list_jobs(
    reads: Statements,
    principal: Principal,
    request: PageRequest,
    *,
    statuses: Sequence[JobStatus] | None = None,
    kinds: Sequence[JobKind] | None = None,
) -> Page[JobRow]:
    """Return jobs that the account may see, newest first. Raises Forbidden for learners."""
    require_jobs(principal)
    query = visible_to(Query(_COLUMNS, "background_job"), principal)
    if statuses is not None:
        query.where("status = ANY(?)", [status.value for status in statuses])
    if kinds is not None:
        query.where("kind = ANY(?)", [kind.value for kind in kinds])
    order = Order((SortKey("id", "id"),), is_descending=True)
    return await read_page(reads, JobRow, query, order, request)
