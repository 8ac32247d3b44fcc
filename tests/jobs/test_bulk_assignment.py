"""Bulk assignments survive their workers and each other: everybody has one task, and the numbers add up.

The killed worker is a real process. Two identical requests are two jobs over the same people at the same time.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest

from domain.content.queries import ContentKey
from domain.foundation import clock
from domain.foundation.access import Principal
from domain.foundation.database.sessions import writing
from domain.foundation.idempotency import IdempotentCall
from domain.foundation.jobs.running import run_job
from domain.foundation.unit_of_work import perform
from domain.mandatory_tasks.bulk.assigning import bulk_assign_mandatory_tasks
from domain.mandatory_tasks.bulk.audience import AudiencePart
from domain.people.models import Place
from domain.reactions import CHUNKS
from domain.tenants.models import Tenant
from tests.jobs.conftest import SCHEDULER, WORKER, Processes
from tests.support import factories
from tests.support.catalogue import Connection

KEY: IdempotentCall[int] = IdempotentCall(key="q1", input_hash=b"x" * 32, store=lambda result: result, restore=int)


@dataclass(slots=True)
class Assigned:
    """A bulk assignment and its job."""

    bulk_id: int
    job_id: int


Assign = Callable[..., Awaitable[Assigned]]


@pytest.fixture
async def department(tenant: Tenant) -> Place:
    """The place whose members are assigned to."""
    return await factories.create_place(tenant.id)


@pytest.fixture
async def assign(tenant: Tenant, admin: Principal, department: Place) -> Assign:
    """Assign one course to the department."""
    course = await factories.create_course(tenant.id)

    async def assign(now: datetime, idempotent: IdempotentCall[int] | None = None) -> Assigned:
        done = await perform(
            admin,
            now,
            "bulkAssignMandatoryTasks",
            lambda work: bulk_assign_mandatory_tasks(
                work,
                target=ContentKey(id=course.id),
                audience=[AudiencePart(department=department.id)],
                due_on=(now + timedelta(days=30)).date(),
            ),
            idempotent=idempotent,
        )
        async with writing(tenant.id) as sql:
            job_id = await sql.value("SELECT job_id FROM bulk_assignment WHERE id = $1", done.result)
        return Assigned(done.result, job_id)

    return assign


async def populate(tenant: Tenant, department: Place, count: int) -> list[int]:
    """Let many people belong to the department and return their IDs."""
    learner_ids = await factories.create_learners(tenant.id, count)
    await factories.place_learners(tenant.id, department, learner_ids)
    return sorted(learner_ids)


async def outcomes(superuser: Connection, assigned: Assigned) -> dict[str, int]:
    """Return the numbers of a bulk assignment, having compared them with those of its job."""
    records = await superuser.fetch(
        "SELECT coalesce(outcome, 'none') AS outcome, count(*) FROM bulk_assignment_learner"
        " WHERE bulk_assignment_id = $1 GROUP BY 1",
        assigned.bulk_id,
    )
    counts = {record["outcome"]: record["count"] for record in records}
    job = await superuser.fetchrow(
        "SELECT processed_count, failed_count, (progress ->> 'created')::int AS created,"
        " (progress ->> 'skipped')::int AS skipped FROM background_job WHERE id = $1",
        assigned.job_id,
    )
    assert job is not None
    told = {"CREATED": job["created"], "SKIPPED": job["skipped"], "FAILED": job["failed_count"]}
    assert {name: counts.get(name, 0) for name in told} == {name: count or 0 for name, count in told.items()}
    assert job["processed_count"] == sum(count for name, count in counts.items() if name != "none")
    return counts


async def require_one_task_each(superuser: Connection, learner_ids: list[int]) -> None:
    """Require everything that a task brings exactly once for everybody."""
    for query in (
        "SELECT learner_id FROM mandatory_task WHERE withdrawn_at IS NULL",
        "SELECT t.learner_id FROM task_cycle c JOIN mandatory_task t ON t.id = c.task_id",
        "SELECT t.learner_id FROM task_reminder r JOIN mandatory_task t ON t.id = r.task_id",
        "SELECT learner_id FROM enrollment WHERE is_active",
        "SELECT learner_id FROM enrollment_reason WHERE source = 'MANDATORY_TASK' AND is_binding AND until_at IS NULL",
        "SELECT learner_id FROM content_action WHERE action = 'TASK_ASSIGNED'",
        "SELECT learner_id FROM content_action WHERE action = 'ENROLLED'",
        "SELECT learner_id FROM notification",
        "SELECT recipient_id FROM email_delivery",
    ):
        assert sorted(record[0] for record in await superuser.fetch(query)) == learner_ids, query


async def test_a_killed_worker_is_replaced_and_nobody_has_two_tasks(
    processes: Processes, tenant: Tenant, department: Place, assign: Assign, superuser: Connection
) -> None:
    """Killed in the middle of a chunk: that chunk leaves no trace, and another worker goes on from the one before."""
    learner_ids = await populate(tenant, department, 4_000)
    processes.start(SCHEDULER)
    assigned = await assign(clock.now())
    killed = processes.start(WORKER)
    await wait_for(superuser, assigned, "processed_count > 0")
    killed.kill()
    half = await outcomes(superuser, assigned)
    assert 0 < half["CREATED"] < 4_000, "it was too late to kill the worker"
    assert await superuser.fetchval("SELECT count(*) FROM mandatory_task") == half["CREATED"]
    processes.start(WORKER)
    await wait_for(superuser, assigned, "status = 'SUCCEEDED'")
    assert await outcomes(superuser, assigned) == {"CREATED": 4_000}
    await require_one_task_each(superuser, learner_ids)


async def wait_for(superuser: Connection, assigned: Assigned, condition: str) -> None:
    """Wait until the job meets an SQL condition."""
    deadline = time.monotonic() + 120
    query = f"SELECT EXISTS (SELECT 1 FROM background_job WHERE id = $1 AND ({condition}))"
    while not await superuser.fetchval(query, assigned.job_id):
        assert time.monotonic() < deadline, condition
        await asyncio.sleep(0.01)


async def test_2_500_people_while_a_second_identical_request_runs(
    tenant: Tenant, department: Place, assign: Assign, superuser: Connection, now: datetime
) -> None:
    """The small size of the proof."""
    await _prove(tenant, department, assign, superuser, now, people=2_500)


@pytest.mark.soak
async def test_20_000_people_while_a_second_identical_request_runs(
    tenant: Tenant, department: Place, assign: Assign, superuser: Connection, now: datetime
) -> None:
    """The full size of the proof."""
    await _prove(tenant, department, assign, superuser, now, people=20_000)


async def _prove(
    tenant: Tenant, department: Place, assign: Assign, superuser: Connection, now: datetime, *, people: int
) -> None:
    learner_ids = await populate(tenant, department, people)
    both = await asyncio.gather(assign(now), assign(now))
    assert both[0].bulk_id != both[1].bulk_id

    async def run(assigned: Assigned) -> None:
        await run_job(tenant.id, assigned.job_id, CHUNKS, lambda: now)

    # Each twice, as a message may come again while the job is at work.
    await asyncio.gather(*(run(one) for one in (*both, *both)))
    found = [await outcomes(superuser, one) for one in both]
    assert [sum(counts.values()) for counts in found] == [people, people]
    assert all(set(counts) <= {"CREATED", "SKIPPED"} for counts in found), found
    assert sum(counts.get("CREATED", 0) for counts in found) == people
    await require_one_task_each(superuser, learner_ids)


async def test_the_same_key_at_the_same_time_is_one_bulk_assignment(
    tenant: Tenant, department: Place, assign: Assign, superuser: Connection, now: datetime
) -> None:
    """Five requests, one audience, one job."""
    learner_ids = await populate(tenant, department, 250)
    made: list[Any] = await asyncio.gather(*(assign(now, KEY) for _ in range(5)))
    assert len({one.bulk_id for one in made}) == 1
    assert await superuser.fetchval("SELECT count(*) FROM bulk_assignment") == 1
    assert await superuser.fetchval("SELECT count(*) FROM background_job") == 1
    await run_job(tenant.id, made[0].job_id, CHUNKS, lambda: now)
    assert await outcomes(superuser, made[0]) == {"CREATED": 250}
    await require_one_task_each(superuser, learner_ids)


async def test_small_requests_at_the_same_time_share_the_people(
    tenant: Tenant, department: Place, assign: Assign, superuser: Connection, now: datetime
) -> None:
    """Those that are worked off in the request itself, too: who comes later skips whom the other has."""
    learner_ids = await populate(tenant, department, 60)
    made = await asyncio.gather(*(assign(now) for _ in range(4)))
    found = [await outcomes(superuser, one) for one in made]
    assert sorted(found, key=str) == [{"CREATED": 60}, *[{"SKIPPED": 60}] * 3]
    await require_one_task_each(superuser, learner_ids)
