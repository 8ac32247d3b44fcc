"""What looks wrong with a rule before it is saved. Saving is still possible."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations

from domain.auto_assignment.conditions.atoms import Condition, ConditionKind
from domain.auto_assignment.models import ConditionMatch, UnmetPolicy
from domain.auto_assignment.rules.queries import load_conditions_by_rule, load_target_ids_by_rule
from domain.enrollments.models import EnrollmentStatus
from domain.foundation.access import Principal
from domain.foundation.database.sessions import Statements


class RuleWarningCode(StrEnum):
    """Kinds of warnings about a rule."""

    NEVER_MET = "NEVER_MET"
    ALWAYS_MET = "ALWAYS_MET"
    DUPLICATE = "DUPLICATE"
    OPPOSED = "OPPOSED"
    STATUS_ONLY_FROM_RULES = "STATUS_ONLY_FROM_RULES"


@dataclass(frozen=True, slots=True)
class RuleWarning:
    """Something that is probably not meant, and the other rule concerned."""

    code: RuleWarningCode
    message: str
    rule_id: int | None = None


def is_never_met(match: ConditionMatch, conditions: Sequence[Condition]) -> bool:
    """Tell whether two conditions of an ALL rule exclude each other."""
    if match is ConditionMatch.ANY:
        return False
    for number in _fields(conditions):
        allowed = [set(one.ref_values) for one in _of_field(conditions, number) if not one.is_negative]
        refused = {value for one in _of_field(conditions, number) if one.is_negative for value in one.ref_values}
        if allowed and not set.intersection(*allowed) - refused:
            return True
    departments = [set(one.object_ids) for one in conditions if one.kind is ConditionKind.DEPARTMENT]
    # A learner is in one department at most.
    if departments and not set.intersection(*departments):
        return True
    singles = [
        (one.object_ids[0], one.status)
        for one in conditions
        if one.kind is ConditionKind.CONTENT_STATUS and len(one.object_ids) == 1
    ]
    return any(a[0] == b[0] and a[1] != b[1] for a, b in combinations(singles, 2))


def is_always_met(match: ConditionMatch, conditions: Sequence[Condition]) -> bool:
    """Tell whether one of two conditions of an ANY rule holds for everybody."""
    if match is ConditionMatch.ALL:
        return False
    for number in _fields(conditions):
        allowed = {value for one in _of_field(conditions, number) if not one.is_negative for value in one.ref_values}
        refused = [set(one.ref_values) for one in _of_field(conditions, number) if one.is_negative]
        # Who fails every NOT_EQUALS has a value that all of them name.
        if refused and set.intersection(*refused) <= allowed:
            return True
    return False


def _fields(conditions: Iterable[Condition]) -> set[int]:
    return {one.field_number for one in conditions if one.field_number is not None}


def _of_field(conditions: Iterable[Condition], number: int) -> list[Condition]:
    return [one for one in conditions if one.field_number == number]


async def find_warnings(
    reads: Statements,
    principal: Principal,
    *,
    match: ConditionMatch,
    conditions: Sequence[Condition],
    content_ids: Sequence[int],
    when_unmet: UnmetPolicy,
    edited_rule_id: int | None,
) -> list[RuleWarning]:
    """Return what looks wrong with a rule, compared with the others; an edited rule is not compared with itself."""
    warnings = []
    if is_never_met(match, conditions):
        warnings.append(RuleWarning(RuleWarningCode.NEVER_MET, "No learner can ever meet these conditions."))
    if is_always_met(match, conditions):
        warnings.append(RuleWarning(RuleWarningCode.ALWAYS_MET, "Every active learner meets these conditions."))
    others = await reads.fetch(
        "SELECT r.id, r.name, r.match, r.when_unmet FROM rule r"
        " WHERE r.tenant_id = $1 AND r.state <> 'DELETED' AND r.id IS DISTINCT FROM $2::bigint"
        "   AND EXISTS (SELECT 1 FROM rule_target t WHERE t.rule_id = r.id AND t.content_id = ANY ($3::bigint[]))"
        " ORDER BY r.name_key, r.id",
        principal.tenant_id,
        edited_rule_id,
        list(content_ids),
    )
    other_ids = [other["id"] for other in others]
    targets = await load_target_ids_by_rule(reads, principal, other_ids)
    their_conditions = await load_conditions_by_rule(reads, principal, other_ids)
    for other, target_ids, theirs in zip(others, targets, their_conditions, strict=True):
        is_alike = _as_set(conditions) == _as_set(theirs) and (len(conditions) == 1 or other["match"] == match)
        if is_alike and set(target_ids) == set(content_ids):
            warnings.append(
                RuleWarning(
                    RuleWarningCode.DUPLICATE,
                    f"The rule {other['name']!r} has the same conditions and gives the same contents.",
                    other["id"],
                )
            )
        if UnmetPolicy.UNENROLL in (when_unmet, other["when_unmet"]):
            warnings.append(
                RuleWarning(
                    RuleWarningCode.OPPOSED,
                    f"The rule {other['name']!r} shares a content with this one, and one of them unenrolls from it.",
                    other["id"],
                )
            )
    return [*warnings, *await _statuses_only_from_rules(reads, principal, conditions, content_ids)]


def _as_set(conditions: Iterable[Condition]) -> set[tuple[object, ...]]:
    return {
        (one.kind, frozenset(one.object_ids), one.status, one.field_number, one.operator, frozenset(one.ref_values))
        for one in conditions
    }


async def _statuses_only_from_rules(
    reads: Statements, principal: Principal, conditions: Sequence[Condition], content_ids: Sequence[int]
) -> list[RuleWarning]:
    """Warn of NOT_STARTED conditions that wait for what only rules cause; rules never trigger rules."""
    warnings = []
    for number, condition in enumerate(conditions, start=1):
        if condition.status is not EnrollmentStatus.NOT_STARTED:
            continue
        is_reachable = await reads.value(
            """
            SELECT EXISTS (
              SELECT 1 FROM content c WHERE c.tenant_id = $1 AND c.id = ANY ($2::bigint[])
                 AND (c.is_self_enrollable
                      OR (c.id <> ALL ($3::bigint[])
                          AND NOT EXISTS (SELECT 1 FROM rule_target t JOIN rule r ON r.id = t.rule_id
                                           WHERE t.content_id = c.id AND r.state <> 'DELETED'))
                      OR EXISTS (SELECT 1 FROM enrollment e WHERE e.tenant_id = $1 AND e.content_id = c.id
                                    AND e.fact_status = 'NOT_STARTED')))
            """,
            principal.tenant_id,
            list(condition.object_ids),
            list(content_ids),
        )
        if not is_reachable:
            warnings.append(
                RuleWarning(
                    RuleWarningCode.STATUS_ONLY_FROM_RULES,
                    f"Condition {number} waits for a status that only rules cause, and rules never trigger rules.",
                )
            )
    return warnings
