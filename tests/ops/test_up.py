"""`mandate up` as operators run it: it serves, stops, survives being killed, and leaves nothing behind."""

import json
import mailbox
import os
import pwd
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from ops.up import FIRST_QUERY
from tests.ops.test_embedded import IMPORT_PATHS, python_for
from tests.ops.test_supervisor import is_alive
from tests.support.command import CLEAN, MANDATE, Command

ASSIGN = """
mutation { assignMandatoryTask(input: {
  learner: { email: "learner@acme.example" } target: { externalId: "SEC-101" } dueOn: "DAY"
}) { mandatoryTask { id } errors { code path } } }
"""


class Up:
    """A `mandate up` in a process of its own."""

    def __init__(self, directory: Path, port: int, *arguments: str, python: str = sys.executable, **popen: Any) -> None:
        self.port = port
        self.data = directory / "data"
        self._log = directory / f"up-{time.monotonic_ns()}.log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [python, *MANDATE[1:], "up", "--port", str(port), "--data", str(self.data), *arguments],
                env={**CLEAN, **IMPORT_PATHS, "HOME": str(directory)},
                cwd="/",
                stdout=log,
                stderr=subprocess.STDOUT,
                **popen,
            )

    @property
    def output(self) -> str:
        """What it has printed so far."""
        return self._log.read_text()

    def wait_until_ready(self) -> float:
        """Wait for the line that says so; return the seconds that it took."""
        begun = time.monotonic()
        while f"ready http://127.0.0.1:{self.port}/graphql\n" not in self.output or "Ctrl-C" not in self.output:
            assert self.process.poll() is None, self.output
            assert time.monotonic() < begun + 60, self.output
            time.sleep(0.05)
        return time.monotonic() - begun

    def token(self, role: str) -> str:
        """Return a token that it has printed."""
        found = re.search(rf"^{role} +(\S+)$", self.output, re.MULTILINE)
        assert found, self.output
        return found[1]

    def query(self, document: str, role: str) -> dict[str, Any]:
        """Return the data of a query."""
        response = httpx.post(
            f"http://127.0.0.1:{self.port}/graphql",
            json={"query": document},
            headers={"Authorization": f"Bearer {self.token(role)}"},
        )
        result: dict[str, Any] = response.json()
        assert "errors" not in result, result
        data: dict[str, Any] = result["data"]
        return data

    def mails(self, about: str) -> list[mailbox.MaildirMessage]:
        """Wait for mails with this text in them and return those that are kept; those of the demo's past come too."""
        deadline = time.monotonic() + 60
        while not (kept := [mail for mail in mailbox.Maildir(self.data / "mails", create=True) if about in str(mail)]):
            assert time.monotonic() < deadline, self.output
            time.sleep(0.1)
        return kept

    def descendants(self) -> list[int]:
        """Return every process of it: those that carry its directory or its settings."""
        marks = [str(self.data).encode(), f"{self.port}".encode()]
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    text = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
                    place = os.readlink(entry / "cwd").encode()
                except OSError:
                    continue
                if marks[0] in text + place or (b"ops.cli\0web\0" in text and marks[1] in text):
                    found.append(int(entry.name))
        return found


@pytest.fixture
def directory() -> Iterator[Path]:
    """A directory that everybody may enter, as not only root has to."""
    with tempfile.TemporaryDirectory(prefix="mandate-up-", ignore_cleanup_errors=True) as name:
        os.chmod(name, 0o755)
        yield Path(name)


def end(up: Up) -> None:
    """Kill what a failed test leaves behind."""
    if up.process.poll() is None:
        up.process.terminate()
        try:
            up.process.wait(20)
        except subprocess.TimeoutExpired:
            up.process.kill()
            up.process.wait()


def require_all_ended(pids: list[int]) -> None:
    """Wait until none of the processes is alive."""
    deadline = time.monotonic() + 15
    while alive := [pid for pid in pids if is_alive(pid)]:
        assert time.monotonic() < deadline, alive
        time.sleep(0.05)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="finds processes by /proc")
