"""The `mandate` command as operators run it: real processes, real servers, and nothing left behind."""

import asyncio
import functools
import json
import os
import re
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import jwt
import pytest

from domain.foundation import clock
from domain.foundation.database.migrating import migrations_of_this_release
from domain.tenants.models import Tenant
from ops import cli
from ops.servers.data_directory import DataDirectory
from tests.support.api import SECRET
from tests.support.catalogue import Connection
from tests.support.command import CLEAN, MANDATE, Command
from tests.support.servers import create_empty_database, drop_database


def claims_of(token: str) -> dict[str, Any]:
    """Return what a token says."""
    claims: dict[str, Any] = jwt.decode(token, SECRET, algorithms=["HS256"])
    return claims


async def test_tenant_is_made_and_its_limit_set(command: Command, superuser: Connection) -> None:
    """`tenant create` prints the ID and nothing else; `tenant set` says nothing."""
    made = command.output("tenant", "create", "Wayne & Söhne", "--slug", "wayne", "--time-zone", "Europe/Vienna")
    assert re.fullmatch(r"ten_[0-9a-z]+\n", made)
    assert command.output("tenant", "set", "--slug", "wayne", "--rule-limit", "75") == ""
    rows = await superuser.fetch("SELECT slug, name, time_zone, rule_limit FROM tenant")
    assert [tuple(row) for row in rows] == [("wayne", "Wayne & Söhne", "Europe/Vienna", 75)]


async def test_tenant_comes_with_its_first_administrator(command: Command, superuser: Connection) -> None:
    """Both or neither: an address that nobody can have leaves no tenant behind."""
    arguments = ("tenant", "create", "Wayne", "--slug", "wayne", "--time-zone", "Europe/Vienna", "--admin")
    refused = command(*arguments, "nowhere")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "email" in refused.stderr
    assert await superuser.fetch("SELECT FROM tenant") == []
    assert re.fullmatch(r"ten_[0-9a-z]+\n", command.output(*arguments, "bruce.wayne@wayne.example"))
    rows = await superuser.fetch("SELECT name, email, role, is_active FROM learner")
    assert [tuple(row) for row in rows] == [("Bruce Wayne", "bruce.wayne@wayne.example", "ADMIN", True)]


async def test_token_is_a_token_and_nothing_else(command: Command, tenant: Tenant, superuser: Connection) -> None:
    """Whoever is missing is created, named by the address; asked for again, nobody is created."""
    token = command.output("token", "--tenant", "acme", "--email", "jean_luc.picard@acme.example")
    assert re.fullmatch(r"[\w-]+\.[\w-]+\.[\w-]+\n", token)
    claims = claims_of(token.strip())
    assert claims["tenant"] == "acme"
    assert claims["sub"].startswith("lrn_")
    assert claims["exp"] - claims["iat"] == timedelta(hours=12).total_seconds()
    again = command.output("token", "--tenant", "acme", "--email", "Jean_Luc.Picard@acme.example", "--role", "admin")
    assert claims_of(again.strip())["sub"] == claims["sub"]
    rows = await superuser.fetch("SELECT name, email, role FROM learner")
    assert [tuple(row) for row in rows] == [("Jean Luc Picard", "jean_luc.picard@acme.example", "ADMIN")]


@pytest.mark.usefixtures("tenant")
def test_import_tells_what_it_did(command: Command, tmp_path: Path) -> None:
    """The report on standard output; exit code 1 when a row was refused."""
    file = tmp_path / "people.csv"
    file.write_text("id,name,mail\n1,Ada,ada@acme.example\n2,Bo,nowhere\n")
    arguments = ("import", "learners", str(file), "--tenant", "acme", "--map", "id=external_id", "--map", "mail=email")
    done = command(*arguments)
    assert (done.returncode, done.stdout) == (
        1,
        "line 3 (2) refused: email: Is no email address.\n1 created, 0 updated, 0 unchanged, 1 refused\n",
    )
    file.write_text("id,name,mail\n1,Ada,ada@acme.example\n")
    assert command.output(*arguments) == "0 created, 0 updated, 1 unchanged, 0 refused\n"


def test_schema_is_printed(command: Command) -> None:
    """Without any server."""
    assert "type Query {" in Command({}, Path("/")).output("schema")


def test_migrating_again_does_nothing(command: Command) -> None:
    """It says so."""
    assert command.output("migrate") == "up to date\n"
    assert command.output("migrate", "--check") == "up to date\n"


