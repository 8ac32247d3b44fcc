"""Erasing people: who was, and where what is written down about them is found. Retention: deleting in batches."""

from tortoise import fields, migrations
from tortoise.migrations import operations as ops

INDEXES = """
-- What erasing somebody looks for; what is in force, or has a place in a queue, is found by other indexes already.
CREATE INDEX mandatory_task_withdrawn_of_learner ON mandatory_task (learner_id) WHERE withdrawn_at IS NOT NULL;
CREATE INDEX mandatory_task_withdrawn_of_assigner ON mandatory_task (assigner_learner_id)
  WHERE withdrawn_at IS NOT NULL AND assigner_learner_id IS NOT NULL;
CREATE INDEX email_delivery_of_recipient ON email_delivery (recipient_id);
CREATE INDEX email_delivery_of_task ON email_delivery (task_id);
DROP INDEX email_delivery_pending_of_task;
-- What is deleted after a time; nothing else is looked for by when it was read.
CREATE INDEX notification_read ON notification (read_at) WHERE read_at IS NOT NULL;
"""

ERASING = """
-- The one change that the append-only audit log knows: what it says of somebody who has been erased goes, that there was
-- something stays. Role and active flag are no personal values. `names` are those that the person has had; older entries
-- tell owners of groups by name.
CREATE FUNCTION blank_audit_entries(erased bigint, shown text, names text[]) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  own_tenant bigint := current_setting('app.tenant')::bigint;
  blanked bigint;
BEGIN
  IF NOT EXISTS (SELECT 1 FROM learner WHERE tenant_id = own_tenant AND id = erased AND erased_at IS NOT NULL) THEN
    RAISE EXCEPTION 'Only what is said of somebody who has been erased can be blanked.';
  END IF;
  WITH own AS (
    SELECT e.id, shown AS object_name, (
             SELECT coalesce(jsonb_agg(
                      CASE WHEN c ->> 'field' IN ('role', 'isActive') THEN c
                           ELSE jsonb_build_object('field', c -> 'field', 'before', NULL, 'after', NULL) END
                      ORDER BY place), '[]')
               FROM jsonb_array_elements(e.changes) WITH ORDINALITY AS x (c, place)) AS changes
      FROM audit_entry e WHERE e.tenant_id = own_tenant AND e.object_type = 'LEARNER' AND e.object_id = erased),
  owned AS (
    SELECT e.id, e.object_name, (
             SELECT jsonb_agg(
                      CASE WHEN c ->> 'field' <> 'owner' THEN c
                           ELSE c || jsonb_build_object(
                             'before', CASE WHEN c ->> 'before' = ANY (names) THEN NULL ELSE c -> 'before' END,
                             'after', CASE WHEN c ->> 'after' = ANY (names) THEN NULL ELSE c -> 'after' END) END
                      ORDER BY place)
               FROM jsonb_array_elements(e.changes) WITH ORDINALITY AS x (c, place)) AS changes
      FROM audit_entry e WHERE e.tenant_id = own_tenant AND e.object_type = 'LEARNING_GROUP'
       AND EXISTS (SELECT 1 FROM jsonb_array_elements(e.changes) AS c
                    WHERE c ->> 'field' = 'owner' AND (c ->> 'before' = ANY (names) OR c ->> 'after' = ANY (names)))),
  -- In one order, as two erasures may concern the same entry.
  locked AS (
    SELECT e.id, n.object_name, n.changes FROM audit_entry e JOIN (TABLE own UNION ALL TABLE owned) n ON n.id = e.id
     ORDER BY e.id FOR NO KEY UPDATE OF e)
  UPDATE audit_entry e SET object_name = l.object_name, changes = l.changes FROM locked l WHERE e.id = l.id;
  GET DIAGNOSTICS blanked = ROW_COUNT;
  RETURN blanked;
END $$;
"""

