"""What long proofs tell about a run: pytest shows it where one fails, and always with `-s`."""

import os
import sys
import time
from random import Random


def tell(line: str) -> None:
    """Say something about this run."""
    sys.stdout.write(f"{line}\n")


def seeded() -> Random:
    """Return chances that are other ones in each run; `SEED`, which is told, repeats them."""
    seed = int(os.environ.get("SEED", time.time_ns() % 1_000_000))
    tell(f"SEED={seed}")
    return Random(seed)
