"""Idempotency keys: the same call twice is done once, whatever happens between, and answers the same."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from domain.foundation import idempotency
from domain.foundation.access import Principal
from domain.foundation.database.sessions import across_tenants, writing
from domain.foundation.errors import IdempotencyKeyInUse, IdempotencyKeyReused, NotFound
from domain.foundation.idempotency import IdempotentCall
from domain.foundation.unit_of_work import Done, UnitOfWork, perform
from domain.people.models import Place, PlaceKind
from domain.tenants.models import Tenant
from tests.support.tasks import PATIENCE, held


def call(key: str = "key", given: bytes = b"input") -> IdempotentCall[int]:
    """Return a call whose result is the ID of a place."""
    return IdempotentCall(key=key, input_hash=given, store=lambda result: result, restore=int)


def making(name: str) -> Callable[[UnitOfWork], Awaitable[int]]:
    """Return an operation that makes a place and lets rules do something about it."""

    async def action(work: UnitOfWork) -> int:
        place = await Place.create(
            tenant_id=work.tenant_id, kind=PlaceKind.LEARNING_GROUP, name=name, name_key=name.lower()
        )
        work.rule_action_ids, work.rule_action_count, work.reevaluation_job_id = [7, 8], 2, 9
        place_id: int = place.id
        return place_id

    return action


async def make(principal: Principal, now: datetime, name: str, operation: str = "make", **key: object) -> Done[int]:
    """Make a place with an idempotency key."""
    return await perform(principal, now, operation, making(name), idempotent=call(**key))  # type: ignore[arg-type]


async def names(tenant_id: int) -> list[str]:
    """Return the names of the places, in the order of creation."""
    async with writing(tenant_id) as sql:
        return await sql.values("SELECT name FROM place WHERE tenant_id = $1 ORDER BY id", tenant_id)


async def test_same_call_is_done_once(tenant: Tenant, admin: Principal, now: datetime) -> None:
    """The second call does nothing and answers what the first did, with what rules had done."""
    first = await make(admin, now, "One")
    again = await make(admin, now + timedelta(minutes=5), "Two")
    assert again == first
    assert (again.rule_action_ids, again.rule_action_count, again.reevaluation_job_id) == ([7, 8], 2, 9)
    assert await names(tenant.id) == ["One"]


async def test_same_key_with_another_input_is_refused(tenant: Tenant, admin: Principal, now: datetime) -> None:
    """A key belongs to its input; nothing is done, and the error names the argument."""
    await make(admin, now, "One", given=b"input")
    with pytest.raises(IdempotencyKeyReused) as caught:
        await make(admin, now, "Two", given=b"another input")
    assert (caught.value.code, caught.value.path) == ("IDEMPOTENCY_KEY_REUSED", ["idempotencyKey"])
    assert await names(tenant.id) == ["One"]


async def test_keys_of_others_do_not_matter(
    tenant: Tenant,
    admin: Principal,
    trainer: Principal,
    read_account: Principal,
    another_admin: Principal,
    now: datetime,
) -> None:
    """The same key of another account, operation or tenant is another key."""
    await make(admin, now, "One")
    await make(trainer, now, "Two")
    await make(read_account, now, "Three")
    # A service account and a learner with the same number.
    await make(replace(read_account, service_account_id=admin.learner_id), now, "Four")
    await make(admin, now, "Five", operation="make another")
    await make(another_admin, now, "Six")
    assert await names(tenant.id) == ["One", "Two", "Three", "Four", "Five"]


async def test_duplicate_waits_for_the_first(tenant: Tenant, admin: Principal, now: datetime) -> None:
    """Sent twice at once, a call is done once, and both answers are the same."""
    async with held(admin, now, making("One"), idempotent=call()) as first:
        # `held` performs under its own name.
        second = asyncio.create_task(make(admin, now, "Two", operation="held"))
        await asyncio.sleep(0.1)
        assert not second.done()
        done = await first.commit()
        assert await asyncio.wait_for(second, PATIENCE) == done
    assert await names(tenant.id) == ["One"]


async def test_duplicate_of_a_failed_call_does_the_work(tenant: Tenant, admin: Principal, now: datetime) -> None:
    """When the first call fails, the one that waited for it is the first."""

    async def fail(work: UnitOfWork) -> int:
        await asyncio.sleep(0.1)
        raise NotFound

    async def perform_failing() -> None:
        with pytest.raises(NotFound):
            await perform(admin, now, "make", fail, idempotent=call())

    failing = asyncio.create_task(perform_failing())
    await asyncio.sleep(0.05)
    await make(admin, now, "Two")
    await failing
    assert await names(tenant.id) == ["Two"]


async def test_ten_at_once_are_done_once(tenant: Tenant, admin: Principal, now: datetime) -> None:
    """However many duplicates race, all answers are the one result."""
    answers = await asyncio.gather(*(make(admin, now, f"Place {number}") for number in range(10)))
    assert answers == [answers[0]] * 10
    assert len(await names(tenant.id)) == 1


async def test_duplicate_does_not_wait_for_ever(
    tenant: Tenant, admin: Principal, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call that is still being processed after five seconds is reported as such."""
    assert timedelta(seconds=5) == idempotency.PATIENCE
    monkeypatch.setattr(idempotency, "PATIENCE", timedelta(milliseconds=100))
    async with held(admin, now, making("One"), idempotent=call()) as first:
        with pytest.raises(IdempotencyKeyInUse):
            await make(admin, now, "Two", operation="held")
        await first.commit()
    assert await names(tenant.id) == ["One"]


