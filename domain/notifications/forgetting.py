"""Forgetting what an erased person was told, and what others were told in which they are named."""

from collections.abc import Sequence

from domain.foundation.unit_of_work import UnitOfWork
from domain.notifications.models import DeliveryStatus

ERASED = "Who it was to or about was erased."

#: In one order, as two people who have written to each other may be erased at the same time.
_LOCK_EMAILS = """
SELECT id FROM email_delivery
 WHERE tenant_id = $1 AND (recipient_id = ANY ($2::bigint[]) OR task_id = ANY ($3::bigint[]))
 ORDER BY id FOR NO KEY UPDATE
"""

#: The words of mail servers may have an address in them; those about the address of somebody else stay.
_BLANK_EMAILS = """
UPDATE email_delivery
   SET facts = '{}', status = CASE WHEN status = 'PENDING' THEN $4 ELSE status END,
       email = CASE WHEN recipient_id = ANY ($2::bigint[]) THEN NULL ELSE email END,
       failure_reason = CASE WHEN status = 'PENDING' THEN $5
                             WHEN status = 'FAILED' AND recipient_id = ANY ($2::bigint[]) THEN NULL
                             ELSE failure_reason END
 WHERE tenant_id = $1 AND (recipient_id = ANY ($2::bigint[]) OR task_id = ANY ($3::bigint[]))
"""


async def forget_messages(
    work: UnitOfWork,
    learner_ids: Sequence[int],
    *,
    shown_name: str,
    own_task_ids: Sequence[int],
    assigned_task_ids: Sequence[int],
) -> None:
    """Delete what these people were told, and what emails say of them to others.

    Emails that the ledger of reminders tells of stay there with what became of them, without address and text; so do
    those to others about their own tasks. In emails about the tasks that they assigned they are called `shown_name`.
    Nothing that is on its way to them, or about them, is sent any more.
    """
    people, own = list(learner_ids), list(own_task_ids)
    await work.sql.fetch(_LOCK_EMAILS, work.tenant_id, people, [*own, *assigned_task_ids])
    for table in ("notification", "notification_preference"):
        await work.sql.execute(
            f"DELETE FROM {table} WHERE tenant_id = $1 AND learner_id = ANY ($2::bigint[])", work.tenant_id, people
        )
    await work.sql.execute(
        "DELETE FROM email_delivery WHERE tenant_id = $1 AND recipient_id = ANY ($2::bigint[]) AND reminder_id IS NULL",
        work.tenant_id,
        people,
    )
    await work.sql.execute(_BLANK_EMAILS, work.tenant_id, people, own, DeliveryStatus.SUPPRESSED.value, ERASED)
    await work.sql.execute(
        """
        UPDATE email_delivery SET facts = facts || jsonb_build_object('assigner_name', $3::text)
         WHERE tenant_id = $1 AND task_id = ANY ($2::bigint[]) AND facts ? 'assigner_name'
        """,
        work.tenant_id,
        list(assigned_task_ids),
        shown_name,
    )
