"""Mandatory tasks given to a whole company at once: tasks per second, beside the same rows inserted plainly.

A task is its row, its cycle, a reminder with its setting, an enrollment with its reason, two log rows, a notification,
an email to send, and the change rows of all these. The job runs as a worker runs it, chunk by chunk; the floor is
INSERT … SELECT of the very rows that a chunk has written, by turns with the chunks.
"""

from datetime import timedelta
from time import perf_counter

from bench.database import Addresses, Connection, settle, without_indexes
from bench.floor_tables import Copies
from bench.interleaved import Turns
from bench.report import Figure, Spread
from bench.size import Size
from bench.world import Company, found_company
from domain.content.queries import ContentKey
from domain.foundation import clock
from domain.foundation.database.sessions import ReadScope
from domain.foundation.models import JobKind
from domain.foundation.paging import PageRequest
from domain.foundation.unit_of_work import UnitOfWork, perform
from domain.mandatory_tasks.bulk.assigning import bulk_assign_mandatory_tasks
from domain.mandatory_tasks.bulk.audience import AudiencePart
from domain.mandatory_tasks.bulk.preview import count_previewed, list_previewed_results, preview_bulk_assignment

NAME = "assigning"
LEAST_SHARE = 0.3
#: Milliseconds for everything that a dialog shows of an audience, and for confirming it.
MOST_PREVIEW, MOST_CONFIRMATION = 1_000, 3_000
FILLED = ("learner", "learner_ref", "learner_place", "enrollment", "enrollment_reason", "content_action")
WRITTEN = (
    "mandatory_task",
    "task_cycle",
    "task_reminder_setting",
    "task_reminder",
    "enrollment",
    "enrollment_reason",
    "content_action",
    "notification",
    "email_delivery",
    "change_pending",
)


async def measure(owner: Connection, addresses: Addresses, size: Size) -> list[Figure]:
    """Measure preview, confirmation and job of one bulk assignment."""
    async with without_indexes(owner, FILLED):
        company = await found_company(owner, NAME, size.assigned_learners, clock.now())
    await settle(owner)
    preview = await _preview(company)
    begin = perf_counter()
    job_id = await _confirm(owner, company)
    confirmation = perf_counter() - begin
    copies = Copies(owner, WRITTEN)
    await copies.make()
    await settle(owner)
    await owner.execute("CHECKPOINT")

    async def write_again(after: int, until: int) -> None:
        await copies.write_again({table: f"id > {last_id}" for table, last_id in (await copies.last_ids()).items()})

    turns = Turns(JobKind.BULK_ASSIGNMENT, write_again)
    await turns.run(company.tenant_id, job_id)
    await copies.drop()
    return _figures(size, turns.chunks, copies, preview, confirmation)


def _audience(company: Company) -> list[AudiencePart]:
    return [AudiencePart(department=department) for department in company.departments]


async def _preview(company: Company) -> float:
    """Ask for the numbers and for the first page of results; return the seconds that it takes."""
    begin = perf_counter()
    async with ReadScope(company.tenant_id) as reads:
        preview = await preview_bulk_assignment(
            reads,
            company.admin,
            clock.now(),
            target=ContentKey(id=company.courses[0]),
            audience=_audience(company),
            due_on=clock.now().date() + timedelta(days=30),
        )
        await count_previewed(reads, company.admin, [preview])
        await list_previewed_results(reads, preview, None, PageRequest(25))
    return perf_counter() - begin


async def _confirm(owner: Connection, company: Company) -> int:
    """Assign a course that nobody has to everybody, and return the job."""

    async def act(work: UnitOfWork) -> int:
        return await bulk_assign_mandatory_tasks(
            work,
            target=ContentKey(id=company.courses[0]),
            audience=_audience(company),
            due_on=clock.now().date() + timedelta(days=30),
        )

    done = await perform(company.admin, clock.now(), "bulkAssignMandatoryTasks", act)
    job_id: int = await owner.fetchval("SELECT job_id FROM bulk_assignment WHERE id = $1", done.result)
    return job_id


def _figures(size: Size, chunks: list[float], copies: Copies, preview: float, confirmation: float) -> list[Figure]:
    tasks = copies.counts["mandatory_task"]
    rate, floor = tasks / sum(chunks), tasks / copies.seconds
    spread = Spread.of(chunks)
    people = f"{size.assigned_learners:,} people"
    return [
        Figure(
            NAME,
            "tasks created in bulk",
            rate,
            "tasks/s",
            floor,
            rate / floor,
            goal=f"at least {LEAST_SHARE}",
            is_met=rate / floor >= LEAST_SHARE,
            details={**copies.counts, "seconds": round(sum(chunks), 2), "floor seconds": round(copies.seconds, 2)},
        ),
        Figure(NAME, "chunk, median", spread.median, "ms", details={"chunks": len(chunks), **spread.as_details()}),
        Figure(
            NAME,
            f"preview of {people}",
            preview * 1_000,
            "ms",
            goal=f"at most {MOST_PREVIEW:,}",
            is_met=preview * 1_000 <= MOST_PREVIEW,
        ),
        Figure(
            NAME,
            f"confirmation of {people}",
            confirmation * 1_000,
            "ms",
            goal=f"at most {MOST_CONFIRMATION:,}",
            is_met=confirmation * 1_000 <= MOST_CONFIRMATION,
        ),
    ]
