"""An exclusive lock on a file that ends with its last holder, so that nobody ever has to clean it up."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path


class LockFile:
    """Held by whoever has the open descriptor: the process that acquired it and children that were passed it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    @property
    def descriptor(self) -> int:
        """The open file, to be passed to a child that shall hold the lock too."""
        if self._descriptor is None:
            raise RuntimeError(f"{self._path} is not locked")
        return self._descriptor

    @property
    def noted_process(self) -> int | None:
        """The process that the last holder named; whether it is alive is another question."""
        try:
            return int(self._path.read_text())
        except (FileNotFoundError, ValueError):
            return None

    def acquire(self, *, seconds: float = 0) -> bool:
        """Take the lock, waiting up to the given time for its holders to end."""
        deadline = time.monotonic() + seconds
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    os.close(descriptor)
                    return False
                time.sleep(0.02)
            else:
                self._descriptor = descriptor
                return True

    def note_process(self, pid: int) -> None:
        """Name the process that others should turn to."""
        os.ftruncate(self.descriptor, 0)
        os.pwrite(self.descriptor, str(pid).encode(), 0)

    def release(self) -> None:
        """Let go; the lock stays with children that still hold it."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
