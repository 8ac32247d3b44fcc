"""The matching query agrees with an oracle in plain Python on thousands of random (learner, rule) pairs."""

import random
from dataclasses import dataclass

import pytest

from domain.auto_assignment.conditions.atoms import Condition, ConditionKind, RefOperator, compile_rule
from domain.auto_assignment.evaluation.matching import HITS_OF_PAIRS, hits_of_rules, matching, unsaved_rule
from domain.auto_assignment.models import ConditionMatch, Rule, UnmetPolicy
from domain.enrollments.models import EnrollmentStatus
from domain.foundation.database.sessions import Session, refresh_statistics, writing
from domain.people.models import PlaceKind
from domain.tenants.models import Tenant
from tests.support import factories
from tests.support.rule_oracle import Person, meets_rule

VALUES = ["Developer", "developer", "Sales", "Sales ", "Ärztin", "*"]
STATUSES = list(EnrollmentStatus)
PLACES = {
    ConditionKind.DEPARTMENT: PlaceKind.DEPARTMENT,
    ConditionKind.LEARNING_GROUP: PlaceKind.LEARNING_GROUP,
    ConditionKind.CLIENT: PlaceKind.CLIENT,
    ConditionKind.SUBLICENSE: PlaceKind.SUBLICENSE,
}


@dataclass(slots=True)
class World:
    """A tenant full of random people and rules, in the database and in Python."""

    people: dict[int, Person]
    rules: dict[int, tuple[ConditionMatch, list[Condition]]]

    def expected(self) -> set[tuple[int, int]]:
        return {
            (learner_id, rule_id)
            for learner_id, person in self.people.items()
            for rule_id, (match, conditions) in self.rules.items()
            if meets_rule(person, match, conditions)
        }


async def _random_world(tenant: Tenant, dice: random.Random, *, people: int, rules: int) -> World:
    places = {
        kind: [(await factories.create_place(tenant.id, kind=place)).id for _ in range(3)]
        for kind, place in PLACES.items()
    }
    contents = [(await factories.create_course(tenant.id)).id for _ in range(4)]
    learner_ids = await factories.create_learners(tenant.id, people)
    world = World({}, {})
    async with writing(tenant.id) as sql:
        for learner_id in learner_ids:
            world.people[learner_id] = await _make_person(sql, tenant.id, learner_id, places, contents, dice)
        for _ in range(rules):
            match = dice.choice(list(ConditionMatch))
            conditions = [_random_condition(places, contents, dice) for _ in range(dice.choice([1, 1, 2, 2, 3, 5, 20]))]
            world.rules[await save_rule(sql, tenant, match, conditions)] = (match, conditions)
    await refresh_statistics()
    return world


async def _make_person(
    sql: Session,
    tenant_id: int,
    learner_id: int,
    places: dict[ConditionKind, list[int]],
    contents: list[int],
    dice: random.Random,
) -> Person:
    person = Person(is_active=dice.random() > 0.1)
    if not person.is_active:
        await sql.execute("UPDATE learner SET is_active = false WHERE id = $1", learner_id)
    for number in range(1, 4):
        if dice.random() < 0.7:
            person.refs[number] = dice.choice(VALUES)
            await sql.execute(
                "INSERT INTO learner_ref (learner_id, number, tenant_id, value) VALUES ($1, $2, $3, $4)",
                learner_id,
                number,
                tenant_id,
                person.refs[number],
            )
    for kind, ids in places.items():
        most = 1 if kind is ConditionKind.DEPARTMENT else 3
        for place_id in dice.sample(ids, dice.randint(0, most)):
            person.place_ids.add(place_id)
            await sql.execute(
                "INSERT INTO learner_place (learner_id, place_id, tenant_id, kind) VALUES ($1, $2, $3, $4)",
                learner_id,
                place_id,
                tenant_id,
                PLACES[kind].value,
            )
    for content_id in dice.sample(contents, dice.randint(0, 3)):
        status = dice.choice(STATUSES)
        # A status that only a rule has caused is no fact.
        is_fact = dice.random() < 0.7
        if is_fact:
            person.statuses[content_id] = status
        await factories.create_enrollment(
            tenant_id,
            learner_id,
            content_id,
            status=status,
            fact_status=status if is_fact else None,
            is_active=dice.random() < 0.8,
        )
    return person


