"""Matching reads what concerns the people and values it asks for, not every enrollment that has a status fact."""

from tortoise import migrations
from tortoise.migrations import operations as ops

FACTS = """
-- A branch with a condition of its own is not taken apart by the planner: it would be read whole for every value that is
-- looked for. So what has no status fact is a row without a value here, which equals nothing that a rule names.
CREATE OR REPLACE VIEW fact WITH (security_invoker = true) AS
  SELECT tenant_id, learner_id, 'R'::text COLLATE "C" AS kind, number AS key, value FROM learner_ref
  UNION ALL
  SELECT tenant_id, learner_id, kind, place_id, ''::text COLLATE "C" FROM learner_place
  UNION ALL
  SELECT tenant_id, learner_id, 'T'::text COLLATE "C", content_id, fact_status FROM enrollment;

-- Matching asks who is inactive: they are few, and looking up everybody else in the table costs more than all the rest.
CREATE INDEX learner_inactive ON learner (tenant_id, id) WHERE NOT is_active;
"""


class Migration(migrations.Migration):
    dependencies = [("domain", "0004_pages_of_the_log")]

    operations = [ops.RunSQL(FACTS)]
