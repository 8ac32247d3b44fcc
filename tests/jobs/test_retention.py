"""Deleting what is kept for a time only: as long as the operator says, in batches, in several processes at once."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.foundation.access import Principal
from domain.foundation.database.sessions import ReadScope, across_tenants
from domain.foundation.feed.changes import read_changes
from domain.foundation.settings import Settings
from domain.tenants.models import Tenant
from jobs import retention
from jobs.retention import delete_what_is_old
from tests.support import factories
from tests.support.catalogue import Connection

#: Everything goes after this many days, each kind after another.
LIMITS = {
    "keep_changes_days": 7,
    "keep_read_notifications_days": 30,
    "keep_emails_days": 60,
    "keep_audit_entries_days": 90,
    "keep_finished_jobs_days": 10,
}
LONG = timedelta(days=4_000)


@pytest.fixture
def limited(settings: Settings) -> Settings:
    """Settings of an operator who keeps nothing for ever."""
    return settings.model_copy(update=LIMITS)


async def put(superuser: Connection, table: str, **columns: Any) -> None:
    """Insert a row."""
    places = ", ".join(f"${number + 1}" for number in range(len(columns)))
    await superuser.execute(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places})", *columns.values())


async def put_change(superuser: Connection, tenant: Tenant, position: int, at: datetime) -> None:
    """Make an entry of a feed."""
    await put(
        superuser,
        "change",
        tenant_id=tenant.id,
        position=position,
        object_type="LEARNER",
        object_id=1,
        version=1,
        at=at,
    )


async def put_email(superuser: Connection, tenant: Tenant, key: str, at: datetime, status: str = "ACCEPTED") -> None:
    """Make an email."""
    values = {"tenant_id": tenant.id, "recipient_id": 1, "category": "MANDATORY_TASKS", "kind": "TASK_REMINDER"}
    more = {"facts": "{}", "attempt_count": 1, "next_attempt_at": at, "created_at": at}
    await put(superuser, "email_delivery", key=key, status=status, **values, **more)


async def put_entry(superuser: Connection, tenant: Tenant, operation: str, at: datetime) -> None:
    """Make an entry of the audit log."""
    values = {"tenant_id": tenant.id, "object_type": "LEARNER", "object_id": 1, "object_name": "X", "changes": "[]"}
    await put(superuser, "audit_entry", operation=operation, occurred_at=at, **values)


async def put_job(
    superuser: Connection, tenant: Tenant, name: str, at: datetime | None, status: str = "SUCCEEDED", **more: Any
) -> int:
    """Make a job with somebody on its list, and return its ID."""
    values = {"processed_count": 0, "failed_count": 0, "progress": "{}", "attempt_count": 0, "version": 1}
    values |= {"kind": "RULE_BACKFILL"} | more
    columns = {"tenant_id": tenant.id, "status": status, "subject_name": name, "finished_at": at, **values}
    await put(superuser, "background_job", created_at=at or factories.LONG_AGO, **columns)
    job_id: int = await superuser.fetchval("SELECT max(id) FROM background_job")
    listed = await factories.create_learner(tenant.id)
    await put(superuser, "background_job_learner", tenant_id=tenant.id, job_id=job_id, learner_id=listed.id)
    return job_id


async def left(superuser: Connection, table: str, column: str) -> list[Any]:
    """Return what is left in a table."""
    return [record[0] for record in await superuser.fetch(f"SELECT {column} FROM {table} ORDER BY 1")]


async def test_keys_are_kept_a_day_and_changes_a_week(
    admin: Principal, tenant: Tenant, now: datetime, settings: Settings, superuser: Connection
) -> None:
    """What is older is deleted, what is younger stays, without any setting."""
    for key, age in (("old", timedelta(hours=25)), ("young", timedelta(hours=23))):
        values = {"tenant_id": tenant.id, "account": "learner:1", "operation": "createLearner", "input_hash": b""}
        await put(superuser, "idempotency_key", key=key, created_at=now - age, **values)
    for position, age in enumerate([timedelta(days=7, seconds=1), timedelta(days=7)], start=1):
        await put_change(superuser, tenant, position, now - age)
    gone = await delete_what_is_old(now, settings)
    assert {what: count for what, count in gone.items() if count} == {"idempotency_keys": 1, "changes": 1}
    assert await left(superuser, "idempotency_key", "key") == ["young"]
    assert await left(superuser, "change", "position") == [2]


async def test_without_settings_nothing_else_goes(
    tenant: Tenant, now: datetime, settings: Settings, superuser: Connection
) -> None:
    """However old it is: 0 is for ever."""
    await put_email(superuser, tenant, "a", now - LONG)
    await put_entry(superuser, tenant, "a", now - LONG)
    await put_job(superuser, tenant, "a", now - LONG)
    await factories.create_notification(tenant.id, 1, read_at=now - LONG)
    gone = await delete_what_is_old(now, settings)
    assert set(gone.values()) == {0}
    for table in ("email_delivery", "audit_entry", "background_job", "notification"):
        assert await superuser.fetchval(f"SELECT count(*) FROM {table}") == 1, table


async def test_each_kind_goes_after_its_days(
    tenant: Tenant, another_tenant: Tenant, now: datetime, limited: Settings, superuser: Connection
) -> None:
    """In all tenants; by when it was read, was finished, or happened. What is under way is nobody's past."""
    just, not_yet = timedelta(seconds=1), -timedelta(seconds=1)
    for owner, suffix in ((tenant, ""), (another_tenant, "'")):
        for name, margin in (("old", just), ("young", not_yet)):
            at = {setting: now - timedelta(days=days) - margin for setting, days in LIMITS.items()}
            await put_email(superuser, owner, name + suffix, at["keep_emails_days"])
            await put_entry(superuser, owner, name + suffix, at["keep_audit_entries_days"])
            await put_job(superuser, owner, name + suffix, at["keep_finished_jobs_days"])
            await factories.create_notification(
                owner.id, 1, title=name + suffix, read_at=at["keep_read_notifications_days"]
            )
    await put_email(superuser, tenant, "pending", now - LONG, "PENDING")
    await factories.create_notification(tenant.id, 1, title="unread", created_at=now - LONG)
    await put_job(superuser, tenant, "failed", now - LONG, "FAILED")
    await put_job(superuser, tenant, "running", None, "RUNNING")
    await put_job(superuser, tenant, "cancelled", now - LONG, "CANCELLED")
    await put_job(superuser, tenant, "bulk", now - LONG, kind="BULK_ASSIGNMENT")
    gone = await delete_what_is_old(now, limited)
    assert gone == {"idempotency_keys": 0, "changes": 0, "notifications": 2, "emails": 2, "audit_entries": 2, "jobs": 3}
    assert await left(superuser, "email_delivery", "key") == ["pending", "young", "young'"]
    assert await left(superuser, "audit_entry", "operation") == ["young", "young'"]
    assert await left(superuser, "notification", "title") == ["unread", "young", "young'"]
    assert await left(superuser, "background_job", "subject_name") == ["bulk", "failed", "running", "young", "young'"]
    assert await superuser.fetchval("SELECT count(*) FROM background_job_learner") == 5


