"""Reading bulk assignments: trainers those that they have started, admins and READ all of them."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from domain.foundation.access import Principal
from domain.foundation.database.sessions import Statements
from domain.foundation.errors import Forbidden
from domain.foundation.pages_of_many import read_alike, read_pages
from domain.foundation.paging import Order, Page, PageRequest, Query, SortKey, read_page
from domain.mandatory_tasks.bulk.outcomes import RESULT_COLUMNS, RESULT_ORDER, BulkResultRow
from domain.mandatory_tasks.rights import bulk_visibility


@dataclass(frozen=True, slots=True)
class BulkAssignmentRow:
    """A bulk assignment, and how far it is."""

    id: int
    target_id: int
    due_on: dt.date
    job_id: int
    created_count: int
    skipped_count: int
    failed_count: int
    created_by_learner_id: int | None
    created_by_service_account_id: int | None
    created_at: dt.datetime
    #: Whether the viewer may look it up; what hangs on it is shown only then.
    is_visible: bool


@dataclass(frozen=True, slots=True)
class ResultsOfBulk:
    """Key of one page of the results of a bulk assignment."""

    bulk_assignment_id: int
    outcomes: tuple[str, ...]
    request: PageRequest


#: The job counts as it goes, in the transactions that write the results.
_SOURCE = "bulk_assignment b JOIN background_job j ON j.id = b.job_id"
_NEWEST_FIRST = Order((SortKey("b.id", "id"),), is_descending=True)
#: Whose turn has not come yet is no result.
_RESULTS = (
    "(SELECT b.tenant_id, b.bulk_assignment_id, b.learner_id, l.name_key, b.outcome, b.task_id, b.error_code,"
    " b.earliest_due_on FROM bulk_assignment_learner b JOIN learner l ON l.id = b.learner_id"
    " WHERE b.outcome IS NOT NULL) r"
)


def _bulk_assignments(principal: Principal) -> Query:
    columns = (
        "b.id, b.target_id, b.due_on, b.job_id, coalesce((j.progress ->> 'created')::int, 0) AS created_count,"
        " coalesce((j.progress ->> 'skipped')::int, 0) AS skipped_count, j.failed_count, b.created_by_learner_id,"
        f" b.created_by_service_account_id, b.created_at, {bulk_visibility(principal)} AS is_visible"
    )
    return Query(columns, _SOURCE).where("b.tenant_id = ?", principal.tenant_id)


async def list_bulk_assignments(
    reads: Statements, principal: Principal, request: PageRequest
) -> Page[BulkAssignmentRow]:
    """Return a page of the bulk assignments that the viewer may see, newest first.

    Raises Forbidden for learners, and for tools without READ.
    """
    if not principal.sees_all and not principal.is_trainer:
        raise Forbidden
    query = _bulk_assignments(principal).where(bulk_visibility(principal))
    return await read_page(reads, BulkAssignmentRow, query, _NEWEST_FIRST, request)


async def load_bulk_assignments_by_id(
    reads: Statements, principal: Principal, ids: Sequence[int]
) -> list[BulkAssignmentRow | None]:
    """Return bulk assignments that were just made, with their own fields, whoever made them."""
    query = _bulk_assignments(principal).where("b.id = ANY (?::bigint[])", list(ids))
    rows = {row.id: row for row in await reads.rows(BulkAssignmentRow, query.text, *query.args)}
    return [rows.get(bulk_id) for bulk_id in ids]


async def load_visible_bulk_assignments_by_id(
    reads: Statements, principal: Principal, ids: Sequence[int]
) -> list[BulkAssignmentRow | None]:
    """Return bulk assignments aligned with their IDs, None for those that the viewer may not see."""
    rows = await load_bulk_assignments_by_id(reads, principal, ids)
    return [row if row is not None and row.is_visible else None for row in rows]


async def load_results_of_bulk_assignments(
    reads: Statements, principal: Principal, keys: Sequence[ResultsOfBulk]
) -> list[Page[BulkResultRow]]:
    """Return a page of the results of each bulk assignment, by name; these have to be visible."""

    async def read(alike: list[ResultsOfBulk]) -> list[Page[BulkResultRow]]:
        query = Query(RESULT_COLUMNS, _RESULTS).where("r.tenant_id = ?", principal.tenant_id)
        query.where("r.outcome = ANY (?::text[])", list(alike[0].outcomes))
        columns, parents = ["r.bulk_assignment_id"], [(key.bulk_assignment_id,) for key in alike]
        return await read_pages(
            reads, BulkResultRow, query, RESULT_ORDER, alike[0].request, columns=columns, parents=parents
        )

    return await read_alike(keys, lambda key: (key.outcomes, key.request), read)
