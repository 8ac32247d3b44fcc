"""Tasks under fire: two who change the same task, or what its dates and people depend on, at the same moment."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from domain.content.models import Content
from domain.content.queries import ContentKey
from domain.enrollments.progress.reports import ProgressInput, record_course_progress
from domain.foundation.access import Principal
from domain.foundation.errors import VersionConflict
from domain.foundation.unit_of_work import UnitOfWork, perform
from domain.mandatory_tasks.assigning import assign_mandatory_task
from domain.mandatory_tasks.editing import TaskChanges, update_mandatory_task
from domain.mandatory_tasks.errors import TaskAlreadyAssigned, TaskAlreadyCompleted
from domain.mandatory_tasks.withdrawing import withdraw_mandatory_task
from domain.people.learners.activation import deactivate_learner
from domain.people.queries import LearnerKey
from domain.tenants.operations import TenantChanges, update_tenant
from gql.contract import ids
from tests.support.assigning import Assigning, reminder
from tests.support.catalogue import Connection
from tests.support.company import Company, Json
from tests.support.passing_time import midnight
from tests.support.rounds import note_overdue_tasks, open_due_cycles, send_due_reminders
from tests.support.tasks import PATIENCE, held

DUE = "2026-03-16"
Action = Callable[[UnitOfWork], Awaitable[Any]]


def assigning_to(person: Principal, target: Content) -> Action:
    """Return what gives somebody a task."""
    return lambda work: assign_mandatory_task(
        work,
        target=ContentKey(id=target.id),
        learner=LearnerKey(id=person.learner_id),
        due_on=date.fromisoformat(DUE),
    )


def key_of_task(task: Json) -> int:
    """Return the key of a task in the domain."""
    decoded = ids.decode(task["id"])
    assert decoded is not None
    return decoded[1]


def editing(task: Json, expected_version: int | None = None, **changes: Any) -> Action:
    """Return what changes a task."""
    return lambda work: update_mandatory_task(
        work, task_id=key_of_task(task), changes=TaskChanges(**changes), expected_version=expected_version
    )


def withdrawing(task: Json) -> Action:
    """Return what withdraws a task."""
    return lambda work: withdraw_mandatory_task(work, task_id=key_of_task(task))


def finishing(person: Principal, course: Content) -> Action:
    """Return what finishes a course."""
    report = ProgressInput(learner=LearnerKey(id=person.learner_id), course=ContentKey(id=course.id), is_finished=True)
    return lambda work: record_course_progress(work, report=report)


async def crossing(
    principal: Principal, now: datetime, first: Action, second: Callable[[], Awaitable[Any]]
) -> "asyncio.Task[Any]":
    """Begin something while something else is done and not committed; let both come to their ends."""
    async with held(principal, now, first) as work:
        later = asyncio.ensure_future(second())
        await asyncio.sleep(0.2)
        await work.commit()
    await asyncio.wait({later}, timeout=PATIENCE)
    return later


async def test_a_task_that_is_given_while_the_company_moves_is_due_by_the_new_zone(
    company: Company, learner: Principal, course: Content, superuser: Connection
) -> None:
    """Whoever changes the zone waits for who is giving a task by the old one."""
    admin, now = company.admin, company.api.now
    moving = TenantChanges(time_zone="America/New_York")
    moved = await crossing(
        admin,
        now,
        assigning_to(learner, course),
        lambda: perform(admin, now, "updateTenant", lambda work: update_tenant(work, changes=moving)),
    )
    moved.result()
    assert await superuser.fetchval("SELECT due_at FROM mandatory_task") == datetime(2026, 3, 17, 4, tzinfo=UTC)


async def test_two_who_give_the_same_task_give_one(company: Company, learner: Principal, course: Content) -> None:
    """The second is told which one there is."""
    admin, now = company.admin, company.api.now
    second = await crossing(
        admin,
        now,
        assigning_to(learner, course),
        lambda: perform(admin, now, "assignMandatoryTask", assigning_to(learner, course)),
    )
    assert isinstance(second.exception(), TaskAlreadyAssigned)


@pytest.mark.parametrize("expects", [False, True])
async def test_two_edits_of_different_parts_lose_nothing(
    company: Company, assigning: Assigning, learner: Principal, course: Content, expects: bool
) -> None:
    """Who says which version is meant is told of the other edit; else both parts are changed."""
    task = await assigning.assign(learner, course, DUE)
    admin, now = company.admin, company.api.now
    version = task["version"] if expects else None
    second = await crossing(
        admin,
        now,
        editing(task, note="First"),
        lambda: perform(admin, now, "updateMandatoryTask", editing(task, version, due_on=date(2026, 3, 20))),
    )
    seen = await assigning.look_at(task)
    if expects:
        assert isinstance(second.exception(), VersionConflict)
        assert (seen["note"], seen["dueOn"]) == ("First", DUE)
    else:
        assert (seen["note"], seen["dueOn"]) == ("First", "2026-03-20")


async def test_a_date_is_not_moved_of_what_is_completed_meanwhile(
    company: Company, assigning: Assigning, learner: Principal, course: Content
) -> None:
    """Nor is it withdrawn. Both waited for the completion and judged what it left."""
    task = await assigning.assign(learner, course, DUE)
    admin, now = company.admin, company.api.now
    for later in (editing(task, due_on=date(2026, 3, 20)), withdrawing(task)):
        second = await crossing(admin, now, finishing(learner, course), partial(perform, admin, now, "second", later))
        assert isinstance(second.exception(), TaskAlreadyCompleted)
    assert (await assigning.look_at(task))["dueOn"] == DUE
    assert await assigning.reminders(task) == ["2026-03-16 3 CANCELLED TASK_COMPLETED"]


async def test_what_is_withdrawn_meanwhile_is_not_completed(
    company: Company, assigning: Assigning, learner: Principal, course: Content
) -> None:
    """The course is, the task is gone."""
    task = await assigning.assign(learner, course, DUE)
    admin, now = company.admin, company.api.now
    second = await crossing(
        admin, now, withdrawing(task), lambda: perform(admin, now, "report", finishing(learner, course))
    )
    second.result()
    seen = await assigning.look_at(task)
    assert (seen["completedAt"], seen["withdrawnAt"] is not None) == (None, True)


async def test_sweeps_leave_to_the_next_time_what_somebody_changes(
    company: Company, assigning: Assigning, learner: Principal, course: Content
) -> None:
    """They wait for nobody, and do the right thing afterwards: the date was moved, and nothing is overdue."""
    task = await assigning.assign(learner, course, DUE, reminders=[reminder(-1)])
    admin, now = company.admin, midnight("2026-03-17") + timedelta(seconds=5)
    async with held(admin, now, editing(task, due_on=date(2026, 3, 30))) as edit:
        assert await asyncio.wait_for(note_overdue_tasks(now), PATIENCE) == 0
        assert await asyncio.wait_for(send_due_reminders(now), PATIENCE) == 0
        await edit.commit()
    assert (await note_overdue_tasks(now), await send_due_reminders(now)) == (0, 0)
    assert await assigning.log(learner, actions=["TASK_OVERDUE"]) == []


@pytest.mark.parametrize("ends", ["repetition", "person"])
async def test_no_cycle_opens_of_what_ends_meanwhile(
    company: Company, assigning: Assigning, learner: Principal, course: Content, ends: str
) -> None:
    """The repetition is taken away, or the person becomes inactive, as the sweep comes by."""
    task = await assigning.assign(learner, course, DUE, repeatEveryWeeks=4)
    await assigning.finish(learner, course)
    admin, now = company.admin, midnight("2026-04-10")
    key = LearnerKey(id=learner.learner_id)
    action: Action = (
        editing(task, every_weeks=None) if ends == "repetition" else lambda work: deactivate_learner(work, key=key)
    )
    async with held(admin, now, action) as ending:
        assert await asyncio.wait_for(open_due_cycles(now), PATIENCE) == 0
        await ending.commit()
    assert await open_due_cycles(now) == 0
    assert (await assigning.look_at(task))["status"] == "COMPLETED"


async def test_many_sweeps_at_once_open_one_cycle(
    company: Company, assigning: Assigning, learner: Principal, course: Content
) -> None:
    """And tell it once."""
    task = await assigning.assign(learner, course, DUE, repeatEveryWeeks=4, reminders=[])
    await assigning.finish(learner, course)
    now = midnight("2026-04-10")
    assert sum(await asyncio.gather(*(open_due_cycles(now) for _ in range(6)))) == 1
    assert len(await assigning.rounds(task)) == 2
    assert (await assigning.notifications(learner)).count("TASK_REOPENED A") == 1
