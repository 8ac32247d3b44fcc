"""Searching people costs what their own tenant has, and nothing but searching uses the index that is for it.

A trigram index answers equality as well since PostgreSQL 14, in milliseconds for each value where a B-tree takes
microseconds, and planners before 18 chose it for lists of email addresses. So the index is over expressions that no
other statement writes, the tenant's among them. (btree_gin, like pg_trgm, is a trusted extension: the owner of a
database may create it.)

Built beside the running product: nothing here locks the table against writes, so it is not one transaction. Each step
may be done twice, as it is when a migration that was stopped begins again.
"""

from tortoise import migrations
from tortoise.migrations import operations as ops

from domain.foundation.database.concurrent_migrations import RunConcurrently

SEARCH = """
CREATE OR REPLACE FUNCTION search_learners(pattern text) RETURNS SETOF bigint LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = public, pg_temp AS $$
BEGIN
  -- Planned for the pattern: a single letter makes no trigrams, and then the tenant's people are read.
  RETURN QUERY EXECUTE
    'SELECT id FROM learner WHERE tenant_id + 0 = $1
        AND ((name_key || '''') LIKE $2 OR (email_key || '''') LIKE $2)'
    USING current_setting('app.tenant')::bigint, pattern;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("domain", "0011_old_enough_to_go")]

    atomic = False
    operations = [
        ops.RunSQL("CREATE EXTENSION IF NOT EXISTS btree_gin"),
        # One that was given up half-way is there, and of no use.
        RunConcurrently("DROP INDEX CONCURRENTLY IF EXISTS learner_search"),
        RunConcurrently(
            "CREATE INDEX CONCURRENTLY learner_search ON learner USING gin"
            " ((tenant_id + 0), (name_key || '') gin_trgm_ops, (email_key || '') gin_trgm_ops)"
        ),
        ops.RunSQL("ANALYZE learner"),
        ops.RunSQL(SEARCH),
        RunConcurrently("DROP INDEX CONCURRENTLY IF EXISTS learner_name_search"),
        RunConcurrently("DROP INDEX CONCURRENTLY IF EXISTS learner_email_search"),
    ]
