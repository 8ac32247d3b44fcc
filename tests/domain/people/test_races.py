"""Two changes at the same time, on real locks."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import pytest

from domain.foundation.access import Principal, Role
from domain.foundation.errors import AlreadyExists, DomainError, NotFound
from domain.foundation.unit_of_work import UnitOfWork, perform
from domain.people.errors import LastAdmin
from domain.people.learners.changes import LearnerChanges
from domain.people.models import PlaceKind
from domain.people.operations import (
    add_members,
    bulk_upsert_learners,
    create_learner,
    create_place,
    deactivate_learner,
    delete_place,
    update_learner,
)
from domain.people.queries import LearnerKey
from domain.tenants.models import Tenant
from tests.support import factories
from tests.support.catalogue import Connection

Action = Callable[[UnitOfWork], Awaitable[Any]]


async def first_then_second(admin: Principal, now: datetime, first: Action, second: Action) -> list[Any]:
    """Run two changes so that the second does all it can before the first commits; return results or errors."""
    first_is_done, first_may_commit = asyncio.Event(), asyncio.Event()

    async def held(work: UnitOfWork) -> Any:
        result = await first(work)
        first_is_done.set()
        await first_may_commit.wait()
        return result

    async def run_second() -> Any:
        await first_is_done.wait()
        asyncio.get_running_loop().call_later(0.3, first_may_commit.set)
        return await perform(admin, now, "second", second)

    results: list[Any] = await asyncio.gather(perform(admin, now, "first", held), run_second(), return_exceptions=True)
    return results


def deactivate(principal: Principal) -> Action:
    """Return the change that deactivates somebody."""
    return lambda work: deactivate_learner(work, key=LearnerKey(id=principal.learner_id))


def demote(principal: Principal) -> Action:
    """Return the change that makes somebody a trainer."""
    changes = LearnerChanges(role=Role.TRAINER)
    return lambda work: update_learner(work, key=LearnerKey(id=principal.learner_id), changes=changes)


@pytest.mark.parametrize(("first", "second"), [(deactivate, deactivate), (demote, deactivate), (demote, demote)])
async def test_two_admins_cannot_take_each_other_away(
    admin: Principal,
    tenant: Tenant,
    now: datetime,
    superuser: Connection,
    first: Callable[[Principal], Action],
    second: Callable[[Principal], Action],
) -> None:
    """Of two administrators, whoever goes second is the last one and stays."""
    other = await factories.create_person(tenant.id, role=Role.ADMIN)
    results = await first_then_second(admin, now, first(admin), second(other))
    assert isinstance(results[1], LastAdmin)
    assert await superuser.fetchval("SELECT count(*) FROM learner WHERE role = 'ADMIN' AND is_active") == 1


async def test_an_address_that_is_taken_meanwhile_is_taken(admin: Principal, tenant: Tenant, now: datetime) -> None:
    """Of two new people with one address, the second is told that it exists."""
    twin = LearnerChanges(name="Twin", email="Twin@acme.test")
    results = await first_then_second(
        admin,
        now,
        lambda work: create_learner(work, learner=LearnerChanges(name="Twin", email="twin@acme.test")),
        lambda work: create_learner(work, learner=twin),
    )
    assert isinstance(results[1], AlreadyExists)
    assert results[1].path == ["email"]


async def test_a_row_that_comes_second_updates_whom_the_first_created(
    admin: Principal, tenant: Tenant, now: datetime
) -> None:
    """Of two bulk calls with the same external ID, one creates and the other changes the same person."""
    results = await first_then_second(
        admin,
        now,
        lambda work: bulk_upsert_learners(work, rows=[LearnerChanges(external_id="1", name="First")]),
        lambda work: bulk_upsert_learners(work, rows=[LearnerChanges(external_id="1", name="Second")]),
    )
    [[created], [updated]] = [done.result for done in results]
    assert (created.outcome, updated.outcome) == ("CREATED", "UPDATED")
    assert created.learner_id == updated.learner_id


async def test_a_name_that_is_taken_meanwhile_is_taken(admin: Principal, tenant: Tenant, now: datetime) -> None:
    """Of two departments with one name, the second is told that it exists."""
    action: Action = lambda work: create_place(work, kind=PlaceKind.DEPARTMENT, name="Sales")  # noqa: E731
    results = await first_then_second(admin, now, action, action)
    assert isinstance(results[1], AlreadyExists)
    assert results[1].path == ["name"]


async def test_nobody_joins_a_place_that_is_being_deleted(
    admin: Principal, tenant: Tenant, now: datetime, superuser: Connection
) -> None:
    """Whoever comes after the deletion does not find the place; whoever came before is removed with it."""
    client = await factories.create_place(tenant.id, kind=PlaceKind.CLIENT)
    learner = await factories.create_learner(tenant.id)

    def join(work: UnitOfWork) -> Awaitable[Any]:
        return add_members(work, kind=PlaceKind.CLIENT, place=client.id, learners=[LearnerKey(id=learner.id)])

    def delete(work: UnitOfWork) -> Awaitable[Any]:
        return delete_place(work, kind=PlaceKind.CLIENT, place=client.id)

    results = await first_then_second(admin, now, delete, join)
    assert isinstance(results[1], NotFound)
    client = await factories.create_place(tenant.id, kind=PlaceKind.CLIENT)
    results = await first_then_second(admin, now, join, delete)
    assert not [result for result in results if isinstance(result, DomainError)]
    assert await superuser.fetchval("SELECT count(*) FROM learner_place") == 0
    assert await superuser.fetchval("SELECT count(*) FROM place") == 0
