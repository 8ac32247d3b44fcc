"""Less to write for each entry of the log: partial indexes instead of full ones, and blocks know when things happened."""

from tortoise import migrations
from tortoise.migrations import operations as ops

INDEXES = """
DROP INDEX content_action_by_kind;
DROP INDEX content_action_by_month;
ALTER TABLE content_action DROP COLUMN occurred_month;
-- What rules enroll is written in bulk, so it is left out: every enrollment begins with ENROLLED, which is therefore
-- never rare, and what rules enroll is found by the rule.
CREATE INDEX content_action_by_action ON content_action (tenant_id, action, id) WHERE action <> 'ENROLLED';
CREATE INDEX content_action_by_source ON content_action (tenant_id, source, id) WHERE source <> 'AUTO_ENROLLMENT';
"""

BLOCKS = """
-- The hours in which something in the block happened. From the earliest to the latest would not do: one late report in
-- each block would make all of them seem to hold the years before.
ALTER TABLE content_action_block ADD COLUMN hours tstzmultirange;
UPDATE content_action_block b SET hours = (
  SELECT range_agg(tstzrange(hour, hour + interval '1 hour'))
    FROM content_action_position p JOIN content_action a ON a.id = p.content_action_id
   CROSS JOIN LATERAL date_trunc('hour', a.occurred_at, 'UTC') AS hour
   WHERE p.tenant_id = b.tenant_id AND p.position BETWEEN b.first_position AND b.last_position);
ALTER TABLE content_action_block ALTER COLUMN hours SET NOT NULL, DROP COLUMN earliest_at, DROP COLUMN latest_at;
"""


class Migration(migrations.Migration):
    dependencies = [("domain", "0005_matching_reads_less")]

    operations = [ops.RunSQL(part) for part in (INDEXES, BLOCKS)]