async def test_the_log_stays(
    tenant: Tenant, now: datetime, limited: Settings, superuser: Connection, admin: Principal
) -> None:
    """Nothing deletes an entry of the Content Actions Log."""
    values = {"tenant_id": tenant.id, "learner_id": 1, "content_id": 1, "action": "ENROLLED", "source": "MANAGER"}
    await put(superuser, "content_action", occurred_at=now - LONG, recorded_at=now - LONG, **values)
    await delete_what_is_old(now, limited)
    assert await superuser.fetchval("SELECT count(*) FROM content_action") == 1


async def test_several_processes_delete_batch_by_batch(
    tenant: Tenant,
    another_tenant: Tenant,
    now: datetime,
    limited: Settings,
    superuser: Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each row once, whoever comes to it; the batches are far smaller than what there is."""
    monkeypatch.setattr(retention, "BATCH", 7)
    for owner in (tenant, another_tenant):
        for number in range(1, 41):
            at = now - timedelta(days=100 if number <= 30 else 1)
            await put_change(superuser, owner, number, at)
            await put_entry(superuser, owner, f"{number}", at)
            await put_email(superuser, owner, f"{number}", at)
    counts = await asyncio.gather(*(delete_what_is_old(now, limited) for _ in range(3)))
    # What one process is at is passed over by the others, so the next time finds what none of them came to.
    counts.append(await delete_what_is_old(now, limited))
    for what, table in (("changes", "change"), ("audit_entries", "audit_entry"), ("emails", "email_delivery")):
        assert sum(count[what] for count in counts) == 60, what
        assert await superuser.fetchval(f"SELECT count(*) FROM {table}") == 20, table


async def test_a_feed_loses_its_beginning_only(
    tenant: Tenant, now: datetime, limited: Settings, superuser: Connection
) -> None:
    """A change that was committed late is old in the middle: it stays until everything before it goes."""
    for position, days in ((1, 9), (2, 6), (3, 9), (4, 1)):
        await put_change(superuser, tenant, position, now - timedelta(days=days))
    await delete_what_is_old(now, limited)
    async with ReadScope(tenant.id) as reads:
        assert [change.position for change in await read_changes(reads, tenant.id, after=0)] == [2, 3, 4]
    await delete_what_is_old(now + timedelta(days=2), limited)
    assert await left(superuser, "change", "position") == [4]


@pytest.mark.parametrize(("name", "value"), [("KEEP_CHANGES_DAYS", "0"), ("KEEP_EMAILS_DAYS", "-1")])
def test_settings_that_make_no_sense_are_refused(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Streams need some past to go on from, and nothing is kept for less than no time."""
    monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match=name.lower()):
        Settings()


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Days, one for each kind; nothing given is for ever."""
    monkeypatch.setenv("KEEP_AUDIT_ENTRIES_DAYS", "3650")
    monkeypatch.setenv("KEEP_EMAILS_DAYS", "")
    settings = Settings()
    assert (settings.keep_audit_entries_days, settings.keep_emails_days, settings.keep_changes_days) == (3650, 0, 7)


@pytest.mark.parametrize("what", ["idempotency_keys", "changes", "notifications", "emails", "audit_entries", "jobs"])
async def test_nothing_young_goes_whatever_date_is_given(
    database: None, superuser: Connection, tenant: Tenant, what: str
) -> None:
    """The functions that delete are called by the application's role: a mistake of it costs at most what is old."""
    young, old = datetime.now(UTC) - timedelta(hours=1), datetime.now(UTC) - timedelta(days=2)
    for number, at in enumerate((old, young), start=1):
        match what:
            case "idempotency_keys":
                await put(
                    superuser,
                    "idempotency_key",
                    tenant_id=tenant.id,
                    account="learner:1",
                    operation="x",
                    key=str(number),
                    input_hash=b"",
                    created_at=at,
                )
            case "changes":
                await put_change(superuser, tenant, number, at)
            case "notifications":
                person = await factories.create_person(tenant.id, email=f"{number}@example.com")
                kinds = {"category": "MANDATORY_TASKS", "kind": "TASK_REMINDER", "title": "X", "version": 1}
                owner = {"tenant_id": tenant.id, "learner_id": person.learner_id}
                await put(superuser, "notification", created_at=old, read_at=at, **owner, **kinds)
            case "emails":
                await put_email(superuser, tenant, str(number), at)
            case "audit_entries":
                await put_entry(superuser, tenant, str(number), at)
            case "jobs":
                await put_job(superuser, tenant, str(number), at)
    gone = [(await across_tenants(f"SELECT delete_old_{what}('infinity')"))[0][0] for _ in range(2)]
    assert gone == [1, 0]
