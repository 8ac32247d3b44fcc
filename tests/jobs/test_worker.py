"""Background jobs survive their workers and their queue: everything is done, and nothing twice.

Real processes, a real Valkey, and a real job: a rule that enrolls 4,000 people in two courses, chunk by chunk.
"""

import asyncio
from pathlib import Path

from redis.asyncio import Redis

from ops.servers.embedded import EmbeddedValkey
from tests.jobs.conftest import SCHEDULER, WORKER, Processes, StartBackfill

#: Seconds within which another worker goes on: the lease of the dead one (5), the next look (1), the way to the worker
#: (1), and as much again for a machine that has other things to do.
TAKEOVER = 14


async def test_job_runs_in_the_worker_as_soon_as_it_exists(processes: Processes, start_backfill: StartBackfill) -> None:
    """Nobody waits for a poll: the scheduler hears of the job, and the worker has it at once."""
    processes.start(WORKER)
    processes.start(SCHEDULER)
    job = await start_backfill()
    await job.wait_for("status = 'SUCCEEDED'")
    await job.require_each_done_once()


async def test_killed_worker_is_replaced_within_seconds(processes: Processes, start_backfill: StartBackfill) -> None:
    """Killed in the middle of a chunk: that chunk leaves no trace, and another worker goes on from the one before."""
    processes.start(SCHEDULER)
    job = await start_backfill()
    killed = processes.start(WORKER)
    await job.wait_for("processed_count > 0")
    killed.kill()
    status, processed_count = await job.row("status", "processed_count")
    assert (status, await job.count_enrolled()) == ("RUNNING", processed_count)
    processes.start(WORKER)
    assert await job.wait_for(f"processed_count > {processed_count}") < TAKEOVER
    await job.wait_for("status = 'SUCCEEDED'")
    await job.require_each_done_once()


async def test_worker_killed_again_and_again_still_gets_it_done(
    processes: Processes, start_backfill: StartBackfill
) -> None:
    """Each one is killed a moment after it has begun, until one is left alone."""
    processes.start(SCHEDULER)
    job = await start_backfill()
    for _ in range(2):
        worker = processes.start(WORKER)
        await job.wait_for("leased_until IS NOT NULL")
        worker.kill()
    processes.start(WORKER)
    await job.wait_for("status = 'SUCCEEDED'")
    await job.require_each_done_once()


async def test_stopped_worker_finishes_its_chunk_and_gives_the_job_back(
    processes: Processes, start_backfill: StartBackfill
) -> None:
    """SIGTERM ends a worker within seconds; another one goes on without waiting for a lease to end."""
    processes.start(SCHEDULER)
    job = await start_backfill()
    stopped = processes.start(WORKER)
    await job.wait_for("processed_count > 0")
    code, seconds = stopped.stop()
    assert code == 0
    assert seconds < 5
    status, processed_count, leased_until = await job.row("status", "processed_count", "leased_until")
    assert (status, leased_until) == ("RUNNING", None)
    assert await job.count_enrolled() == processed_count
    processes.start(WORKER)
    await job.wait_for("status = 'SUCCEEDED'")
    await job.require_each_done_once()


async def test_queue_may_lose_everything(processes: Processes, start_backfill: StartBackfill, redis_url: str) -> None:
    """Emptied before anybody has fetched the message, and again while the job runs."""
    processes.start(SCHEDULER)
    job = await start_backfill()
    await job.wait_for("dispatched_at IS NOT NULL")
    async with Redis.from_url(redis_url) as redis:
        await redis.flushall()
        processes.start(WORKER)
        await job.wait_for("processed_count > 0")
        await redis.flushall()
    await job.wait_for("status = 'SUCCEEDED'")
    await job.require_each_done_once()


async def test_queue_may_be_away_for_a_while(
    processes: Processes, start_backfill: StartBackfill, tmp_path: Path
) -> None:
    """A job that is created while Valkey is away runs when it is back, with the processes that were there all along."""
    valkey = EmbeddedValkey(tmp_path / "valkey")
    valkey.start()
    try:
        processes.environment["REDIS_URL"] = valkey.url
        processes.start(SCHEDULER)
        processes.start(WORKER)
        valkey.stop()
        job = await start_backfill()
        await asyncio.sleep(1)
        assert await job.row("status", "dispatched_at") == ("QUEUED", None)
        valkey = EmbeddedValkey(tmp_path / "valkey", port=valkey.port)
        valkey.start()
        await job.wait_for("processed_count > 0")
        valkey.stop()
        await job.wait_for("status = 'SUCCEEDED'")
        await job.require_each_done_once()
    finally:
        valkey.stop()


async def test_idle_worker_stops_at_once(processes: Processes) -> None:
    """Nothing to do, nothing to wait for."""
    code, seconds = processes.start(WORKER).stop()
    assert code == 0
    assert seconds < 2
