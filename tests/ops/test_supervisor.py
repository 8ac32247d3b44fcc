"""The supervisor, with real processes: what it prints, restarts and stops, and that nothing outlives it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

# What most programs below consist of: says that it lives, and says when it is asked to stop.
PROGRAM = """
import os, signal, sys, time
def stop(number, frame):
    print("stopping", flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
open(os.environ["PIDS"] + f"/{os.getpid()}", "w").close()
print("up", flush=True)
while True:
    time.sleep(0.01)
"""
IDLE = 'import os, time; open(os.environ["PIDS"] + f"/{os.getpid()}", "w").close(); print("up"); time.sleep(60)'


class Supervised:
    """A supervisor in a process of its own, whose output can be waited for."""

    def __init__(self, directory: Path, script: str) -> None:
        self.pids = directory / "pids"
        self.pids.mkdir()
        self._log = directory / "output"
        preface = "import sys\nfrom ops.supervision.supervisor import *\n"
        preface += "def python(code): return [sys.executable, '-c', code]\n"
        constants = f"PROGRAM, IDLE = {PROGRAM!r}, {IDLE!r}\n"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", preface + constants + textwrap.dedent(script)],
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PIDS": str(self.pids)},
            )

    @property
    def output(self) -> str:
        return self._log.read_text()

    def wait_for(self, *lines: str) -> None:
        eventually(lambda: all(line in self.output.splitlines() for line in lines), lambda: self.output)

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(15)

    def noted_processes(self) -> list[int]:
        return [int(path.name) for path in self.pids.iterdir()]


def eventually(condition: Callable[[], bool], explanation: Callable[[], object], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, explanation()
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    """Whether the process runs: a dead one whose new parent is slow to notice does not count."""
    # One that ends between opening its file and reading it is another error than one that has ended before.
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    if sys.platform != "linux":
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, 0)
            return True
    return False


Supervise = Callable[[str], Supervised]


@pytest.fixture
def supervise(tmp_path: Path) -> Iterator[Supervise]:
    started: list[Supervised] = []

    def start(script: str) -> Supervised:
        started.append(Supervised(tmp_path, script))
        return started[-1]

    yield start
    for supervised in started:
        supervised.process.kill()
        supervised.process.wait()


def test_each_line_of_output_and_of_errors_carries_the_name_of_its_process(supervise: Supervise) -> None:
    supervised = supervise("""
        programs = [
            Program("web", python("import sys, time; print('one'); print('two', file=sys.stderr); time.sleep(60)")),
            Program("scheduler", python("import os, time; print(os.environ['X']); time.sleep(60)"), {"X": "red"}),
        ]
        sys.exit(Supervisor(programs).run())
    """)
    supervised.wait_for("web       | one", "web       | two", "scheduler | red")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_web_and_scheduler_first_and_the_worker_last(supervise: Supervise, number: int) -> None:
    supervised = supervise("""
        programs = [Program("worker", python(PROGRAM), stops_after_others=True),
                    Program("web", python(PROGRAM)), Program("scheduler", python(PROGRAM))]
        sys.exit(Supervisor(programs).run())
    """)
    supervised.wait_for("worker    | up", "web       | up", "scheduler | up")
    assert supervised.stop(number) == 0
    stops = [line.split()[0] for line in supervised.output.splitlines() if line.endswith("| stopping")]
    assert sorted(stops[:2]) == ["scheduler", "web"]
    assert stops[2:] == ["worker"]


def test_a_process_that_the_stop_signal_ends_has_stopped_cleanly(supervise: Supervise) -> None:
    supervised = supervise('sys.exit(Supervisor([Program("web", python(IDLE))]).run())')
    supervised.wait_for("web     | up")
    assert supervised.stop() == 0
    assert supervised.output == "web     | up\n"


def test_only_the_leader_is_asked_to_stop_and_what_it_leaves_is_killed(supervise: Supervise) -> None:
    supervised = supervise("""
        leader = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', sys.argv[1]])\\n" + PROGRAM
        sys.exit(Supervisor([Program("worker", [*python(leader), PROGRAM])]).run())
    """)
    eventually(lambda: supervised.output.count("| up") == 2, lambda: supervised.output)
    assert supervised.stop() == 0
    assert supervised.output.count("| stopping") == 1
    assert len(supervised.noted_processes()) == 2
    eventually(lambda: not any(map(is_alive, supervised.noted_processes())), supervised.noted_processes)


def test_a_process_that_does_not_stop_in_time_is_killed_and_the_exit_code_tells(supervise: Supervise) -> None:
    supervised = supervise("""
        stubborn = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\\n" + IDLE
        sys.exit(Supervisor([Program("web", python(stubborn))], patience=Patience(stop=0.4)).run())
    """)
    supervised.wait_for("web     | up")
    assert supervised.stop() == 1
    assert "mandate | web did not stop in time and was killed" in supervised.output.splitlines()
    assert not any(map(is_alive, supervised.noted_processes()))


def test_a_process_that_dies_is_started_again(supervise: Supervise) -> None:
    supervised = supervise("""
        sys.exit(Supervisor([Program("web", python(IDLE))], patience=Patience(first_delay=0.1)).run())
    """)
    supervised.wait_for("web     | up")
    [first] = supervised.noted_processes()
    os.kill(first, signal.SIGKILL)
    supervised.wait_for("mandate | web was ended by SIGKILL; it is started again in 0.1 s")
    eventually(lambda: supervised.output.count("web     | up") == 2, lambda: supervised.output)
    assert supervised.stop() == 0


def test_a_process_that_cannot_stay_up_ends_everything(supervise: Supervise) -> None:
    supervised = supervise("""
        programs = [Program("web", python(PROGRAM)), Program("worker", python("raise SystemExit(3)"))]
        sys.exit(Supervisor(programs, patience=Patience(restarts=2, first_delay=0.3)).run())
    """)
    assert supervised.process.wait(15) == 1
    lines = supervised.output.splitlines()
    assert [line for line in lines if line.startswith("mandate")] == [
        "mandate | worker ended with code 3; it is started again in 0.3 s",
        "mandate | worker ended with code 3; it is started again in 0.6 s",
        "mandate | worker cannot be kept running: it ended with code 3, 3 times by now",
    ]
    assert lines[-1] == "web     | stopping"


def test_readiness_is_announced_once_the_web_answers(supervise: Supervise) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    supervised = supervise(f"""
        slow = "import time; time.sleep(0.5); from http.server import *; "
        slow += "HTTPServer(('127.0.0.1', {port}), SimpleHTTPRequestHandler).serve_forever()"
        ready = dict(is_ready=answers("127.0.0.1", {port}, "/"), when_ready=lambda: print("ready", flush=True))
        sys.exit(Supervisor([Program("web", python(slow))], **ready).run())
    """)
    supervised.wait_for("ready")
    time.sleep(0.3)
    assert supervised.stop() == 0
    assert supervised.output.splitlines().count("ready") == 1
    assert supervised.output.count("GET / ") == 1


def test_waiting_for_readiness_has_an_end(supervise: Supervise) -> None:
    supervised = supervise("""
        patience = Patience(ready=0.2)
        sys.exit(Supervisor([Program("web", python(PROGRAM))], is_ready=lambda: False, patience=patience).run())
    """)
    assert supervised.process.wait(15) == 1
    assert "mandate | not ready after 0 s" in supervised.output.splitlines()


def test_the_end_of_something_needed_is_the_end_of_everything(supervise: Supervise) -> None:
    supervised = supervise("""
        import os
        there = lambda: not os.path.exists(os.environ["PIDS"] + "/gone")
        sys.exit(Supervisor([Program("web", python(PROGRAM))], needs={"PostgreSQL": there}).run())
    """)
    supervised.wait_for("web     | up")
    (supervised.pids / "gone").touch()
    assert supervised.process.wait(15) == 1
    assert supervised.output.splitlines() == ["web     | up", "mandate | PostgreSQL has ended", "web     | stopping"]


def test_nobody_reading_the_output_stops_nothing(tmp_path: Path) -> None:
    script = """
import sys
from ops.supervision.supervisor import *
chatty = "import time\\nwhile True: print('x' * 1000); time.sleep(0.001)"
sys.exit(Supervisor([Program("web", [sys.executable, "-c", chatty])]).run())
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.readline()
        process.stdout.close()
        time.sleep(0.5)
        assert process.poll() is None
        process.terminate()
        assert process.wait(15) == 0
        assert process.stderr.read() == b""


def test_no_process_outlives_a_killed_supervisor(supervise: Supervise, tmp_path: Path) -> None:
    (tmp_path / "actors.py").write_text(
        "import dramatiq, os\n"
        "from dramatiq.brokers.stub import StubBroker\n"
        "dramatiq.set_broker(StubBroker())\n"
        "open(os.environ['PIDS'] + f'/{os.getpid()}', 'w').close()\n"
    )
    supervised = supervise(f"""
        dramatiq = [sys.executable, "-m", "dramatiq", "actors", "--path", {str(tmp_path)!r}, "-p", "2", "-t", "1"]
        stubborn = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\\n" + IDLE
        programs = [Program("web", python(IDLE)), Program("worker", dramatiq), Program("scheduler", python(stubborn))]
        sys.exit(Supervisor(programs, patience=Patience(orphaned=0.5)).run())
    """)
    eventually(lambda: supervised.output.count("Worker process is ready for action.") == 2, lambda: supervised.output)
    eventually(lambda: len(supervised.noted_processes()) >= 4, lambda: supervised.output)
    supervised.process.kill()
    supervised.process.wait()
    eventually(lambda: not any(map(is_alive, supervised.noted_processes())), supervised.noted_processes)
