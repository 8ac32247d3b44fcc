"""How a web process looks for garbage: whatever it does meanwhile stands still, and so does every stream.

Almost everything is freed without it; only cycles have to be found, and those of a request are young. The schema is
never garbage, but to look through it took 200 ms; to look through what 2,000 connections hold, 350 ms, every second.
"""

import gc

#: Objects that come before the youngest are looked at, and how often that happens before the next older ones are.
YOUNG, MIDDLE, OLD = 10_000, 20, 100


def look_for_garbage_rarely() -> None:
    """Leave alone what is there now, and look at what is old a hundredth as often as Python does by itself."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, OLD)
