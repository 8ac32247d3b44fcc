"""What is counted of rules, reminders, jobs and transactions: each once, when it is true."""

from datetime import date, datetime

import pytest
from prometheus_client import REGISTRY, generate_latest

from domain.foundation.access import Principal
from domain.foundation.unit_of_work import UnitOfWork, perform
from domain.mandatory_tasks.reminders.schedule import ReminderRecipient
from domain.mandatory_tasks.terms import ReminderInput
from domain.people.learners.changes import LearnerChanges, RefChange
from domain.people.learners.operations import update_learner
from domain.people.queries import LearnerKey
from domain.tenants.models import Tenant
from jobs.metrics import measure
from tests.jobs.reminded import assign_many
from tests.support import factories
from tests.support.catalogue import Connection
from tests.support.exposition import Samples, parse_metrics, sample
from tests.support.rounds import send_due_reminders


def now_counted() -> Samples:
    """Return all figures of this process."""
    return parse_metrics(generate_latest(REGISTRY).decode())


async def pending_work(kind: str, at: datetime) -> tuple[float, float]:
    """Return how much of a kind is due at an instant, and for how many seconds the oldest of it has been."""
    await measure(at)
    told = now_counted()
    return (
        sample(told, "mandate_pending_work", kind=kind),
        sample(told, "mandate_oldest_pending_work_seconds", kind=kind),
    )


async def test_only_what_is_committed_is_counted(admin: Principal, now: datetime) -> None:
    """What is rolled back has not happened."""
    counted: list[str] = []

    async def work_on(work: UnitOfWork, *, fails: bool) -> None:
        work.count(lambda: counted.append("done"))
        assert counted == []
        if fails:
            raise LookupError

    with pytest.raises(LookupError):
        await perform(admin, now, "test", lambda work: work_on(work, fails=True))
    assert counted == []
    await perform(admin, now, "test", lambda work: work_on(work, fails=False))
    assert counted == ["done"]


async def test_evaluations_of_rules_are_counted_and_timed(tenant: Tenant, admin: Principal, now: datetime) -> None:
    """One for a change of one person."""
    (learner_id,) = await factories.create_learners(tenant.id, 1)
    before = now_counted()
    changes = LearnerChanges(ref_values=[RefChange(1, "Forklift driver")])
    await perform(admin, now, "test", lambda work: update_learner(work, key=LearnerKey(id=learner_id), changes=changes))
    after = now_counted()
    for name in ("mandate_rule_evaluation_seconds_count", "mandate_rule_evaluated_people_total"):
        assert sample(after, name) - sample(before, name) == 1
    assert sample(after, "mandate_rule_evaluation_seconds_sum") > sample(before, "mandate_rule_evaluation_seconds_sum")


async def test_reminders_are_seen_before_and_after(tenant: Tenant, superuser: Connection, now: datetime) -> None:
    """How many tasks wait, how many of them too long, and how late each reminder was."""
    reminders = [ReminderInput(days_before_due=1, recipients=(ReminderRecipient.LEARNER,))]
    await assign_many(tenant, superuser, 5, now=now, due_on=date(2026, 3, 12), every_weeks=None, reminders=reminders)
    planned: datetime = await superuser.fetchval("SELECT min(scheduled_at) FROM task_reminder")

    async def waiting(at: datetime) -> tuple[float, float]:
        return await pending_work("reminders", at)

    assert await waiting(planned.replace(year=2025)) == (0, 0)
    assert await waiting(planned) == (5, 0)
    at = planned.replace(minute=planned.minute + 2)
    assert await waiting(at) == (5, 120)
    before = now_counted()
    assert await send_due_reminders(at) == 5
    after = now_counted()
    assert (
        sample(after, "mandate_reminders_total", status="SENT")
        - sample(before, "mandate_reminders_total", status="SENT")
        == 5
    )
    delay = "mandate_reminder_delay_seconds_sum"
    assert sample(after, delay) - sample(before, delay) == 5 * 120
    assert await waiting(at) == (0, 0)


async def test_the_lag_of_the_feed_is_its_oldest_row(tenant: Tenant, superuser: Connection, now: datetime) -> None:
    """Of all tenants together."""
    await measure(now)
    assert sample(now_counted(), "mandate_feed_lag_rows") == 0
    await superuser.execute(
        "INSERT INTO change_pending (tenant_id, object_type, object_id, version, at)"
        " SELECT $1, 'LEARNER', 1, number, $2::timestamptz - number * interval '1 second'"
        " FROM generate_series(1, 30) number",
        tenant.id,
        now,
    )
    await measure(now)
    told = now_counted()
    assert (sample(told, "mandate_feed_lag_rows"), sample(told, "mandate_feed_lag_seconds")) == (30, 30)
