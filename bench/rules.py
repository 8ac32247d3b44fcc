"""Rules of a generated company, compiled by the domain and written in bulk, with the members that they have.

Ten rules each wait for one value of ref 1, so that a change of it makes exactly two of them act. All others have one
to four conditions on other things; there may be any number of them, and none cares about such a change.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from random import Random

from bench.database import Connection
from bench.world import REF_VALUES, WATCHED_VALUES, Company, ref_value, watched_value
from domain.auto_assignment.conditions.atoms import CompiledRule, Condition, ConditionKind, RefOperator, compile_rule
from domain.auto_assignment.evaluation.matching import HITS_OF_PAIRS, matching
from domain.auto_assignment.models import ConditionMatch, UnmetPolicy
from domain.enrollments.models import EnrollmentStatus

Rule = tuple[CompiledRule, UnmetPolicy, int]

#: Who has a rare fact that a rule needs: all others need not be looked at, which a million of them would make long.
_CANDIDATES = """
SELECT DISTINCT f.learner_id, a.rule_id FROM rule_atom a
  JOIN rule r ON r.id = a.rule_id AND (r.match = 'ANY' OR a.bit = 1)
  JOIN fact f ON f.tenant_id = $1 AND f.kind = a.kind AND f.key = a.key AND f.value = a.value
 WHERE a.tenant_id = $1
