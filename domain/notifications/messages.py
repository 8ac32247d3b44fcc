"""Telling people something: a notification in the platform, and the email that carries it, in the caller's transaction.

Nothing is sent here. The row of the email is the outbox; whoever sends it looks at it again (`deliveries`).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from domain.foundation.feed.changes import ObjectType, record_changes
from domain.foundation.unit_of_work import UnitOfWork
from domain.notifications.models import DeliveryStatus, NotificationCategory, NotificationKind

#: Part in which somebody gets a message about a task.
LEARNER, ASSIGNER = "LEARNER", "ASSIGNER"

_CATEGORIES = dict.fromkeys(NotificationKind, NotificationCategory.MANDATORY_TASKS)
#: What tells how something stands; reminders only repeat it.
NEWS = frozenset(NotificationKind) - {NotificationKind.TASK_REMINDER}
#: Who has just been told of a change is told of the next ones together, after so long.
QUIET = timedelta(seconds=10)
#: Why an email is not sent any more that a newer one says better.
OVERTAKEN = "A newer email about the same task takes its place."


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What one person is told.

    `facts` is JSON and says what the email says. Of a task: `title`, `due_on` (ISO date), `status`, `note` or null,
    `assigner_name` or null, `time_zone` (IANA name, by which days are counted), `task_id`, and `learner_id`, whose name
    and address are read when the email is sent.
    """

    #: There is one message of each key in a tenant, ever; the Message-ID is made from it. At most 200 characters.
    key: str
    recipient_id: int
    kind: NotificationKind
    #: Short English text that the platform shows.
    title: str
    facts: Mapping[str, Any]
    task_id: int | None = None
    content_id: int | None = None
    template_id: int | None = None
    #: Entry of the ledger of reminders.
    reminder_id: int | None = None
    #: `LEARNER` or `ASSIGNER`.
    recipient_part: str | None = None
    #: What the message is about, at most 100 characters. Emails of one thread reach one person in the order in which
    #: they were given out, or not at all where a newer one was faster.
    thread: str | None = None


async def send_messages(work: UnitOfWork, messages: Sequence[Message]) -> None:
    """Give out messages: notifications at once, emails soon after the commit.

    A key that exists already does nothing at all, however often and by whomever it is used at the same time. Messages
    of one thread have to come one transaction after the other: who sends them has what they are about locked.
    """
    # In one order everywhere, as others may be inserting the same keys.
    once = sorted({message.key: message for message in reversed(messages)}.values(), key=lambda message: message.key)
    if not once:
        return
    given_out = await work.sql.fetch(
        """
        WITH wanted AS (
          SELECT * FROM unnest($2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::jsonb[], $8::bigint[],
                               $9::bigint[], $10::bigint[], $11::bigint[], $12::text[], $13::text[])
            WITH ORDINALITY AS m (key, recipient_id, category, kind, title, facts, task_id, content_id, template_id,
                                  reminder_id, recipient_part, thread, place)),
        emails AS (
          INSERT INTO email_delivery (tenant_id, key, recipient_id, category, kind, task_id, reminder_id,
                                      recipient_part, thread, template_id, facts, status, attempt_count,
                                      next_attempt_at, is_under_way, created_at)
          SELECT $1, key, recipient_id, category, kind, task_id, reminder_id, recipient_part, thread, template_id,
                 facts, 'PENDING', 0, $14, false, $14 FROM wanted ORDER BY place
          ON CONFLICT (tenant_id, key) DO NOTHING RETURNING id, key),
        told AS (
          INSERT INTO notification (tenant_id, learner_id, category, kind, title, task_id, content_id, created_at,
                                    version)
          SELECT $1, w.recipient_id, w.category, w.kind, w.title, w.task_id, w.content_id, $14, 1
            FROM wanted w JOIN emails USING (key) ORDER BY w.place
          RETURNING id)
        SELECT NULL::bigint AS email_id, id AS notification_id FROM told UNION ALL SELECT id, NULL FROM emails
        """,
        work.tenant_id,
        [message.key for message in once],
        [message.recipient_id for message in once],
        [_CATEGORIES[message.kind].value for message in once],
        [message.kind.value for message in once],
        [message.title for message in once],
        [dict(message.facts) for message in once],
        [message.task_id for message in once],
        [message.content_id for message in once],
        [message.template_id for message in once],
        [message.reminder_id for message in once],
        [message.recipient_part for message in once],
        [message.thread for message in once],
        work.now,
    )
    notification_ids = [row["notification_id"] for row in given_out if row["notification_id"] is not None]
    if any(message.kind in NEWS for message in once):
        await _overtake(work, [row["email_id"] for row in given_out if row["email_id"] is not None])
    await record_changes(work, ObjectType.NOTIFICATION, [(notification_id, 1) for notification_id in notification_ids])
    # Whoever hands out jobs hands out emails as well.
    work.has_new_jobs = work.has_new_jobs or bool(notification_ids)


