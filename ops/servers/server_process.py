"""The life of a private server: one owner per directory, a free port, readiness, a clean end.

Two locks tell the whole story. `owner.lock` is held by the process that called `start`; `server.lock` is inherited by
the server and all its children, so it is free exactly when nothing of them is alive, whoever stopped them and however.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from pathlib import Path
from signal import SIGKILL, Signals
from types import TracebackType
from typing import ClassVar, Self

from ops.servers.lock_file import LockFile
from ops.servers.unprivileged import server_account
from ops.supervision.parent_watch import Lifeline

HOST = "127.0.0.1"
_TICK = 0.01
_LIFELINE_ACTS_WITHIN = 2.0
_TAKEN = "Address already in use"


class ServerError(RuntimeError):
    """A private server could not be started."""


class DirectoryInUse(ServerError):
    """Another process has its server in this directory."""


class PortTaken(ServerError):
    """Something else listens on the port."""


class ServerProcess(ABC):
    """What the embedded servers have in common: start, stop, and the directory between them."""

    name: ClassVar[str]
    stop_signals: ClassVar[tuple[Signals, ...]]  # the polite one first; SIGKILL follows the last
    host = HOST
    start_seconds = 60.0
    stop_seconds = 20.0  # for each of the signals

    def __init__(self, directory: Path, *, port: int) -> None:
        self.directory = directory.absolute()
        self.password = ""  # known after `start`
        self.port = 0  # known after `start`
        self._wanted_port = port
        self._files = self.directory / "files"  # the part that belongs to the account that the server runs as
        self._account = server_account(self._files)
        self._owner_lock = LockFile(self.directory / "owner.lock")
        self._server_lock = LockFile(self.directory / "server.lock")
        self._process: subprocess.Popen[bytes] | None = None
        self._lifeline: Lifeline | None = None
        self._log_starts_at = 0

    @property
    def log(self) -> Path:
        """What the server of the last start wrote; the one before it is beside it."""
        return self.directory / "server.log"

    @property
    def running(self) -> bool:
        """Whether the server that `start` started is alive."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the server and return once it answers; its first start creates it."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self._owner_lock.acquire():
            raise DirectoryInUse(
                f"{self.directory} is in use by process {self._owner_lock.noted_process or '(unknown)'}: "
                "stop that one first, or choose another directory"
            )
        try:
            self._owner_lock.note_process(os.getpid())
            self._stop_what_was_left_behind()
            self.password = self._kept_password()
            self._prepare()
            self._rotate_log()
            self._launch()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the server, politely if it lets us, and give the directory free; harmless when not started."""
        if self._process:
            for signal in (*self.stop_signals, SIGKILL):
                self._process.send_signal(signal)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(self.stop_seconds)
                    break
            self._process = None
        if self._lifeline:
            self._lifeline.release()
            self._lifeline = None
        self._server_lock.release()
        self._owner_lock.release()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    @abstractmethod
    def _prepare(self) -> None:
        """Make everything that the server needs before it starts; nothing of an earlier one is alive."""

    @abstractmethod
    def _command(self, port: int) -> list[str]: ...

    @abstractmethod
    def _is_ready(self, pid: int) -> bool:
        """Whether this very process serves: the port is not asked, for somebody else may listen there."""

    def _standard_input(self, port: int) -> str:
        return ""

    def _environment(self) -> dict[str, str]:
        return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}

    def _stop_what_was_left_behind(self) -> None:
        """Take `server.lock`, and wait for the server of an owner that died; stop it if its lifeline failed to."""
        if self._server_lock.acquire(seconds=_LIFELINE_ACTS_WITHIN):
            return
        for signal in (*self.stop_signals, SIGKILL):
            if pid := self._server_lock.noted_process:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal)
            if self._server_lock.acquire(seconds=self.stop_seconds):
                return
        raise DirectoryInUse(f"a server left behind in {self.directory} does not end: stop its processes first")

    def _kept_password(self) -> str:
        path = self.directory / "password"
        if not path.exists():
            with tempfile.NamedTemporaryFile("w", dir=self.directory, delete=False) as unfinished:  # made 0600
                unfinished.write(secrets.token_urlsafe(24))
            os.replace(unfinished.name, path)
        return path.read_text()

    def _rotate_log(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            self.log.replace(self.log.with_suffix(".previous.log"))

    def _launch(self) -> None:
        for attempts_left in reversed(range(5)):
            port = self._wanted_port or _free_port()
            try:
                self._launch_on(port)
            except PortTaken:
                if self._wanted_port or not attempts_left:
                    raise
            else:
                self.port = port
                return

    def _launch_on(self, port: int) -> None:
        deadline = time.monotonic() + self.start_seconds
        with (
            open(self.log, "ab", opener=lambda path, flags: os.open(path, flags, 0o600)) as log,
            tempfile.TemporaryFile() as standard_input,
        ):
            self._log_starts_at = log.tell()
            standard_input.write(self._standard_input(port).encode())
            standard_input.seek(0)
            self._process = process = subprocess.Popen(
                self._command(port),
                cwd=self._files,
                env=self._environment(),
                stdin=standard_input,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=(self._server_lock.descriptor,),
                **self._account.popen_arguments,
            )
        self._server_lock.note_process(process.pid)
        self._lifeline = Lifeline(process.pid, signal=self.stop_signals[0], grace_seconds=self.stop_seconds)
        while not self._is_ready(process.pid):
            if process.poll() is not None:
                self._lifeline.release()
                raise self._start_error(f"ended with code {process.returncode}", port)
            if time.monotonic() > deadline:
                raise self._start_error(f"did not answer within {self.start_seconds:.0f} s", port)
            time.sleep(_TICK)

    def _lines_logged(self) -> list[str]:
        """What the server has written since it was launched this time."""
        with self.log.open("rb") as log:
            log.seek(self._log_starts_at)
            return log.read().decode(errors="replace").splitlines()

    def _start_error(self, what_happened: str, port: int) -> ServerError:
        tail = "\n".join(self._lines_logged()[-20:])
        if _TAKEN in tail:
            return PortTaken(f"port {port} is taken, {self.name} cannot use it; its log ends with:\n{tail}")
        return ServerError(f"{self.name} {what_happened}; its log, {self.log}, ends with:\n{tail}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