async def test_migrating_tells_what_was_done(command: Command, superuser_url: str) -> None:
    """Before it nothing starts, and whoever asks is told what is missing."""
    name = f"new_{os.getpid()}"
    urls = await create_empty_database(superuser_url, name)
    try:
        command.environment |= {"DATABASE_URL": urls.app_url, "OWNER_DATABASE_URL": urls.owner_url}
        run = functools.partial(asyncio.to_thread, command.complaint)
        missing = await asyncio.to_thread(command, "migrate", "--check")
        names = migrations_of_this_release()
        assert (missing.returncode, missing.stdout.splitlines()) == (1, [f"missing {name}" for name in names])
        unmigrated = "The database has not been migrated: run `mandate migrate`."
        assert await run("worker") == unmigrated
        assert await run("scheduler") == unmigrated
        assert await run("token", "--tenant", "acme", "--email", "a@acme.example") == unmigrated
        # The owner would own what a migration makes: refused before there is anything to own.
        for process in ("migrate", "worker", "scheduler"):
            for role in (urls.owner_url, urls.superuser_url):
                assert "The role of DATABASE_URL owns" in await run(process, DATABASE_URL=role)
        nobody = urls.app_url.replace("mandate_app:", "nobody_here:")
        assert "There is no role 'nobody_here'" in await run("migrate", DATABASE_URL=nobody)
        done = await asyncio.to_thread(command.output, "migrate")
        assert done.splitlines() == [f"applied {name}" for name in names]
        assert await asyncio.to_thread(command.output, "migrate") == "up to date\n"
    finally:
        await drop_database(superuser_url, name)


@pytest.mark.usefixtures("tenant")
def test_failures_that_the_database_knows_of_are_one_line(command: Command, owner_url: str) -> None:
    """On standard error, with exit code 1, without a traceback, and without a process that hangs on."""
    assert command.complaint("token", "--tenant", "nobody", "--email", "a@b.example") == (
        "There is no tenant 'nobody': `mandate tenant create` makes one."
    )
    assert command.complaint("tenant", "create", "X", "--slug", "acme", "--time-zone", "UTC") == (
        "slug: The value is already in use and has to be unique."
    )
    assert "owns the tables" in command.complaint("worker", DATABASE_URL=owner_url)
    assert command.complaint("worker", SMTP_URL="http://mail.example").startswith("SMTP_URL has to be smtp://")
    assert command.complaint("worker", MAIL_FROM="nobody").startswith("MAIL_FROM is no sender")
    assert "owns the tables" in command.complaint("scheduler", DATABASE_URL=owner_url)


NOWHERE = "postgres://mandate_app:secret@127.0.0.1:1/mandate"
RUNS = {
    "DATABASE_URL": NOWHERE,
    "OWNER_DATABASE_URL": NOWHERE,
    "REDIS_URL": "redis://127.0.0.1:1",
    "SECRET_KEY": SECRET,
}


