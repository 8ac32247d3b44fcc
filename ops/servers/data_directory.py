"""The directory of `mandate up`: its servers' data, its secrets, and where its servers are while it runs.

Files with secrets in them are readable by their owner only, and are never half written.
"""

import contextlib
import json
import os
import secrets
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from domain.foundation import signing_secret


@dataclass(frozen=True, slots=True)
class Secrets:
    """What `mandate up` generates once: the passwords of its database roles, and the key that signs tokens."""

    owner_password: str
    app_password: str
    secret_key: str


class DataDirectory:
    """A directory that may not exist yet."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()

    @property
    def postgres(self) -> Path:
        """What belongs to the private PostgreSQL."""
        return self.path / "postgres"

    @property
    def valkey(self) -> Path:
        """What belongs to the private Valkey."""
        return self.path / "valkey"

    @property
    def mails(self) -> Path:
        """The maildir of emails that are not sent."""
        return self.path / "mails"

    def create(self) -> None:
        """Make the directory."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)

    def kept_secrets(self) -> Secrets:
        """Return the secrets of this directory, made at the first call."""
        file = self.path / "secrets.json"
        if not file.exists():
            generated = Secrets(
                owner_password=secrets.token_urlsafe(24),
                app_password=secrets.token_urlsafe(24),
                secret_key=signing_secret.DEVELOPMENT + secrets.token_urlsafe(36),
            )
            _write(file, asdict(generated))
        return Secrets(**json.loads(file.read_text()))

    @property
    def _servers(self) -> Path:
        return self.path / "servers.json"

    def publish(self, environment: dict[str, str]) -> None:
        """Tell other commands how to reach the servers of this process."""
        _write(self._servers, environment)

    def withdraw(self) -> None:
        """The servers are gone."""
        self._servers.unlink(missing_ok=True)

    def published(self) -> dict[str, str] | None:
        """Return the settings of a running `mandate up`; those of one that was killed are still there too."""
        with contextlib.suppress(FileNotFoundError):
            environment: dict[str, str] = json.loads(self._servers.read_text())
            return environment
        return None


def _write(file: Path, content: dict[str, str]) -> None:
    with tempfile.NamedTemporaryFile("w", dir=file.parent, prefix=f".{file.name}-", delete=False) as unfinished:
        json.dump(content, unfinished, indent=2)  # the file was made 0600
    os.replace(unfinished.name, file)
