"""What is due is found tenant by tenant, of each the first of its list: one that has very much hides nobody's."""

from tortoise import migrations
from tortoise.migrations import operations as ops

INDEXES = """
-- What is due, of each tenant in the order in which it became due; those over all tenants had the longest list first.
CREATE INDEX task_reminder_due_of_tenant ON task_reminder (tenant_id, scheduled_at, id) INCLUDE (task_id)
  WHERE status = 'SCHEDULED';
DROP INDEX task_reminder_due;
CREATE INDEX mandatory_task_passing_of_tenant ON mandatory_task (tenant_id, due_at, id)
  WHERE withdrawn_at IS NULL AND NOT is_suspended AND stage <> 'COMPLETED' AND NOT is_overdue_noted;
DROP INDEX mandatory_task_passing;
CREATE INDEX mandatory_task_opening_of_tenant ON mandatory_task (tenant_id, next_opens_at, id)
  WHERE withdrawn_at IS NULL AND NOT is_suspended AND next_opens_at IS NOT NULL;
DROP INDEX mandatory_task_opening;
CREATE INDEX enrollment_reason_ending_of_tenant ON enrollment_reason (tenant_id, ends_at, id)
  WHERE until_at IS NULL AND ends_at IS NOT NULL;
DROP INDEX enrollment_reason_ending;
CREATE INDEX email_delivery_pending_of_tenant ON email_delivery (tenant_id, next_attempt_at, id)
  WHERE status = 'PENDING';
DROP INDEX email_delivery_pending;
CREATE INDEX background_job_open_of_tenant ON background_job (tenant_id, id) WHERE status IN ('QUEUED', 'RUNNING');
DROP INDEX background_job_open;
"""

