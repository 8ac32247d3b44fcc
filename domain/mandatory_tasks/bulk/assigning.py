"""Giving a whole audience a mandatory task (spec 4.17).

Who is in the audience, and how early each may be due, is fixed as it is confirmed. Fewer than 100 people get their
tasks in the same transaction, more by a job: each chunk locks the next people and judges them as they are then, so
nobody gets a second task, whatever else is going on.
"""

from collections.abc import Sequence
from datetime import date

from domain.content.queries import ContentKey
from domain.foundation.errors import DomainError, Invalid, ProblemList
from domain.foundation.feed.changes import ObjectType
from domain.foundation.jobs.running import BACKGROUND_THRESHOLD, create_job
from domain.foundation.models import JobKind
from domain.foundation.unit_of_work import UnitOfWork
from domain.mandatory_tasks.assignees import minimum_lead_days
from domain.mandatory_tasks.assigning import checked_terms, resolve_target
from domain.mandatory_tasks.bulk.audience import Audience, AudiencePart, resolve_audience
from domain.mandatory_tasks.bulk.creation import Bulk, assign_waiting, counted, next_waiting
from domain.mandatory_tasks.bulk.outcomes import BulkOutcome, earliest_dates, judged, with_earliest_dates
from domain.mandatory_tasks.errors import DueDateTooSoon
from domain.mandatory_tasks.rights import require_assigning_role
from domain.mandatory_tasks.terms import ReminderInput, TaskTerms

#: How early the whole audience may be due, and how many of it would fail for the date.
_DATES = f"""
SELECT min(r.earliest_due_on) AS earliest, count(*) = count(*) FILTER (WHERE r.error_code = 'DUE_DATE_TOO_SOON')
       AS is_too_soon_for_everyone
  FROM ({
    judged(
        "SELECT learner_id, earliest_due_on FROM bulk_assignment_learner"
        " WHERE tenant_id = $1 AND bulk_assignment_id = $2",
        target="$3::bigint",
        due_on="$4::date",
    )
}) r
"""


async def bulk_assign_mandatory_tasks(
    work: UnitOfWork,
    *,
    target: ContentKey,
    audience: Sequence[AudiencePart],
    due_on: date,
    note: str | None = None,
    every_weeks: int | None = None,
    reminders: Sequence[ReminderInput] | None = None,
) -> int:
    """Give everybody in an audience a task, at once or by a job, and return the bulk assignment's ID.

    Raises NotFound, NotPermitted, TooManyItems, Invalid (also where nobody is in the audience), and DueDateTooSoon
    where everybody would fail for the date. Whoever has a task already is skipped, whoever cannot get one fails alone.
    """
    require_assigning_role(work.principal)
    problems = ProblemList()
    target_id, people = 0, Audience((), ())
    try:
        target_id = await resolve_target(work, target)
    except DomainError as error:
        problems.add_or_raise(error)
    try:
        people = await resolve_audience(work.sql, work.principal, audience)
    except DomainError as error:
        problems.add_or_raise(error)
    terms = await checked_terms(work, problems, due_on=due_on, note=note, every_weeks=every_weeks, reminders=reminders)
    problems.raise_if_any()
    bulk = await _store(work, target_id, terms)
    count = await _fix_audience(work, bulk, people)
    await _set_job(work, bulk, await _begin(work, bulk, count))
    return bulk.id


async def _store(work: UnitOfWork, target_id: int, terms: TaskTerms) -> Bulk:
    reminders = [
        {
            "days_before_due": one.days_before_due,
            "template_id": one.template_id,
            "recipients": [recipient.value for recipient in one.recipients],
        }
        for one in terms.reminders
    ]
    bulk_id = await work.sql.value(
        """
        INSERT INTO bulk_assignment (tenant_id, target_id, due_on, note, every_weeks, reminders, created_by_learner_id,
                                     created_by_service_account_id, created_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING id
        """,
        work.tenant_id,
        target_id,
        terms.due_on,
        terms.note,
        terms.every_weeks,
        reminders,
        work.principal.learner_id,
        work.principal.service_account_id,
        work.now,
    )
    return Bulk(bulk_id, target_id, terms.due_on, terms.note, terms.every_weeks, reminders, work.now)


async def _fix_audience(work: UnitOfWork, bulk: Bulk, people: Audience) -> int:
    """Write down who is in the audience and how early each may be due; return how many they are."""
    await work.sql.plan_each_time()
    earliest = earliest_dates(work.now, await minimum_lead_days(work.sql, work.tenant_id))
    count = await work.sql.execute(
        "INSERT INTO bulk_assignment_learner (bulk_assignment_id, learner_id, tenant_id, is_named, earliest_due_on)"
        f" SELECT $6, learner_id, $1, is_named, earliest_due_on"
        f" FROM ({with_earliest_dates(Audience.PEOPLE, '$4', '$5')}) a ORDER BY learner_id",
        *people.args(work.tenant_id),
        list(earliest),
        list(earliest.values()),
        bulk.id,
    )
    if not count:
        raise Invalid("Nobody is in the audience.", path=["audience"])
    if bulk.due_on < max(earliest.values()):
        dates = (await work.sql.fetch(_DATES, work.tenant_id, bulk.id, bulk.target_id, bulk.due_on))[0]
        if dates["is_too_soon_for_everyone"]:
            raise DueDateTooSoon(earliest=dates["earliest"])
    return count


async def _begin(work: UnitOfWork, bulk: Bulk, count: int) -> int:
    """Give few people their tasks now, and have a job do it for many; return the job."""
    title = await work.sql.value(
        "SELECT title FROM content WHERE tenant_id = $1 AND id = $2", work.tenant_id, bulk.target_id
    )
    subject = (ObjectType.BULK_ASSIGNMENT, bulk.id, str(title))
    if count >= BACKGROUND_THRESHOLD:
        return await create_job(work, JobKind.BULK_ASSIGNMENT, subject=subject, total_count=count)
    outcomes = await assign_waiting(work, bulk, await next_waiting(work, bulk, after=0))
    return await create_job(
        work,
        JobKind.BULK_ASSIGNMENT,
        subject=subject,
        progress=counted({}, outcomes),
        finished_with=count,
        failed_count=outcomes[BulkOutcome.FAILED],
    )


async def _set_job(work: UnitOfWork, bulk: Bulk, job_id: int) -> None:
    await work.sql.execute(
        "UPDATE bulk_assignment SET job_id = $3 WHERE tenant_id = $1 AND id = $2", work.tenant_id, bulk.id, job_id
    )
