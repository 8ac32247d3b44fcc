"""Long reports: flat memory, two at once, and nothing left behind by whoever leaves or by what fails."""

import asyncio
import contextlib
import gc
import json
import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from domain.enrollments.models import ContentAction, ContentActionKind
from domain.foundation.access import Principal, Source
from domain.foundation.database.sessions import writing
from domain.foundation.settings import Settings
from domain.tenants.models import Tenant
from tests.api.exports.requests import Download
from tests.support import factories
from tests.support.api import Api, ApiClient
from tests.support.catalogue import Connection
from tests.support.large_log import LargeLog, write_log
from tests.support.tasks import PATIENCE

#: What a report may need besides what the process has anyway, however long it is.
MEMORY = 24 * 1024 * 1024


@pytest.fixture
def app(api: Api, settings: Settings) -> Any:
    """The application itself."""
    from gql.transport.app import create_app

    return create_app(settings, clock=lambda: api.now)


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files are made."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture
async def held_back(superuser: Connection, entry: None) -> AsyncIterator[None]:
    """Nobody can read contents, so reports stop in the middle, where they need some."""
    async with superuser.transaction():
        await superuser.execute("LOCK TABLE content IN ACCESS EXCLUSIVE MODE")
        yield


def open_files(directory: Path) -> list[str]:
    """Return what this process has open in a directory, with or without a name."""
    found = []
    for descriptor in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):
            found.append(os.readlink(f"/proc/self/fd/{descriptor}"))
    return [name for name in found if name.startswith(str(directory))]


async def transactions(superuser: Connection) -> int:
    """Count the transactions that the application has open."""
    # Inside a transaction, what was seen once is seen for ever.
    await superuser.execute("SELECT pg_stat_clear_snapshot()")
    count: int = await superuser.fetchval(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'test'"
        " AND state <> 'idle'"
    )
    return count


async def waiting(superuser: Connection) -> bool:
    """Tell whether the application waits for somebody else's lock."""
    await superuser.execute("SELECT pg_stat_clear_snapshot()")
    return bool(
        await superuser.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'test'"
            " AND wait_event_type = 'Lock'"
        )
    )


async def answered(download: Download) -> bool:
    """Tell whether the answer has begun."""
    return download.status is not None


async def until(reached: Callable[[], Awaitable[bool]]) -> None:
    """Wait for something that happens elsewhere."""
    for _ in range(int(PATIENCE / 0.01)):
        if await reached():
            return
        await asyncio.sleep(0.01)
    pytest.fail("it does not happen")


async def nothing_is_left(superuser: Connection, files: Path) -> bool:
    """Tell whether neither a transaction nor a file is open."""
    return await transactions(superuser) == 0 and open_files(files) == []


