"""The demo tenant: a company worth looking at, the same at every start, made once."""

import time
from datetime import datetime, timedelta
from typing import Any

import pytest

from ops.demo_company import making as demo
from ops.demo_company.people import ACCOUNTS, demo_people
from tests.support.catalogue import Connection


async def fingerprint(superuser: Connection) -> list[tuple[Any, ...]]:
    """Return what there is, without IDs."""
    return [
        tuple(record)
        for record in await superuser.fetch(
            """
            SELECT l.external_id, l.name, l.email, l.role, c.external_id, e.status, e.is_active, e.lessons_done, e.score
              FROM learner l LEFT JOIN enrollment e ON e.learner_id = l.id LEFT JOIN content c ON c.id = e.content_id
             ORDER BY l.external_id COLLATE "C", c.external_id COLLATE "C"
            """
        )
    ]


@pytest.mark.usefixtures("database")
async def test_demo_tenant_has_something_of_everything(superuser: Connection, now: datetime) -> None:
    """People everywhere, contents, rules of every option, and a log that tells of all of it; in a few seconds."""
    begun = time.monotonic()
    assert await demo.create_demo_tenant(now)
    assert time.monotonic() - begun < 20
    rows = superuser.fetch
    assert [tuple(row) for row in await rows("SELECT slug, name, is_auto_assignment_enabled FROM tenant")] == [
        ("demo", "Acme Industries", True)
    ]
    assert {row[0]: row[1] for row in await rows("SELECT role, count(*) FROM learner GROUP BY role")} == {
        "LEARNER": 287, "TRAINER": 10, "ADMIN": 3,
    }  # fmt: skip
    assert {row[0]: row[1] for row in await rows("SELECT kind, count(*) FROM place GROUP BY kind")} == {
        "D": 8, "G": 4, "C": 3, "S": 5,
    }  # fmt: skip
    assert {row[0]: row[1] for row in await rows("SELECT kind, count(*) FROM content GROUP BY kind")} == {
        "COURSE": 14, "LEARNING_PATH": 3,
    }  # fmt: skip
    assert sorted(tuple(row) for row in await rows("SELECT when_unmet, match FROM rule")) == [
        ("KEEP", "ALL"), ("KEEP", "ANY"), ("RELEASE", "ALL"), ("UNENROLL", "ALL"),
    ]  # fmt: skip
    told = {tuple(row) for row in await rows("SELECT DISTINCT action, source FROM content_action")}
    assert told >= {
        ("ENROLLED", "AUTO_ENROLLMENT"), ("UNENROLLED", "AUTO_UNENROLLMENT"), ("ENROLLED", "MANAGER"),
        ("ENROLLED", "MANDATORY_TASK"), ("TASK_ASSIGNED", "MANDATORY_TASK"),
        ("ENROLLED", "LEARNING_PATH"), ("STARTED", "MANAGER"), ("COMPLETED", "MANAGER"), ("FAILED", "MANAGER"),
    }  # fmt: skip
    stages = {row[0]: row[1] for row in await rows("SELECT stage, count(*) FROM mandatory_task GROUP BY stage")}
    assert stages.keys() == {"ASSIGNED", "IN_PROGRESS", "COMPLETED"}
    [[first, last]] = await rows("SELECT min(occurred_at), max(occurred_at) FROM content_action")
    assert (now - first, now - last) == (timedelta(days=40), timedelta(days=6))


@pytest.mark.usefixtures("database")
async def test_second_start_does_nothing(superuser: Connection, now: datetime) -> None:
    """Whatever has been changed meanwhile stays as it is."""
    await demo.create_demo_tenant(now)
    await superuser.execute("UPDATE tenant SET is_auto_assignment_enabled = false")
    before = await superuser.fetchval("SELECT count(*) FROM audit_entry")
    assert not await demo.create_demo_tenant(now + timedelta(days=1))
    assert await superuser.fetchval("SELECT count(*) FROM audit_entry") == before
    assert not await superuser.fetchval("SELECT is_auto_assignment_enabled FROM tenant")


@pytest.mark.usefixtures("database")
async def test_start_after_a_crash_goes_on(
    superuser: Connection, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The result is the same as without one, so it is also the same at every start."""
    await demo.create_demo_tenant(now)
    whole = await fingerprint(superuser)
    await superuser.execute("UPDATE tenant SET slug = 'demo-of-before'")
    stages = demo._STAGES
    for number in range(1, len(stages) + 1, 3):
        monkeypatch.setattr(demo, "_STAGES", stages[:number])
        await demo.create_demo_tenant(now)
    monkeypatch.setattr(demo, "_STAGES", stages)
    await demo.create_demo_tenant(now)
    both = await fingerprint(superuser)
    assert sorted(both, key=repr) == sorted(whole + whole, key=repr)


def test_accounts_of_the_banner_are_the_first_people() -> None:
    """With the roles that they are announced with."""
    assert {person.role: person.email for person in demo_people()[:3]} == ACCOUNTS
    assert len({person.email for person in demo_people()}) == 300
