"""What is due somewhere, tenant by tenant. What fails holds up nothing but what was to be done together with it."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

Act = Callable[[int, list[int]], Awaitable[object]]


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
