"""What each process tells Prometheus: at an address of its own, on loopback unless somebody says otherwise."""

import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from domain.foundation import clock
from domain.foundation.access import Principal, Scope
from domain.foundation.database.sessions import writing
from domain.tenants.models import Tenant
from tests.support import factories
from tests.support.command import CLEAN, MANDATE, Command
from tests.support.exposition import Samples, sample, scrape
from tests.support.web_process import free_port, web_process


@contextmanager
def process(name: str, environment: dict[str, str], log: Path) -> Iterator[None]:
    """Run one process of production."""
    with log.open("wb") as output:
        running = subprocess.Popen(
            [*MANDATE, name], env={**CLEAN, **environment}, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        yield
    finally:
        running.send_signal(signal.SIGTERM)
        assert running.wait(20) == 0, log.read_text()


def eventually(port: int, condition: Callable[[Samples], bool]) -> Samples:
    """Return what a process says once it says something that is waited for."""
    deadline = time.monotonic() + 30
    samples: Samples = {}
    while time.monotonic() < deadline:
        try:
            samples = scrape(port)
        except httpx.TransportError:
            samples = {}
        if samples and condition(samples):
            return samples
        time.sleep(0.1)
    raise AssertionError(samples)


@pytest.fixture
async def key(tenant: Tenant) -> str:
    """The key of a service account."""
    await factories.create_service_account(tenant.id, key="mk_metrics", scopes=[Scope.READ])
    return "mk_metrics"


def test_a_web_server_tells_what_it_has_done(command: Command, key: str, tmp_path: Path) -> None:
    """Operations, statuses, connections, and where limits are kept; at that address and no other."""
    port = free_port()
    with web_process(tmp_path, command.environment | {"METRICS_PORT": str(port)}) as web:
        for _ in range(3):
            answer = httpx.post(
                f"{web.url}/graphql",
                json={"query": "query Listed { tenant { name } }"},
                headers={"Authorization": f"Bearer {key}"},
            )
            assert answer.json()["data"] == {"tenant": {"name": "Acme"}}
        assert httpx.get(f"{web.url}/metrics").status_code == 404
        samples = scrape(port)
    assert sample(samples, "mandate_operations_total", operation="Listed", type="query", code="OK") == 3
    assert sample(samples, "mandate_operation_seconds_count", operation="Listed", type="query") == 3
    assert sample(samples, "mandate_http_requests_total", route="/graphql", status="200") == 3
    assert sample(samples, "mandate_rate_limit_fallback") == 0
    assert sample(samples, "mandate_database_connections", state="max") == 10
    assert 1 <= sample(samples, "mandate_database_connections", state="idle") <= 10
    assert sample(samples, "process_resident_memory_bytes") > 0


async def test_scheduler_and_worker_tell_what_waits_and_what_was_done(
    command: Command, tenant: Tenant, admin: Principal, tmp_path: Path
) -> None:
    """Numbered rows, what was handed out, reminders that are late, and jobs by kind and outcome."""
    ports = {name: free_port() for name in ("scheduler", "worker")}
    async with writing(tenant.id) as sql:
        await sql.execute(
            "INSERT INTO change_pending (tenant_id, object_type, object_id, version, at)"
            " SELECT $1, 'LEARNER', 1, number, $2 FROM generate_series(1, 30) number",
            tenant.id,
            clock.now() - timedelta(minutes=5),
        )
        await sql.execute(
            "INSERT INTO background_job (tenant_id, kind, status, processed_count, failed_count, progress,"
            " attempt_count, created_at, version)"
            " VALUES ($1, 'RULE_REEVALUATION', 'QUEUED', 0, 0, '{}', 0, $2, 1)",
            tenant.id,
            clock.now(),
        )
    environment = {name: command.environment | {"METRICS_PORT": str(port)} for name, port in ports.items()}
    with (
        process("scheduler", environment["scheduler"], tmp_path / "scheduler.log"),
        process("worker", environment["worker"], tmp_path / "worker.log"),
    ):
        done = eventually(
            ports["worker"],
            lambda samples: sample(samples, "mandate_job_chunk_seconds_count", kind="RULE_REEVALUATION") >= 1,
        )
        assert sample(done, "mandate_jobs_total", kind="RULE_REEVALUATION", outcome="SUCCEEDED") == 1
        told = eventually(
            ports["scheduler"],
            lambda samples: (
                sample(samples, "mandate_feed_sequenced_rows_total") >= 30
                and sample(samples, "mandate_dispatched_total", what="jobs") >= 1
                and sample(samples, "mandate_scheduler_last_success_timestamp_seconds", task="measuring") > 0
            ),
        )
    assert sample(told, "mandate_feed_sequencing_seconds_count") >= 1
    assert ("mandate_queue_length", (("queue", "jobs"),)) in told
    for kind in ("jobs", "emails", "reminders", "openings", "overdue", "expiry", "seats"):
        assert sample(told, "mandate_pending_work", kind=kind) >= 0
        assert sample(told, "mandate_oldest_pending_work_seconds", kind=kind) >= 0
    assert sample(told, "mandate_scheduler_failures_total", task="measuring") == 0


def test_a_port_that_is_taken_is_told_in_one_line(command: Command) -> None:
    """The process does not start without the figures that somebody wants."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert (
            command.complaint("scheduler", METRICS_PORT=port)
            .splitlines()[-1]
            .startswith(f"METRICS_PORT: 127.0.0.1:{port} cannot be used")
        )
