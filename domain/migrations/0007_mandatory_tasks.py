"""Mandatory tasks with their cycles and reminders, bulk assignments, notifications and emails."""

from tortoise import migrations
from tortoise.migrations import operations as ops
from domain.mandatory_tasks.reminders.schedule import ReminderReason, ReminderStatus
from domain.mandatory_tasks.status import TaskStage
from domain.notifications.models import DeliveryStatus, NotificationCategory, NotificationKind
from orjson import loads
from tortoise.contrib.postgres.fields import ArrayField
from tortoise.fields.data import JSON_DUMPS
from tortoise import fields
from tortoise.indexes import Index

INDEXES = """
-- One task per learner and target; withdrawn ones aside. With it, the tasks of few people are found in the index alone.
CREATE UNIQUE INDEX mandatory_task_in_force ON mandatory_task (learner_id, target_id)
  INCLUDE (id, tenant_id, due_on, due_at, stage, is_suspended) WHERE withdrawn_at IS NULL;
-- The overview by due date, and the open part of it, with what is filtered, counted and grouped by most.
CREATE INDEX mandatory_task_by_due ON mandatory_task (tenant_id, due_on, id)
  INCLUDE (stage, due_at, is_suspended, learner_id, target_id) WHERE withdrawn_at IS NULL;
CREATE INDEX mandatory_task_open_by_due ON mandatory_task (tenant_id, due_on, id)
  INCLUDE (stage, due_at, is_suspended, learner_id, target_id) WHERE withdrawn_at IS NULL AND stage <> 'COMPLETED';
CREATE INDEX mandatory_task_counts ON mandatory_task (tenant_id, stage, due_at) WHERE withdrawn_at IS NULL AND NOT is_suspended;
CREATE INDEX mandatory_task_by_target ON mandatory_task (tenant_id, target_id, due_on, id) WHERE withdrawn_at IS NULL;
CREATE INDEX mandatory_task_by_assigner ON mandatory_task (tenant_id, assigner_learner_id, due_on, id)
  WHERE withdrawn_at IS NULL AND assigner_learner_id IS NOT NULL;
CREATE INDEX mandatory_task_by_assigning_tool ON mandatory_task (tenant_id, assigner_service_account_id, due_on, id)
  WHERE withdrawn_at IS NULL AND assigner_service_account_id IS NOT NULL;
-- What sweeps look for, over all tenants.
CREATE INDEX mandatory_task_passing ON mandatory_task (due_at)
  WHERE withdrawn_at IS NULL AND NOT is_suspended AND stage <> 'COMPLETED' AND NOT is_overdue_noted;
CREATE INDEX mandatory_task_opening ON mandatory_task (next_opens_at)
  WHERE withdrawn_at IS NULL AND NOT is_suspended AND next_opens_at IS NOT NULL;
CREATE UNIQUE INDEX task_reminder_setting_once ON task_reminder_setting
  (task_id, days_before_due, (coalesce(template_id, 0)), recipients);
CREATE INDEX task_reminder_due ON task_reminder (scheduled_at) WHERE status = 'SCHEDULED';
ALTER TABLE email_template ALTER COLUMN name_key TYPE text COLLATE "C";
CREATE UNIQUE INDEX email_template_unique_name ON email_template (tenant_id, name) WHERE deleted_at IS NULL;
CREATE INDEX email_delivery_pending ON email_delivery (next_attempt_at) WHERE status = 'PENDING';
CREATE INDEX email_delivery_pending_of_task ON email_delivery (task_id) WHERE status = 'PENDING';
ALTER TABLE enrollment_reason ALTER COLUMN is_binding SET DEFAULT false;
-- Nearly nothing is binding, and whatever rules or people want to end is asked for it.
CREATE INDEX enrollment_reason_binding ON enrollment_reason (learner_id, content_id) WHERE is_binding AND until_at IS NULL;
CREATE INDEX enrollment_reason_of_task ON enrollment_reason (task_id) WHERE task_id IS NOT NULL AND until_at IS NULL;
CREATE INDEX content_action_of_task ON content_action (tenant_id, task_id, id) WHERE task_id IS NOT NULL;

-- Of a bulk assignment: who is in the audience, how early they may be due, and what became of it. It is written with the
-- bulk assignment, which is never deleted; to check that a hundred thousand times takes longer than to write the rows.
CREATE TABLE bulk_assignment_learner (
  bulk_assignment_id bigint NOT NULL, learner_id bigint NOT NULL, tenant_id bigint NOT NULL,
  is_named boolean NOT NULL, earliest_due_on date NOT NULL, outcome text, task_id bigint, error_code text,
  PRIMARY KEY (bulk_assignment_id, learner_id));
CREATE INDEX bulk_assignment_learner_waiting ON bulk_assignment_learner (bulk_assignment_id, learner_id)
  WHERE outcome IS NULL;

-- Secret of somebody's calendar feed: as random as version 4 of UUIDs is.
ALTER TABLE learner ADD COLUMN calendar_key uuid NOT NULL DEFAULT gen_random_uuid();
"""

