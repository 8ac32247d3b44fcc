"""Keeps the processes of one machine alive together, and ends them together.

Only a process itself knows how to stop its own children: the polite signal goes to the leader alone (Dramatiq takes a
second one for "now"); its group is killed when its time is over, or once the leader is gone.
"""

from __future__ import annotations

import http.client
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import FrameType

from ops.supervision.supervised_process import Program, SupervisedProcess

__all__ = ["Patience", "Program", "Supervisor", "answers"]

_TICK = 0.05
# Some programs answer SIGTERM with a clean end and let the signal kill them afterwards (uvicorn), or say so by code.
_CLEAN_ENDS = (0, -signal.SIGTERM, 128 + signal.SIGTERM)


@dataclass(frozen=True)
class Patience:
    """How long is waited, in seconds, and how often tried again."""

    ready: float = 60
    stop: float = 10
    orphaned: float = 3
    restarts: int = 5
    restarts_within: float = 60
    first_delay: float = 0.5


USUAL_PATIENCE = Patience()


class Supervisor:
    """Runs programs until a signal comes, or until one of them cannot be kept running."""

    def __init__(
        self,
        programs: Sequence[Program],
        *,
        is_ready: Callable[[], bool] = lambda: True,
        when_ready: Callable[[], None] = lambda: None,
        needs: Mapping[str, Callable[[], bool]] | None = None,
        patience: Patience = USUAL_PATIENCE,
    ) -> None:
        """Take over the programs.

        `is_ready` is asked, and has to answer quickly, until it says yes; then `when_ready` is called, once.
        `needs` names what lives elsewhere but has to live, such as a database server, and how to see that it does.
        """
        self._programs = programs
        self._is_ready = is_ready
        self._when_ready = when_ready
        self._needs = needs or {}
        self._patience = patience
        self._running: dict[str, SupervisedProcess] = {}
        self._starts_at = dict.fromkeys((program.name for program in programs), 0.0)
        self._ends: dict[str, deque[float]] = {program.name: deque() for program in programs}
        self._stop_requested = False
        self._output = _PrefixedOutput([program.name for program in programs])

    def run(self) -> int:
        """Run everything and return the exit code; only the main thread can, because it receives the signals."""
        signals = [signal.SIGINT, signal.SIGTERM]
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # ignored under nohup, and then it shall stay so
            signals.append(signal.SIGHUP)
        previous = {number: signal.signal(number, self._request_stop) for number in signals}
        try:
            failure = self._watch()
            if failure:
                self._output.say("mandate", failure)
            all_clean = self._stop()
            return 0 if all_clean and not failure else 1
        finally:
            for process in self._running.values():
                process.collect()
            for number, handler in previous.items():
                signal.signal(number, handler)

    def _request_stop(self, number: int, frame: FrameType | None) -> None:
        # A flag and nothing else: what the signal interrupts may hold a lock, that of an Event included.
        self._stop_requested = True

    def _watch(self) -> str | None:
        """Return when asked to stop, or the reason why it cannot go on."""
        ready, ready_until = False, time.monotonic() + self._patience.ready
        while not self._stop_requested:
            if failure := self._missing_need() or self._restart_what_ended():
                return failure
            if not ready:
                if ready := self._is_ready():
                    self._when_ready()
                elif time.monotonic() > ready_until:
                    return f"not ready after {self._patience.ready:.0f} s"
            time.sleep(_TICK)
        return None

    def _missing_need(self) -> str | None:
        return next((f"{name} has ended" for name, lives in self._needs.items() if not lives()), None)

    def _restart_what_ended(self) -> str | None:
        for program in self._programs:
            now = time.monotonic()
            process = self._running.get(program.name)
            if process is None and now >= self._starts_at[program.name]:
                self._running[program.name] = SupervisedProcess(
                    program, self._output.say, orphan_seconds=self._patience.orphaned
                )
            elif process and process.has_ended:
                what_happened = _describe(process.collect())
                del self._running[program.name]
                ends = self._ends[program.name]
                ends.append(now)
                while ends[0] < now - self._patience.restarts_within:
                    ends.popleft()
                if len(ends) > self._patience.restarts:
                    return f"{program.name} cannot be kept running: it {what_happened}, {len(ends)} times by now"
                delay = self._patience.first_delay * 2 ** (len(ends) - 1)
                self._starts_at[program.name] = now + delay
                self._output.say("mandate", f"{program.name} {what_happened}; it is started again in {delay:g} s")
        return None

    def _stop(self) -> bool:
        """Stop in two steps of half the time each: first who makes work, then who does it. Whether all ended well."""
        begun, clean = time.monotonic(), True
        for step, last in enumerate((False, True), start=1):
            names = [program.name for program in self._programs if program.stops_after_others is last]
            processes = [self._running.pop(name) for name in names if name in self._running]
            for process in processes:
                process.terminate()
            deadline = begun + self._patience.stop * step / 2
            while not all(process.has_ended for process in processes) and time.monotonic() < deadline:
                time.sleep(_TICK)
            for process in processes:
                in_time = process.has_ended
                code = process.collect()
                if not in_time:
                    self._output.say("mandate", f"{process.name} did not stop in time and was killed")
                elif code not in _CLEAN_ENDS:
                    self._output.say("mandate", f"{process.name} {_describe(code)} when it was stopped")
                clean = clean and in_time and code in _CLEAN_ENDS
        return clean


class _PrefixedOutput:
    """Lines of several writers on our standard output, each with the name of its writer."""

    def __init__(self, names: Sequence[str]) -> None:
        self._width = max(len(name) for name in (*names, "mandate"))
        self._lock = threading.Lock()

    def say(self, name: str, line: str) -> None:
        with self._lock:
            try:
                print(f"{name:{self._width}} | {line}", flush=True)
            except BrokenPipeError:
                # Nobody reads any more, as with `| head`. The programs go on, so their pipes have to be emptied still.
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def answers(host: str, port: int, path: str) -> Callable[[], bool]:
    """A question for `is_ready`: whether an HTTP server there answers 200."""

    def ask() -> bool:
        connection = http.client.HTTPConnection(host, port, timeout=1)
        try:
            connection.request("GET", path)
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    return ask


def _describe(code: int) -> str:
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
