"""Progress of an import on standard error, which terminals see in place and log files every few seconds."""

import sys
import time
from types import TracebackType
from typing import Self

#: Seconds between two lines where the output is no terminal.
PAUSE = 5.0


class Progress:
    """Tells how far it is, and prints lines on standard output without mixing the two."""

    def __init__(self, line_count: int) -> None:
        self._line_count = line_count
        self._is_terminal = sys.stderr.isatty()
        self._rows = 0
        self._begun = time.monotonic()
        self._told = self._begun

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._clear()

    def say(self, line: str) -> None:
        """Print a line that stays."""
        self._clear()
        print(line, flush=True)

    def advance(self, line: int, rows: int) -> None:
        """Note that everything up to a line is done."""
        self._rows += rows
        now = time.monotonic()
        if not self._is_terminal and now - self._told < PAUSE:
            return
        self._told = now
        percent = min(100, 100 * line // max(self._line_count, 1))
        speed = self._rows / max(now - self._begun, 0.001)
        text = f"{percent:3} %, {self._rows:,} rows, {speed:,.0f} rows/s"
        print(f"\r{text}" if self._is_terminal else text, end="" if self._is_terminal else "\n", file=sys.stderr)
        sys.stderr.flush()

    def _clear(self) -> None:
        if self._is_terminal:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
