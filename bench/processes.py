"""The processes that are measured from outside: started as an operator starts them, stopped with the measurement."""

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from ops.supervision.parent_watch import Lifeline
from ops.supervision.supervisor import answers

HOST = "127.0.0.1"
START_SECONDS = 30.0
STOP_SECONDS = 10.0


@contextmanager
def running(arguments: Sequence[str], environment: Mapping[str, str]) -> Iterator[int]:
    """Run Python with these arguments and hand out the ID of the process; it ends with the block, or with us."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [sys.executable, "-P", *arguments],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), **environment},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        lifeline = Lifeline(process.pid, signal=signal.SIGTERM, grace_seconds=STOP_SECONDS)
        try:
            yield process.pid
        except BaseException:
            log.seek(0)
            print(log.read().decode(errors="replace")[-5_000:], file=sys.stderr)
            raise
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            lifeline.release()


def resident_megabytes(pid: int) -> float | None:
    """Return how much memory a process has in RAM; None where there is no /proc."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return None
    found = re.search(r"^VmRSS:\s+(\d+) kB", status, re.MULTILINE)
    return int(found.group(1)) / 1024 if found else None


def cpu_seconds(pid: int) -> float | None:
    """Return how long a process has computed so far; None where there is no /proc."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    """Return a port that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


async def until_ready(port: int, path: str) -> None:
    """Wait until a web server answers; raises TimeoutError."""
    is_ready = answers(HOST, port, path)
    deadline = time.monotonic() + START_SECONDS
    while not await asyncio.to_thread(is_ready):
        if time.monotonic() > deadline:
            raise TimeoutError(f"The server on port {port} does not answer on {path}.")
        await asyncio.sleep(0.1)