@pytest.mark.parametrize(
    ("arguments", "environment", "complaint"),
    [
        ("web", {}, "No PostgreSQL answers at 127.0.0.1:1"),
        ("worker", {}, "No PostgreSQL answers at 127.0.0.1:1"),
        ("scheduler", {}, "No PostgreSQL answers at 127.0.0.1:1"),
        ("migrate", {}, "No PostgreSQL answers at 127.0.0.1:1"),
        ("token --tenant acme --email a@b.example", {}, "No PostgreSQL answers at 127.0.0.1:1"),
        ("worker", {"REDIS_URL": ""}, "REDIS_URL is missing"),
        ("scheduler", {"REDIS_URL": ""}, "REDIS_URL is missing"),
        ("worker", {"DATABASE_POOL_SIZE": "many"}, "DATABASE_POOL_SIZE: "),
        ("worker", {"DATABASE_URL": "postgres://a:b@127.0.0.1:99999/c"}, "The address of PostgreSQL makes no sense: "),
        ("migrate", {"OWNER_DATABASE_URL": ""}, "OWNER_DATABASE_URL is missing"),
        ("migrate --data here", {"DATABASE_URL": ""}, "No `mandate up` runs with --data here."),
        ("import learners missing.csv --tenant acme", {}, "missing.csv cannot be read: No such file or directory."),
        ("web", {"SECRET_KEY": ""}, "SECRET_KEY is missing"),
        ("web", {"SECRET_KEY": "development-" + SECRET}, "is a development secret"),
        ("web", {"SECRET_KEY": "secret" * 10}, "can be guessed"),
        ("web", {"SECRET_KEY": "change-me-" + SECRET}, "is the secret of an example"),
        ("web", {"JWKS_URL": "http://id.example/keys"}, "JWKS_URL has to begin with https://"),
        (
            "token --tenant acme --email a@b.example",
            {"JWKS_URL": "https://id.example/keys"},
            "JWKS_URL or TOKEN_ISSUERS is set: ",
        ),
    ],
)
def test_failures_before_anything_is_done_are_one_line(
    arguments: str,
    environment: dict[str, str],
    complaint: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Production is what it is unless somebody says otherwise, so it needs a proper secret."""
    for name, value in {**RUNS, "ENVIRONMENT": "", **environment}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "argv", ["mandate", *arguments.split()])
    monkeypatch.setattr(cli, "configure_logging", lambda environment: None)
    with pytest.raises(SystemExit) as exit_:
        cli.main()
    assert exit_.value.code == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("mandate: ")
    assert said.err.count("\n") == 1
    assert complaint in said.err


@pytest.mark.parametrize("arguments", ["import planets x.csv --tenant acme", "up --port 70000", "tenant create X"])
def test_unknown_arguments_are_a_matter_of_usage(arguments: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 2, as everywhere."""
    monkeypatch.setattr(sys, "argv", ["mandate", *arguments.split()])
    with pytest.raises(SystemExit) as exit_:
        cli.main()
    assert exit_.value.code == 2


def test_web_serves_in_production(command: Command, port: int, tmp_path: Path) -> None:
    """`mandate web` answers and logs JSON; SIGTERM ends it within seconds."""
    log = tmp_path / "web.log"
    with log.open("wb") as output:
        web = subprocess.Popen(
            [*MANDATE, "web", "--port", str(port)],
            env={**CLEAN, **command.environment},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + 30
        while "Uvicorn running" not in log.read_text():
            assert web.poll() is None, log.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert httpx.get(f"http://127.0.0.1:{port}/healthz").json() == {"status": "ok"}
    finally:
        web.terminate()
        assert web.wait(10) in (0, -signal.SIGTERM)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    # What a start in production misses is told; nothing else is worth a warning.
    assert {line["level"] for line in lines if " is not set: " not in line["event"]} == {"info"}
    assert all(line["timestamp"] <= clock.now().isoformat().replace("+00:00", "Z") for line in lines)


async def test_the_directory_that_is_named_wins_over_the_environment(
    command: Command, tmp_path: Path, app_url: str, owner_url: str, superuser: Connection
) -> None:
    """Every command that writes says first which database that is, and never how it signs in."""
    data = DataDirectory(tmp_path / "data")
    data.create()
    data.publish({"DATABASE_URL": app_url, "OWNER_DATABASE_URL": owner_url, "SECRET_KEY": SECRET})
    inherited = {"DATABASE_URL": NOWHERE, "OWNER_DATABASE_URL": NOWHERE, "JWKS_URL": "https://id.example/keys"}
    people = tmp_path / "people.csv"
    people.write_text("external_id\n1\n")
    database = await superuser.fetchval("SELECT current_database()")
    place = f"mandate: writing to the database {database} at 127.0.0.1:{urlsplit(app_url).port}"
    for arguments, end in (
        (("migrate",), ""),
        (("tenant", "create", "Acme", "--slug", "acme", "--time-zone", "UTC"), ", tenant acme"),
        (("tenant", "set", "--slug", "acme", "--rule-limit", "9"), ", tenant acme"),
        (("token", "--tenant", "acme", "--email", "a@b.example"), ", tenant acme"),
        (("import", "learners", str(people), "--tenant", "acme"), ", tenant acme"),
    ):
        done = command(*arguments, "--data", str(data.path), **inherited)
        assert (done.returncode, done.stderr) == (0, f"{place}{end}\n"), (arguments, done)
        assert "No PostgreSQL answers at 127.0.0.1:1" in command(*arguments, **{**inherited, "JWKS_URL": ""}).stderr
    assert await superuser.fetchval("SELECT count(*) FROM learner") == 2


@pytest.mark.usefixtures("tenant")
def test_a_file_may_come_through_a_pipe(command: Command) -> None:
    """As standard input, which can be read only once."""
    done = subprocess.run(
        [*MANDATE, "import", "learners", "-", "--tenant", "acme"],
        env={**CLEAN, **command.environment},
        input="external_id\n1\n2\n",
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (0, "2 created, 0 updated, 0 unchanged, 0 refused\n"), done.stderr
