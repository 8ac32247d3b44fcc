"""The feed is deleted from its beginning only, so that a gap cannot be taken for its beginning; and unused columns go.

What may see an object never depends on what changes about the object, so a change need not say what it was before.
"""

from tortoise import migrations
from tortoise.migrations import operations as ops

FEED = """
ALTER TABLE change DROP COLUMN keys_before, DROP COLUMN keys_after;
ALTER TABLE change_pending DROP COLUMN keys_before, DROP COLUMN keys_after;

-- Rows are numbered as they are committed, so those of a long transaction stand after younger ones.
CREATE OR REPLACE FUNCTION delete_old_changes(before timestamptz) RETURNS bigint LANGUAGE sql SECURITY DEFINER
SET search_path = public, pg_temp AS
'WITH kept AS (
   SELECT h.tenant_id,
          coalesce((SELECT c.position FROM change c WHERE c.tenant_id = h.tenant_id AND c.at >= before
                     ORDER BY c.position LIMIT 1), h.position + 1) AS position
     FROM feed_head h),
 gone AS (
   DELETE FROM change c USING kept k WHERE c.tenant_id = k.tenant_id AND c.position < k.position RETURNING 1)
 SELECT count(*) FROM gone';
"""


class Migration(migrations.Migration):
    dependencies = [("domain", "0007_mandatory_tasks")]

    operations = [ops.RunSQL(FEED)]
