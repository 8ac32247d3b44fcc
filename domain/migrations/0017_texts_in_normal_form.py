"""Texts are stored in Unicode normal form C, external IDs without blanks around them.

What looks the same is the same from now on. Where that would make two rows one (two departments of one name, two people
of one external ID), both stay as they are: which of them is meant is for people to say. The values of people and those
of rules are changed together, and whoever may meet other rules by it is evaluated by a background job.
"""

from tortoise import migrations
from tortoise.migrations import operations as ops

KEYS = r"""
CREATE FUNCTION pg_temp.stored(value text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT normalize(btrim(value, E' \t\n\x0b\x0c\r\x1c\x1d\x1e\x1f\u0085\u00a0\u1680\u180e\u2000\u2001\u2002\u2003\u2004'
    '\u2005\u2006\u2007\u2008\u2009\u200a\u200b\u200c\u200d\u2028\u2029\u202f\u205f\u2060\u3000\ufeff')) $$;

WITH wanted AS (
  SELECT id, pg_temp.stored(external_id) AS text, count(*) OVER (PARTITION BY tenant_id, pg_temp.stored(external_id)) = 1
         AS is_alone FROM learner WHERE external_id IS NOT NULL)
UPDATE learner l SET external_id = w.text FROM wanted w
 WHERE w.id = l.id AND w.is_alone AND w.text <> '' AND w.text <> l.external_id;

WITH wanted AS (
  SELECT id, pg_temp.stored(external_id) AS text, count(*) OVER (PARTITION BY tenant_id, pg_temp.stored(external_id)) = 1
         AS is_alone FROM content WHERE external_id IS NOT NULL)
UPDATE content c SET external_id = w.text FROM wanted w
 WHERE w.id = c.id AND w.is_alone AND w.text <> '' AND w.text <> c.external_id;

WITH wanted AS (
  SELECT id, pg_temp.stored(external_id) AS text,
         count(*) OVER (PARTITION BY tenant_id, kind, pg_temp.stored(external_id)) = 1 AS is_alone
    FROM place WHERE external_id IS NOT NULL)
UPDATE place p SET external_id = w.text FROM wanted w
 WHERE w.id = p.id AND w.is_alone AND w.text <> '' AND w.text <> p.external_id;
"""

NAMES = """
UPDATE learner SET name = normalize(name) WHERE name IS NOT NFC NORMALIZED;
UPDATE content SET title = normalize(title) WHERE title IS NOT NFC NORMALIZED;
UPDATE tenant SET name = normalize(name) WHERE name IS NOT NFC NORMALIZED;
UPDATE mandatory_task SET note = normalize(note) WHERE note IS NOT NFC NORMALIZED;
UPDATE email_template SET subject = normalize(subject), body = normalize(body)
 WHERE subject IS NOT NFC NORMALIZED OR body IS NOT NFC NORMALIZED;

UPDATE place p SET name = normalize(name)
 WHERE name IS NOT NFC NORMALIZED
   AND (kind NOT IN ('D', 'C')
        OR NOT EXISTS (SELECT 1 FROM place o WHERE o.tenant_id = p.tenant_id AND o.kind = p.kind AND o.id <> p.id
                          AND normalize(o.name) = normalize(p.name)));
UPDATE rule r SET name = normalize(name)
 WHERE name IS NOT NFC NORMALIZED
   AND NOT EXISTS (SELECT 1 FROM rule o WHERE o.tenant_id = r.tenant_id AND o.id <> r.id AND o.state <> 'DELETED'
                      AND normalize(o.name) = normalize(r.name));
UPDATE service_account s SET name = normalize(name)
 WHERE name IS NOT NFC NORMALIZED
   AND NOT EXISTS (SELECT 1 FROM service_account o WHERE o.tenant_id = s.tenant_id AND o.id <> s.id
                      AND normalize(o.name) = normalize(s.name));
UPDATE email_template t SET name = normalize(name)
 WHERE name IS NOT NFC NORMALIZED
   AND NOT EXISTS (SELECT 1 FROM email_template o WHERE o.tenant_id = t.tenant_id AND o.id <> t.id
                      AND o.deleted_at IS NULL AND normalize(o.name) = normalize(t.name));
"""

FACTS = """
-- Whose value is written otherwise now, and who has a value that a rule wrote otherwise.
CREATE TEMPORARY TABLE concerned ON COMMIT DROP AS
  SELECT tenant_id, learner_id FROM learner_ref WHERE value IS NOT NFC NORMALIZED
  UNION
  SELECT f.tenant_id, f.learner_id
    FROM rule_atom a JOIN learner_ref f ON f.tenant_id = a.tenant_id AND f.number = a.key
     AND f.value = normalize(a.value) COLLATE "C"
   WHERE a.kind = 'R' AND a.value IS NOT NFC NORMALIZED;

UPDATE learner_ref SET value = normalize(value) WHERE value IS NOT NFC NORMALIZED;

UPDATE rule_condition c
   SET ref_values = ARRAY(SELECT normalize(v.value) FROM unnest(c.ref_values) WITH ORDINALITY AS v (value, place)
                           GROUP BY 1 ORDER BY min(v.place))
 WHERE EXISTS (SELECT 1 FROM unnest(c.ref_values) AS v (value) WHERE v.value IS NOT NFC NORMALIZED);

INSERT INTO rule_atom (rule_id, tenant_id, kind, key, value, bit)
  SELECT rule_id, tenant_id, kind, key, normalize(value), bit FROM rule_atom
   WHERE kind = 'R' AND value IS NOT NFC NORMALIZED
  ON CONFLICT DO NOTHING;
DELETE FROM rule_atom WHERE kind = 'R' AND value IS NOT NFC NORMALIZED;

WITH job AS (
  INSERT INTO background_job (tenant_id, kind, status, processed_count, failed_count, progress, attempt_count,
                              created_at, version)
  SELECT tenant_id, 'RULE_REEVALUATION', 'QUEUED', 0, 0, '{}', 0, now(), 1
    FROM (SELECT DISTINCT tenant_id FROM concerned) c
   WHERE EXISTS (SELECT 1 FROM rule r WHERE r.tenant_id = c.tenant_id AND r.state <> 'DELETED')
  RETURNING id, tenant_id),
told AS (
  INSERT INTO change_pending (tenant_id, object_type, object_id, version, at)
  SELECT tenant_id, 'JOB', id, 1, now() FROM job)
INSERT INTO background_job_learner (job_id, learner_id, tenant_id)
  SELECT job.id, c.learner_id, c.tenant_id FROM job JOIN concerned c USING (tenant_id);
"""


class Migration(migrations.Migration):
    dependencies = [("domain", "0016_instants_within_the_calendar")]

    operations = [ops.RunSQL("\n".join((KEYS, NAMES, FACTS)))]
