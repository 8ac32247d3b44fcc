"""What comes after a commit: in transactions of its own, never a danger to the change that led to it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import pytest

from domain.foundation.access import Principal
from domain.foundation.errors import NotFound
from domain.foundation.unit_of_work import UnitOfWork, install, perform, rehearse
from domain.reactions import FOLLOW_UPS, REACTIONS
from domain.tenants.models import Tenant

#: Deeper than Python's stack.
LONG_CHAIN = 1_200


@dataclass(frozen=True, slots=True)
class Happened:
    """Something that others follow up, so many times."""

    number: int


@dataclass(slots=True)
class Followed:
    """What has come after commits."""

    seen: list[list[int]]
    fails: bool = False
    again: int = 0


@pytest.fixture
def followed() -> Iterator[Followed]:
    """A follow-up that remembers its calls, in place of the product's own."""
    followed = Followed([])

    async def follow_up(tenant_id: int, now: datetime, events: Sequence[Happened]) -> None:
        followed.seen.append([event.number for event in events])
        if followed.fails:
            raise RuntimeError("broken")
        number = events[-1].number
        if number < followed.again:
            await perform(Principal.operator(tenant_id), now, "test", lambda work: note(work, number + 1))

    install(REACTIONS, {Happened: follow_up})
    yield followed
    install(REACTIONS, FOLLOW_UPS)


async def note(work: UnitOfWork, *numbers: int) -> None:
    """Record that something has happened."""
    for number in numbers:
        work.record(Happened(number))


async def test_events_of_one_kind_come_together(tenant: Tenant, now: datetime, followed: Followed) -> None:
    """One call after the commit, with all of them."""
    await perform(Principal.operator(tenant.id), now, "test", lambda work: note(work, 1, 2))
    assert followed.seen == [[1, 2]]


async def test_nothing_comes_after_what_is_not_committed(tenant: Tenant, now: datetime, followed: Followed) -> None:
    """Neither after a failure nor after a rehearsal."""

    async def fail(work: UnitOfWork) -> None:
        await note(work, 1)
        raise NotFound

    async def look(work: UnitOfWork) -> int:
        return len(work.events_to_follow_up)

    with pytest.raises(NotFound):
        await perform(Principal.operator(tenant.id), now, "test", fail)
    seen = await rehearse(Principal.operator(tenant.id), now, "test", lambda work: note(work, 1), look)
    assert (seen, followed.seen) == (1, [])


async def test_a_failure_is_reported_and_the_change_stands(
    tenant: Tenant, now: datetime, followed: Followed, caplog: pytest.LogCaptureFixture
) -> None:
    """The caller gets the result; the log tells what has failed."""
    followed.fails = True

    async def rename(work: UnitOfWork) -> int:
        await note(work, 1)
        return await work.sql.execute("UPDATE tenant SET name = 'Renamed' WHERE id = $1", tenant.id)

    assert (await perform(Principal.operator(tenant.id), now, "test", rename)).result == 1
    await tenant_is_called(tenant, now, "Renamed")
    assert [record.getMessage() for record in caplog.records] == ["what follows Happened failed: RuntimeError"]


async def tenant_is_called(tenant: Tenant, now: datetime, name: str) -> None:
    """Require that a tenant has a name."""

    async def read(work: UnitOfWork) -> str:
        return str(await work.sql.value("SELECT name FROM tenant WHERE id = $1", tenant.id))

    assert (await perform(Principal.operator(tenant.id), now, "test", read)).result == name


async def test_a_long_chain_does_not_pile_up(tenant: Tenant, now: datetime, followed: Followed) -> None:
    """What follows may have something follow, as often as it likes."""
    followed.again = LONG_CHAIN
    await perform(Principal.operator(tenant.id), now, "test", lambda work: note(work, 1))
    assert followed.seen == [[number] for number in range(1, LONG_CHAIN + 1)]


async def test_an_event_that_nobody_knows_is_an_error(tenant: Tenant, now: datetime) -> None:
    """Forgotten in both tables, it fails the change instead of getting lost."""
    with pytest.raises(RuntimeError, match="Happened"):
        await perform(Principal.operator(tenant.id), now, "test", lambda work: note(work, 1))
