"""What is due somewhere, tenant by tenant. What fails holds up nothing but what was to be done together with it."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any

from domain.foundation.access import Principal
from domain.foundation.database import across_tenants
from domain.foundation.unit_of_work import UnitOfWork, perform, with_retry

Act = Callable[[int, list[int]], Awaitable[object]]
#: Does what is due about objects of one tenant in one transaction, and returns about how many it did something.
Step = Callable[[UnitOfWork, list[int]], Awaitable[int]]


async def sweep_all(function: str, now: datetime, operation: str, step: Step, *, together: int) -> int:
    """Take a step about everything that is due by now, in batches, and return how many objects that were.

    `function` is the SQL function that tells what is due; of very much, it tells the first only.
    """
    total = 0

    async def act(tenant_id: int, ids: list[int]) -> None:
        nonlocal total
        principal = Principal.operator(tenant_id)
        done = await with_retry(lambda: perform(principal, now, operation, lambda work: step(work, ids)))
        total += done.result

    # As long as there is something to do in the list, there may be more behind it.
    before = -1
    while before < total:
        before = total
        await sweep(await across_tenants(f"SELECT tenant_id, id FROM {function}($1)", now), act, together=together)
    return total


async def sweep(due: Sequence[Any], act: Act, *, together: int) -> None:
    """Call `act(tenant_id, ids)` with what is due, given as (tenant, ID), at most `together` of them at once.

    Raises the first failure, after everything has had its turn.
    """
    by_tenant: dict[int, list[int]] = {}
    for tenant_id, object_id in due:
        by_tenant.setdefault(tenant_id, []).append(object_id)
    failure: Exception | None = None
    for tenant_id, ids in by_tenant.items():
        for start in range(0, len(ids), together):
            try:
                await act(tenant_id, ids[start : start + together])
            except Exception as error:
                failure = failure or error
    if failure is not None:
        raise failure
