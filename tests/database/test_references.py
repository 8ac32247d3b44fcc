"""Rows refer to rows of their own tenant, and the database itself makes sure of it."""

import asyncpg
import pytest

from domain.tenants.models import Tenant
from tests.support import factories
from tests.support.catalogue import Connection, tables_with_tenant

#: Columns that name a row without a foreign key, and why.
HISTORY = "tells of what may be gone"
SETS = "written by statements that select what they refer to under row level security; a check of each row is too dear"
UNCHECKED = {
    "audit_entry": HISTORY,
    "change": HISTORY,
    "change_pending": HISTORY,
    "content_action": HISTORY,
    "content_action_block": HISTORY,
    "content_action_position": HISTORY,
    "email_delivery": SETS,
    "enrollment": SETS,
    "enrollment_reason": SETS,
    "notification": SETS,
    "rule_member": SETS,
}
#: Which account did something, and what somebody was told about, are history as well.
UNCHECKED_COLUMNS = {
    "actor_learner_id",
    "actor_service_account_id",
    "assigner_learner_id",
    "assigner_service_account_id",
    "created_by_learner_id",
    "created_by_service_account_id",
    "started_by_learner_id",
    "started_by_service_account_id",
    "subject_id",
    "job_id",
    "task_id",
    "reminder_id",
    "content_id",
    "template_id",
}


async def references(connection: Connection) -> dict[tuple[str, str], list[str]]:
    """Return the columns of each foreign key by table and name."""
    records = await connection.fetch(
        """
        SELECT c.conrelid::regclass::text, c.conname::text,
               ARRAY(SELECT a.attname::text FROM unnest(c.conkey) WITH ORDINALITY AS k (number, place)
                       JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.number ORDER BY place),
               c.convalidated
          FROM pg_constraint c WHERE c.contype = 'f' AND c.connamespace = 'public'::regnamespace
        """
    )
    assert all(record[3] for record in records)
    return {(record[0], record[1]): record[2] for record in records}


async def test_each_reference_is_within_a_tenant(superuser: Connection) -> None:
    """The ID alone is checked without row level security."""
    found = await references(superuser)
    assert len(found) > 20
    assert [key for key, columns in found.items() if columns[0] != "tenant_id" or len(columns) != 2] == []


async def test_each_row_that_names_another_refers_to_it(superuser: Connection) -> None:
    """A new column that names a row has a reference, or stands above with the reason."""
    referring = {(table, columns[1]) for (table, _), columns in (await references(superuser)).items()}
    records = await superuser.fetch(
        """
        SELECT c.relname::text, a.attname::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
         WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace AND a.attnum > 0 AND NOT a.attisdropped
           AND a.attname LIKE '%\\_id' AND a.attname <> 'tenant_id' AND a.atttypid = 'bigint'::regtype
        """
    )
    named = {tuple(record) for record in records if record[0] not in UNCHECKED}
    missing = {(table, column) for table, column in named - referring if column not in UNCHECKED_COLUMNS}
    assert missing == set()
    assert set(UNCHECKED) <= set(await tables_with_tenant(superuser))


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO learner_ref (tenant_id, learner_id, number, value) VALUES ($1, $2, 1, 'x')",
        "INSERT INTO learner_place (tenant_id, learner_id, place_id, kind) SELECT $1, $2, 0, 'G'",
        "INSERT INTO place (tenant_id, kind, name, name_key, owner_id, version, edited_version)"
        " VALUES ($1, 'G', 'x', 'x', $2, 1, 1)",
        "INSERT INTO notification_preference (tenant_id, learner_id, category, is_email_enabled)"
        " VALUES ($1, $2, 'MANDATORY_TASKS', true)",
    ],
)
async def test_nobody_points_into_another_tenant(
    superuser: Connection, tenant: Tenant, another_tenant: Tenant, statement: str
) -> None:
    """Whoever writes the row."""
    theirs = await factories.create_person(another_tenant.id, email="x@example.com")
    assert theirs.learner_id is not None
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await superuser.execute(statement, tenant.id, theirs.learner_id)
