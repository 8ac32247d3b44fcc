"""Why a learner does or does not meet a rule, condition by condition, with the fact that decided.

The hits are those of the matching query, seen one by one instead of added up.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain.auto_assignment.conditions.atoms import Condition, ConditionKind
from domain.auto_assignment.evaluation.matching import HITS_OF_PAIRS, matching
from domain.auto_assignment.rules.queries import find_rule, load_conditions_by_rule
from domain.enrollments.models import EnrollmentStatus
from domain.foundation.access import Principal
from domain.foundation.database.sessions import Statements
from domain.foundation.errors import NotFound
from domain.people.queries import LearnerKey, resolve_learner


@dataclass(frozen=True, slots=True)
class ConditionVerdict:
    """Verdict on one condition, and the fact that decided, in English."""

    condition: Condition
    is_met: bool
    fact: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """Verdicts on the conditions of a rule, in its order."""

    rule_id: int
    learner_id: int
    is_met: bool
    conditions: list[ConditionVerdict]
    met_since_at: datetime | None


_PAIR = """
WITH pair AS (SELECT $2::bigint AS learner_id, $3::bigint AS rule_id),
known_fact AS MATERIALIZED (SELECT learner_id, kind, key, value FROM fact WHERE tenant_id = $1 AND learner_id = $2)
"""
_HIT_BITS = f"{_PAIR} SELECT DISTINCT bit FROM ({HITS_OF_PAIRS}) h WHERE bit <> 0"
_IS_MET = f"{_PAIR} SELECT EXISTS ({matching(HITS_OF_PAIRS)})"


async def explain_rule(reads: Statements, principal: Principal, *, rule_id: int, learner: LearnerKey) -> Explanation:
    """Explain a rule for a learner; raises Forbidden for who may not see rules, and NotFound."""
    principal.require_reading_all()
    if await find_rule(reads, principal, rule_id) is None:
        raise NotFound(path=["ruleId"])
    learner_id = await resolve_learner(reads, principal, learner, path=["learner"])
    [conditions] = await load_conditions_by_rule(reads, principal, [rule_id])
    args = (principal.tenant_id, learner_id, rule_id)
    hits = set(await reads.values(_HIT_BITS, *args))
    verdicts = []
    for number, condition in enumerate(conditions):
        is_hit = 1 << number in hits
        fact = await _deciding_fact(reads, principal.tenant_id, learner_id, condition)
        verdicts.append(ConditionVerdict(condition, is_hit != condition.is_negative, fact))
    return Explanation(
        rule_id=rule_id,
        learner_id=learner_id,
        is_met=bool(await reads.value(_IS_MET, *args)),
        conditions=verdicts,
        met_since_at=await reads.value(
            "SELECT since_at FROM rule_member WHERE tenant_id = $1 AND learner_id = $2 AND rule_id = $3", *args
        ),
    )


async def _deciding_fact(reads: Statements, tenant_id: int, learner_id: int, condition: Condition) -> str:
    if condition.kind is ConditionKind.REF_VALUE:
        value = await reads.value(
            "SELECT value FROM learner_ref WHERE tenant_id = $1 AND learner_id = $2 AND number = $3",
            tenant_id,
            learner_id,
            condition.field_number,
        )
        field = f"ref {condition.field_number}"
        return f"{field} has no value" if value is None else f'{field} is "{value}"'
    if condition.kind is ConditionKind.CONTENT_STATUS:
        return await _deciding_status(reads, tenant_id, learner_id, condition)
    names = await reads.values(
        "SELECT p.name FROM learner_place m JOIN place p ON p.id = m.place_id"
        " WHERE m.tenant_id = $1 AND m.learner_id = $2 AND m.place_id = ANY ($3::bigint[]) ORDER BY p.name_key, p.id",
        tenant_id,
        learner_id,
        list(condition.object_ids),
    )
    return f"belongs to {', '.join(names)}" if names else "belongs to none of them"


async def _deciding_status(reads: Statements, tenant_id: int, learner_id: int, condition: Condition) -> str:
    """Tell the status that is met, or else why each content's is not."""
    assert condition.status is not None
    told: list[str] = []
    for row in await reads.fetch(
        "SELECT c.title, e.id, e.status, e.fact_status, e.is_waitlisted FROM content c"
        "  LEFT JOIN enrollment e ON e.content_id = c.id AND e.learner_id = $2"
        " WHERE c.tenant_id = $1 AND c.id = ANY ($3::bigint[]) ORDER BY c.title_key, c.id",
        tenant_id,
        learner_id,
        list(condition.object_ids),
    ):
        if row["fact_status"] == condition.status:
            return f"status on {row['title']} is {condition.status}"
        told.append(_status_told(row["title"], dict(row), condition.status))
    return "; ".join(told)


def _status_told(title: str, row: Mapping[str, Any], wanted: EnrollmentStatus) -> str:
    if row["id"] is None:
        return f"never enrolled in {title}"
    if row["fact_status"] is not None:
        return f"status on {title} is {row['fact_status']}"
    if row["is_waitlisted"]:
        return f"waiting for a seat in {title}"
    if row["status"] == wanted:
        return f"status on {title} was caused by a rule, or ended before it began"
    return f"status on {title} is no fact for rules"
