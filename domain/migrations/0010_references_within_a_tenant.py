"""Rows refer to rows of their own tenant, and the database makes sure of it: foreign keys over (tenant_id, id).

A foreign key over the ID alone is checked without row level security, so it would let a row point into another tenant.
Nothing here holds anybody up for long: indexes are built beside what goes on, references count for new rows at once and
are checked for the old ones without a lock that writers notice.

Two kinds of rows go without. History (the log, the audit, the change feed, idempotency keys, which account did something)
names IDs and outlives what it tells of. Enrollments, their reasons, memberships of rules and messages are written by
statements over whole sets that select the rows they refer to, under row level security; checking each row once more made a backfill
take twice as long (33,000 instead of 101,000 rows a second).
"""

import asyncio

import asyncpg
from tortoise import migrations
from tortoise.migrations import operations as ops

#: Tables that are referred to.
PARENTS = (
    "background_job", "bulk_assignment", "content", "email_template", "learner", "mandatory_task", "place",
    "rule", "task_reminder_setting",
)

#: Table, column, and the table that it refers to.
REFERENCES = (
    ("background_job_learner", "job_id", "background_job"),
    ("background_job_learner", "learner_id", "learner"),
    ("bulk_assignment", "target_id", "content"),
    ("bulk_assignment_learner", "bulk_assignment_id", "bulk_assignment"),
    ("bulk_assignment_learner", "learner_id", "learner"),
    ("content_trainer", "content_id", "content"),
    ("content_trainer", "learner_id", "learner"),
    ("learner_place", "learner_id", "learner"),
    ("learner_place", "place_id", "place"),
    ("learner_ref", "learner_id", "learner"),
    ("learning_path_item", "course_id", "content"),
    ("learning_path_item", "path_id", "content"),
    ("mandatory_task", "bulk_assignment_id", "bulk_assignment"),
    ("mandatory_task", "learner_id", "learner"),
    ("mandatory_task", "target_id", "content"),
    ("notification_preference", "learner_id", "learner"),
    ("place", "client_id", "place"),
    ("place", "owner_id", "learner"),
    ("rule_atom", "rule_id", "rule"),
    ("rule_condition", "rule_id", "rule"),
    ("rule_target", "content_id", "content"),
    ("rule_target", "rule_id", "rule"),
    ("task_cycle", "task_id", "mandatory_task"),
    ("task_reminder", "setting_id", "task_reminder_setting"),
    ("task_reminder", "task_id", "mandatory_task"),
    ("task_reminder_setting", "task_id", "mandatory_task"),
    ("task_reminder_setting", "template_id", "email_template"),
)

#: References over the ID alone, as they were: `{table}_{column}_fkey` unless they had a name of their own.
REPLACED = (
    ("background_job_learner", "background_job_learner_job_id_fkey"),
    ("content_trainer", "content_trainer_content_id_fkey"),
    ("content_trainer", "content_trainer_learner_id_fkey"),
    ("learner_place", "learner_place_place_id_fkey"),
    ("learning_path_item", "learning_path_item_course_id_fkey"),
    ("learning_path_item", "learning_path_item_path_id_fkey"),
    ("place", "place_client"),
    ("place", "place_owner"),
    ("rule_condition", "rule_condition_rule_id_fkey"),
    ("rule_target", "rule_target_content_id_fkey"),
    ("rule_target", "rule_target_rule_id_fkey"),
)

WHOLE = "SELECT EXISTS (SELECT 1 FROM pg_index WHERE indexrelid = to_regclass($1) AND indisvalid)"

#: Milliseconds that a statement waits for those who write, with everybody else behind it, and how often it tries.
PATIENCE_MS, TRIES, PAUSE = 500, 240, 0.5


async def without_holding_up(connection, statement):
    """Run a statement that needs a table for a moment; whoever has it keeps it, and it is tried again."""
    for left in reversed(range(TRIES)):
        try:
            await connection.execute(f"SET lock_timeout = {PATIENCE_MS}; {statement}")
            return
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
            if not left:
                raise
        await asyncio.sleep(PAUSE)


async def refer_within_the_tenant(apps, editor):
    """Add what is missing; started again after an interruption, it goes on."""
    # One connection for all of it, as its settings are not those of others.
    async with editor.client.acquire_connection() as connection:
        # An index waits for transactions that are older, and holds up nobody meanwhile.
        await connection.execute("SET lock_timeout = 0")
        for table in PARENTS:
            index = f"{table}_of_tenant"
            # One that was interrupted is left behind, and counts for nothing.
            if not await connection.fetchval(WHOLE, index):
                await connection.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {index}")
                await connection.execute(f"CREATE UNIQUE INDEX CONCURRENTLY {index} ON {table} (tenant_id, id)")
        for table, column, parent in REFERENCES:
            name = f"{table}_{column}_in_tenant"
            await without_holding_up(
                connection,
                f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {name}, ADD CONSTRAINT {name}"
                f" FOREIGN KEY (tenant_id, {column}) REFERENCES {parent} (tenant_id, id) NOT VALID",
            )
        for table, column, _ in REFERENCES:
            # An old row that points nowhere is no reason to stay with the old release: new ones are checked all the same.
            await without_holding_up(
                connection,
                f"DO $$ BEGIN ALTER TABLE {table} VALIDATE CONSTRAINT {table}_{column}_in_tenant;"
                f" EXCEPTION WHEN foreign_key_violation THEN"
                f" RAISE WARNING 'Rows of {table} point to what is not there: %', SQLERRM; END $$",
            )
        for table, name in REPLACED:
            await without_holding_up(connection, f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {name}")
        await connection.execute("RESET lock_timeout")


class Migration(migrations.Migration):
    # Indexes are built concurrently, which no transaction can do.
    atomic = False

    dependencies = [("domain", "0009_erasing_and_retention")]

    operations = [ops.RunPython(refer_within_the_tenant)]