def test_up_serves_stops_survives_kill_and_starts_again(directory: Path, port: int) -> None:
    """The first query answers; SIGTERM leaves no process; after kill -9 it starts again, with everything in it."""
    up = Up(directory, port)
    try:
        up.wait_until_ready()
        data = up.query(FIRST_QUERY, "admin")
        assert data["viewer"]["role"] == "ADMIN"
        assert data["autoAssignmentRules"]["totalCount"] == 4
        assert len(data["contentActions"]["nodes"]) == 3
        assert up.query("{ viewer { role } }", "trainer")["viewer"]["role"] == "TRAINER"
        assert up.query("{ viewer { role access { totalCount } } }", "learner")["viewer"]["access"]["totalCount"] > 0
        assert [line for line in up.output.splitlines() if line.startswith("mandate ")] == []

        by_directory = Command({}, directory)
        token = by_directory.output("token", "--tenant", "demo", "--email", "new@acme.example", "--data", str(up.data))
        assert token.count(".") == 2
        assert by_directory.complaint("up", "--port", str(port), "--data", str(up.data)).startswith(
            f"Port {port} cannot be used (Address already in use)"
        )
        complaint = by_directory.complaint("up", "--port", "0", "--data", str(up.data))
        assert f"is in use by process {up.process.pid}" in complaint

        # The pasted command is what its reader will run first.
        pasted = re.search(r"^curl .*?'$", up.output, re.MULTILINE | re.DOTALL)
        assert pasted, up.output
        answered = subprocess.run(["sh", "-c", pasted[0]], capture_output=True, text=True, check=True)
        assert json.loads(answered.stdout)["data"]["viewer"]["role"] == "ADMIN"

        # Who is told something gets an email, which is kept and not sent.
        assigned = up.query(ASSIGN.replace("DAY", (datetime.now(UTC) + timedelta(days=9)).date().isoformat()), "admin")
        assert assigned["assignMandatoryTask"]["errors"] == []
        day = (datetime.now(UTC) + timedelta(days=9)).date().isoformat()
        [mail] = up.mails(f"to be completed by {day}")
        assert mail["To"].endswith("<learner@acme.example>")
        assert "You find it in the academy of" in mail.as_string()

        processes = up.descendants()
        assert len(processes) >= 6
        up.process.send_signal(signal.SIGTERM)
        assert up.process.wait(20) == 0
        require_all_ended(processes)
        assert not (up.data / "servers.json").exists()
        assert by_directory.complaint("token", "--tenant", "demo", "--email", "a@b.example", "--data", str(up.data))

        up = Up(directory, port)
        up.wait_until_ready()
        processes = up.descendants()
        up.process.kill()
        up.process.wait()
        require_all_ended(processes)

        up = Up(directory, port)
        up.wait_until_ready()
        people = up.query('{ learners(filter: {search: "new@acme"}) { totalCount } }', "admin")["learners"]
        assert people == {"totalCount": 1}
        up.process.send_signal(signal.SIGINT)
        assert up.process.wait(20) == 0
    finally:
        end(up)
    for file in ("secrets.json", "postgres/password", "valkey/password"):
        assert (up.data / file).stat().st_mode & 0o777 == 0o600, file


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_up_works_for_an_ordinary_user(directory: Path, port: int) -> None:
    """Without a demo tenant it says how to make one; a signal during the start leaves nothing behind either."""
    nobody = pwd.getpwnam("nobody")
    python = python_for(nobody.pw_uid)
    if python is None:
        pytest.skip("nobody else can run this installation")
    home = directory / "home"
    home.mkdir()
    os.chown(home, nobody.pw_uid, nobody.pw_gid)
    as_nobody = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    up = Up(home, port, "--no-demo", python=python, **as_nobody)
    try:
        while not (up.data / "postgres" / "server.log").exists():
            assert up.process.poll() is None, up.output
            time.sleep(0.01)
        processes = up.descendants()
        up.process.terminate()
        assert up.process.wait(20) == 130
        require_all_ended(processes)

        up = Up(home, port, "--no-demo", python=python, **as_nobody)
        up.wait_until_ready()
        assert "mandate tenant create" in up.output
        assert httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200
        up.process.terminate()
        assert up.process.wait(20) == 0
    finally:
        end(up)