async def test_patience_is_for_the_key_only(tenant: Tenant, admin: Principal, now: datetime) -> None:
    """After the key the usual limits of locks and statements hold again."""

    async def limits(work: UnitOfWork) -> list[str]:
        return [await work.sql.value(f"SHOW {name}") for name in ("lock_timeout", "statement_timeout")]

    key: IdempotentCall[list[str]] = IdempotentCall("key", b"input", store=list, restore=list)
    assert (await perform(admin, now, "limits", limits, idempotent=key)).result == ["2s", "5s"]


async def test_failed_call_leaves_no_key(tenant: Tenant, admin: Principal, now: datetime) -> None:
    """After a failure the same key may be used again, even with a corrected input."""

    async def fail(work: UnitOfWork) -> int:
        raise NotFound

    with pytest.raises(NotFound):
        await perform(admin, now, "make", fail, idempotent=call(given=b"input"))
    await make(admin, now, "One", given=b"corrected input")
    assert await names(tenant.id) == ["One"]


async def test_keys_are_kept_for_a_day(tenant: Tenant, admin: Principal, now: datetime) -> None:
    """For 24 hours a key stands for its result; after that it is free, for any input."""
    await make(admin, now, "One")
    await make(admin, now + timedelta(hours=24), "Two")
    await make(admin, now + timedelta(hours=24, seconds=1), "Three", given=b"another input")
    await make(admin, now + timedelta(hours=25), "Four", given=b"another input")
    assert await names(tenant.id) == ["One", "Three"]


async def test_old_keys_of_all_tenants_are_swept(
    tenant: Tenant, admin: Principal, another_tenant: Tenant, another_admin: Principal, now: datetime
) -> None:
    """The sweep deletes what is too old and counts it."""
    await make(admin, now, "One", key="old")
    await make(another_admin, now, "Two", key="old")
    await make(admin, now + timedelta(hours=1), "Three", key="young")
    swept = await across_tenants("SELECT delete_old_idempotency_keys($1)", now + timedelta(minutes=1))
    assert swept[0][0] == 2
    async with writing(tenant.id) as sql:
        assert await sql.values("SELECT key FROM idempotency_key") == ["young"]
