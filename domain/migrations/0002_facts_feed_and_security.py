"""What models cannot express: link tables, the facts view, the change feed, row level security, cross-tenant functions."""

from tortoise import migrations
from tortoise.migrations import operations as ops

LINK_TABLES = """
-- Facts: values are compared byte by byte, so case counts whatever the database's locale is.
CREATE TABLE learner_ref (
  learner_id bigint NOT NULL, number bigint NOT NULL CHECK (number BETWEEN 1 AND 10), tenant_id bigint NOT NULL,
  value text COLLATE "C" NOT NULL CHECK (value <> ''),
  PRIMARY KEY (learner_id, number)) WITH (fillfactor = 90);
CREATE INDEX learner_ref_by_value ON learner_ref (tenant_id, number, value, learner_id);

CREATE TABLE learner_place (
  learner_id bigint NOT NULL, place_id bigint NOT NULL REFERENCES place (id), tenant_id bigint NOT NULL,
  kind text COLLATE "C" NOT NULL,
  PRIMARY KEY (learner_id, place_id));
CREATE INDEX learner_place_by_place ON learner_place (tenant_id, kind, place_id, learner_id);
CREATE INDEX learner_place_of_place ON learner_place (place_id);
CREATE UNIQUE INDEX learner_place_one_department ON learner_place (learner_id) WHERE kind = 'D';

ALTER TABLE place ADD CONSTRAINT place_client FOREIGN KEY (client_id) REFERENCES place (id);
ALTER TABLE place ADD CONSTRAINT place_owner FOREIGN KEY (owner_id) REFERENCES learner (id);
CREATE INDEX place_of_client ON place (client_id) WHERE client_id IS NOT NULL;
CREATE INDEX place_of_owner ON place (owner_id) WHERE owner_id IS NOT NULL;
CREATE UNIQUE INDEX place_unique_name ON place (tenant_id, kind, name) WHERE kind IN ('D', 'C');

CREATE TABLE content_trainer (
  content_id bigint NOT NULL REFERENCES content (id), learner_id bigint NOT NULL REFERENCES learner (id),
  tenant_id bigint NOT NULL,
  PRIMARY KEY (content_id, learner_id));
CREATE INDEX content_trainer_by_learner ON content_trainer (learner_id, content_id);

CREATE TABLE learning_path_item (
  path_id bigint NOT NULL REFERENCES content (id), course_id bigint NOT NULL REFERENCES content (id),
  tenant_id bigint NOT NULL, position smallint NOT NULL, is_mandatory boolean NOT NULL,
  PRIMARY KEY (path_id, course_id));
CREATE INDEX learning_path_item_by_course ON learning_path_item (course_id, path_id);

-- Rules: what the user said (rule_condition), what the engine joins (rule_atom), what it gives, whom it has.
CREATE TABLE rule_condition (
  rule_id bigint NOT NULL REFERENCES rule (id), number smallint NOT NULL, tenant_id bigint NOT NULL,
  kind text NOT NULL, field_number smallint, operator text, status text,
  object_ids bigint[] NOT NULL, ref_values text[] NOT NULL,
  PRIMARY KEY (rule_id, number));
CREATE TABLE rule_atom (
  rule_id bigint NOT NULL, tenant_id bigint NOT NULL, kind text COLLATE "C" NOT NULL, key bigint NOT NULL,
  value text COLLATE "C" NOT NULL, bit bigint NOT NULL,
  PRIMARY KEY (rule_id, bit, kind, key, value));
CREATE INDEX rule_atom_by_fact ON rule_atom (tenant_id, kind, key, value) INCLUDE (rule_id, bit);
CREATE TABLE rule_target (
  rule_id bigint NOT NULL REFERENCES rule (id), content_id bigint NOT NULL REFERENCES content (id),
  tenant_id bigint NOT NULL, position smallint NOT NULL, added_at timestamptz NOT NULL,
  PRIMARY KEY (rule_id, content_id));
CREATE INDEX rule_target_by_content ON rule_target (content_id, rule_id);
CREATE TABLE rule_member (
  learner_id bigint NOT NULL, rule_id bigint NOT NULL, tenant_id bigint NOT NULL, since_at timestamptz NOT NULL,
  PRIMARY KEY (learner_id, rule_id));
CREATE INDEX rule_member_by_rule ON rule_member (rule_id, learner_id);
CREATE UNIQUE INDEX rule_unique_name ON rule (tenant_id, name) WHERE state <> 'DELETED';
CREATE INDEX rule_met_by_default ON rule (tenant_id, id) WHERE is_met_by_default AND state <> 'DELETED';

CREATE INDEX enrollment_by_fact ON enrollment (tenant_id, content_id, fact_status, learner_id) WHERE fact_status IS NOT NULL;
-- Not led by the tenant: without statistics, tenant and content together would look as selective as learner and
-- content, and looking up one enrollment would walk all those of its content.
CREATE INDEX enrollment_by_content ON enrollment (content_id, enrolled_at, id);
CREATE INDEX enrollment_by_age ON enrollment (tenant_id, enrolled_at, id);
-- At most one open reason per enrollment and cause.
CREATE UNIQUE INDEX enrollment_reason_open ON enrollment_reason (enrollment_id, source, (coalesce(rule_id, task_id, path_id, 0)))
  WHERE until_at IS NULL;
CREATE INDEX enrollment_reason_of_rule ON enrollment_reason (rule_id, learner_id) WHERE until_at IS NULL AND rule_id IS NOT NULL;
CREATE INDEX enrollment_reason_of_path ON enrollment_reason (path_id, learner_id) WHERE until_at IS NULL AND path_id IS NOT NULL;
CREATE INDEX content_action_of_rule ON content_action (tenant_id, rule_id, id) WHERE rule_id IS NOT NULL;
CREATE INDEX background_job_open ON background_job (id) WHERE status IN ('QUEUED', 'RUNNING');
CREATE UNIQUE INDEX service_account_by_key ON service_account (key_hash);

-- People of a running re-evaluation, so that the job survives whoever asked for it.
CREATE TABLE background_job_learner (
  job_id bigint NOT NULL REFERENCES background_job (id), learner_id bigint NOT NULL, tenant_id bigint NOT NULL,
  PRIMARY KEY (job_id, learner_id));
"""

