"""`python -m bench --size small|full [--only NAME …]`: measure, print, and leave nothing behind."""

import argparse
import os
import platform
import signal
from collections.abc import Awaitable, Callable

import asyncpg
import uvloop

from bench import (
    assigning,
    backfill,
    batches,
    evaluation,
    importing,
    live,
    memory,
    mutation,
    overview,
    preview,
    reads,
    reevaluation,
    reminders,
    request_cost,
    revoke,
)
from bench.database import Addresses, Connection, database_of_run
from bench.report import Figure, print_json, print_table
from bench.size import SIZES, Size
from domain.foundation.database.sessions import connected
from jobs.worker import LIMITS

Measure = Callable[[Connection, Addresses, Size], Awaitable[list[Figure]]]

MEASURES: dict[str, Measure] = {
    "evaluation": evaluation.measure,
    "mutation": mutation.measure,
    "backfill": backfill.measure,
    "revoke": revoke.measure,
    "preview": preview.measure,
    "import": importing.measure,
    "re-evaluation": reevaluation.measure,
    "assigning": assigning.measure,
    "overview": overview.measure,
    "reminders": reminders.measure,
    "reads": reads.measure,
    "memory": memory.measure,
    "request-cost": request_cost.measure,
    "live": live.measure,
    "batches": batches.measure,
}


async def run(size: Size, names: list[str]) -> None:
    """Run the measurements one after another in one database."""
    figures: list[Figure] = []
    try:
        async with database_of_run() as addresses:
            owner = await asyncpg.connect(addresses.owner)
            async with connected(addresses.application, application_name="bench", limits=LIMITS):
                for name in names:
                    found = await MEASURES[name](owner, addresses, size)
                    print_table(found)
                    figures += found
            await owner.close()
    finally:
        # What was measured before a failure is still worth keeping.
        print_json(figures, {"size": size.name, "cpus": os.cpu_count(), "load": round(os.getloadavg()[0], 2)})


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--only", choices=MEASURES, action="append", help="measure only this; may be repeated")
    arguments = parser.parse_args()
    # Whatever ends us, the data directory goes; as with Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    print(f"{platform.machine()}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}, size {arguments.size}")
    uvloop.run(run(SIZES[arguments.size], arguments.only or list(MEASURES)))


if __name__ == "__main__":
    main()
