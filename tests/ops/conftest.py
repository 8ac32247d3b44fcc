"""The command with the databases of the run, and free ports."""

import socket
from pathlib import Path

import pytest

from domain.tenants.models import Tenant
from tests.ops.imports import Imports
from tests.support.api import SECRET
from tests.support.catalogue import Connection
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


@pytest.fixture
def imports(tenant: Tenant, tmp_path: Path, superuser: Connection, capsys: pytest.CaptureFixture[str]) -> Imports:
    """Imports into the tenant."""
    return Imports(tenant, tmp_path, superuser, capsys)
