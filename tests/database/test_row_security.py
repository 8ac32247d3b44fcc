"""What a tenant can do to another with raw SQL and the application's role: nothing. And what that role can never do."""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from domain.foundation.database.migrating import APPEND_ONLY
from domain.foundation.database.server import UnsafeRole, check_server
from domain.foundation.database.sessions import ReadScope, across_tenants, writing
from domain.tenants.models import Tenant
from tests.support import factories
from tests.support.catalogue import Connection, all_tables, insert_statement, tables_with_tenant
from tests.support.servers import APPLICATION, OWNER, Databases, address

OURS, THEIRS = 1, 2

#: What looks across tenants, and what it answers with.
CROSS_TENANT_FUNCTIONS = {
    # Of one tenant, with the owner's rights, as the audit log is append-only for everybody else.
    "blank_audit_entries": ["bigint"],
    "contents_with_seats_to_give": ["bigint", "bigint"],
    "delete_old_audit_entries": ["bigint"],
    "delete_old_changes": ["bigint"],
    "delete_old_emails": ["bigint"],
    "delete_old_idempotency_keys": ["bigint"],
    "delete_old_jobs": ["bigint"],
    "delete_old_notifications": ["bigint"],
    "emails_to_dispatch": ["bigint", "bigint"],
    "find_calendar": ["bigint"],
    "find_service_account": ["bigint", "bigint"],
    "find_tenant": ["bigint"],
    "jobs_to_dispatch": ["bigint", "bigint"],
    # Names of kinds, counts and seconds.
    "pending_work": ["text", "bigint", "double precision"],
    "refresh_statistics": ["void"],
    "reasons_to_expire": ["bigint", "bigint"],
    "search_learners": ["bigint"],
    "tasks_to_note_overdue": ["bigint", "bigint"],
    "tasks_to_open": ["bigint", "bigint"],
    "tasks_with_due_reminders": ["bigint", "bigint"],
    "tenants_with_pending_changes": ["bigint"],
}


@pytest.fixture
async def filled(superuser: Connection) -> list[str]:
    """The tables of tenants, each with one row of ours and one of theirs."""
    tables = await tables_with_tenant(superuser)
    async with superuser.transaction():
        await superuser.execute("SET LOCAL session_replication_role = replica")
        for number, tenant_id in enumerate((OURS, THEIRS), start=11):
            for table in [*tables, "tenant"]:
                await superuser.execute(await insert_statement(superuser, table, tenant_id=tenant_id, number=number))
    return tables


@pytest.fixture
async def application(app_url: str) -> AsyncIterator[Connection]:
    """A connection of the application's role that has set no tenant yet."""
    connection = await asyncpg.connect(app_url)
    yield connection
    await connection.close()


@pytest.fixture
async def ours(filled: list[str], application: Connection) -> Connection:
    """A connection of the application's role that works for our tenant."""
    await application.execute(f"SET app.tenant = '{OURS}'")
    return application


async def outcome(connection: Connection, sql: str) -> str:
    """Return what a statement did: its tag, or the name of the error; it is undone in any case."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        return await connection.execute(sql)
    except asyncpg.PostgresError as error:
        return type(error).__name__
    finally:
        await transaction.rollback()


async def test_each_table_belongs_to_a_tenant_and_has_row_security(superuser: Connection) -> None:
    """There is no table without a tenant but the tenant's own, and none whose rows are not guarded."""
    assert set(await all_tables(superuser)) - set(await tables_with_tenant(superuser)) == {"tenant"}
    unguarded = await superuser.fetch(
        """
        SELECT c.relname FROM pg_class c
         WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace
           AND c.relname <> 'tortoise_migrations'
           AND (NOT c.relrowsecurity
                OR (SELECT count(*) FROM pg_policy p WHERE p.polrelid = c.oid AND p.polcmd = '*') <> 1)
        """
    )
    assert unguarded == []


async def test_tenant_column_is_never_empty(superuser: Connection) -> None:
    """A row without a tenant would be nobody's."""
    nullable = await superuser.fetch(
        """
        SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
         WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace AND NOT a.attnotnull
        """
    )
    assert nullable == []


async def test_only_rows_of_the_own_tenant_are_seen(filled: list[str], ours: Connection) -> None:
    """A query without any filter gives our rows of every table."""
    seen = {table: [record[0] for record in await ours.fetch(f'SELECT tenant_id FROM "{table}"')] for table in filled}
    assert seen == {table: [OURS] for table in filled}
    assert [record[0] for record in await ours.fetch("SELECT id FROM tenant")] == [OURS]


