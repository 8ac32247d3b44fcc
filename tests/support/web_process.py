"""The web server as operators run it: `mandate web` as a process of its own, on loopback."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.support.command import CLEAN, MANDATE


@dataclass(frozen=True, slots=True)
class WebProcess:
    """A web server that answers."""

    url: str
    pid: int
    log: Path

    @property
    def output(self) -> str:
        """What it has logged so far."""
        return self.log.read_text()


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def web_process(directory: Path, environment: dict[str, str], *, port: int | None = None) -> Iterator[WebProcess]:
    """Run a web server until the end, with these settings and no others."""
    port, log = port or free_port(), directory / f"web-{os.urandom(4).hex()}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*MANDATE, "web", "--port", str(port)],
            # The end of a test waits for nobody, unless it is about that.
            env={**CLEAN, "DRAIN_SECONDS": "0", **environment},
            cwd=directory,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    served = WebProcess(f"http://127.0.0.1:{port}", process.pid, log)
    try:
        deadline = time.monotonic() + 60
        while not _answers(served.url):
            assert process.poll() is None, served.output
            assert time.monotonic() < deadline, served.output
            time.sleep(0.05)
        yield served
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=2).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False
