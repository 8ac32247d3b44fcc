"""A PgBouncer in transaction mode before the databases of a run, as Debian installs it."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from signal import SIGINT, SIGKILL
from urllib.parse import urlsplit, urlunsplit

from ops.servers.server_process import HOST, ServerProcess
from tests.support.servers import APPLICATION, OWNER

#: With this variable, whatever connects as the application goes through a PgBouncer.
VARIABLE = "TEST_PGBOUNCER"


class PgBouncer(ServerProcess):
    """Stands before all databases of one server; nothing of a session survives a transaction."""

    name = "pgbouncer"
    # SIGTERM ends it at once in older releases, and waits for clients in newer ones.
    stop_signals = (SIGINT, SIGKILL)
    stop_seconds = 2.0

    def __init__(self, directory: Path, server_url: str, **settings: str) -> None:
        """Take over where the server is and further settings. The passwords of its roles are their names."""
        super().__init__(directory, port=0)
        self._server = urlsplit(server_url)
        self._settings = settings

    @staticmethod
    def find() -> str | None:
        """Return where the program is."""
        return shutil.which("pgbouncer", path="/usr/sbin:/usr/bin:/usr/local/bin")

    def before(self, url: str) -> str:
        """Return the address that leads to the same database through here."""
        parts = urlsplit(url)
        credentials = parts.netloc.rpartition("@")[0]
        return urlunsplit(parts._replace(netloc=f"{credentials}@{HOST}:{self.port}"))

    def _prepare(self) -> None:
        self._files.mkdir(mode=0o700, exist_ok=True)
        users = self._files / "users.txt"
        users.write_text("".join(f'"{role}" "{role}"\n' for role in (OWNER, APPLICATION)))
        for path in (self._files, users):
            self._account.own(path)

    def _command(self, port: int) -> list[str]:
        settings = {
            "listen_addr": HOST,
            "listen_port": str(port),
            "unix_socket_dir": "",
            "auth_type": "scram-sha-256",
            # Relative, as the server may not be able to enter what is above.
            "auth_file": "users.txt",
            "pool_mode": "transaction",
            "max_client_conn": "1000",
            "default_pool_size": "40",
            # Each transaction gets the session that has been idle for the longest, so hardly ever the one before.
            "server_round_robin": "1",
            **self._settings,
        }
        lines = ["[databases]", f"* = host={self._server.hostname} port={self._server.port}", "[pgbouncer]"]
        configuration = self._files / "pgbouncer.ini"
        configuration.write_text("\n".join([*lines, *(f"{key} = {value}" for key, value in settings.items()), ""]))
        self._account.own(configuration)
        return [self.find() or "pgbouncer", "pgbouncer.ini"]

    def _is_ready(self, pid: int) -> bool:
        return any("process up" in line for line in self._lines_logged())


@contextmanager
def pgbouncer_before(url: str, **settings: str) -> Iterator[PgBouncer]:
    """Run one before the server at an address, with further settings."""
    with (
        tempfile.TemporaryDirectory(prefix="mandate-tests-", ignore_cleanup_errors=True) as directory,
        PgBouncer(Path(directory) / "pgbouncer", url, **settings) as pooler,
    ):
        yield pooler
