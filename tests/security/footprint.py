"""Whether anything was written: a fingerprint of every row version of every table."""

from tests.support.catalogue import Connection, all_tables


async def footprint(superuser: Connection) -> dict[str, tuple[int, int]]:
    """Return number and fingerprint of the row versions of each table; an update that changes nothing shows too."""
    tables = await all_tables(superuser)
    # One that has been used twice within a minute notes its use once: that is signing in, not the operation.
    parts = (
        f"SELECT '{table}' AS name, count(*) AS count,"
        f' coalesce(sum(hashtextextended(t.xmin::text || t.ctid::text, 0)), 0)::text AS hash FROM "{table}" t'
        for table in tables
        if table != "service_account"
    )
    records = await superuser.fetch(
        " UNION ALL ".join(parts) + " UNION ALL SELECT 'service_account', count(*), coalesce(sum(hashtextextended("
        " (to_jsonb(s) - 'last_used_at')::text, 0)), 0)::text FROM service_account s"
    )
    return {record["name"]: (record["count"], int(record["hash"])) for record in records}