async def test_views_show_the_own_tenant_only(ours: Connection, superuser: Connection) -> None:
    """A view runs with the rights of whoever asks; otherwise it would show everybody's facts."""
    views = await superuser.fetch("SELECT viewname FROM pg_views WHERE schemaname = 'public'")
    assert [view[0] for view in views] == ["fact"]
    assert {record["tenant_id"] for record in await superuser.fetch("SELECT tenant_id FROM fact")} == {OURS, THEIRS}
    assert {record["tenant_id"] for record in await ours.fetch("SELECT tenant_id FROM fact")} == {OURS}


async def test_rows_of_another_tenant_cannot_be_written(
    filled: list[str], ours: Connection, superuser: Connection
) -> None:
    """Neither can a row be made for them, nor given to them, nor can theirs be changed or deleted."""
    for table in filled:
        insert = await insert_statement(superuser, table, tenant_id=THEIRS, number=99)
        assert (table, await outcome(ours, insert)) == (table, "InsufficientPrivilegeError")
        if table in APPEND_ONLY:
            continue
        given_away = f'UPDATE "{table}" SET tenant_id = {THEIRS}'
        assert (table, await outcome(ours, given_away)) == (table, "InsufficientPrivilegeError")
        for change in (
            f'UPDATE "{table}" SET tenant_id = {OURS} WHERE tenant_id = {THEIRS}',
            f'DELETE FROM "{table}" WHERE tenant_id = {THEIRS}',
        ):
            assert (table, await outcome(ours, change)) in [(table, "UPDATE 0"), (table, "DELETE 0")]
    another = await insert_statement(superuser, "tenant", tenant_id=3, number=99)
    assert await outcome(ours, another) == "InsufficientPrivilegeError"
    assert await outcome(ours, f"UPDATE tenant SET name = 'x' WHERE id = {THEIRS}") == "UPDATE 0"
    assert await outcome(ours, f"DELETE FROM tenant WHERE id = {THEIRS}") == "DELETE 0"


async def test_forgotten_tenant_is_an_error(filled: list[str], application: Connection) -> None:
    """Without a tenant nothing is read, on a new connection or a used one, and nobody takes it for an empty list."""
    for table in [*filled, "tenant"]:
        assert (table, await outcome(application, f'SELECT * FROM "{table}"')) == (table, "UndefinedObjectError")
    async with application.transaction():
        await application.execute(f"SET LOCAL app.tenant = '{OURS}'")
    for table in [*filled, "tenant"]:
        assert (table, await outcome(application, f'SELECT * FROM "{table}"')) == (
            table,
            "InvalidTextRepresentationError",
        )


async def test_pooled_connections_keep_no_tenant(tenant: Tenant, database: None) -> None:
    """After a reading and a changing transaction their connections belong to nobody."""
    async with ReadScope(tenant.id) as reads:
        assert await reads.value("SELECT current_setting('app.tenant')") == str(tenant.id)
    async with writing(tenant.id) as sql:
        assert await sql.value("SELECT current_setting('app.tenant')") == str(tenant.id)
    kept = [await across_tenants("SELECT current_setting('app.tenant', true)") for _ in range(5)]
    assert {records[0][0] or "" for records in kept} == {""}


async def test_reads_cannot_write(tenant: Tenant) -> None:
    """The snapshot of a query is read-only."""
    async with ReadScope(tenant.id) as reads:
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await reads.fetch("UPDATE tenant SET name = 'x'")


@pytest.mark.parametrize("table", sorted(APPEND_ONLY))
@pytest.mark.parametrize("change", ['UPDATE "{0}" SET tenant_id = tenant_id', 'DELETE FROM "{0}"'])
async def test_logs_are_append_only(ours: Connection, table: str, change: str) -> None:
    """Entries of the logs are never changed or deleted by the application."""
    assert await outcome(ours, change.format(table)) == "InsufficientPrivilegeError"


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE learner DISABLE ROW LEVEL SECURITY",
        "DROP POLICY tenant ON learner",
        "CREATE POLICY everybody ON learner USING (true)",
        "ALTER TABLE learner ADD COLUMN x int",
        "ALTER VIEW fact RESET (security_invoker)",
        "TRUNCATE learner",
        "DROP TABLE learner",
        "CREATE TABLE x (y int)",
        "CREATE SCHEMA x",
        "CREATE FUNCTION x() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'",
        "CREATE OR REPLACE FUNCTION find_tenant(wanted_slug text) RETURNS bigint LANGUAGE sql AS 'SELECT 1::bigint'",
        "CREATE TRIGGER x AFTER INSERT ON learner EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        f"SET ROLE {OWNER}",
        f"ALTER ROLE {APPLICATION} BYPASSRLS",
        f"GRANT {OWNER} TO {APPLICATION}",
        "SET session_replication_role = replica",
        "INSERT INTO tortoise_migrations (app, name, applied_at) VALUES ('domain', 'x', '2026-03-02T09:00:00Z')",
        "COPY learner TO PROGRAM 'cat'",
        "SELECT pg_read_file('postgresql.conf')",
    ],
)
async def test_application_cannot_free_itself(ours: Connection, statement: str) -> None:
    """The application's role cannot lift its limits, change the schema or empty a table."""
    assert await outcome(ours, statement) == "InsufficientPrivilegeError"


