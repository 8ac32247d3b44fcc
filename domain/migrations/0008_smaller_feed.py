"""A change need not say what it was about before: who may see an object never depends on what changes about it."""

from tortoise import migrations
from tortoise.migrations import operations as ops

FEED = """
ALTER TABLE change DROP COLUMN keys_before, DROP COLUMN keys_after;
ALTER TABLE change_pending DROP COLUMN keys_before, DROP COLUMN keys_after;
"""


class Migration(migrations.Migration):
    dependencies = [("domain", "0007_mandatory_tasks")]

    operations = [ops.RunSQL(FEED)]
