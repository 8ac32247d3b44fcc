"""Telling people something: a notification in the platform and an email to be sent, written with what they tell of."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from domain.foundation.unit_of_work import UnitOfWork
from domain.notifications.models import NotificationKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What one person is told. There is one message of each key in a tenant, ever."""

    key: str
    recipient_id: int
    kind: NotificationKind
    title: str
    facts: Mapping[str, Any]
    task_id: int | None = None
    content_id: int | None = None
    template_id: int | None = None
    reminder_id: int | None = None
    recipient_part: str | None = None


async def send_messages(work: UnitOfWork, messages: Sequence[Message]) -> None:
    """Write notifications and emails to send; a message that was given out before does nothing."""
    if not messages:
        return
    await work.sql.execute(
        """
        WITH n AS (
          SELECT * FROM unnest($3::text[], $4::bigint[], $5::text[], $6::text[], $7::jsonb[], $8::bigint[],
                               $9::bigint[], $10::bigint[], $11::bigint[], $12::text[])
                   AS n (key, recipient_id, kind, title, facts, task_id, content_id, template_id, reminder_id, part)),
        delivery AS (
          INSERT INTO email_delivery (tenant_id, key, recipient_id, category, kind, task_id, reminder_id,
                 recipient_part, template_id, facts, status, attempt_count, next_attempt_at, created_at)
          SELECT $1, key, recipient_id, 'MANDATORY_TASKS', kind, task_id, reminder_id, part, template_id, facts,
                 'PENDING', 0, $2, $2 FROM n
          ON CONFLICT (tenant_id, key) DO NOTHING RETURNING key),
        told AS (
          INSERT INTO notification (tenant_id, learner_id, category, kind, title, task_id, content_id, created_at,
                                    version)
          SELECT $1, recipient_id, 'MANDATORY_TASKS', kind, title, task_id, content_id, $2, 1
            FROM n JOIN delivery USING (key) RETURNING id)
        INSERT INTO change_pending (tenant_id, object_type, object_id, version, at)
        SELECT $1, 'NOTIFICATION', id, 1, $2 FROM told
        """,
        work.tenant_id,
        work.now,
        [one.key for one in messages],
        [one.recipient_id for one in messages],
        [one.kind.value for one in messages],
        [one.title for one in messages],
        [dict(one.facts) for one in messages],
        [one.task_id for one in messages],
        [one.content_id for one in messages],
        [one.template_id for one in messages],
        [one.reminder_id for one in messages],
        [one.recipient_part for one in messages],
    )


async def suppress_emails(
    work: UnitOfWork, task_ids: Sequence[int], *, kinds: Collection[NotificationKind], reason: str
) -> None:
    """Send no more emails of these kinds about these tasks."""
    if task_ids:
        await work.sql.execute(
            "UPDATE email_delivery SET status = 'SUPPRESSED', failure_reason = $4"
            " WHERE tenant_id = $1 AND task_id = ANY ($2::bigint[]) AND kind = ANY ($3::text[]) AND status = 'PENDING'",
            work.tenant_id,
            list(task_ids),
            [kind.value for kind in kinds],
            reason,
        )