SECURITY = """
DO $$
DECLARE name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['mandatory_task', 'task_cycle', 'task_reminder_setting', 'task_reminder',
                              'bulk_assignment', 'bulk_assignment_learner', 'notification', 'notification_preference',
                              'email_template', 'email_delivery']
  LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY tenant ON %I USING (tenant_id = (SELECT current_setting(''app.tenant'')::bigint))
                    WITH CHECK (tenant_id = (SELECT current_setting(''app.tenant'')::bigint))', name);
  END LOOP;
END $$;

-- What looks across tenants, each with IDs only.
CREATE FUNCTION tasks_to_note_overdue(at timestamptz) RETURNS TABLE (tenant_id bigint, id bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS
'SELECT t.tenant_id, t.id FROM mandatory_task t
  WHERE t.withdrawn_at IS NULL AND NOT t.is_suspended AND t.stage <> ''COMPLETED'' AND NOT t.is_overdue_noted
    AND t.due_at <= at ORDER BY t.due_at, t.id LIMIT 1000';
CREATE FUNCTION tasks_to_open(at timestamptz) RETURNS TABLE (tenant_id bigint, id bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS
'SELECT t.tenant_id, t.id FROM mandatory_task t
  WHERE t.withdrawn_at IS NULL AND NOT t.is_suspended AND t.next_opens_at <= at
  ORDER BY t.next_opens_at, t.id LIMIT 1000';
-- The tasks, as what is due of one task is judged together.
CREATE FUNCTION tasks_with_due_reminders(at timestamptz) RETURNS TABLE (tenant_id bigint, id bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS
'SELECT DISTINCT d.tenant_id, d.task_id FROM (
   SELECT r.tenant_id, r.task_id FROM task_reminder r WHERE r.status = ''SCHEDULED'' AND r.scheduled_at <= at
    ORDER BY r.scheduled_at, r.id LIMIT 2000) d';
CREATE FUNCTION emails_to_dispatch(at timestamptz, dispatched_before timestamptz)
RETURNS TABLE (tenant_id bigint, id bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS
'SELECT d.tenant_id, d.id FROM email_delivery d
  WHERE d.status = ''PENDING'' AND d.next_attempt_at <= at
    AND (d.leased_until IS NULL OR d.leased_until < at)
    AND (d.dispatched_at IS NULL OR d.dispatched_at < dispatched_before)
  ORDER BY d.next_attempt_at, d.id LIMIT 2000';
-- Bulk assignments fill tables that the planner has to know of, too.
CREATE OR REPLACE FUNCTION refresh_statistics() RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
DECLARE outdated text;
BEGIN
  -- Only what has grown by half since somebody looked, as looking takes a tenth of a second for each table.
  SELECT string_agg(quote_ident(relname), ', ') INTO outdated FROM pg_class
   WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
     AND relname IN ('learner', 'learner_ref', 'learner_place', 'enrollment', 'enrollment_reason', 'content_action',
                     'rule', 'rule_atom', 'rule_target', 'rule_member', 'mandatory_task', 'task_cycle',
                     'task_reminder_setting', 'task_reminder', 'bulk_assignment_learner', 'notification',
                     'email_delivery')
     AND pg_relation_size(oid) / current_setting('block_size')::int > 1.5 * greatest(relpages, 0);
  IF outdated IS NOT NULL THEN
    EXECUTE 'ANALYZE (SKIP_LOCKED) ' || outdated;
  END IF;
END $$;
CREATE FUNCTION find_calendar(wanted_learner bigint, wanted_key uuid) RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS
'SELECT l.tenant_id FROM learner l WHERE l.id = wanted_learner AND l.calendar_key = wanted_key AND l.is_active';
"""


