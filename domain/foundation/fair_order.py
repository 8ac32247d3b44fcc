"""Turns by tenant: of what is due somewhere, the first part of every tenant comes before the second of any."""

import random
from collections.abc import Iterable
from typing import Any


def in_turns(due: Iterable[Any], *, together: int) -> list[tuple[int, list[int]]]:
    """Return what is due, given as (tenant, ID), in parts of at most `together` IDs of one tenant each.

    The IDs of a tenant keep their order. Tenants come in any order, another one each time, so where there is not room
    for all of them, nobody is the last one every time.
    """
    by_tenant: dict[int, list[int]] = {}
    for tenant_id, object_id in due:
        by_tenant.setdefault(tenant_id, []).append(object_id)
    tenants = list(by_tenant)
    random.shuffle(tenants)
    parts = [
        (start, place, tenant_id)
        for place, tenant_id in enumerate(tenants)
        for start in range(0, len(by_tenant[tenant_id]), together)
    ]
    return [(tenant_id, by_tenant[tenant_id][start : start + together]) for start, _, tenant_id in sorted(parts)]
