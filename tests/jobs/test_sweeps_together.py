"""Three sweepers at once on the same tasks: each overdue mark, each reminder and each opening is done once."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from domain.content.queries import ContentKey
from domain.enrollments.progress.reports import ProgressInput, bulk_record_course_progress
from domain.foundation.access import Principal
from domain.foundation.unit_of_work import UnitOfWork, perform
from domain.mandatory_tasks.terms import ReminderInput
from domain.people.queries import LearnerKey
from domain.tenants.models import Tenant
from jobs.rounds import OPENINGS, OVERDUE, REMINDERS
from tests.jobs.reminded import BOTH, assign_many
from tests.support.catalogue import Connection
from tests.support.rounds import note_overdue_tasks, open_due_cycles, send_due_reminders

DUE = date(2026, 3, 12)
SWEEPERS = 3
ROWS = 1_000

Sweep = Callable[[datetime], Awaitable[int]]


@pytest.fixture(params=[200, pytest.param(2_000, marks=pytest.mark.soak)])
def count(request: pytest.FixtureRequest) -> int:
    """How many tasks."""
    number: int = request.param
    return number


@pytest.fixture(autouse=True)
def chunks(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let sweepers meet in many small chunks."""
    for one in (OVERDUE, OPENINGS, REMINDERS):
        monkeypatch.setattr(one, "together", max(5, count // 40))


@pytest.fixture
async def course_id(tenant: Tenant, superuser: Connection, count: int, now: datetime) -> int:
    """A course that everybody has as a task of every four weeks, with reminders a day before and after."""
    return await assign_many(
        tenant,
        superuser,
        count,
        now=now,
        due_on=DUE,
        every_weeks=4,
        reminders=[ReminderInput(days_before_due=days, recipients=BOTH) for days in (1, -1)],
    )


async def sweep_together(now: datetime, *sweeps: Sweep) -> dict[Sweep, int]:
    """Let three of each sweep at once, again until nothing is left; return how much each kind did in all."""
    totals = dict.fromkeys(sweeps, 0)
    while True:
        done = await asyncio.gather(*(sweep(now) for sweep in sweeps for _ in range(SWEEPERS)))
        for place, number in enumerate(done):
            totals[sweeps[place // SWEEPERS]] += number
        if not any(done):
            return totals


async def counted(superuser: Connection, what: str, source: str) -> Counter[Any]:
    """Return how often each value of a column is there."""
    rows = await superuser.fetch(f"SELECT {what} AS what, count(*) FROM {source} GROUP BY 1")
    return Counter({row["what"]: row["count"] for row in rows})


def each(ids: Iterable[int], times: int = 1) -> Counter[int]:
    """Return the count of things that are there so many times each."""
    return Counter(dict.fromkeys(ids, times))


async def test_each_is_done_once(
    admin: Principal, superuser: Connection, course_id: int, count: int, now: datetime
) -> None:
    """Whoever finds a task locked leaves it to the one who has it."""
    tasks = {
        record["id"]: record["learner_id"]
        for record in await superuser.fetch("SELECT id, learner_id FROM mandatory_task")
    }
    assert len(tasks) == count
    # Two days after the due date both reminders are due, and so is the mark.
    done = await sweep_together(datetime(2026, 3, 14, 9, tzinfo=now.tzinfo), send_due_reminders, note_overdue_tasks)
    assert done == {send_due_reminders: 2 * count, note_overdue_tasks: count}
    assert await counted(superuser, "task_id", "content_action WHERE action = 'TASK_OVERDUE'") == each(tasks)
    assert await counted(superuser, "status", "task_reminder") == {"SENT": 2 * count}
    # Learner and assigner of both.
    for table in ("notification", "email_delivery"):
        assert await counted(superuser, "task_id", f"{table} WHERE kind = 'TASK_REMINDER'") == each(tasks, 4), table

    completed_at = datetime(2026, 3, 14, 12, tzinfo=now.tzinfo)
    await complete(admin, completed_at, course_id, tasks.values())
    later = completed_at + timedelta(weeks=4)
    done = await sweep_together(later, open_due_cycles, send_due_reminders, note_overdue_tasks)
    assert done == {open_due_cycles: count, send_due_reminders: 0, note_overdue_tasks: 0}
    assert await counted(superuser, "task_id", "task_cycle") == each(tasks, 2)
    assert await counted(superuser, "task_id", "task_reminder WHERE status = 'SCHEDULED'") == each(tasks, 2)
    assert await counted(superuser, "task_id", "content_action WHERE action = 'RESET'") == each(tasks)
    # Once as it was given, and once as it was opened again.
    assert await counted(superuser, "task_id", "content_action WHERE action = 'TASK_ASSIGNED'") == each(tasks, 2)
    assert await counted(superuser, "learner_id", "enrollment WHERE status = 'NOT_STARTED'") == each(tasks.values())
    for table in ("notification", "email_delivery"):
        assert await counted(superuser, "task_id", f"{table} WHERE kind = 'TASK_REOPENED'") == each(tasks), table


async def complete(admin: Principal, now: datetime, course_id: int, learner_ids: Iterable[int]) -> None:
    """Report that everybody has finished."""
    people = list(learner_ids)
    for start in range(0, len(people), ROWS):
        rows = [
            ProgressInput(learner=LearnerKey(id=learner_id), course=ContentKey(id=course_id), is_finished=True)
            for learner_id in people[start : start + ROWS]
        ]

        async def report(work: UnitOfWork, rows: list[ProgressInput] = rows) -> None:
            await bulk_record_course_progress(work, rows=rows)

        await perform(admin, now, "bulkRecordCourseProgress", report)
