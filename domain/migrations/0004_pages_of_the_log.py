"""Pages of the log at constant cost: an index for each thing that it is filtered by, and blocks in the order of commits."""

from tortoise import migrations
from tortoise.migrations import operations as ops

INDEXES = """
CREATE INDEX content_action_by_kind ON content_action (tenant_id, action, source, id);
CREATE INDEX content_action_of_person ON content_action (tenant_id, actor_learner_id, id)
  WHERE actor_learner_id IS NOT NULL;
CREATE INDEX content_action_of_tool ON content_action (tenant_id, actor_service_account_id, id)
  WHERE actor_service_account_id IS NOT NULL;
-- A column, as under row security no index on an expression is used unless its functions are leakproof.
ALTER TABLE content_action ADD COLUMN occurred_month date
  GENERATED ALWAYS AS (date_trunc('month', occurred_at AT TIME ZONE 'UTC')::date) STORED;
CREATE INDEX content_action_by_month ON content_action (tenant_id, occurred_month, id);
"""

BLOCKS = """
-- What is in each run of 512 entries in the order of commits, which never changes again: what has nothing that a reader
-- looks for is passed over.
CREATE TABLE content_action_block (
  tenant_id bigint NOT NULL, last_position bigint NOT NULL, first_position bigint NOT NULL,
  lowest_id bigint NOT NULL, highest_id bigint NOT NULL, earliest_at timestamptz NOT NULL, latest_at timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, last_position));
ALTER TABLE content_action_block ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON content_action_block USING (tenant_id = (SELECT current_setting('app.tenant')::bigint))
  WITH CHECK (tenant_id = (SELECT current_setting('app.tenant')::bigint));
"""


class Migration(migrations.Migration):
    dependencies = [("domain", "0003_seats_and_access_days")]

    operations = [ops.RunSQL(part) for part in (INDEXES, BLOCKS)]
