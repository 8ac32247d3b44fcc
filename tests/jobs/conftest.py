"""Workers and schedulers as processes of their own, and a rule that gives them something to do."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from domain.auto_assignment.conditions.atoms import ConditionKind, RefOperator
from domain.auto_assignment.conditions.input import ConditionInput
from domain.auto_assignment.models import ConditionMatch, UnmetPolicy
from domain.auto_assignment.rules.editing import RuleDraft, create_rule
from domain.content.queries import ContentKey
from domain.foundation import clock
from domain.foundation.access import Principal
from domain.foundation.unit_of_work import perform
from domain.tenants.models import Tenant
from tests.support import factories
from tests.support.catalogue import Connection

WORKER = "from jobs.worker import run_worker as run"
SCHEDULER = "from jobs.scheduler import run_scheduler as run"
#: Enough for several chunks: the first one has 200 people, and they grow.
PEOPLE = 4_000
LOGGING = "import logging; logging.basicConfig(level='INFO')"
SETTINGS = "from domain.foundation.settings import settings"


class Process:
    """A worker or a scheduler."""

    def __init__(self, log: Path, program: str, environment: dict[str, str]) -> None:
        self._log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-c", f"{LOGGING}; {SETTINGS}; {program}; run(settings())"],
                env={**os.environ, **environment},
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def pid(self) -> int:
        """Its ID in the operating system."""
        return self._process.pid

    @property
    def output(self) -> str:
        """What it has said so far."""
        return self._log.read_text()

    def wait_until_ready(self) -> None:
        """Wait until it is at work."""
        deadline = time.monotonic() + 60
        while " is ready" not in self.output:
            assert self._process.poll() is None, self.output
            assert time.monotonic() < deadline, self.output
            time.sleep(0.02)

    def kill(self) -> None:
        """End it without a chance to do anything."""
        self._process.kill()
        self._process.wait()

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, float]:
        """End it politely; return its exit code and the seconds that it took."""
        begun = time.monotonic()
        self._process.send_signal(number)
        return self._process.wait(15), time.monotonic() - begun


class Processes:
    """Starts processes against the test's servers and leaves none of them behind."""

    def __init__(self, directory: Path, database_url: str, redis_url: str) -> None:
        self._directory = directory
        self.environment = {"DATABASE_URL": database_url, "REDIS_URL": redis_url}
        self._started: list[Process] = []

    def start(self, program: str) -> Process:
        """Start a worker or a scheduler and wait until it is at work."""
        process = Process(self._directory / f"process-{len(self._started)}.log", program, self.environment)
        self._started.append(process)
        process.wait_until_ready()
        return process

    def kill_all(self) -> None:
        """End all of them."""
        for process in self._started:
            process.kill()


@pytest.fixture
def processes(tmp_path: Path, app_url: str, redis_url: str) -> Iterator[Processes]:
    """Processes against this test's database and Valkey."""
    processes = Processes(tmp_path, app_url, redis_url)
    yield processes
    processes.kill_all()


@dataclass(slots=True)
class Backfill:
    """A background job that enrolls many people in two courses."""

    superuser: Connection
    job_id: int
    rule_id: int
    learner_ids: list[int]
    course_ids: list[int]

    async def row(self, *columns: str) -> tuple[Any, ...]:
        """Return columns of the job."""
        record = await self.superuser.fetchrow(
            f"SELECT {', '.join(columns)} FROM background_job WHERE id = $1", self.job_id
        )
        return tuple(record or ())

    async def wait_for(self, condition: str, *, seconds: float = 120) -> float:
        """Wait until the job's row meets an SQL condition; return the seconds that it took."""
        begun = time.monotonic()
        while not await self.superuser.fetchval(
            f"SELECT EXISTS (SELECT 1 FROM background_job WHERE id = $1 AND ({condition}))", self.job_id
        ):
            assert time.monotonic() < begun + seconds, await self.row("*")
        return time.monotonic() - begun

    async def count_enrolled(self) -> int:
        """Return how many people have an enrollment."""
        count: int = await self.superuser.fetchval("SELECT count(DISTINCT learner_id) FROM enrollment")
        return count

    async def require_each_done_once(self) -> None:
        """Require exactly the right members, enrollments, reasons and log rows, none of them twice."""
        count = len(self.learner_ids)
        assert await self.row("status", "total_count", "processed_count", "failed_count", "leased_until") == (
            ("SUCCEEDED", count, count, 0, None)
        )
        members = await self.superuser.fetch("SELECT learner_id FROM rule_member WHERE rule_id = $1", self.rule_id)
        assert sorted(record[0] for record in members) == self.learner_ids
        pairs = sorted((learner, course) for learner in self.learner_ids for course in self.course_ids)
        for query in (
            "SELECT learner_id, content_id FROM enrollment WHERE is_active AND status = 'NOT_STARTED'",
            "SELECT learner_id, content_id FROM enrollment_reason"
            f" WHERE rule_id = {self.rule_id} AND source = 'AUTO_ENROLLMENT' AND until_at IS NULL",
            "SELECT learner_id, content_id FROM content_action"
            f" WHERE rule_id = {self.rule_id} AND source = 'AUTO_ENROLLMENT' AND action = 'ENROLLED'",
        ):
            assert sorted(map(tuple, await self.superuser.fetch(query))) == pairs, query
        for table in ("enrollment", "enrollment_reason", "content_action"):
            assert await self.superuser.fetchval(f"SELECT count(*) FROM {table}") == len(pairs), table


StartBackfill = Callable[[], Awaitable[Backfill]]


@pytest.fixture
async def start_backfill(tenant: Tenant, admin: Principal, superuser: Connection) -> StartBackfill:
    """Ask for a job of several chunks: a new rule that many people meet already, and 500 others do not."""

    async def start() -> Backfill:
        learner_ids = await factories.create_learners(tenant.id, PEOPLE, refs={1: "Forklift driver"})
        await factories.create_learners(tenant.id, 500, refs={1: "Accountant"})
        courses = [(await factories.create_course(tenant.id)).id for _ in range(2)]
        draft = RuleDraft(
            name="Forklift drivers",
            contents=[ContentKey(id=course) for course in courses],
            match=ConditionMatch.ALL,
            conditions=[
                ConditionInput(
                    ConditionKind.REF_VALUE,
                    field_number=1,
                    operator=RefOperator.EQUALS,
                    ref_values=["Forklift driver"],
                )
            ],
            when_unmet=UnmetPolicy.KEEP,
            backfills_existing_learners=True,
        )
        saved = (
            await perform(admin, clock.now(), "createAutoAssignmentRule", lambda work: create_rule(work, draft=draft))
        ).result
        assert saved.backfill_id is not None
        return Backfill(superuser, saved.backfill_id, saved.rule_id, sorted(learner_ids), courses)

    return start