FINDING = """
-- Of each tenant the first of what is due, `most` rows of it. The release before calls without `most`.
DROP FUNCTION tasks_with_due_reminders(timestamptz);
CREATE FUNCTION tasks_with_due_reminders(at timestamptz, most int DEFAULT 500)
RETURNS TABLE (tenant_id bigint, id bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS
'SELECT t.id, d.task_id FROM tenant t CROSS JOIN LATERAL (
   SELECT r.task_id FROM (
     SELECT r.task_id, r.scheduled_at FROM task_reminder r
      WHERE r.tenant_id = t.id AND r.status = ''SCHEDULED'' AND r.scheduled_at <= at
      ORDER BY r.scheduled_at, r.id LIMIT most) r
    GROUP BY r.task_id ORDER BY min(r.scheduled_at), r.task_id) d';
DROP FUNCTION tasks_to_note_overdue(timestamptz);
CREATE FUNCTION tasks_to_note_overdue(at timestamptz, most int DEFAULT 500)
RETURNS TABLE (tenant_id bigint, id bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS
'SELECT n.id, d.id FROM tenant n CROSS JOIN LATERAL (
   SELECT t.id FROM mandatory_task t
    WHERE t.tenant_id = n.id AND t.withdrawn_at IS NULL AND NOT t.is_suspended AND t.stage <> ''COMPLETED''
      AND NOT t.is_overdue_noted AND t.due_at <= at
    ORDER BY t.due_at, t.id LIMIT most) d';
DROP FUNCTION tasks_to_open(timestamptz);
CREATE FUNCTION tasks_to_open(at timestamptz, most int DEFAULT 500) RETURNS TABLE (tenant_id bigint, id bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS
'SELECT n.id, d.id FROM tenant n CROSS JOIN LATERAL (
   SELECT t.id FROM mandatory_task t
    WHERE t.tenant_id = n.id AND t.withdrawn_at IS NULL AND NOT t.is_suspended AND t.next_opens_at <= at
    ORDER BY t.next_opens_at, t.id LIMIT most) d';
DROP FUNCTION reasons_to_expire(timestamptz);
CREATE FUNCTION reasons_to_expire(at timestamptz, most int DEFAULT 500) RETURNS TABLE (tenant_id bigint, id bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS
'SELECT t.id, d.id FROM tenant t CROSS JOIN LATERAL (
   SELECT r.id FROM enrollment_reason r WHERE r.tenant_id = t.id AND r.until_at IS NULL AND r.ends_at <= at
    ORDER BY r.ends_at, r.id LIMIT most) d';
-- From one course with people who wait to the next: however many wait, of each course one row is read.
DROP FUNCTION contents_with_seats_to_give();
CREATE FUNCTION contents_with_seats_to_give(at timestamptz DEFAULT NULL, most int DEFAULT 100)
RETURNS TABLE (tenant_id bigint, id bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS
'WITH RECURSIVE awaited AS (
   (SELECT e.tenant_id, e.content_id FROM enrollment e WHERE e.is_waitlisted
     ORDER BY e.tenant_id, e.content_id LIMIT 1)
   UNION ALL
   SELECT n.tenant_id, n.content_id FROM awaited a CROSS JOIN LATERAL (
     SELECT e.tenant_id, e.content_id FROM enrollment e
      WHERE e.is_waitlisted AND (e.tenant_id, e.content_id) > (a.tenant_id, a.content_id)
      ORDER BY e.tenant_id, e.content_id LIMIT 1) n)
 SELECT f.tenant_id, f.id FROM (
   SELECT c.tenant_id, c.id, row_number() OVER (PARTITION BY c.tenant_id ORDER BY c.id) AS number
     FROM awaited w JOIN content c ON c.tenant_id = w.tenant_id AND c.id = w.content_id
    WHERE (c.seat_limit IS NULL OR c.seat_limit > (
             SELECT count(DISTINCT r.enrollment_id) FROM enrollment_reason r
              WHERE r.tenant_id = c.tenant_id AND r.content_id = c.id AND r.until_at IS NULL
                AND r.source IN (''LEARNER'', ''PURCHASE'')))
      AND EXISTS (SELECT 1 FROM enrollment e JOIN learner l ON l.id = e.learner_id AND l.is_active
                   WHERE e.tenant_id = c.tenant_id AND e.content_id = c.id AND e.is_waitlisted)) f
  WHERE f.number <= most ORDER BY f.tenant_id, f.id';
-- Those of the first that nobody has: what is under way counts, so that a tenant has never more than `most` of it.
DROP FUNCTION emails_to_dispatch(timestamptz, timestamptz);
CREATE FUNCTION emails_to_dispatch(at timestamptz, dispatched_before timestamptz, most int DEFAULT 100)
RETURNS TABLE (tenant_id bigint, id bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS
'SELECT t.id, d.id FROM tenant t CROSS JOIN LATERAL (
   SELECT e.id, e.leased_until, e.dispatched_at, e.next_attempt_at FROM email_delivery e
    WHERE e.tenant_id = t.id AND e.status = ''PENDING'' AND e.next_attempt_at <= at
    ORDER BY e.next_attempt_at, e.id LIMIT most) d
  WHERE (d.leased_until IS NULL OR d.leased_until < at)
    AND (d.dispatched_at IS NULL OR d.dispatched_at < dispatched_before)
  ORDER BY t.id, d.next_attempt_at, d.id';
-- The same; a job that pauses after a failure is none of them.
DROP FUNCTION jobs_to_dispatch(timestamptz, timestamptz);
CREATE FUNCTION jobs_to_dispatch(at timestamptz, dispatched_before timestamptz, most int DEFAULT 100)
RETURNS TABLE (tenant_id bigint, id bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS
'SELECT t.id, d.id FROM tenant t CROSS JOIN LATERAL (
   SELECT j.id, j.leased_until, j.dispatched_at FROM background_job j
    WHERE j.tenant_id = t.id AND j.status IN (''QUEUED'', ''RUNNING'')
      AND (j.dispatched_at IS NOT NULL OR j.leased_until IS NULL OR j.leased_until < at)
    ORDER BY j.id LIMIT most) d
  WHERE (d.leased_until IS NULL OR d.leased_until < at)
    AND (d.dispatched_at IS NULL OR d.dispatched_at < dispatched_before)
  ORDER BY t.id, d.id';
"""

