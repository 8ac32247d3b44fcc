"""Ends a child process when its parent is gone, however the parent ended.

A small shell holds the read end of a pipe whose write end is ours alone: the kernel closes it when we die, `kill -9`
included, and the shell then stops the child. Unlike Linux's PR_SET_PDEATHSIG this works on every POSIX system, does not
mistake the end of the thread that started the child for the end of the process, and reaches grandchildren.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from signal import Signals

# A line on the pipe means "released"; end of file means that the parent died. The polite signal goes to the leader only
# (it knows how to stop its own children), the last one to its whole process group.
_GUARD = """
read -r _ && exit 0
kill -s "$2" "$1"
left=$3
while [ "$left" -gt 0 ] && kill -s 0 -- "-$1"; do sleep 0.1; left=$((left - 1)); done
kill -s KILL -- "-$1"
"""


class Lifeline:
    """Ties the life of the process group led by `pid` to ours, until released."""

    def __init__(self, pid: int, *, signal: Signals, grace_seconds: float) -> None:
        arguments = [str(pid), signal.name.removeprefix("SIG"), str(int(grace_seconds * 10))]
        self._guard = subprocess.Popen(
            ["/bin/sh", "-c", _GUARD, "sh", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={"PATH": os.defpath},
            cwd="/",
            start_new_session=True,  # out of reach of the terminal's Ctrl-C and of signals to our own group
        )

    def release(self) -> None:
        """Let the child live on, or forget one that has ended; call before its id can be reused."""
        if self._guard.stdin and not self._guard.stdin.closed:
            with contextlib.suppress(BrokenPipeError):
                self._guard.stdin.write(b"\n")
                self._guard.stdin.flush()
            with contextlib.suppress(BrokenPipeError):
                self._guard.stdin.close()
        self._guard.wait()
