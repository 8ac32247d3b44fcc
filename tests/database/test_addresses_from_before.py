"""Email addresses from before domains were compared by IDNA 2008: nobody's account is lost, and an operator is told."""

from collections.abc import AsyncIterator

import asyncpg
import pytest
from tortoise.context import TortoiseContext
from tortoise.migrations.api.migrate import migrate as apply_migrations

from domain.foundation.database.migrating import migrate
from domain.foundation.database.orm import Limits, orm_config
from gql.contract.ids import LEARNER, encode
from ops.shared_addresses import find_shared_addresses
from tests.support.catalogue import Connection
from tests.support.servers import APPLICATION, Databases, create_empty_database, drop_database

BEFORE = "domain.0009_erasing_and_retention"
#: Addresses by the keys of then, and by those of now; the last one counts as that of the second.
PEOPLE = [
    ("Ada@Acme.example", "ada@acme.example", "ada@acme.example"),
    ("bea@xn--strae-oqa.example", "bea@xn--strae-oqa.example", "bea@xn--strae-oqa.example"),
    ("Cid@M\u00fcller.example", "cid@m\u00fcller.example", "cid@xn--mller-kva.example"),
    ("bea@stra\u00dfe.example", "bea@stra\u00dfe.example", "bea@stra\u00dfe.example"),
]


@pytest.fixture
async def older(databases: Databases, superuser: Connection) -> AsyncIterator[Databases]:
    """A database of the previous release."""
    name = f"{await superuser.fetchval('SELECT current_database()')}_older"
    urls = await create_empty_database(databases.superuser_url, name)
    async with TortoiseContext():
        config = orm_config(urls.owner_url, application_name="migrate", limits=Limits(statement=0))
        await apply_migrations(config=config, target=BEFORE)
    yield urls
    await drop_database(databases.superuser_url, name)


async def test_addresses_are_compared_anew_and_nobody_is_lost(older: Databases) -> None:
    """Whose address would count as that of somebody else keeps what they have."""
    connection = await asyncpg.connect(older.superuser_url)
    try:
        tenant_id = await connection.fetchval(
            "INSERT INTO tenant (slug, name, time_zone, ref_labels, is_auto_assignment_enabled, rule_limit,"
            " minimum_lead_days, accepts_learner_progress, version, edited_version, created_at)"
            " VALUES ('acme', 'Acme', 'UTC', '{}', true, 50, 3, true, 1, 1, now()) RETURNING id"
        )
        ids = [
            await connection.fetchval(
                "INSERT INTO learner (tenant_id, email, email_key, name, name_key, role, is_active, version,"
                " edited_version, created_at) VALUES ($1, $2, $3, 'X', 'x', 'LEARNER', true, 1, 1, now()) RETURNING id",
                tenant_id,
                email,
                key,
            )
            for email, key, _ in PEOPLE
        ]
        await migrate(older.owner_url, APPLICATION)
        rows = await connection.fetch("SELECT email, email_key FROM learner ORDER BY id")
    finally:
        await connection.close()
    assert [tuple(row) for row in rows] == [(email, key) for email, _, key in PEOPLE]
    assert await find_shared_addresses(older.owner_url) == [f"{encode(LEARNER, ids[-1])} (acme)"]