async def _overtake(work: UnitOfWork, email_ids: Sequence[int]) -> None:
    """Let the news among these emails take the place of what still waits in their threads.

    Who has not been told yet that there is a task is told that there is, as it stands now, not that it was changed.
    """
    await work.sql.execute(
        """
        WITH news AS (
          SELECT id, kind, recipient_id, thread FROM email_delivery
           WHERE tenant_id = $1 AND id = ANY ($2::bigint[]) AND kind = ANY ($3::text[]) AND thread IS NOT NULL),
        waiting AS (
          SELECT d.id, d.kind, d.attempt_count, d.next_attempt_at, n.id AS news_id
            FROM news n JOIN email_delivery d ON d.tenant_id = $1 AND d.thread = n.thread
             AND d.recipient_id = n.recipient_id AND d.id < n.id AND d.status = 'PENDING'
           ORDER BY d.id FOR NO KEY UPDATE OF d),
        overtaken AS (
          UPDATE email_delivery d SET status = $4, failure_reason = $5 FROM waiting w
           WHERE d.tenant_id = $1 AND d.id = w.id),
        merged AS (
          SELECT n.id,
                 (SELECT w.kind FROM waiting w
                   WHERE w.news_id = n.id AND w.attempt_count = 0 AND w.kind IN ('TASK_ASSIGNED', 'TASK_REOPENED')
                   ORDER BY w.id DESC LIMIT 1) AS begins_as,
                 (SELECT min(w.next_attempt_at) FROM waiting w
                   WHERE w.news_id = n.id AND w.attempt_count = 0 AND w.kind <> 'TASK_REMINDER') AS was_due_at,
                 (SELECT max(d.attempted_at) FROM email_delivery d
                   WHERE d.tenant_id = $1 AND d.thread = n.thread AND d.recipient_id = n.recipient_id AND d.id < n.id
                     AND d.kind = 'TASK_CHANGED') AS told_at
            FROM news n WHERE n.kind = 'TASK_CHANGED')
        UPDATE email_delivery d
           SET kind = coalesce(m.begins_as, d.kind),
               next_attempt_at = coalesce(m.was_due_at, greatest(d.next_attempt_at, m.told_at + $6::interval))
          FROM merged m WHERE d.tenant_id = $1 AND d.id = m.id
        """,
        work.tenant_id,
        list(email_ids),
        [kind.value for kind in NEWS],
        DeliveryStatus.SUPPRESSED.value,
        OVERTAKEN,
        QUIET,
    )


async def suppress_emails(
    work: UnitOfWork, task_ids: Sequence[int], *, kinds: Collection[NotificationKind], reason: str
) -> None:
    """Hold back emails about tasks that ended or rest before they went out; `reason` is a sentence for the ledger.

    Notifications stay. An email that a mail server takes in this very moment is ACCEPTED all the same.
    """
    if not task_ids or not kinds:
        return
    await work.sql.execute(
        """
        WITH held AS (
          SELECT id FROM email_delivery
           WHERE tenant_id = $1 AND task_id = ANY ($2::bigint[]) AND kind = ANY ($3::text[]) AND status = 'PENDING'
           ORDER BY id FOR NO KEY UPDATE)
        UPDATE email_delivery d SET status = $4, failure_reason = $5 FROM held WHERE d.id = held.id AND d.tenant_id = $1
        """,
        work.tenant_id,
        list(task_ids),
        [kind.value for kind in kinds],
        DeliveryStatus.SUPPRESSED.value,
        reason,
    )
