"""Resident memory of a web process after some hundred mutations and after thousands of different documents, and of a
worker process after a backfill.
"""

import asyncio
import tempfile
from itertools import islice, pairwise
from pathlib import Path

from bench import backfill
from bench.database import Addresses, Connection, settle
from bench.load import graphql_request, send_all
from bench.mutation import UPDATED, changes, web_server
from bench.processes import resident_megabytes, running, until_ready
from bench.report import Figure
from bench.rules import give_rules
from bench.size import Size
from bench.world import Company, found_company
from domain.foundation import clock
from jobs.broker import create_broker
from jobs.rounds import JOBS
from ops.servers.embedded import EmbeddedValkey

NAME = "memory"
RULES = 50
#: A page whose selection nobody has asked for before.
DOCUMENT = """{ learners(first: 20) { nodes { name%d: name id email role department { id name } learningGroups { name }
enrollments(first: 2) { nodes { id status content { __typename id title } } } } pageInfo { hasNextPage } } }"""
REQUESTS = 400
CONNECTIONS = 8
JOB_SECONDS = 300


async def measure(owner: Connection, addresses: Addresses, size: Size) -> list[Figure]:
    """Measure both kinds of processes under their own work."""
    now = clock.now()
    company = await found_company(owner, NAME, size.learners_per_tenant, now)
    await give_rules(owner, company, RULES, now)
    await settle(owner)
    with web_server(addresses, company) as web:
        await until_ready(web.port, "/readyz")
        before = resident_megabytes(web.pid)
        await send_all(web.port, list(islice(changes(company, web.token), REQUESTS)), CONNECTIONS, UPDATED)
        figures = _figures(f"web process, after {REQUESTS:,} mutations", before, resident_megabytes(web.pid))
    with web_server(addresses, company) as web:
        await until_ready(web.port, "/readyz")
        before = resident_megabytes(web.pid)
        # More than are kept parsed, before the first look.
        for begin, end in pairwise((0, size.documents // 4, size.documents)):
            asked = [graphql_request(DOCUMENT % number, {}, web.token) for number in range(begin, end)]
            await send_all(web.port, asked, CONNECTIONS, b'"nodes"')
            figures += _figures(f"web process, after {end:,} documents", before, resident_megabytes(web.pid))
    with (
        tempfile.TemporaryDirectory(prefix="mandate-bench-", ignore_cleanup_errors=True) as directory,
        EmbeddedValkey(Path(directory) / "valkey") as valkey,
    ):
        environment = {
            "DATABASE_URL": addresses.application,
            "REDIS_URL": valkey.url,
            "SECRET_KEY": web.secret_key,
            "ENVIRONMENT": "production",
        }
        with running(["-m", "ops.cli", "worker"], environment) as pid:
            await _work(owner, company, valkey.url)
            figures += _figures("worker process, after a backfill", None, resident_megabytes(pid))
    return figures


async def _work(owner: Connection, company: Company, redis_url: str) -> None:
    """Create a rule and have the worker do its backfill."""
    saved = await backfill.create(company, "Three in ten")
    assert saved.backfill_id is not None
    broker = create_broker(redis_url)
    broker.enqueue(JOBS.message(company.tenant_id, [saved.backfill_id]))
    broker.close()
    for _ in range(JOB_SECONDS * 10):
        if await owner.fetchval("SELECT status FROM background_job WHERE id = $1", saved.backfill_id) == "SUCCEEDED":
            return
        await asyncio.sleep(0.1)
    raise TimeoutError("The worker does not finish its backfill.")


def _figures(case: str, before: float | None, after: float | None) -> list[Figure]:
    if after is None:
        return []
    details = {} if before is None else {"after the start": round(before, 1)}
    return [Figure(NAME, case, after, "MB", details=details)]