FACTS = """
ALTER TABLE learner SET (fillfactor = 85);
CREATE INDEX learner_admins ON learner (tenant_id) WHERE role = 'ADMIN' AND is_active;
ALTER TABLE learner_ref SET (autovacuum_analyze_scale_factor = 0.05);
ALTER TABLE enrollment ALTER COLUMN fact_status TYPE text COLLATE "C";
ALTER TABLE enrollment SET (fillfactor = 90);
-- Sort keys are compared byte by byte, so pages and cursors do not depend on the database's locale.
ALTER TABLE learner ALTER COLUMN name_key TYPE text COLLATE "C";
ALTER TABLE place ALTER COLUMN name_key TYPE text COLLATE "C";
ALTER TABLE content ALTER COLUMN title_key TYPE text COLLATE "C";
ALTER TABLE rule ALTER COLUMN name_key TYPE text COLLATE "C";
ALTER TABLE service_account ALTER COLUMN name_key TYPE text COLLATE "C";

-- security_invoker: a plain view runs with its owner's rights and would show every tenant's facts.
CREATE VIEW fact WITH (security_invoker = true) AS
  SELECT tenant_id, learner_id, 'R'::text COLLATE "C" AS kind, number AS key, value FROM learner_ref
  UNION ALL
  SELECT tenant_id, learner_id, kind, place_id, ''::text COLLATE "C" FROM learner_place
  UNION ALL
  SELECT tenant_id, learner_id, 'T'::text COLLATE "C", content_id, fact_status FROM enrollment WHERE fact_status IS NOT NULL;

CREATE FUNCTION rule_holds(match text, bits bigint, negative_mask bigint, full_mask bigint) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN full_mask = 0 THEN false
            WHEN match = 'ALL' THEN (bits # negative_mask) = full_mask
            ELSE (bits # negative_mask) <> 0 END;
"""

FEED = """
-- Writers put changes into change_pending without a position; whoever reads first moves them into change.
CREATE TABLE change_pending (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, tenant_id bigint NOT NULL, object_type text NOT NULL,
  object_id bigint NOT NULL, version int NOT NULL, keys_before bigint[], keys_after bigint[], at timestamptz NOT NULL)
  WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
CREATE INDEX change_pending_of_tenant ON change_pending (tenant_id, id);
CREATE TABLE change (
  tenant_id bigint NOT NULL, position bigint NOT NULL, object_type text NOT NULL, object_id bigint NOT NULL,
  version int NOT NULL, keys_before bigint[], keys_after bigint[], at timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, position));
CREATE TABLE feed_head (tenant_id bigint PRIMARY KEY, position bigint NOT NULL DEFAULT 0);
-- The log in the order of commits, kept for ever while change rows are kept for days.
CREATE TABLE content_action_position (
  tenant_id bigint NOT NULL, position bigint NOT NULL, content_action_id bigint NOT NULL,
  PRIMARY KEY (tenant_id, position));
"""