RETENTION = """
-- Each deletes at most so many rows and tells how many. What another process is deleting right now is left to it.
DROP FUNCTION delete_old_idempotency_keys(timestamptz);
DROP FUNCTION delete_old_changes(timestamptz);
CREATE FUNCTION delete_old_idempotency_keys(before timestamptz, most int DEFAULT 5000) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS
'WITH gone AS (
   DELETE FROM idempotency_key WHERE id IN (
     SELECT id FROM idempotency_key WHERE created_at < before ORDER BY created_at LIMIT most FOR UPDATE SKIP LOCKED)
   RETURNING 1) SELECT count(*) FROM gone';
CREATE FUNCTION delete_old_notifications(before timestamptz, most int DEFAULT 5000) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS
'WITH gone AS (
   DELETE FROM notification WHERE id IN (
     SELECT id FROM notification WHERE read_at < before ORDER BY read_at LIMIT most FOR UPDATE SKIP LOCKED)
   RETURNING 1) SELECT count(*) FROM gone';
CREATE FUNCTION delete_old_emails(before timestamptz, most int DEFAULT 5000) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS
'WITH gone AS (
   DELETE FROM email_delivery WHERE id IN (
     SELECT id FROM email_delivery WHERE created_at < before AND status <> ''PENDING''
      ORDER BY id LIMIT most FOR UPDATE SKIP LOCKED)
   RETURNING 1) SELECT count(*) FROM gone';
CREATE FUNCTION delete_old_audit_entries(before timestamptz, most int DEFAULT 5000) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS
'WITH gone AS (
   DELETE FROM audit_entry WHERE id IN (
     SELECT id FROM audit_entry WHERE occurred_at < before ORDER BY id LIMIT most FOR UPDATE SKIP LOCKED)
   RETURNING 1) SELECT count(*) FROM gone';
-- A failed job waits for being resumed, and that of a bulk assignment is part of its result.
CREATE FUNCTION delete_old_jobs(before timestamptz, most int DEFAULT 5000) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS
'WITH old AS MATERIALIZED (
   SELECT id FROM background_job
    WHERE status IN (''SUCCEEDED'', ''CANCELLED'') AND finished_at < before AND kind <> ''BULK_ASSIGNMENT''
    ORDER BY id LIMIT most FOR UPDATE SKIP LOCKED),
 people AS (DELETE FROM background_job_learner WHERE job_id IN (SELECT id FROM old)),
 gone AS (DELETE FROM background_job WHERE id IN (SELECT id FROM old) RETURNING 1) SELECT count(*) FROM gone';
-- Of each feed the beginning, and never a row in the middle: a reader knows by the first row whether it comes too late.
CREATE FUNCTION delete_old_changes(before timestamptz, most int DEFAULT 5000) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  feed bigint;
  gone bigint;
  total bigint := 0;
BEGIN
  FOR feed IN SELECT tenant_id FROM feed_head ORDER BY tenant_id LOOP
    CONTINUE WHEN (SELECT c.at FROM change c WHERE c.tenant_id = feed ORDER BY c.position LIMIT 1) >= before;
    WITH beginning AS MATERIALIZED (
      SELECT c.position, c.at FROM change c WHERE c.tenant_id = feed ORDER BY c.position LIMIT most FOR UPDATE),
    ending AS (
      SELECT coalesce(min(b.position) FILTER (WHERE b.at >= before), max(b.position) + 1) AS position FROM beginning b)
    DELETE FROM change c USING ending e WHERE c.tenant_id = feed AND c.position < e.position;
    GET DIAGNOSTICS gone = ROW_COUNT;
    total := total + gone;
    EXIT WHEN total >= most;
  END LOOP;
  RETURN total;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("domain", "0008_smaller_feed")]

    operations = [
        ops.AddField(model_name="Learner", name="erased_at", field=fields.DatetimeField(null=True, description=
            "When their personal data was erased: nothing brings them back.", auto_now=False, auto_now_add=False)),
        *(ops.RunSQL(part) for part in (INDEXES, ERASING, RETENTION)),
    ]