MEASURING = """
-- How much is due of each kind, and for how many seconds the oldest of it; a tenant counts for 10,000 rows at most, as a
-- look must stay cheap beside a million of them. Of seats nothing tells since when they are free.
CREATE FUNCTION pending_work(at timestamptz) RETURNS TABLE (kind text, pending bigint, seconds double precision)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS
'SELECT w.kind, w.pending, coalesce(extract(epoch FROM at - w.oldest), 0)::double precision
   FROM (
     SELECT ''jobs'' AS kind, count(*) AS pending,
            min(CASE WHEN j.status = ''QUEUED'' THEN coalesce(j.leased_until, j.created_at)
                     ELSE coalesce(j.leased_until, j.dispatched_at, at) END) AS oldest
       FROM background_job j
      WHERE j.status IN (''QUEUED'', ''RUNNING'') AND (j.leased_until IS NULL OR j.leased_until < at)
     UNION ALL
     SELECT ''emails'', count(*), min(d.due) FROM tenant t CROSS JOIN LATERAL (
       SELECT e.next_attempt_at AS due FROM email_delivery e
        WHERE e.tenant_id = t.id AND e.status = ''PENDING'' AND e.next_attempt_at <= at
        ORDER BY e.next_attempt_at, e.id LIMIT 10000) d
     UNION ALL
     SELECT ''emails to repeat'', count(*), NULL FROM tenant t CROSS JOIN LATERAL (
       SELECT 1 FROM email_delivery e WHERE e.tenant_id = t.id AND e.status = ''PENDING'' AND e.next_attempt_at > at
        ORDER BY e.next_attempt_at, e.id LIMIT 10000) d
     UNION ALL
     SELECT ''reminders'', count(*), min(d.due) FROM tenant t CROSS JOIN LATERAL (
       SELECT r.scheduled_at AS due FROM task_reminder r
        WHERE r.tenant_id = t.id AND r.status = ''SCHEDULED'' AND r.scheduled_at <= at
        ORDER BY r.scheduled_at, r.id LIMIT 10000) d
     UNION ALL
     SELECT ''openings'', count(*), min(d.due) FROM tenant n CROSS JOIN LATERAL (
       SELECT t.next_opens_at AS due FROM mandatory_task t
        WHERE t.tenant_id = n.id AND t.withdrawn_at IS NULL AND NOT t.is_suspended AND t.next_opens_at <= at
        ORDER BY t.next_opens_at, t.id LIMIT 10000) d
     UNION ALL
     SELECT ''overdue'', count(*), min(d.due) FROM tenant n CROSS JOIN LATERAL (
       SELECT t.due_at AS due FROM mandatory_task t
        WHERE t.tenant_id = n.id AND t.withdrawn_at IS NULL AND NOT t.is_suspended AND t.stage <> ''COMPLETED''
          AND NOT t.is_overdue_noted AND t.due_at <= at
        ORDER BY t.due_at, t.id LIMIT 10000) d
     UNION ALL
     SELECT ''expiry'', count(*), min(d.due) FROM tenant t CROSS JOIN LATERAL (
       SELECT r.ends_at AS due FROM enrollment_reason r
        WHERE r.tenant_id = t.id AND r.until_at IS NULL AND r.ends_at <= at
        ORDER BY r.ends_at, r.id LIMIT 10000) d
     UNION ALL
     SELECT ''seats'', count(*), NULL FROM contents_with_seats_to_give(at, 10000)) w';
"""


class Migration(migrations.Migration):
    dependencies = [("domain", "0012_search_within_a_tenant")]

    operations = [ops.RunSQL(part) for part in (INDEXES, FINDING, MEASURING)]
