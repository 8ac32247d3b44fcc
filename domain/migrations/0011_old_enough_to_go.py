"""What deletes old rows refuses to take young ones, whoever calls it and with whatever date.

The server's clock is right for this, unlike for everything that people see: it guards against a mistake, or a break-in,
on this side of the connection. So the functions that did the work are called by others of the same names, which bound
the date first.
"""

from tortoise import migrations
from tortoise.migrations import operations as ops

KINDS = ("idempotency_keys", "changes", "notifications", "emails", "audit_entries", "jobs")
#: The shortest that anything is kept is a day; clocks differ.
LEAST_AGE = "23 hours"

GUARDS = "".join(
    f"""
ALTER FUNCTION delete_old_{what}(timestamptz, int) RENAME TO delete_{what}_before;
ALTER FUNCTION delete_{what}_before(timestamptz, int) SECURITY INVOKER;
REVOKE ALL ON FUNCTION delete_{what}_before(timestamptz, int) FROM PUBLIC;
CREATE FUNCTION delete_old_{what}(before timestamptz, most int DEFAULT 5000) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS
'SELECT delete_{what}_before(least(before, now() - interval ''{LEAST_AGE}''), most)';
"""
    for what in KINDS
)


class Migration(migrations.Migration):
    dependencies = [("domain", "0010_references_within_a_tenant")]

    operations = [ops.RunSQL(GUARDS)]
