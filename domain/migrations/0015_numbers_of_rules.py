"""When what an object shows has changed and the object has not, the feed says so at most once a second."""

from tortoise import migrations
from tortoise.migrations import operations as ops

FEED = """
-- When changes of numbers got positions last; null before the first.
ALTER TABLE feed_head ADD COLUMN numbers_at timestamptz;
"""


class Migration(migrations.Migration):
    dependencies = [("domain", "0014_threads_of_emails")]

    operations = [ops.RunSQL(FEED)]
