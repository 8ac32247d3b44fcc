"""Reports that were dated before the year 1900, minus infinity among them, are dated by its first instant.

The log, the enrollment, the path, the task and its cycle are mended alike, so they agree as they did before.
"""

from tortoise import migrations
from tortoise.migrations import operations as ops

INSTANTS = """
WITH mended AS (
  UPDATE enrollment
     SET scored_at = CASE WHEN scored_at IS NOT NULL THEN greatest(scored_at, first) END,
         finished_at = CASE WHEN finished_at IS NOT NULL THEN greatest(finished_at, first) END,
         completed_at = CASE WHEN completed_at IS NOT NULL THEN greatest(completed_at, first) END,
         version = version + 1
    FROM (SELECT timestamptz '1900-01-01 00:00+00' AS first) one
   WHERE least(scored_at, finished_at, completed_at) < first
  RETURNING tenant_id, id, version)
INSERT INTO change_pending (tenant_id, object_type, object_id, version, at)
  SELECT tenant_id, 'ENROLLMENT', id, version, now() FROM mended;

WITH mended AS (
  UPDATE mandatory_task SET completed_at = '1900-01-01 00:00+00', version = version + 1
   WHERE completed_at < '1900-01-01 00:00+00'
  RETURNING tenant_id, id, version)
INSERT INTO change_pending (tenant_id, object_type, object_id, version, at)
  SELECT tenant_id, 'MANDATORY_TASK', id, version, now() FROM mended;

UPDATE task_cycle SET completed_at = '1900-01-01 00:00+00' WHERE completed_at < '1900-01-01 00:00+00';

UPDATE content_action_block b SET hours = hours + '{["1900-01-01 00:00+00", "1900-01-01 01:00+00")}'
 WHERE EXISTS (SELECT 1 FROM content_action_position p JOIN content_action a ON a.id = p.content_action_id
                WHERE p.tenant_id = b.tenant_id AND p.position BETWEEN b.first_position AND b.last_position
                  AND a.occurred_at < '1900-01-01 00:00+00');

UPDATE content_action SET occurred_at = '1900-01-01 00:00+00' WHERE occurred_at < '1900-01-01 00:00+00';
"""


class Migration(migrations.Migration):
    dependencies = [("domain", "0015_numbers_of_rules")]

    operations = [ops.RunSQL(INSTANTS)]
