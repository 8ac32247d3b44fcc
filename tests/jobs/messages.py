"""Messages that wait to be sent, and what has become of them."""

import asyncio
import itertools
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from domain.foundation.access import Principal
from domain.foundation.unit_of_work import perform
from domain.notifications.deliveries.mails import Sender
from domain.notifications.messages import Message, send_messages
from domain.notifications.models import NotificationKind
from tests.support.catalogue import Connection

SENDER = Sender("Acme Academy", "no-reply@acme.example", "acme.example", "https://acme.example/tasks/{id}")

_numbers = itertools.count(1)


async def tell(recipient: Principal, now: datetime, *titles: str, **fields: Any) -> None:
    """Give out a message about a task of the recipient for each title, in one transaction."""
    assert recipient.learner_id is not None
    messages = [
        Message(
            **{
                "key": f"test/{next(_numbers)}",
                "recipient_id": recipient.learner_id,
                "kind": NotificationKind.TASK_ASSIGNED,
                "title": title,
                "facts": {
                    "task_id": 5,
                    "learner_id": recipient.learner_id,
                    "title": title,
                    "due_on": "2026-03-12",
                    "status": "ASSIGNED",
                    "note": None,
                    "assigner_name": "Tina Trainer",
                    "time_zone": "Europe/Berlin",
                },
                "task_id": 5,
                **fields,
            }
        )
        for title in titles
    ]
    await perform(Principal.operator(recipient.tenant_id), now, "test", lambda work: send_messages(work, messages))


async def deliveries(superuser: Connection, *columns: str) -> list[tuple[Any, ...]]:
    """Return columns of all emails, oldest first."""
    records = await superuser.fetch(f"SELECT {', '.join(columns)} FROM email_delivery ORDER BY id")
    return [tuple(record) for record in records]


async def wait_for(superuser: Connection, condition: str, *, count: int = 1, seconds: float = 60) -> float:
    """Wait until so many emails meet an SQL condition; return the seconds that it took."""
    begun = time.monotonic()
    while await superuser.fetchval(f"SELECT count(*) FROM email_delivery WHERE {condition}") < count:
        assert time.monotonic() < begun + seconds, await deliveries(superuser, "*")
        await asyncio.sleep(0.02)
    return time.monotonic() - begun


def message_ids(received: Sequence[Any]) -> list[str]:
    """Return the Message-IDs of what a server has taken."""
    return [str(one.message["Message-ID"]) for one in received]
