"""Work that is done once for whoever waits."""

import asyncio

import pytest

from domain.foundation.once import Once


async def test_all_who_wait_get_the_one_result() -> None:
    """Those who come while it is worked out, and those who come later."""
    runs, go = [], asyncio.Event()

    async def work() -> int:
        runs.append(1)
        await go.wait()
        return 7

    once = Once(work())
    waiting = [asyncio.ensure_future(once.wait()) for _ in range(3)]
    await asyncio.sleep(0)
    assert not once.is_done
    go.set()
    assert await asyncio.gather(*waiting) == [7, 7, 7]
    assert (await once.wait(), once.result(), once.has_failed, runs) == (7, 7, False, [1])


async def test_who_leaves_stops_nobody_elses_work() -> None:
    """Not even the one who asked first."""
    go = asyncio.Event()

    async def work() -> int:
        await go.wait()
        return 7

    once = Once(work())
    first, second = (asyncio.ensure_future(once.wait()) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    go.set()
    assert await second == 7
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_a_failure_is_everybodys() -> None:
    """It is raised for each who waits, and for nobody as an exception that was never looked at."""

    async def work() -> int:
        await asyncio.sleep(0)
        raise LookupError("nothing there")

    once = Once(work())
    failures = await asyncio.gather(once.wait(), once.wait(), return_exceptions=True)
    assert [type(one) for one in failures] == [LookupError, LookupError]
    assert once.has_failed
    unheard = Once(work())
    await asyncio.sleep(0.01)
    assert unheard.has_failed