"""


async def give_rules(owner: Connection, company: Company, count: int, now: datetime) -> None:
    """Write `count` rules, and make members of all who meet them."""
    rules = [*_watching_rules(company), *_other_rules(company, count - WATCHED_VALUES)]
    await _write(owner, company, rules, now)
    await _lay_down_members(owner, company, now)


def _watching_rules(company: Company) -> Iterator[Rule]:
    for number in range(WATCHED_VALUES):
        condition = _ref(1, [watched_value(number)])
        yield compile_rule(ConditionMatch.ALL, [condition]), UnmetPolicy.UNENROLL, company.courses[number]


def _other_rules(company: Company, count: int) -> Iterator[Rule]:
    random = Random(2026)
    for _ in range(count):
        match = ConditionMatch.ALL if random.random() < 0.85 else ConditionMatch.ANY
        # The first condition is a rare one, as where a company has thousands of rules each of them concerns few.
        field = random.choice((4, 5))
        more = random.choices((0, 1, 2, 3), (4, 3, 2, 1))[0]
        conditions = [_ref(field, _some_values(random, field, smallest=20))]
        conditions += [_any_condition(random, company, match) for _ in range(more)]
        yield (
            compile_rule(match, conditions),
            random.choice(list(UnmetPolicy)),
            random.choice(company.courses[WATCHED_VALUES:]),
        )


def _any_condition(random: Random, company: Company, match: ConditionMatch) -> Condition:
    if match is ConditionMatch.ANY:
        return _ref(5, _some_values(random, 5, smallest=100))
    kind = random.choice(("ref", "ref", "other than", "department", "status", "unused"))
    if kind == "department":
        return Condition(ConditionKind.DEPARTMENT, object_ids=tuple(random.sample(company.departments, 3)))
    if kind == "status":
        courses = tuple(random.sample(company.courses[WATCHED_VALUES:], 2))
        return Condition(ConditionKind.CONTENT_STATUS, object_ids=courses, status=random.choice(list(EnrollmentStatus)))
    if kind == "unused":
        # A rule may well name the changed field, just not the values that come and go.
        return _ref(1, [f"former {random.randrange(1_000)}"], RefOperator.NOT_EQUALS)
    number = random.choice((2, 3))
    operator = RefOperator.EQUALS if kind == "ref" else RefOperator.NOT_EQUALS
    return _ref(number, _some_values(random, number), operator)


def _some_values(random: Random, number: int, *, smallest: int = 0) -> list[str]:
    count = random.choices((1, 3), (4, 1))[0]
    return [ref_value(number, random.randrange(smallest, REF_VALUES[number])) for _ in range(count)]


def _ref(number: int, values: Sequence[str], operator: RefOperator = RefOperator.EQUALS) -> Condition:
    return Condition(ConditionKind.REF_VALUE, field_number=number, operator=operator, ref_values=tuple(values))


async def _write(owner: Connection, company: Company, rules: Sequence[Rule], now: datetime) -> None:
    ids = [
        record[0]
        for record in await owner.fetch(
            "SELECT nextval(pg_get_serial_sequence('rule', 'id')) FROM generate_series(1, $1::int)", len(rules)
        )
    ]
    tenant_id = company.tenant_id
    await owner.copy_records_to_table(
        "rule",
        columns=["id", "tenant_id", "name", "name_key", "match", "when_unmet", "state", "full_mask", "negative_mask",
                 "is_met_by_default", "has_enrolled", "created_at", "updated_at", "version", "edited_version"],
        records=[
            (rule_id, tenant_id, f"Rule {rule_id}", f"rule {rule_id}", compiled.match.value, policy.value, "ACTIVE",
             compiled.full_mask, compiled.negative_mask, compiled.is_met_by_default, True, now, now, 1, 1)
            for rule_id, (compiled, policy, _) in zip(ids, rules, strict=True)
        ],
    )  # fmt: skip
    await owner.copy_records_to_table(
        "rule_target",
        columns=["rule_id", "content_id", "tenant_id", "position", "added_at"],
        records=[(rule_id, content, tenant_id, 1, now) for rule_id, (_, _, content) in zip(ids, rules, strict=True)],
    )
    await owner.copy_records_to_table(
        "rule_atom",
        columns=["rule_id", "tenant_id", "kind", "key", "value", "bit"],
        records=[
            (rule_id, tenant_id, atom.fact.kind.value, atom.fact.key, atom.fact.value, atom.bit)
            for rule_id, (compiled, _, _) in zip(ids, rules, strict=True)
            for atom in compiled.atoms
        ],
    )


async def _lay_down_members(owner: Connection, company: Company, now: datetime) -> None:
    """Bring about what the rules would have done over the years, the log aside."""
    # Planned before anybody has counted the rows, these statements would take hours for thousands of rules.
    await owner.execute("ANALYZE rule, rule_atom, rule_target, learner, learner_ref, learner_place, enrollment")
    await owner.execute(
        f"WITH pair AS MATERIALIZED ({_CANDIDATES}),"
        " known_fact AS MATERIALIZED (SELECT learner_id, kind, key, value FROM fact WHERE tenant_id = $1)"
        " INSERT INTO rule_member (learner_id, rule_id, tenant_id, since_at)"
        f" SELECT m.learner_id, m.rule_id, $1, $2 FROM ({matching(HITS_OF_PAIRS)}) m",
        company.tenant_id,
        now,
    )
    await owner.execute("ANALYZE rule_member")
    await owner.execute(
        "INSERT INTO enrollment (tenant_id, learner_id, content_id, status, is_active, is_waitlisted, progress_percent,"
        "                        lessons_done, attempt, enrolled_at, version)"
        " SELECT DISTINCT $1::bigint, m.learner_id, t.content_id, 'NOT_STARTED', true, false, 0, 0, 1,"
        "        $2::timestamptz, 1"
        "   FROM rule_member m JOIN rule_target t ON t.rule_id = m.rule_id WHERE m.tenant_id = $1"
        " ON CONFLICT (learner_id, content_id) DO NOTHING",
        company.tenant_id,
        now,
    )
    await owner.execute("ANALYZE enrollment")
    await owner.execute(
        "INSERT INTO enrollment_reason (tenant_id, enrollment_id, learner_id, content_id, source, rule_id, rule_name,"
        "                               is_permanent, since_at)"
        " SELECT $1, e.id, e.learner_id, e.content_id, 'AUTO_ENROLLMENT', m.rule_id, r.name, false, $2"
        "   FROM rule_member m JOIN rule r ON r.id = m.rule_id JOIN rule_target t ON t.rule_id = m.rule_id"
        "   JOIN enrollment e ON e.learner_id = m.learner_id AND e.content_id = t.content_id WHERE m.tenant_id = $1",
        company.tenant_id,
        now,
    )
