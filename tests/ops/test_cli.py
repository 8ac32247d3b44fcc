"""The `mandate` command as operators run it: real processes, real servers, and nothing left behind."""

import json
import os
import pwd
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest

from domain.foundation import clock
from domain.tenants.models import Tenant
from ops import cli
from ops.up import FIRST_QUERY
from tests.ops.test_embedded import IMPORT_PATHS, python_for
from tests.ops.test_supervisor import is_alive
from tests.support.api import SECRET
from tests.support.catalogue import Connection

MANDATE = [sys.executable, "-P", "-m", "ops.cli"]
#: What a shell of the developer may have set must not decide what these tests see.
CLEAN = {
    name: value
    for name, value in os.environ.items()
    if name not in ("DATABASE_URL", "OWNER_DATABASE_URL", "REDIS_URL", "SECRET_KEY", "ENVIRONMENT")
}


class Command:
    """Runs the command with an environment."""

    def __init__(self, environment: dict[str, str], directory: Path) -> None:
        self.environment = environment
        self._directory = directory

    def __call__(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        return subprocess.run(
            [*MANDATE, *arguments],
            env={**CLEAN, **self.environment, **environment},
            cwd=self._directory,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def output(self, *arguments: str) -> str:
        """Return what it prints, and require that it works without a word besides."""
        done = self(*arguments)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        return done.stdout

    def complaint(self, *arguments: str, **environment: str) -> str:
        """Return the one line with which it fails."""
        done = self(*arguments, **environment)
        assert (done.returncode, done.stdout) == (1, ""), done
        assert done.stderr.startswith("mandate: "), done.stderr
        assert done.stderr.count("\n") == 1, done.stderr
        return done.stderr.removeprefix("mandate: ").rstrip("\n")


@pytest.fixture
def command(app_url: str, owner_url: str, redis_url: str, tmp_path: Path) -> Command:
    """The command with the servers of the tests."""
    environment = {
        "DATABASE_URL": app_url,
        "OWNER_DATABASE_URL": owner_url,
        "REDIS_URL": redis_url,
        "SECRET_KEY": SECRET,
    }
    return Command(environment, tmp_path)


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
    assert (done.returncode, done.stdout, done.stderr) == (
        1,
        "line 3 refused: email: Is no email address.\n1 created, 0 updated, 0 unchanged, 1 refused\n",
        "",
    )
    file.write_text("id,name,mail\n1,Ada,ada@acme.example\n")
    assert command.output(*arguments) == "0 created, 0 updated, 1 unchanged, 0 refused\n"


def test_schema_is_printed(command: Command) -> None:
    """Without any server."""
    assert "type Query {" in Command({}, Path("/")).output("schema")


def test_migrating_again_does_nothing(command: Command) -> None:
    """It says nothing either."""
    assert command.output("migrate") == ""


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
        ("migrate --data here", {"DATABASE_URL": ""}, "no `mandate up` runs with --data here."),
        ("import learners missing.csv --tenant acme", {}, "missing.csv cannot be read: No such file or directory."),
        ("web", {"SECRET_KEY": ""}, "SECRET_KEY is missing"),
        ("web", {"SECRET_KEY": "development-" + SECRET}, "is a development secret"),
        ("web", {"SECRET_KEY": "secret" * 10}, "can be guessed"),
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


class Up:
    """A `mandate up` in a process of its own."""

    def __init__(self, directory: Path, port: int, *arguments: str, python: str = sys.executable, **popen: Any) -> None:
        self.port = port
        self.data = directory / "data"
        self._log = directory / f"up-{time.monotonic_ns()}.log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [python, *MANDATE[1:], "up", "--port", str(port), "--data", str(self.data), *arguments],
                env={**CLEAN, **IMPORT_PATHS, "HOME": str(directory)},
                cwd="/",
                stdout=log,
                stderr=subprocess.STDOUT,
                **popen,
            )

    @property
    def output(self) -> str:
        """What it has printed so far."""
        return self._log.read_text()

    def wait_until_ready(self) -> float:
        """Wait for the line that says so; return the seconds that it took."""
        begun = time.monotonic()
        while f"ready http://127.0.0.1:{self.port}/graphql\n" not in self.output or "Ctrl-C" not in self.output:
            assert self.process.poll() is None, self.output
            assert time.monotonic() < begun + 60, self.output
            time.sleep(0.05)
        return time.monotonic() - begun

    def token(self, role: str) -> str:
        """Return a token that it has printed."""
        found = re.search(rf"^{role} +(\S+)$", self.output, re.MULTILINE)
        assert found, self.output
        return found[1]

    def query(self, document: str, role: str) -> dict[str, Any]:
        """Return the data of a query."""
        response = httpx.post(
            f"http://127.0.0.1:{self.port}/graphql",
            json={"query": document},
            headers={"Authorization": f"Bearer {self.token(role)}"},
        )
        result: dict[str, Any] = response.json()
        assert "errors" not in result, result
        data: dict[str, Any] = result["data"]
        return data

    def descendants(self) -> list[int]:
        """Return every process of it: those that carry its directory or its settings."""
        marks = [str(self.data).encode(), f"{self.port}".encode()]
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    text = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
                    place = os.readlink(entry / "cwd").encode()
                except OSError:
                    continue
                if marks[0] in text + place or (b"ops.cli\0web\0" in text and marks[1] in text):
                    found.append(int(entry.name))
        return found


@pytest.fixture
def directory() -> Iterator[Path]:
    """A directory that everybody may enter, as not only root has to."""
    with tempfile.TemporaryDirectory(prefix="mandate-up-", ignore_cleanup_errors=True) as name:
        os.chmod(name, 0o755)
        yield Path(name)


@pytest.fixture
def port() -> int:
    """A port that is free."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free: int = probe.getsockname()[1]
        return free


def end(up: Up) -> None:
    """Kill what a failed test leaves behind."""
    if up.process.poll() is None:
        up.process.terminate()
        try:
            up.process.wait(20)
        except subprocess.TimeoutExpired:
            up.process.kill()
            up.process.wait()


def require_all_ended(pids: list[int]) -> None:
    """Wait until none of the processes is alive."""
    deadline = time.monotonic() + 15
    while alive := [pid for pid in pids if is_alive(pid)]:
        assert time.monotonic() < deadline, alive
        time.sleep(0.05)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="finds processes by /proc")
def test_up_serves_stops_survives_kill_and_starts_again(directory: Path, port: int) -> None:
    """The first query answers; SIGTERM leaves no process; after kill -9 it starts again, with everything in it."""
    up = Up(directory, port)
    try:
        up.wait_until_ready()
        data = up.query(FIRST_QUERY, "admin")
        assert data["viewer"]["role"] == "ADMIN"
        assert data["autoAssignmentRules"]["totalCount"] == 4
        assert len(data["contentActions"]["nodes"]) == 3
        assert up.query("{ viewer { role } }", "trainer")["viewer"]["role"] == "TRAINER"
        assert up.query("{ viewer { role access { totalCount } } }", "learner")["viewer"]["access"]["totalCount"] > 0
        assert [line for line in up.output.splitlines() if line.startswith("mandate ")] == []

        by_directory = Command({}, directory)
        token = by_directory.output("token", "--tenant", "demo", "--email", "new@acme.example", "--data", str(up.data))
        assert token.count(".") == 2
        assert by_directory.complaint("up", "--port", str(port), "--data", str(up.data)).startswith(
            f"Port {port} cannot be used (Address already in use)"
        )
        complaint = by_directory.complaint("up", "--port", "0", "--data", str(up.data))
        assert f"is in use by process {up.process.pid}" in complaint

        # The pasted command is what its reader will run first.
        pasted = re.search(r"^curl .*?'$", up.output, re.MULTILINE | re.DOTALL)
        assert pasted, up.output
        answered = subprocess.run(["sh", "-c", pasted[0]], capture_output=True, text=True, check=True)
        assert json.loads(answered.stdout)["data"]["viewer"]["role"] == "ADMIN"

        processes = up.descendants()
        assert len(processes) >= 6
        up.process.send_signal(signal.SIGTERM)
        assert up.process.wait(20) == 0
        require_all_ended(processes)
        assert not (up.data / "servers.json").exists()
        assert by_directory.complaint("token", "--tenant", "demo", "--email", "a@b.example", "--data", str(up.data))

        up = Up(directory, port)
        up.wait_until_ready()
        processes = up.descendants()
        up.process.kill()
        up.process.wait()
        require_all_ended(processes)

        up = Up(directory, port)
        up.wait_until_ready()
        people = up.query('{ learners(filter: {search: "new@acme"}) { totalCount } }', "admin")["learners"]
        assert people == {"totalCount": 1}
        up.process.send_signal(signal.SIGINT)
        assert up.process.wait(20) == 0
    finally:
        end(up)
    for file in ("secrets.json", "postgres/password", "valkey/password"):
        assert (up.data / file).stat().st_mode & 0o777 == 0o600, file


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_up_works_for_an_ordinary_user(directory: Path, port: int) -> None:
    """Without a demo tenant it says how to make one; a signal during the start leaves nothing behind either."""
    nobody = pwd.getpwnam("nobody")
    python = python_for(nobody.pw_uid)
    if python is None:
        pytest.skip("nobody else can run this installation")
    home = directory / "home"
    home.mkdir()
    os.chown(home, nobody.pw_uid, nobody.pw_gid)
    as_nobody = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    up = Up(home, port, "--no-demo", python=python, **as_nobody)
    try:
        while not (up.data / "postgres" / "server.log").exists():
            assert up.process.poll() is None, up.output
            time.sleep(0.01)
        processes = up.descendants()
        up.process.terminate()
        assert up.process.wait(20) == 130
        require_all_ended(processes)

        up = Up(home, port, "--no-demo", python=python, **as_nobody)
        up.wait_until_ready()
        assert "mandate tenant create" in up.output
        assert httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200
        up.process.terminate()
        assert up.process.wait(20) == 0
    finally:
        end(up)


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
    assert {line["level"] for line in lines} == {"info"}
    assert all(line["timestamp"] <= clock.now().isoformat().replace("+00:00", "Z") for line in lines)