async def test_row_security_cannot_be_switched_off_in_a_session(ours: Connection) -> None:
    """With row_security off a query fails instead of showing everything."""
    await ours.execute("SET row_security = off")
    assert await outcome(ours, "SELECT * FROM learner") == "InsufficientPrivilegeError"


async def test_functions_across_tenants_answer_with_numbers_only(superuser: Connection) -> None:
    """What runs with the owner's rights is this list; it returns IDs, counts or nothing, whatever the search path."""
    functions = await superuser.fetch(
        """
        SELECT p.proname, p.proconfig,
               coalesce((SELECT array_agg(format_type(p.proallargtypes[i], NULL) ORDER BY i)
                           FROM generate_subscripts(p.proargmodes, 1) AS i WHERE p.proargmodes[i] IN ('o', 'b', 't')),
                        ARRAY[format_type(p.prorettype, NULL)]) AS answers
          FROM pg_proc p WHERE p.prosecdef AND p.pronamespace = 'public'::regnamespace ORDER BY p.proname
        """
    )
    assert {record["proname"]: list(record["answers"]) for record in functions} == CROSS_TENANT_FUNCTIONS
    assert {tuple(record["proconfig"]) for record in functions} == {("search_path=public, pg_temp",)}


async def test_search_finds_people_of_the_own_tenant_only(tenant: Tenant, another_tenant: Tenant) -> None:
    """The search runs with the owner's rights, and filters by tenant itself."""
    anna = await factories.create_learner(tenant.id, name="Anna")
    await factories.create_learner(another_tenant.id, name="Anna")
    async with ReadScope(tenant.id) as reads:
        assert await reads.values("SELECT * FROM search_learners('%ann%')") == [anna.id]
    with pytest.raises(asyncpg.PostgresError):
        await across_tenants("SELECT * FROM search_learners('%ann%')")


async def refusal(url: str) -> str | None:
    """Return why a process with this database role would not start, or None."""
    try:
        await check_server(url, keeps_statements=None)
    except UnsafeRole as error:
        return str(error)
    return None


@pytest.mark.parametrize(
    ("role", "is_refused"),
    [("application", False), ("owner", True), ("superuser", True), ("bypassing", True), ("member", True)],
)
async def test_process_refuses_a_role_that_row_security_does_not_bind(
    databases: Databases, superuser: Connection, role: str, is_refused: bool
) -> None:
    """Owners, their members, superusers and whoever may bypass row security see every tenant: the start fails."""
    urls = {"application": databases.app_url, "owner": databases.owner_url, "superuser": databases.superuser_url}
    if role in urls:
        assert (await refusal(urls[role]) is not None) == is_refused
        return
    # Roles belong to the cluster, which other workers share.
    name = f"{role}_{await superuser.fetchval('SELECT current_database()')}"
    attribute = "BYPASSRLS" if role == "bypassing" else f"IN ROLE {OWNER}"
    await superuser.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{name}' {attribute}")
    try:
        database_name: str = await superuser.fetchval("SELECT current_database()")
        assert (await refusal(address(databases.superuser_url, database_name, name)) is not None) == is_refused
    finally:
        await superuser.execute(f"DROP ROLE {name}")


OPEN_AND_CLOSE = """
import asyncio, sys
from domain.foundation.database.sessions import connected
async def main():
    async with connected(sys.argv[1], application_name="start"):
        print("started")
asyncio.run(main())
"""


@pytest.mark.parametrize(("role", "starts"), [("app_url", True), ("owner_url", False)])
async def test_process_does_not_start_with_an_unsafe_role(databases: Databases, role: str, starts: bool) -> None:
    """Opening the pool is where every process passes, so that is where the role is judged."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        OPEN_AND_CLOSE,
        getattr(databases, role),
        cwd=Path(__file__).parents[2],
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    assert (process.returncode == 0) == starts
    assert (output == b"started\n") == starts
    assert (b"UnsafeRole" in errors) != starts