def _random_condition(places: dict[ConditionKind, list[int]], contents: list[int], dice: random.Random) -> Condition:
    kind = dice.choice([*PLACES, ConditionKind.CONTENT_STATUS, ConditionKind.REF_VALUE, ConditionKind.REF_VALUE])
    if kind is ConditionKind.REF_VALUE:
        return Condition(
            kind,
            field_number=dice.randint(1, 4),
            operator=dice.choice(list(RefOperator)),
            ref_values=tuple(dice.sample(VALUES, dice.randint(1, 3))),
        )
    if kind is ConditionKind.CONTENT_STATUS:
        return Condition(
            kind, object_ids=tuple(dice.sample(contents, dice.randint(1, 3))), status=dice.choice(STATUSES)
        )
    return Condition(kind, object_ids=tuple(dice.sample(places[kind], dice.randint(1, 2))))


async def save_rule(sql: Session, tenant: Tenant, match: ConditionMatch, conditions: list[Condition]) -> int:
    """Store a rule as the engine joins it, without anything that follows."""
    compiled = compile_rule(match, conditions)
    rule = await Rule.create(
        tenant_id=tenant.id,
        name=f"Rule {random.random()}",
        name_key="rule",
        match=match,
        when_unmet=UnmetPolicy.KEEP,
        full_mask=compiled.full_mask,
        negative_mask=compiled.negative_mask,
        is_met_by_default=compiled.is_met_by_default,
        created_at=factories.LONG_AGO,
        updated_at=factories.LONG_AGO,
    )
    await sql.insert(
        "rule_atom",
        ["rule_id", "tenant_id", "kind", "key", "value", "bit"],
        [(rule.id, tenant.id, a.fact.kind.value, a.fact.key, a.fact.value, a.bit) for a in compiled.atoms],
    )
    rule_id: int = rule.id
    return rule_id


_OF_PAIRS = f"""
WITH pair AS (SELECT l.id AS learner_id, r.id AS rule_id FROM learner l CROSS JOIN rule r WHERE r.tenant_id = $1),
known_fact AS MATERIALIZED (SELECT * FROM fact WHERE tenant_id = $1)
{matching(HITS_OF_PAIRS)}
"""


@pytest.mark.parametrize("seed", range(3))
async def test_both_ways_into_the_matching_query_agree_with_the_oracle(tenant: Tenant, seed: int) -> None:
    """Given 40 people and 60 rules of every shape, learners against rules and rules against learners find the same."""
    dice = random.Random(seed)
    world = await _random_world(tenant, dice, people=40, rules=60)
    expected = world.expected()
    assert 100 < len(expected) < 2_300
    async with writing(tenant.id) as sql:
        of_pairs = {(row[0], row[1]) for row in await sql.fetch(_OF_PAIRS, tenant.id)}
        of_rules = {
            (row[0], row[1])
            for row in await sql.fetch(matching(hits_of_rules("SELECT id FROM rule WHERE tenant_id = $1")), tenant.id)
        }
    assert of_pairs == expected
    assert of_rules == expected


async def test_an_unsaved_rule_matches_like_a_saved_one(tenant: Tenant) -> None:
    """A preview finds who the saved rule finds, for each of 60 random rules."""
    world = await _random_world(tenant, random.Random(11), people=40, rules=60)
    expected = world.expected()
    async with writing(tenant.id) as sql:
        for rule_id, (match, conditions) in world.rules.items():
            rule, args = unsaved_rule(compile_rule(match, conditions), first=2)
            found = await sql.values(f"WITH {rule} {matching(hits_of_rules('SELECT 0::bigint'))}", tenant.id, *args)
            assert set(found) == {learner_id for learner_id, one in expected if one == rule_id}


async def test_a_range_of_learner_ids_finds_its_part(tenant: Tenant) -> None:
    """The ranges of a backfill together find what the whole finds, and nothing twice."""
    world = await _random_world(tenant, random.Random(12), people=40, rules=20)
    ids = sorted(world.people)
    sql_text = matching(
        hits_of_rules("SELECT id FROM rule WHERE tenant_id = $1", after="$2::bigint", until="$3::bigint")
    )
    found: list[tuple[int, int]] = []
    async with writing(tenant.id) as sql:
        for after, until in [(0, ids[9]), (ids[9], ids[25]), (ids[25], ids[-1])]:
            found += [(row[0], row[1]) for row in await sql.fetch(sql_text, tenant.id, after, until)]
    assert len(found) == len(set(found))
    assert set(found) == world.expected()
