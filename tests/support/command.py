"""The `mandate` command as a process."""

import os
import subprocess
import sys
from pathlib import Path

from ops.connecting import WRITING_TO

MANDATE = [sys.executable, "-P", "-m", "ops.cli"]
#: What a shell of the developer may have set must not decide what these tests see.
CLEAN = {
    name: value
    for name, value in os.environ.items()
    if name
    not in (
        *("DATABASE_URL", "OWNER_DATABASE_URL", "REDIS_URL", "SECRET_KEY", "ENVIRONMENT"),
        *("JWKS_URL", "TOKEN_ISSUER", "TOKEN_AUDIENCE"),
        *("METRICS_ADDRESS", "METRICS_PORT", "LOG_LEVEL", "ALLOWED_ORIGINS", "COST_PER_MINUTE"),
        *("SMTP_URL", "MAIL_FROM", "MAIL_DIRECTORY", "PUBLIC_URL"),
    )
}


class Command:
    """Runs the command with an environment."""

    def __init__(self, environment: dict[str, str], directory: Path) -> None:
        self.environment = environment
        self._directory = directory

    def __call__(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        return subprocess.run(
            [*MANDATE, *arguments],
            env={**CLEAN, **self.environment, **environment},
            cwd=self._directory,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def output(self, *arguments: str) -> str:
        """Return what it prints, and require that it works without a word besides where it writes to."""
        done = self(*arguments)
        assert (done.returncode, _complaints(done)) == (0, ""), done.stderr
        return done.stdout

    def complaint(self, *arguments: str, **environment: str) -> str:
        """Return the one line with which it fails."""
        done = self(*arguments, **environment)
        assert (done.returncode, done.stdout) == (1, ""), done
        complaint = _complaints(done)
        assert complaint.startswith("mandate: "), done.stderr
        assert complaint.count("\n") == 1, done.stderr
        return complaint.removeprefix("mandate: ").rstrip("\n")


def _complaints(done: subprocess.CompletedProcess[str]) -> str:
    """Return what a command says on standard error besides which database it changes."""
    return "".join(line for line in done.stderr.splitlines(keepends=True) if not line.startswith(WRITING_TO))
