"""Working off the audience of a bulk assignment: the next people get their tasks, judged as they are then."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from domain.foundation.jobs.running import Job
from domain.foundation.unit_of_work import UnitOfWork
from domain.mandatory_tasks.assignees import load_assignees
from domain.mandatory_tasks.bulk.outcomes import RESULT_COLUMNS, BulkOutcome, BulkResultRow, judged
from domain.mandatory_tasks.dates.local_time import local_date
from domain.mandatory_tasks.reminders.schedule import ReminderRecipient, ReminderSetting
from domain.mandatory_tasks.task_creation import NewTask, create_tasks
from domain.mandatory_tasks.terms import TaskTerms
from domain.people.queries import lock_learners

#: People whom one transaction gives their tasks.
CHUNK = 1000

#: The audience of one bulk assignment, those of these IDs.
_WAITING = """
SELECT learner_id, earliest_due_on FROM bulk_assignment_learner
 WHERE tenant_id = $1 AND bulk_assignment_id = $2 AND learner_id = ANY ($3::bigint[]) AND outcome IS NULL
"""
_JUDGED = judged(_WAITING, target="$4::bigint", due_on="$5::date")


@dataclass(frozen=True, slots=True)
class Bulk:
    """A confirmed bulk assignment."""

    id: int
    target_id: int
    due_on: date
    note: str | None
    every_weeks: int | None
    reminders: list[dict[str, Any]]
    created_at: datetime

    @property
    def terms(self) -> TaskTerms:
        """What is asked of everybody."""
        return TaskTerms(
            due_on=self.due_on,
            note=self.note,
            every_weeks=self.every_weeks,
            reminders=tuple(
                ReminderSetting(
                    one["days_before_due"],
                    one["template_id"],
                    tuple(ReminderRecipient(recipient) for recipient in one["recipients"]),
                )
                for one in self.reminders
            ),
        )


async def bulk_assignment_chunk(work: UnitOfWork, job: Job) -> bool:
    """Give the next people of a BULK_ASSIGNMENT their tasks."""
    # The job is in the background already: another one for its rules would only come later.
    work.evaluates_at_once = True
    bulk = await work.sql.row(
        Bulk,
        "SELECT id, target_id, due_on, note, every_weeks, reminders, created_at FROM bulk_assignment"
        " WHERE tenant_id = $1 AND id = $2",
        work.tenant_id,
        job.subject_id,
    )
    assert bulk is not None, "bulk assignments are never deleted"
    learner_ids = await next_waiting(work, bulk, after=job.progress.get("after", 0))
    if learner_ids:
        outcomes = await assign_waiting(work, bulk, learner_ids)
        job.progress = counted(job.progress, outcomes) | {"after": learner_ids[-1]}
        job.processed_count += len(learner_ids)
        job.failed_count += outcomes[BulkOutcome.FAILED]
    return len(learner_ids) < CHUNK


async def next_waiting(work: UnitOfWork, bulk: Bulk, *, after: int) -> list[int]:
    """Return the next people of whom nothing has become yet."""
    learner_ids: list[int] = await work.sql.values(
        "SELECT learner_id FROM bulk_assignment_learner"
        " WHERE tenant_id = $1 AND bulk_assignment_id = $2 AND outcome IS NULL AND learner_id > $3"
        " ORDER BY learner_id LIMIT $4",
        work.tenant_id,
        bulk.id,
        after,
        CHUNK,
    )
    return learner_ids


def counted(progress: dict[str, Any], outcomes: Counter[str]) -> dict[str, Any]:
    """Return the progress of a job with these outcomes added; what failed is a column of the job itself."""
    return progress | {
        name: progress.get(name, 0) + outcomes[outcome]
        for name, outcome in (("created", BulkOutcome.CREATED), ("skipped", BulkOutcome.SKIPPED))
    }


async def assign_waiting(work: UnitOfWork, bulk: Bulk, learner_ids: Sequence[int]) -> Counter[str]:
    """Judge these people as they are now, give tasks to whom they are due, and write down what became of each."""
    await lock_learners(work, learner_ids)
    results = await work.sql.rows(
        BulkResultRow,
        f"SELECT {RESULT_COLUMNS} FROM ({_JUDGED}) r ORDER BY r.learner_id",
        work.tenant_id,
        bulk.id,
        list(learner_ids),
        bulk.target_id,
        bulk.due_on,
    )
    people = await load_assignees(work, [one.learner_id for one in results if one.outcome == BulkOutcome.CREATED])
    tasks = await create_tasks(
        work,
        bulk.target_id,
        bulk.terms,
        # Nobody's date was earlier than that day; whoever has moved since may be a day ahead.
        [NewTask(person, min(local_date(bulk.created_at, person.zone), bulk.due_on)) for person in people.values()],
        bulk_assignment_id=bulk.id,
    )
    await work.sql.execute(
        """
        UPDATE bulk_assignment_learner b SET outcome = n.outcome, task_id = n.task_id, error_code = n.error_code
          FROM unnest($3::bigint[], $4::text[], $5::bigint[], $6::text[])
               AS n (learner_id, outcome, task_id, error_code)
         WHERE b.tenant_id = $1 AND b.bulk_assignment_id = $2 AND b.learner_id = n.learner_id
        """,
        work.tenant_id,
        bulk.id,
        [one.learner_id for one in results],
        [one.outcome for one in results],
        [tasks.get(one.learner_id, one.task_id) for one in results],
        [one.error_code for one in results],
    )
    return Counter(one.outcome for one in results)
