"""What PostgreSQL's catalogue says about the schema, and a row for any table made from it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import asyncpg

if TYPE_CHECKING:
    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record]
else:
    Connection = asyncpg.Connection

#: Values of columns that a check or an enumeration restricts.
RESTRICTED: dict[tuple[str, str], str] = {
    ("learner_ref", "number"): "1",
    ("learner_place", "kind"): "'G'",
    ("place", "kind"): "'G'",
}
VALUES = {
    "bigint": "{id}",
    "integer": "1",
    "smallint": "1",
    "boolean": "true",
    "text": "'{id}'",
    "character varying": "'{id}'",
    "jsonb": "'[]'",
    "bytea": "'\\x{id:08x}'",
    "timestamp with time zone": "'2026-03-02T09:00:00Z'",
    "date": "'2026-03-02'",
    "uuid": "gen_random_uuid()",
    "bigint[]": "'{{}}'",
    "text[]": "'{{}}'",
    "tstzmultirange": "'{{}}'",
}


@dataclass(frozen=True, slots=True)
class Column:
    """A column that an insert has to give."""

    name: str
    type: str


async def tables_with_tenant(connection: Connection) -> list[str]:
    """Return the tables that hold a tenant's data, the tenant's own row apart."""
    records = await connection.fetch(
        """
        SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
         WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace AND NOT a.attisdropped
         ORDER BY c.relname
        """
    )
    return [record["relname"] for record in records]


async def all_tables(connection: Connection) -> list[str]:
    """Return all tables but those of the migrations."""
    records = await connection.fetch(
        "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'tortoise_migrations' ORDER BY 1"
    )
    return [record["tablename"] for record in records]


async def _needed_columns(connection: Connection, table: str) -> list[Column]:
    records = await connection.fetch(
        """
        SELECT attname, regexp_replace(format_type(atttypid, atttypmod), '\\(.*\\)', '') AS type FROM pg_attribute
         WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped AND attnotnull AND attidentity = ''
         ORDER BY attnum
        """,
        table,
    )
    return [Column(record["attname"], record["type"]) for record in records]


async def insert_statement(connection: Connection, table: str, *, tenant_id: int, number: int) -> str:
    """Return an INSERT of one row that satisfies all but foreign keys; rows of different numbers do not collide."""
    values: dict[str, Any] = {}
    for column in await _needed_columns(connection, table):
        if column.name == "tenant_id" or (table == "tenant" and column.name == "id"):
            values[column.name] = str(tenant_id)
        else:
            template = RESTRICTED.get((table, column.name), VALUES[column.type])
            values[column.name] = template.format(id=number)
    columns = ", ".join(f'"{name}"' for name in values)
    return f'INSERT INTO "{table}" ({columns}) VALUES ({", ".join(values.values())})'
