"""Who a bulk assignment would reach, and what would become of each. Writes nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from domain.content.queries import ContentKey, resolve_content
from domain.foundation.access import Principal
from domain.foundation.database.sessions import Statements
from domain.foundation.errors import DomainError, Forbidden, ProblemList
from domain.foundation.paging import Page, PageRequest, Query, read_page
from domain.mandatory_tasks.assignees import minimum_lead_days
from domain.mandatory_tasks.bulk.audience import Audience, AudiencePart, resolve_audience
from domain.mandatory_tasks.bulk.outcomes import (
    RESULT_COLUMNS,
    RESULT_ORDER,
    BulkOutcome,
    BulkResultRow,
    OutcomeCounts,
    count_outcomes,
    earliest_dates,
    judged,
    wanted_outcomes,
    with_earliest_dates,
)
from domain.mandatory_tasks.rights import require_assignable
from domain.mandatory_tasks.terms import check_latest
from domain.people.queries import LearnerRow, list_learners_among

#: Arguments `$1` to `$3` are the audience's.
_JUDGED = judged(with_earliest_dates(Audience.PEOPLE, "$6", "$7"), target="$4::bigint", due_on="$5::date")


@dataclass(frozen=True, slots=True, eq=False)
class BulkPreview:
    """What was asked for. The same object is the same question: loaders answer it once."""

    tenant_id: int
    target_id: int
    audience: Audience
    #: None while it is not chosen yet.
    due_on: date | None
    #: By time zone.
    earliest: dict[str, date]

    @property
    def criteria(self) -> tuple[object, ...]:
        """What a cursor of one of its lists belongs to."""
        return self.target_id, self.audience.learner_ids, self.audience.place_ids, self.due_on

    def args(self) -> list[object]:
        """Return the arguments of the judgment."""
        dates = [list(self.earliest), list(self.earliest.values())]
        return [*self.audience.args(self.tenant_id), self.target_id, self.due_on, *dates]


async def preview_bulk_assignment(
    reads: Statements,
    principal: Principal,
    now: datetime,
    *,
    target: ContentKey,
    audience: Sequence[AudiencePart],
    due_on: date | None,
) -> BulkPreview:
    """Return the preview of a bulk assignment.

    Raises what confirming would about target and audience, but nothing about an audience without people or a date that
    is too soon: the preview shows that.
    """
    if not principal.sees_all and not principal.is_trainer:
        raise Forbidden
    problems = ProblemList()
    target_id, people = 0, Audience((), ())
    try:
        target_id = await resolve_content(reads, principal, target, ["target"])
        if not principal.sees_all:
            await require_assignable(reads, principal, target_id)
    except DomainError as error:
        problems.add_or_raise(error)
    try:
        people = await resolve_audience(reads, principal, audience)
    except DomainError as error:
        problems.add_or_raise(error)
    if due_on is not None:
        check_latest(now, due_on, problems, ["dueOn"])
    problems.raise_if_any()
    minimum = await minimum_lead_days(reads, principal.tenant_id)
    return BulkPreview(principal.tenant_id, target_id, people, due_on, earliest_dates(now, minimum))


async def count_previewed(
    reads: Statements, principal: Principal, previews: Sequence[BulkPreview]
) -> list[OutcomeCounts]:
    """Return how many people would have each outcome."""
    return [await count_outcomes(reads, _JUDGED, preview.args()) for preview in previews]


async def list_previewed_learners(
    reads: Statements, principal: Principal, preview: BulkPreview, request: PageRequest
) -> Page[LearnerRow]:
    """Return a page of the audience, by name."""
    args = preview.audience.args(preview.tenant_id)
    return await list_learners_among(reads, principal, Audience.PEOPLE, args, request)


async def list_previewed_results(
    reads: Statements, preview: BulkPreview, outcomes: Sequence[BulkOutcome] | None, request: PageRequest
) -> Page[BulkResultRow]:
    """Return a page of what would become of each person, by name; of these outcomes only, or of all."""
    query = Query(RESULT_COLUMNS, f"({_JUDGED}) r", preview.args())
    query.where("r.outcome = ANY (?::text[])", list(wanted_outcomes(outcomes)))
    return await read_page(reads, BulkResultRow, query, RESULT_ORDER, request)
