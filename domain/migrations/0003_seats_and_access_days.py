"""Seats, waitlists and access days: who waits in what order, when a reason ends, and what sweeps look for."""

from tortoise import fields, migrations
from tortoise.migrations import operations as ops

from domain.foundation.access import Source

INDEXES = """
CREATE INDEX enrollment_waiting ON enrollment (tenant_id, content_id, waiting_number) WHERE is_waitlisted;
-- Who takes a seat: counted whenever somebody asks for one.
CREATE INDEX enrollment_reason_of_seat ON enrollment_reason (tenant_id, content_id, enrollment_id)
  WHERE until_at IS NULL AND source IN ('LEARNER', 'PURCHASE');
CREATE INDEX enrollment_reason_ending ON enrollment_reason (ends_at) WHERE until_at IS NULL AND ends_at IS NOT NULL;
-- Whatever ends reasons asks whether one with an end is left: nearly always this index has nothing.
CREATE INDEX enrollment_reason_with_end ON enrollment_reason (enrollment_id)
  WHERE until_at IS NULL AND ends_at IS NOT NULL;
"""

SWEEPS = """
CREATE FUNCTION reasons_to_expire(at timestamptz) RETURNS TABLE (tenant_id bigint, id bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS
'SELECT r.tenant_id, r.id FROM enrollment_reason r WHERE r.until_at IS NULL AND r.ends_at <= at
  ORDER BY r.ends_at, r.id LIMIT 1000';
CREATE FUNCTION contents_with_seats_to_give() RETURNS TABLE (tenant_id bigint, id bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS
'SELECT c.tenant_id, c.id FROM (SELECT DISTINCT e.tenant_id, e.content_id FROM enrollment e WHERE e.is_waitlisted) w
   JOIN content c ON c.tenant_id = w.tenant_id AND c.id = w.content_id
  WHERE (c.seat_limit IS NULL OR c.seat_limit > (
           SELECT count(DISTINCT r.enrollment_id) FROM enrollment_reason r
            WHERE r.tenant_id = c.tenant_id AND r.content_id = c.id AND r.until_at IS NULL
              AND r.source IN (''LEARNER'', ''PURCHASE'')))
    AND EXISTS (SELECT 1 FROM enrollment e JOIN learner l ON l.id = e.learner_id AND l.is_active
                 WHERE e.tenant_id = c.tenant_id AND e.content_id = c.id AND e.is_waitlisted)
  ORDER BY c.id LIMIT 1000';
"""

SOURCES = "\n".join(f"{source.value}: {source.value}" for source in Source)


class Migration(migrations.Migration):
    dependencies = [("domain", "0002_facts_feed_and_security")]

    operations = [
        ops.AddField(
            model_name="Enrollment",
            name="waiting_source",
            field=fields.CharEnumField(null=True, description=SOURCES, enum_type=Source, max_length=32),
        ),
        ops.AddField(model_name="Enrollment", name="waiting_number", field=fields.IntField(null=True)),
        ops.AddField(
            model_name="EnrollmentReason",
            name="ends_at",
            field=fields.DatetimeField(
                null=True,
                description="When access days run out, laid down when the reason begins; None for a reason without "
                "such an end.",
            ),
        ),
        *(ops.RunSQL(part) for part in (INDEXES, SWEEPS)),
    ]