class Migration(migrations.Migration):
    dependencies = [('domain', '0006_fewer_indexes_of_the_log')]

    operations = [
        ops.CreateModel(
            name='BulkAssignment',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('tenant_id', fields.BigIntField()),
                ('target_id', fields.BigIntField()),
                ('due_on', fields.DateField()),
                ('note', fields.TextField(null=True, unique=False)),
                ('every_weeks', fields.IntField(null=True)),
                ('reminders', fields.JSONField(description='`[{"days_before_due": …, "template_id": …, "recipients": […]}]`', encoder=JSON_DUMPS, decoder=loads)),
                ('job_id', fields.BigIntField(null=True)),
                ('created_by_learner_id', fields.BigIntField(null=True)),
                ('created_by_service_account_id', fields.BigIntField(null=True)),
                ('created_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'bulk_assignment', 'app': 'domain', 'indexes': [Index(fields=['tenant_id', 'id'])], 'pk_attr': 'id', 'table_description': 'Tasks given to an audience at once. Who is in it, and how early each may be due, is fixed as it is confirmed.'},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='EmailDelivery',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('tenant_id', fields.BigIntField()),
                ('key', fields.CharField(description='Names the message: there is one of each key, and the Message-ID is made from it.', max_length=200)),
                ('recipient_id', fields.BigIntField()),
                ('category', fields.CharEnumField(description='MANDATORY_TASKS: MANDATORY_TASKS', enum_type=NotificationCategory, max_length=32)),
                ('kind', fields.CharEnumField(description='TASK_ASSIGNED: TASK_ASSIGNED\nTASK_CHANGED: TASK_CHANGED\nTASK_WITHDRAWN: TASK_WITHDRAWN\nTASK_REOPENED: TASK_REOPENED\nTASK_REMINDER: TASK_REMINDER', enum_type=NotificationKind, max_length=32)),
                ('task_id', fields.BigIntField(null=True)),
                ('reminder_id', fields.BigIntField(null=True, description='Entry of the ledger of reminders that the email belongs to, and in which part the recipient gets it.')),
                ('recipient_part', fields.CharField(null=True, max_length=32)),
                ('template_id', fields.BigIntField(null=True)),
                ('facts', fields.JSONField(description='What the text says about the task, as it was when the message was given out.', encoder=JSON_DUMPS, decoder=loads)),
                ('status', fields.CharEnumField(default=DeliveryStatus.PENDING, description='PENDING: PENDING\nACCEPTED: ACCEPTED\nSUPPRESSED: SUPPRESSED\nFAILED: FAILED', enum_type=DeliveryStatus, max_length=32)),
                ('email', fields.TextField(null=True, description='Address of the latest attempt.', unique=False)),
                ('attempt_count', fields.IntField(default=0)),
                ('attempted_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('next_attempt_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('dispatched_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('leased_until', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('failure_reason', fields.TextField(null=True, unique=False)),
                ('created_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'email_delivery', 'app': 'domain', 'unique_together': (('tenant_id', 'key'),), 'indexes': [Index(fields=['tenant_id', 'id']), Index(fields=['reminder_id'])], 'pk_attr': 'id', 'table_description': 'One email to one person. The row is the outbox: it says what is still to be sent and what became of it.'},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='EmailTemplate',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('tenant_id', fields.BigIntField()),
                ('name', fields.TextField(unique=False)),
                ('name_key', fields.TextField(unique=False)),
                ('subject', fields.TextField(unique=False)),
                ('body', fields.TextField(unique=False)),
                ('created_by_learner_id', fields.BigIntField(null=True)),
                ('created_by_service_account_id', fields.BigIntField(null=True)),
                ('created_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('deleted_at', fields.DatetimeField(null=True, description='A deleted template stays as a row: reminders that name it use the default email.', auto_now=False, auto_now_add=False)),
                ('version', fields.IntField(default=1)),
                ('edited_version', fields.IntField(default=1)),
            ],
            options={'table': 'email_template', 'app': 'domain', 'indexes': [Index(fields=['tenant_id', 'name_key', 'id'])], 'pk_attr': 'id', 'table_description': 'Text of reminder emails that the tenant has written.'},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='MandatoryTask',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('tenant_id', fields.BigIntField()),
                ('learner_id', fields.BigIntField()),
                ('target_id', fields.BigIntField()),
                ('assigner_learner_id', fields.BigIntField(null=True)),
                ('assigner_service_account_id', fields.BigIntField(null=True)),
                ('bulk_assignment_id', fields.BigIntField(null=True)),
                ('note', fields.TextField(null=True, unique=False)),
                ('every_weeks', fields.IntField(null=True)),
                ('first_lead_days', fields.IntField(description='Days that the first assignment gave.')),
                ('cycle_number', fields.IntField(default=1)),
                ('due_on', fields.DateField()),
                ('due_at', fields.DatetimeField(description="End of the due date in the learner's time zone.", auto_now=False, auto_now_add=False)),
                ('stage', fields.CharEnumField(description='ASSIGNED: ASSIGNED\nIN_PROGRESS: IN_PROGRESS\nCOMPLETED: COMPLETED', enum_type=TaskStage, max_length=32)),
                ('completed_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('is_overdue_noted', fields.BooleanField(default=False, description='Whether the log and the feed have been told that the task is overdue.')),
                ('is_suspended', fields.BooleanField(default=False)),
                ('next_due_on', fields.DateField(null=True, description='Of a repeated task that is completed: the next cycle, and the instant at which it opens.')),
                ('next_opens_on', fields.DateField(null=True)),
                ('next_opens_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('withdrawn_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('created_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('updated_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('version', fields.IntField(default=1)),
                ('edited_version', fields.IntField(default=1)),
            ],
            options={'table': 'mandatory_task', 'app': 'domain', 'indexes': [Index(fields=['tenant_id', 'created_at', 'id']), Index(fields=['tenant_id', 'updated_at', 'id']), Index(fields=['bulk_assignment_id', 'id'])], 'pk_attr': 'id', 'table_description': 'A target that a learner has to complete by a date; the row is the task in its current cycle.'},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='Notification',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('tenant_id', fields.BigIntField()),
                ('learner_id', fields.BigIntField()),
                ('category', fields.CharEnumField(description='MANDATORY_TASKS: MANDATORY_TASKS', enum_type=NotificationCategory, max_length=32)),
                ('kind', fields.CharEnumField(description='TASK_ASSIGNED: TASK_ASSIGNED\nTASK_CHANGED: TASK_CHANGED\nTASK_WITHDRAWN: TASK_WITHDRAWN\nTASK_REOPENED: TASK_REOPENED\nTASK_REMINDER: TASK_REMINDER', enum_type=NotificationKind, max_length=32)),
                ('title', fields.TextField(unique=False)),
                ('task_id', fields.BigIntField(null=True)),
                ('content_id', fields.BigIntField(null=True)),
                ('read_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('created_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('version', fields.IntField(default=1)),
            ],
            options={'table': 'notification', 'app': 'domain', 'indexes': [Index(fields=['tenant_id', 'learner_id', 'id'])], 'pk_attr': 'id', 'table_description': 'What one person is told in the platform.'},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='NotificationPreference',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('tenant_id', fields.BigIntField()),
                ('learner_id', fields.BigIntField()),
                ('category', fields.CharEnumField(description='MANDATORY_TASKS: MANDATORY_TASKS', enum_type=NotificationCategory, max_length=32)),
                ('is_email_enabled', fields.BooleanField()),
            ],
            options={'table': 'notification_preference', 'app': 'domain', 'unique_together': (('learner_id', 'category'),), 'pk_attr': 'id', 'table_description': 'Whether somebody wants emails of a category; without a row they do.'},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='TaskCycle',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('tenant_id', fields.BigIntField()),
                ('task_id', fields.BigIntField()),
                ('number', fields.IntField()),
                ('opened_on', fields.DateField()),
                ('due_on', fields.DateField()),
                ('due_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('every_weeks', fields.IntField(null=True)),
                ('completed_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'task_cycle', 'app': 'domain', 'unique_together': (('task_id', 'number'),), 'pk_attr': 'id', 'table_description': 'One round of a task, kept for ever; a task that is not repeated has one.'},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='TaskReminder',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('tenant_id', fields.BigIntField()),
                ('task_id', fields.BigIntField()),
                ('cycle_number', fields.IntField()),
                ('setting_id', fields.BigIntField()),
                ('due_on', fields.DateField()),
                ('scheduled_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('status', fields.CharEnumField(description='SCHEDULED: SCHEDULED\nSENT: SENT\nCANCELLED: CANCELLED\nSKIPPED: SKIPPED', enum_type=ReminderStatus, max_length=32)),
                ('reason', fields.CharEnumField(null=True, description='TIME_PASSED: TIME_PASSED\nSUPERSEDED: SUPERSEDED\nTASK_COMPLETED: TASK_COMPLETED\nTASK_WITHDRAWN: TASK_WITHDRAWN\nTASK_RESCHEDULED: TASK_RESCHEDULED\nTASK_SUSPENDED: TASK_SUSPENDED\nSETTING_REMOVED: SETTING_REMOVED\nNO_RECIPIENT: NO_RECIPIENT', enum_type=ReminderReason, max_length=32)),
                ('settled_at', fields.DatetimeField(null=True, description='When the entry got its final state.', auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'task_reminder', 'app': 'domain', 'unique_together': (('task_id', 'cycle_number', 'setting_id', 'due_on'),), 'pk_attr': 'id', 'table_description': 'Entry of the ledger: a reminder of one cycle, planned for one due date.'},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='TaskReminderSetting',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('tenant_id', fields.BigIntField()),
                ('task_id', fields.BigIntField()),
                ('days_before_due', fields.IntField()),
                ('template_id', fields.BigIntField(null=True)),
                ('recipients', ArrayField(description='Sorted values of `ReminderRecipient`.', element_type='TEXT')),
                ('removed_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'task_reminder_setting', 'app': 'domain', 'pk_attr': 'id', 'table_description': 'Reminder that a task is set up with. One that is taken out stays as a row: put in again, it is the same.'},
            bases=['Model'],
        ),
        ops.AddField(
            model_name='EnrollmentReason',
            name='is_binding',
            field=fields.BooleanField(default=False, description='Of an open mandatory task: neither rules nor people end it, nor what comes with its path (`binding`).'),
        ),
        *(ops.RunSQL(part) for part in (INDEXES, SECURITY)),
    ]
