"""Counts that a rule shows: pushed within two seconds of their change, at most once a second, whatever moves them."""

import asyncio
import itertools
import time
from typing import Any

import pytest
from pydantic import SecretStr

from domain.foundation import nudge
from domain.foundation.access import Principal
from domain.foundation.database.sessions import ReadScope
from domain.foundation.settings import Settings
from domain.foundation.unit_of_work import UnitOfWork
from domain.people.learners.changes import LearnerChanges, RefChange
from domain.people.operations import update_learner
from domain.people.queries import LearnerKey
from domain.tenants.models import Tenant
from gql.contract.ids import CONTENT, encode
from tests.realtime.test_credentials import learner_id, mutation
from tests.realtime.test_sharing import RULE
from tests.support import factories
from tests.support.api import Api
from tests.support.live import LiveServer, Stream, serving
from tests.support.tasks import held

COUNTS = """enrolledLearnerCount revocableLearnerCount matchingLearners(first: 1) { totalCount }
  contentActions(first: 1) { totalCount }"""
CHANGES = f"""subscription {{ autoAssignmentRuleChanges {{ cursor reset {{ reason }}
  changes {{ version rule {{ version {COUNTS} }} }} }} }}"""
LIST = f"subscription {{ autoAssignmentRuleList {{ cursor reset {{ reason }} rules {{ version {COUNTS} }} }} }}"
#: Seconds in which counts have to come.
PROMISED = 2.0


@pytest.fixture
async def rule(api: Api, admin: Principal, tenant: Tenant) -> int:
    """A rule that has enrolled somebody already; returns its version."""
    await factories.create_person(tenant.id, refs={1: "Sales"})
    course = await factories.create_course(tenant.id)
    condition = {"refValue": {"fieldNumber": 1, "operator": "EQUALS", "values": ["Sales"]}}
    given = {"contents": [{"id": encode(CONTENT, course.id)}], "match": "ALL", "whenUnmet": "RELEASE"}
    await api.acting_as(admin).run(RULE, input={"name": "Sales", "conditions": [condition], **given})
    async with ReadScope(tenant.id) as reads:
        return int(await reads.value("SELECT version FROM rule WHERE tenant_id = $1", tenant.id))


async def enter(api: Api, admin: Principal, person: Principal) -> None:
    """Let somebody come to meet the rule."""
    changes = {"refValues": [{"number": 1, "value": "Sales"}]}
    await api.acting_as(admin).run(
        mutation("updateLearner"), input={"learner": {"id": learner_id(person)}, "changes": changes}
    )


async def pushed_until(stream: Stream, count: int) -> list[tuple[float, dict[str, Any]]]:
    """Return when the rule came and how it looked, until it shows so many enrolled people."""
    pushed: list[tuple[float, dict[str, Any]]] = []
    while not pushed or pushed[-1][1]["enrolledLearnerCount"] < count:
        batch = await stream.batch(seconds=PROMISED)
        shown = batch.get("rules") or [one["rule"] for one in batch.get("changes", ())]
        pushed += [(time.monotonic(), one) for one in shown]
    return pushed


@pytest.mark.parametrize("is_told", [True, False], ids=["told", "untold"])
async def test_counts_are_pushed_soon_and_not_too_often(
    api: Api,
    live_settings: Settings,
    redis_url: str,
    admin: Principal,
    tenant: Tenant,
    rule: int,
    is_told: bool,
) -> None:
    """Of 30 people who enter one after the other, with Redis and without; the version stays, and equal is applied."""
    settings = live_settings if is_told else live_settings.model_copy(update={"redis_url": SecretStr("")})
    nudge.start(redis_url if is_told else "")
    try:
        async with serving(api, settings) as live:
            await follow_entering(api, live, admin, tenant, rule)
    finally:
        await nudge.stop()


async def follow_entering(api: Api, live: LiveServer, admin: Principal, tenant: Tenant, rule: int) -> None:
    """Let people enter and require that both streams of rules tell it as they have to."""
    people = [await factories.create_person(tenant.id) for _ in range(30)]
    socket = await live.acting_as(admin)
    streams = [await socket.follow(CHANGES), await socket.follow(LIST)]
    listening = [asyncio.create_task(pushed_until(stream, 31)) for stream in streams]
    for person in people:
        await enter(api, admin, person)
        await asyncio.sleep(0.05)
    entered_at = time.monotonic()
    for pushed in await asyncio.gather(*listening):
        instants = [instant for instant, _ in pushed]
        assert instants[-1] - entered_at < PROMISED
        # Scheduling moves one to the other by a little.
        assert all(later - earlier > 0.8 for earlier, later in itertools.pairwise(instants))
        assert {one["version"] for _, one in pushed} == {rule}
        last = pushed[-1][1]
        assert (last["revocableLearnerCount"], last["matchingLearners"], last["contentActions"]) == (
            31,
            {"totalCount": 31},
            {"totalCount": 31},
        )


async def test_nobody_waits_for_a_rule_whose_counts_somebody_moves(
    api: Api, admin: Principal, tenant: Tenant, rule: int
) -> None:
    """Two people enter at the same time: the row of the rule is neither locked nor changed."""
    first, second = [await factories.create_person(tenant.id) for _ in range(2)]

    async def action(work: UnitOfWork) -> None:
        changes = LearnerChanges(ref_values=[RefChange(1, "Sales")])
        await update_learner(work, key=LearnerKey(id=first.learner_id), changes=changes)
        await work.react()

    async with held(admin, api.now, action) as transaction:
        async with asyncio.timeout(5):
            await enter(api, admin, second)
        await transaction.commit()
