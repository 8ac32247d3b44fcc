"""Lists, counts, groups and the report of mandatory tasks."""