SECURITY = """
-- The setting is read in a subquery: once per statement instead of once per row.
DO $$
DECLARE name text;
BEGIN
  FOR name IN SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
               WHERE c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace AND NOT a.attisdropped
  LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY tenant ON %I USING (tenant_id = (SELECT current_setting(''app.tenant'')::bigint))
                    WITH CHECK (tenant_id = (SELECT current_setting(''app.tenant'')::bigint))', name);
  END LOOP;
END $$;
ALTER TABLE tenant ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON tenant USING (id = (SELECT current_setting('app.tenant')::bigint))
  WITH CHECK (id = (SELECT current_setting('app.tenant')::bigint));

-- What must look across tenants goes through these and nothing else; each answers with IDs only.
CREATE FUNCTION find_tenant(wanted_slug text) RETURNS bigint LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = public, pg_temp AS 'SELECT id FROM tenant WHERE slug = wanted_slug';
CREATE FUNCTION find_service_account(wanted_hash bytea) RETURNS TABLE (tenant_id bigint, id bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS
'SELECT s.tenant_id, s.id FROM service_account s WHERE s.key_hash = wanted_hash AND s.revoked_at IS NULL';
CREATE FUNCTION tenants_with_pending_changes() RETURNS SETOF bigint LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = public, pg_temp AS
'SELECT t.id FROM tenant t WHERE EXISTS (SELECT 1 FROM change_pending p WHERE p.tenant_id = t.id)';
CREATE FUNCTION jobs_to_dispatch(at timestamptz, dispatched_before timestamptz) RETURNS TABLE (tenant_id bigint, id bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS
'SELECT j.tenant_id, j.id FROM background_job j
  WHERE j.status IN (''QUEUED'', ''RUNNING'')
    AND (j.leased_until IS NULL OR j.leased_until < at)
    AND (j.dispatched_at IS NULL OR j.dispatched_at < dispatched_before)
  ORDER BY j.id LIMIT 1000';
CREATE FUNCTION delete_old_idempotency_keys(created_before timestamptz) RETURNS bigint LANGUAGE sql SECURITY DEFINER
SET search_path = public, pg_temp AS
'WITH gone AS (DELETE FROM idempotency_key WHERE created_at < created_before RETURNING 1) SELECT count(*) FROM gone';
CREATE FUNCTION delete_old_changes(before timestamptz) RETURNS bigint LANGUAGE sql SECURITY DEFINER
SET search_path = public, pg_temp AS
'WITH gone AS (DELETE FROM change WHERE at < before RETURNING 1) SELECT count(*) FROM gone';

-- Without statistics the planner takes every column for equally selective, and a bulk load runs into that within
-- seconds, long before autovacuum looks. Only owners may ANALYZE, hence the owner's rights.
CREATE FUNCTION refresh_statistics() RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
DECLARE outdated text;
BEGIN
  -- Only what has grown by half since somebody looked, as looking takes a tenth of a second for each table.
  SELECT string_agg(quote_ident(relname), ', ') INTO outdated FROM pg_class
   WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
     AND relname IN ('learner', 'learner_ref', 'learner_place', 'enrollment', 'enrollment_reason', 'content_action',
                     'rule', 'rule_atom', 'rule_target', 'rule_member')
     AND pg_relation_size(oid) / current_setting('block_size')::int > 1.5 * greatest(relpages, 0);
  IF outdated IS NOT NULL THEN
    EXECUTE 'ANALYZE (SKIP_LOCKED) ' || outdated;
  END IF;
END $$;

-- ILIKE is not leakproof, so under row security it cannot use an index: the search runs with the owner's rights
-- and filters by tenant itself.
CREATE EXTENSION IF NOT EXISTS pg_trgm;
CREATE INDEX learner_name_search ON learner USING gin (name_key gin_trgm_ops);
CREATE INDEX learner_email_search ON learner USING gin (email_key gin_trgm_ops);
CREATE FUNCTION search_learners(pattern text) RETURNS SETOF bigint LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = public, pg_temp AS
'SELECT id FROM learner WHERE tenant_id = current_setting(''app.tenant'')::bigint
   AND (name_key LIKE pattern OR email_key LIKE pattern)';
"""


class Migration(migrations.Migration):
    dependencies = [("domain", "0001_initial")]

    operations = [ops.RunSQL(part) for part in (LINK_TABLES, FACTS, FEED, SECURITY)]
