"""Emails of one thread come in order, addresses are compared by IDNA 2008, and contents know when they were renamed."""

from typing import Any

from tortoise import fields, migrations
from tortoise.migrations import operations as ops

from domain.foundation.addresses import email_key

THREADS = """
-- What still waits is about a task, all of whose emails are about its learner and target.
UPDATE email_delivery d SET thread = 'task/' || t.learner_id || '/' || t.target_id
  FROM mandatory_task t WHERE d.status = 'PENDING' AND t.tenant_id = d.tenant_id AND t.id = d.task_id;
CREATE INDEX email_delivery_of_thread ON email_delivery (thread, recipient_id) WHERE thread IS NOT NULL;
"""


async def compare_addresses(apps: Any, editor: Any) -> None:
    """Work out anew by what the addresses are compared that are not plain ASCII; nothing else is compared otherwise.

    Of two people who thereby have the same address, nobody's account is touched: whose key is taken keeps the old one.
    They still sign in by their ID, and `mandate migrate` tells how many they are.
    """
    client = editor.client
    rows = await client.execute_query_dict(
        "SELECT id, tenant_id, email, email_key FROM learner WHERE email_key IS NOT NULL AND email ~ '[^[:ascii:]]'"
        " ORDER BY id"
    )
    for row in rows:
        key = email_key(row["email"])
        if key != row["email_key"]:
            await client.execute_query(
                "UPDATE learner SET email_key = $1 WHERE id = $2"
                " AND NOT EXISTS (SELECT 1 FROM learner o WHERE o.tenant_id = $3 AND o.email_key = $1)",
                [key, row["id"], row["tenant_id"]],
            )


class Migration(migrations.Migration):
    dependencies = [("domain", "0013_turns_by_tenant")]

    operations = [
        ops.AddField(
            model_name="EmailDelivery",
            name="thread",
            field=fields.CharField(
                null=True,
                max_length=100,
                description="Names what the email is about, for `Message.thread`; null where the order does not matter.",
            ),
        ),
        # With a default in the database, as the previous release goes on inserting meanwhile.
        ops.AddField(
            model_name="EmailDelivery",
            name="is_under_way",
            field=fields.BooleanField(
                default=False,
                db_default=False,
                description="Whether an attempt has begun whose end nobody has noted; it may have one only while the lease"
                " lasts.",
            ),
        ),
        ops.AddField(
            model_name="Content",
            name="retitled_at",
            field=fields.DatetimeField(
                null=True,
                description="When it got another title last; null where it never did.",
                auto_now=False,
                auto_now_add=False,
            ),
        ),
        ops.RunSQL(THREADS),
        ops.RunPython(compare_addresses),
    ]
