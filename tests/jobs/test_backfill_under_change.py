"""A backfill while other clients change the facts of the same people: nothing is lost, doubled or deadlocked."""

import asyncio
import random
from collections import defaultdict
from datetime import datetime
from typing import Any

import pytest

from domain.auto_assignment.conditions.atoms import ConditionKind, RefOperator
from domain.auto_assignment.conditions.input import ConditionInput
from domain.auto_assignment.models import ConditionMatch, UnmetPolicy
from domain.auto_assignment.rules.editing import RuleDraft, RuleSaved, create_rule
from domain.content.models import Content
from domain.content.queries import ContentKey
from domain.foundation.access import Principal
from domain.foundation.database.sessions import refresh_statistics, writing
from domain.foundation.jobs.running import run_job
from domain.foundation.unit_of_work import UnitOfWork, perform
from domain.people.learners.changes import LearnerChanges, RefChange
from domain.people.operations import update_learner
from domain.people.queries import LearnerKey
from domain.reactions import CHUNKS
from domain.tenants.models import Tenant
from tests.support import factories

VALUES = ["Developer", "Sales", "Support", None]
CLIENTS = 8


async def test_1_500_people_while_8_clients_change_them(tenant: Tenant, admin: Principal, now: datetime) -> None:
    """The small size of the proof."""
    await _prove(tenant, admin, now, people=1_500)


@pytest.mark.soak
async def test_100_000_people_while_8_clients_change_them(tenant: Tenant, admin: Principal, now: datetime) -> None:
    """The full size of the proof."""
    await _prove(tenant, admin, now, people=100_000)


async def _prove(tenant: Tenant, admin: Principal, now: datetime, *, people: int) -> None:
    given = await factories.create_course(tenant.id)
    shared = await factories.create_course(tenant.id)
    ids = await factories.create_learners(tenant.id, people, refs={1: "Developer"})
    await refresh_statistics()

    async def rule(name: str, value: str, contents: list[Content], when_unmet: UnmetPolicy) -> RuleSaved:
        draft = RuleDraft(
            name=name,
            contents=[ContentKey(id=content.id) for content in contents],
            match=ConditionMatch.ALL,
            conditions=[
                ConditionInput(ConditionKind.REF_VALUE, field_number=1, operator=RefOperator.EQUALS, ref_values=[value])
            ],
            when_unmet=when_unmet,
            backfills_existing_learners=True,
        )
        return (
            await perform(admin, now, "createAutoAssignmentRule", lambda work: create_rule(work, draft=draft))
        ).result

    await rule("Sellers", "Sales", [shared], UnmetPolicy.UNENROLL)
    developers = await rule("Developers", "Developer", [given, shared], UnmetPolicy.RELEASE)
    is_over = asyncio.Event()
    changes = 0

    async def change_one(dice: random.Random) -> None:
        # Few people, so that clients meet each other and the backfill.
        key = LearnerKey(id=ids[dice.randrange(0, len(ids), max(1, len(ids) // 500))])
        change = LearnerChanges(ref_values=[RefChange(1, dice.choice(VALUES))])

        async def update(work: UnitOfWork) -> int:
            return await update_learner(work, key=key, changes=change)

        await perform(admin, now, "updateLearner", update)

    async def client(number: int) -> None:
        nonlocal changes
        dice = random.Random(number)
        while not is_over.is_set():
            await change_one(dice)
            changes += 1

    async def backfill() -> None:
        assert developers.backfill_id is not None
        await run_job(tenant.id, developers.backfill_id, CHUNKS, lambda: now)
        is_over.set()

    await asyncio.gather(backfill(), *(client(number) for number in range(CLIENTS)))
    assert changes > CLIENTS
    await _agree_with_the_facts(tenant, developers.rule_id, given.id, shared.id)


async def _agree_with_the_facts(tenant: Tenant, rule_id: int, given_id: int, shared_id: int) -> None:
    async with writing(tenant.id) as sql:
        await sql.allow(60_000)
        facts: dict[str, set[int]] = defaultdict(set)
        for learner_id, value in await sql.fetch("SELECT learner_id, value FROM learner_ref WHERE number = 1"):
            facts[value].add(learner_id)
        members = set(await sql.values("SELECT learner_id FROM rule_member WHERE rule_id = $1", rule_id))
        active: dict[int, set[int]] = defaultdict(set)
        for learner_id, content_id in await sql.fetch("SELECT learner_id, content_id FROM enrollment WHERE is_active"):
            active[content_id].add(learner_id)
        held = await sql.fetch(
            "SELECT learner_id, content_id, count(*) FROM enrollment_reason WHERE until_at IS NULL GROUP BY 1, 2"
        )
        log = await sql.fetch("SELECT learner_id, content_id, action, rule_id FROM content_action ORDER BY id")
    replayed: dict[int, set[int]] = defaultdict(set)
    last: dict[tuple[Any, ...], str] = {}
    for row in log:
        place = (row["learner_id"], row["content_id"], row["rule_id"])
        if row["content_id"] == given_id:
            # One rule gives it alone, so nothing may be logged twice.
            assert last.get(place) != row["action"], place
            last[place] = row["action"]
        if row["action"] == "ENROLLED":
            replayed[row["content_id"]].add(row["learner_id"])
        else:
            replayed[row["content_id"]].discard(row["learner_id"])
    assert members == facts["Developer"]
    assert active[given_id] == facts["Developer"]
    assert active[shared_id] == facts["Developer"] | facts["Sales"]
    assert (replayed[given_id], replayed[shared_id]) == (active[given_id], active[shared_id])
    assert {(row[0], row[1]) for row in held} == {
        (learner_id, content_id) for content_id, people in active.items() for learner_id in people
    }
    assert {row[2] for row in held} == {1}
