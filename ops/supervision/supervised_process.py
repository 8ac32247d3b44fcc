"""One program under supervision: a session of its own, its lines prefixed, nothing of it left when it is over."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO

from ops.supervision.parent_watch import Lifeline


@dataclass(frozen=True)
class Program:
    """A process to be kept running."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)  # added to ours
    stops_after_others: bool = False


class SupervisedProcess:
    """A running program, with whatever children it makes."""

    def __init__(self, program: Program, say: Callable[[str, str], None], *, orphan_seconds: float) -> None:
        """Start it; if we die, it gets SIGTERM and the given time."""
        self.name = program.name
        self._process = subprocess.Popen(
            program.command,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **program.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # the terminal's Ctrl-C is for us: we decide who stops when
        )
        self._lifeline = Lifeline(self._process.pid, signal=signal.SIGTERM, grace_seconds=orphan_seconds)
        assert self._process.stdout
        self._reader = threading.Thread(target=self._pass_on, args=(self._process.stdout, say), daemon=True)
        self._reader.start()

    @property
    def has_ended(self) -> bool:
        """Whether the leader is over; its id stays reserved until `collect`, so that its group can be signalled."""
        if self._process.returncode is not None:
            return True
        return os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def terminate(self) -> None:
        """Ask the leader, and only the leader, to end."""
        if not self.has_ended:
            os.kill(self._process.pid, signal.SIGTERM)

    def collect(self) -> int:
        """Kill what is left of the group, and return the code that the leader ended with."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS: not permitted for the dead
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._lifeline.release()
            self._reader.join(timeout=1)
        return self._process.returncode

    def _pass_on(self, output: IO[bytes], say: Callable[[str, str], None]) -> None:
        with output:
            for line in output:
                say(self.name, line.decode(errors="replace").rstrip("\r\n"))
