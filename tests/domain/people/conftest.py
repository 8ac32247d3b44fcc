"""Changing people through the domain, and seeing what it told the rules."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import pytest

from domain.foundation.access import Principal
from domain.foundation.unit_of_work import UnitOfWork, perform


@dataclass(frozen=True, slots=True)
class Change:
    """A committed change: what the operation returned, and the events that it recorded."""

    result: Any
    events: list[Any]


class ChangeBy(Protocol):
    """Runs an operation as somebody, the administrator unless said otherwise."""

    async def __call__(
        self, action: Callable[[UnitOfWork], Awaitable[Any]], *, by: Principal | None = None
    ) -> Change: ...


@pytest.fixture
def change(admin: Principal, now: datetime) -> ChangeBy:
    """Run an operation in a unit of work of its own."""

    async def run(action: Callable[[UnitOfWork], Awaitable[Any]], *, by: Principal | None = None) -> Change:
        events: list[Any] = []

        async def act(work: UnitOfWork) -> Any:
            result = await action(work)
            events.extend(work.events)
            return result

        done = await perform(by or admin, now, "test", act)
        return Change(done.result, events)

    return run