def memory() -> int:
    """Return how much memory this process has in use, in bytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.fixture(params=[5_000, pytest.param(200_000, marks=pytest.mark.soak)])
async def log(tenant: Tenant, superuser: Connection, now: datetime, request: pytest.FixtureRequest) -> LargeLog:
    """A long log."""
    return await write_log(superuser, tenant.id, request.param, now)


@pytest.fixture
async def entry(tenant: Tenant, admin: Principal) -> None:
    """A log of one entry."""
    course = await factories.create_course(tenant.id)
    async with writing(tenant.id):
        await ContentAction.create(
            tenant_id=tenant.id,
            learner_id=admin.learner_id or 0,
            content_id=course.id,
            action=ContentActionKind.ENROLLED,
            source=Source.MANAGER,
            occurred_at=factories.LONG_AGO,
            recorded_at=factories.LONG_AGO,
        )


async def test_a_report_is_as_long_as_the_log_and_needs_little_memory(
    api: Api, app: Any, log: LargeLog, files: Path, superuser: Connection
) -> None:
    """Row by row, however long it is; a client that does not read holds neither memory nor a transaction."""
    client = api.acting_as(log.admin)
    # What the first report ever needs, such as caches, does not depend on its length.
    await Download(app, client, ("learnerIds", "ext:P7")).task
    gc.collect()
    before = highest = memory()
    download = Download(app, client)
    download.reads.clear()
    while download.status is None:
        highest = max(highest, memory())
        await asyncio.sleep(0.02)
    assert (len(open_files(files)), await transactions(superuser)) == (1, 0)
    download.reads.set()
    await download.task
    assert (download.status, download.line_count) == (200, log.rows + 1)
    assert download.ending.endswith(b"\r\n")
    assert max(highest, memory()) - before < MEMORY
    assert await nothing_is_left(superuser, files)


async def test_a_client_that_leaves_while_the_report_is_copied_stops_it(
    app: Any, as_admin: ApiClient, entry: None, held_back: None, files: Path, superuser: Connection
) -> None:
    """The statement is cancelled, the transaction and the file are closed, and the next report has its turn."""
    download = Download(app, as_admin)
    await until(partial(waiting, superuser))
    assert len(open_files(files)) == 1
    download.leave()
    await asyncio.wait_for(download.task, PATIENCE)
    assert download.status is None
    await until(partial(nothing_is_left, superuser, files))


async def test_a_client_that_leaves_while_the_report_is_sent_leaves_nothing(
    app: Any, as_admin: ApiClient, entry: None, files: Path, superuser: Connection
) -> None:
    """The file is closed, though not all of it was read."""
    download = Download(app, as_admin)
    download.reads.clear()
    await until(partial(answered, download))
    download.leave()
    await asyncio.wait_for(download.task, PATIENCE)
    assert (download.status, download.size) == (200, 0)
    assert await nothing_is_left(superuser, files)


async def test_a_report_that_fails_leaves_nothing(
    app: Any, as_admin: ApiClient, entry: None, held_back: None, files: Path, superuser: Connection
) -> None:
    """A connection that breaks in the middle: 503, and not half a report."""
    download = Download(app, as_admin)
    await until(partial(waiting, superuser))
    await superuser.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND application_name = 'test' AND wait_event_type = 'Lock'"
    )
    await asyncio.wait_for(download.task, PATIENCE)
    assert download.status == 503
    assert json.loads(download.ending)["errors"][0]["extensions"] == {"code": "UNAVAILABLE"}
    assert await nothing_is_left(superuser, files)


async def test_a_report_has_a_limit_of_time(
    app: Any, as_admin: ApiClient, entry: None, held_back: None, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten minutes, here less: 503 TIMEOUT."""
    monkeypatch.setattr("gql.exports.endpoint.TIME_LIMIT", 0.2)
    download = Download(app, as_admin)
    await asyncio.wait_for(download.task, PATIENCE)
    assert download.status == 503
    assert json.loads(download.ending)["errors"][0]["extensions"] == {"code": "TIMEOUT"}
    assert open_files(files) == []


async def test_each_account_has_two_reports_at_once(
    api: Api, app: Any, as_admin: ApiClient, as_reader: ApiClient, entry: None
) -> None:
    """A third one is told to wait, until one of the two is read to its end; other accounts are not concerned."""
    slow = [Download(app, as_admin) for _ in range(2)]
    for download in slow:
        download.reads.clear()
    for download in slow:
        await until(partial(answered, download))
    third = Download(app, as_admin)
    await third.task
    assert third.status == 429
    assert third.headers["retry-after"] == "10"
    assert json.loads(third.ending)["errors"][0]["extensions"] == {"code": "RATE_LIMITED", "retryAfterSeconds": 10}
    somebody_else = Download(app, as_reader)
    await somebody_else.task
    assert somebody_else.status == 200
    slow[0].reads.set()
    await slow[0].task
    fourth = Download(app, as_admin)
    await fourth.task
    assert fourth.status == 200
    slow[1].leave()
    await slow[1].task
