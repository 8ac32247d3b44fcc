"""The command with the databases of the run, and free ports."""

import socket
from pathlib import Path

import pytest

from tests.support.api import SECRET
from tests.support.command import Command


@pytest.fixture
def command(app_url: str, owner_url: str, redis_url: str, tmp_path: Path) -> Command:
    """The command with the servers of the tests."""
    environment = {
        "DATABASE_URL": app_url,
        "OWNER_DATABASE_URL": owner_url,
        "REDIS_URL": redis_url,
        "SECRET_KEY": SECRET,
    }
    return Command(environment, tmp_path)


@pytest.fixture
def port() -> int:
    """A port that is free."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free: int = probe.getsockname()[1]
        return free
