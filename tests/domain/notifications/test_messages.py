"""Giving out messages: a notification and an email of each key, once, in the transaction of what they tell of."""

import asyncio
from datetime import datetime
from typing import Any

import pytest

from domain.foundation.access import Principal
from domain.foundation.database.sessions import writing
from domain.foundation.feed.changes import ObjectType, read_changes, sequence
from domain.foundation.unit_of_work import UnitOfWork, perform
from domain.notifications.messages import ASSIGNER, Message, send_messages, suppress_emails
from domain.notifications.models import NotificationKind
from domain.tenants.models import Tenant
from tests.support.catalogue import Connection
from tests.support.tasks import held


def message(recipient: Principal, key: str = "key", **fields: Any) -> Message:
    """Return a message about a task."""
    assert recipient.learner_id is not None
    values: dict[str, Any] = {"kind": NotificationKind.TASK_ASSIGNED, "title": f"Title of {key}", "facts": {"x": [1]}}
    return Message(key=key, recipient_id=recipient.learner_id, **{**values, **fields})


async def give_out(principal: Principal, now: datetime, *messages: Message) -> None:
    """Give out messages in a transaction of their own."""
    await perform(principal, now, "test", lambda work: send_messages(work, messages))


async def count(superuser: Connection) -> tuple[int, int, int]:
    """Return how many notifications, emails and change rows of notifications there are."""
    record = await superuser.fetchrow(
        "SELECT (SELECT count(*) FROM notification), (SELECT count(*) FROM email_delivery),"
        " (SELECT count(*) FROM change_pending WHERE object_type = 'NOTIFICATION')"
    )
    assert record is not None
    return record[0], record[1], record[2]


async def test_a_message_is_a_notification_and_an_email(
    tenant: Tenant, admin: Principal, learner: Principal, now: datetime, superuser: Connection
) -> None:
    """With all that it is about; the email waits from now on, without an address as yet."""
    told = message(
        learner,
        "reminder/9",
        kind=NotificationKind.TASK_REMINDER,
        task_id=1,
        content_id=2,
        template_id=3,
        reminder_id=4,
        recipient_part=ASSIGNER,
        thread="task/7/2",
    )
    await give_out(admin, now, told)
    notification = await superuser.fetchrow("SELECT * FROM notification")
    assert notification is not None
    assert {key: value for key, value in notification.items() if key != "id"} == {
        "tenant_id": tenant.id,
        "learner_id": learner.learner_id,
        "category": "MANDATORY_TASKS",
        "kind": "TASK_REMINDER",
        "title": "Title of reminder/9",
        "task_id": 1,
        "content_id": 2,
        "read_at": None,
        "created_at": now,
        "version": 1,
    }
    async with writing(tenant.id) as sql:
        [email] = await sql.fetch("SELECT * FROM email_delivery")
    assert {key: value for key, value in email.items() if key != "id"} == {
        "tenant_id": tenant.id,
        "key": "reminder/9",
        "recipient_id": learner.learner_id,
        "category": "MANDATORY_TASKS",
        "kind": "TASK_REMINDER",
        "task_id": 1,
        "reminder_id": 4,
        "recipient_part": "ASSIGNER",
        "template_id": 3,
        "facts": {"x": [1]},
        "status": "PENDING",
        "email": None,
        "attempt_count": 0,
        "attempted_at": None,
        "next_attempt_at": now,
        "dispatched_at": None,
        "leased_until": None,
        "is_under_way": False,
        "thread": "task/7/2",
        "failure_reason": None,
        "created_at": now,
    }
    await sequence(tenant.id)
    async with writing(tenant.id) as sql:
        [change] = await read_changes(sql, tenant.id, after=0)
    assert (change.object_type, change.object_id, change.version) == (ObjectType.NOTIFICATION, notification["id"], 1)


async def test_the_same_key_is_given_out_once(
    admin: Principal, another_admin: Principal, learner: Principal, now: datetime, superuser: Connection
) -> None:
    """Whether in one call, later, or with other words; another tenant has keys of its own."""
    await give_out(admin, now, message(learner, "a"), message(learner, "b"), message(learner, "a", title="Again"))
    assert await count(superuser) == (2, 2, 2)
    await give_out(admin, now, message(learner, "a", title="Later"), message(learner, "c"))
    await give_out(admin, now)
    titles = await superuser.fetch("SELECT title FROM notification ORDER BY id")
    assert [record[0] for record in titles] == ["Title of a", "Title of b", "Title of c"]
    await give_out(another_admin, now, message(another_admin, "a"))
    assert await count(superuser) == (4, 4, 4)


async def test_two_at_once_give_it_out_once(
    admin: Principal, learner: Principal, now: datetime, superuser: Connection
) -> None:
    """The second waits for the first, and does nothing about what that one has done."""
    async with held(
        admin, now, lambda work: send_messages(work, [message(learner, "b"), message(learner, "a")])
    ) as first:
        second = asyncio.ensure_future(give_out(admin, now, message(learner, "a"), message(learner, "c")))
        await asyncio.sleep(0.1)
        assert not second.done()
        await first.commit()
        await second
    assert await count(superuser) == (3, 3, 3)


async def test_what_is_rolled_back_was_never_said(
    admin: Principal, learner: Principal, now: datetime, superuser: Connection
) -> None:
    """A change that fails tells nobody, and its key can still be used."""

    async def fail(work: UnitOfWork) -> None:
        await send_messages(work, [message(learner)])
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        await perform(admin, now, "test", fail)
    assert await count(superuser) == (0, 0, 0)
    await give_out(admin, now, message(learner))
    assert await count(superuser) == (1, 1, 1)


async def test_emails_are_held_back_by_task_and_kind(
    admin: Principal, learner: Principal, now: datetime, superuser: Connection
) -> None:
    """Those that wait, with the reason; notifications stay, and so does what was settled before."""
    await give_out(
        admin,
        now,
        message(learner, "reminder of 1", task_id=1, kind=NotificationKind.TASK_REMINDER),
        message(learner, "assigned 1", task_id=1),
        message(learner, "reminder of 2", task_id=2, kind=NotificationKind.TASK_REMINDER),
        message(learner, "sent", task_id=1, kind=NotificationKind.TASK_REMINDER),
    )
    await superuser.execute("UPDATE email_delivery SET status = 'ACCEPTED' WHERE key = 'sent'")

    async def suppress(work: UnitOfWork) -> None:
        kinds = [NotificationKind.TASK_REMINDER]
        await suppress_emails(work, [1, 3], kinds=kinds, reason="The task was completed.")
        await suppress_emails(work, [], kinds=kinds, reason="Nothing.")
        await suppress_emails(work, [1], kinds=[], reason="Nothing.")

    await perform(admin, now, "test", suppress)
    records = await superuser.fetch("SELECT key, status, failure_reason FROM email_delivery ORDER BY key")
    assert [tuple(record) for record in records] == [
        ("assigned 1", "PENDING", None),
        ("reminder of 1", "SUPPRESSED", "The task was completed."),
        ("reminder of 2", "PENDING", None),
        ("sent", "ACCEPTED", None),
    ]
    assert await superuser.fetchval("SELECT count(*) FROM notification") == 4
