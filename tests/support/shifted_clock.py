"""Processes on another day: their clock goes on from an instant that the test chooses, and is moved on while they run.

Nothing in the product knows of it. Where the clock of the machine is asked, `time_machine` answers inside the process;
a thread there reads from a file where the clock shall be. Intervals (`time.monotonic`) stay those of the machine.
"""

import os
import threading
import time
from datetime import datetime
from pathlib import Path

import time_machine

#: Seconds between two looks into the file.
_LOOK = 0.01


def follow(path: str) -> None:
    """Let the clock of this process be where the file says, from now on."""
    file = Path(path)
    told = file.read_text()
    traveller = time_machine.travel(_time_of(told), tick=True).start()

    def move() -> None:
        nonlocal told
        while True:
            _acknowledge(file, told)
            while (now_told := file.read_text()) == told:
                time.sleep(_LOOK)
            told = now_told
            # In one step, as other threads look at the clock meanwhile.
            traveller.shift(_time_of(told) - time.time())

    threading.Thread(target=move, daemon=True).start()


def _time_of(told: str) -> float:
    at, since = map(float, told.split())
    return at + time.monotonic() - since


def _acknowledge(file: Path, told: str) -> None:
    _replace(file.with_name(f"{file.name}.{os.getpid()}"), told)


def _replace(file: Path, text: str) -> None:
    unfinished = file.with_name(f"{file.name}.new")
    unfinished.write_text(text)
    unfinished.replace(file)


class ShiftedClock:
    """The clock of some processes, seen from the test; each of them follows it by `program`."""

    def __init__(self, file: Path, start: datetime) -> None:
        self._file = file
        self._told = ""
        self.move_to(start, pids=())

    @property
    def program(self) -> str:
        """Python that a process runs before anything else."""
        return f"from tests.support.shifted_clock import follow; follow({str(self._file)!r}); "

    def now(self) -> float:
        """Return what the clock shows, as seconds since 1970."""
        return _time_of(self._told)

    def move_to(self, instant: datetime, *, pids: tuple[int, ...]) -> None:
        """Move the clock on and wait until these processes have done so."""
        self._told = f"{instant.timestamp()!r} {time.monotonic()!r}"
        _replace(self._file, self._told)
        deadline = time.monotonic() + 30
        for pid in pids:
            while not self._is_acknowledged(pid):
                assert time.monotonic() < deadline, f"process {pid} does not follow the clock"
                time.sleep(_LOOK / 5)

    def _is_acknowledged(self, pid: int) -> bool:
        acknowledged = self._file.with_name(f"{self._file.name}.{pid}")
        return acknowledged.exists() and acknowledged.read_text() == self._told
