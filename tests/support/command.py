"""The `mandate` command as a process."""

import os
import subprocess
import sys
from pathlib import Path

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
        """Return what it prints, and require that it works without a word besides."""
        done = self(*arguments)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        return done.stdout

    def complaint(self, *arguments: str, **environment: str) -> str:
        """Return the one line with which it fails."""
        done = self(*arguments, **environment)
        assert (done.returncode, done.stdout) == (1, ""), done
        assert done.stderr.startswith("mandate: "), done.stderr
        assert done.stderr.count("\n") == 1, done.stderr
        return done.stderr.removeprefix("mandate: ").rstrip("\n")
