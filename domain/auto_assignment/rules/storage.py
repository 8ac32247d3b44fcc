"""The rows of a rule: itself, what the user said, what the engine joins, and what it gives."""

from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

from domain.auto_assignment.conditions.atoms import CompiledRule, Condition, compile_rule
from domain.auto_assignment.models import ConditionMatch, UnmetPolicy
from domain.auto_assignment.rules.queries import load_conditions_by_rule, load_target_ids_by_rule
from domain.foundation.errors import AlreadyExists, NotFound
from domain.foundation.text_validation import name_key
from domain.foundation.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True)
class LockedRule:
    """A rule as it stays until the end of the transaction."""

    id: int
    name: str
    match: ConditionMatch
    when_unmet: UnmetPolicy
    is_preparing: bool
    has_enrolled: bool
    version: int
    edited_version: int
    content_ids: tuple[int, ...]
    conditions: tuple[Condition, ...]


async def lock_rule(work: UnitOfWork, rule_id: int) -> LockedRule:
    """Lock a rule and return it with all its parts; raises NotFound. The rules of the tenant have to be locked."""
    rows = await work.sql.fetch(
        "SELECT id, name, match, when_unmet, state, has_enrolled, version, edited_version FROM rule"
        " WHERE tenant_id = $1 AND id = $2 AND state <> 'DELETED' FOR NO KEY UPDATE",
        work.tenant_id,
        rule_id,
    )
    if not rows:
        raise NotFound(path=["id"])
    [content_ids] = await load_target_ids_by_rule(work.sql, work.principal, [rule_id])
    [conditions] = await load_conditions_by_rule(work.sql, work.principal, [rule_id])
    row = rows[0]
    return LockedRule(
        id=row["id"],
        name=row["name"],
        match=ConditionMatch(row["match"]),
        when_unmet=UnmetPolicy(row["when_unmet"]),
        is_preparing=row["state"] == "PREPARING",
        has_enrolled=row["has_enrolled"],
        version=row["version"],
        edited_version=row["edited_version"],
        content_ids=tuple(content_ids),
        conditions=tuple(conditions),
    )


async def insert_rule(
    work: UnitOfWork,
    *,
    name: str,
    match: ConditionMatch,
    when_unmet: UnmetPolicy,
    content_ids: Sequence[int],
    conditions: Sequence[Condition],
) -> int:
    """Store a new rule and return its ID; raises AlreadyExists for its name."""
    compiled = compile_rule(match, conditions)
    try:
        rule_id: int = await work.sql.value(
            """
            INSERT INTO rule (tenant_id, name, name_key, match, when_unmet, state, full_mask, negative_mask,
                              is_met_by_default, has_enrolled, created_by_learner_id, created_by_service_account_id,
                              created_at, updated_at, version, edited_version)
            VALUES ($1, $2, $3, $4, $5, 'ACTIVE', $6, $7, $8, false, $9, $10, $11, $11, 1, 1) RETURNING id
            """,
            work.tenant_id,
            name,
            name_key(name),
            match.value,
            when_unmet.value,
            compiled.full_mask,
            compiled.negative_mask,
            compiled.is_met_by_default,
            work.principal.learner_id,
            work.principal.service_account_id,
            work.now,
        )
    except asyncpg.UniqueViolationError as error:
        raise AlreadyExists(path=["name"]) from error
    await add_targets(work, rule_id, content_ids)
    await _insert_conditions(work, rule_id, conditions, compiled)
    return rule_id


async def update_rule_row(
    work: UnitOfWork, rule_id: int, *, name: str, match: ConditionMatch, when_unmet: UnmetPolicy
) -> None:
    """Store an edit of the rule itself; raises AlreadyExists for its name."""
    try:
        await work.sql.execute(
            "UPDATE rule SET name = $3, name_key = $4, match = $5, when_unmet = $6, updated_at = $7,"
            "       version = version + 1, edited_version = version + 1"
            " WHERE tenant_id = $1 AND id = $2",
            work.tenant_id,
            rule_id,
            name,
            name_key(name),
            match.value,
            when_unmet.value,
            work.now,
        )
    except asyncpg.UniqueViolationError as error:
        raise AlreadyExists(path=["changes", "name"]) from error


async def replace_conditions(
    work: UnitOfWork, rule_id: int, match: ConditionMatch, conditions: Sequence[Condition]
) -> None:
    """Store other conditions for a rule that nobody is enrolled by, and forget who met the old ones."""
    compiled = compile_rule(match, conditions)
    for table in ("rule_condition", "rule_atom", "rule_member"):
        await work.sql.execute(f"DELETE FROM {table} WHERE tenant_id = $1 AND rule_id = $2", work.tenant_id, rule_id)
    await work.sql.execute(
        "UPDATE rule SET full_mask = $3, negative_mask = $4, is_met_by_default = $5, state = 'ACTIVE'"
        " WHERE tenant_id = $1 AND id = $2",
        work.tenant_id,
        rule_id,
        compiled.full_mask,
        compiled.negative_mask,
        compiled.is_met_by_default,
    )
    await _insert_conditions(work, rule_id, conditions, compiled)


async def add_targets(work: UnitOfWork, rule_id: int, content_ids: Sequence[int]) -> None:
    """Let a rule give more contents."""
    await work.sql.execute(
        "INSERT INTO rule_target (rule_id, content_id, tenant_id, position, added_at)"
        " SELECT $1, content_id, $3, position, $4"
        "   FROM unnest($2::bigint[]) WITH ORDINALITY AS t (content_id, position)",
        rule_id,
        list(content_ids),
        work.tenant_id,
        work.now,
    )


async def remove_targets(work: UnitOfWork, rule_id: int, content_ids: Sequence[int]) -> None:
    """Let a rule that nobody is enrolled by give fewer contents."""
    await work.sql.execute(
        "DELETE FROM rule_target WHERE tenant_id = $1 AND rule_id = $2 AND content_id = ANY ($3::bigint[])",
        work.tenant_id,
        rule_id,
        list(content_ids),
    )


async def _insert_conditions(
    work: UnitOfWork, rule_id: int, conditions: Sequence[Condition], compiled: CompiledRule
) -> None:
    await work.sql.insert(
        "rule_condition",
        ["rule_id", "number", "tenant_id", "kind", "field_number", "operator", "status", "object_ids", "ref_values"],
        [
            (
                rule_id,
                number,
                work.tenant_id,
                condition.kind.value,
                condition.field_number,
                condition.operator.value if condition.operator else None,
                condition.status.value if condition.status else None,
                list(condition.object_ids),
                list(condition.ref_values),
            )
            for number, condition in enumerate(conditions)
        ],
    )
    await work.sql.insert(
        "rule_atom",
        ["rule_id", "tenant_id", "kind", "key", "value", "bit"],
        [
            (rule_id, work.tenant_id, atom.fact.kind.value, atom.fact.key, atom.fact.value, atom.bit)
            for atom in compiled.atoms
        ],
    )


def condition_as_json(condition: Condition) -> dict[str, object]:
    """Return a condition as the audit log shows it."""
    return {
        "kind": condition.kind.value,
        "objects": list(condition.object_ids),
        "status": condition.status.value if condition.status else None,
        "field": condition.field_number,
        "operator": condition.operator.value if condition.operator else None,
        "values": list(condition.ref_values),
    }
