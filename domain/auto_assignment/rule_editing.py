"""Creating rules. A rule is judged as a whole, written, and then meets the people who are there already."""

from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

from domain.auto_assignment.backfill import begin_backfill, begin_preparation
from domain.auto_assignment.condition_input import ConditionInput, resolve_conditions
from domain.auto_assignment.conditions import MAX_CONDITIONS, Condition, compile_rule
from domain.auto_assignment.errors import FeatureDisabled, RuleLimitReached
from domain.auto_assignment.models import ConditionMatch, UnmetPolicy
from domain.content.queries import ContentKey, resolve_contents
from domain.foundation.access import Principal, Scope
from domain.foundation.audit import FieldChange, audit
from domain.foundation.change_feed import ObjectType, record_changes
from domain.foundation.database import Statements
from domain.foundation.errors import AlreadyExists, Invalid, ProblemList, TooManyItems
from domain.foundation.locks import lock_rules
from domain.foundation.text import name_key, name_text
from domain.foundation.unit_of_work import UnitOfWork

MAX_CONTENTS = 100


@dataclass(frozen=True, slots=True)
class RuleDraft:
    """A rule as it is asked for."""

    name: str
    contents: Sequence[ContentKey]
    match: ConditionMatch
    conditions: Sequence[ConditionInput]
    when_unmet: UnmetPolicy
    backfills_existing_learners: bool


@dataclass(frozen=True, slots=True)
class RuleSaved:
    """IDs of a saved rule and of the work that follows from it."""

    rule_id: int
    backfill_id: int | None
    preparation_id: int | None


async def require_feature(sql: Statements, tenant_id: int) -> None:
    """Raise FeatureDisabled unless the tenant has Auto Assignment switched on."""
    if not await sql.value("SELECT is_auto_assignment_enabled FROM tenant WHERE id = $1", tenant_id):
        raise FeatureDisabled


async def create_rule(work: UnitOfWork, *, draft: RuleDraft) -> RuleSaved:
    """Create a rule, and enroll who meets it already or lay down that they do.

    Raises FeatureDisabled, RuleLimitReached, AlreadyExists for the name, Invalid, TooManyItems and NotFound for what it
    names.
    """
    work.principal.require_write(Scope.WRITE_RULES)
    await require_feature(work.sql, work.tenant_id)
    name, content_ids, conditions = await _judge(work, draft)
    # From here on no change of a fact is under way that does not know the rule.
    await lock_rules(work)
    await require_feature(work.sql, work.tenant_id)
    await _require_room(work)
    rule_id = await _insert(work, draft, name, content_ids, conditions)
    await audit(
        work,
        ObjectType.RULE,
        rule_id,
        name,
        [
            FieldChange("name", None, name),
            FieldChange("contents", None, list(content_ids)),
            FieldChange("match", None, draft.match.value),
            FieldChange("conditions", None, [_as_json(condition) for condition in conditions]),
            FieldChange("whenUnmet", None, draft.when_unmet.value),
        ],
    )
    backfill_id = preparation_id = None
    if draft.backfills_existing_learners:
        backfill_id = await begin_backfill(work, rule_id, name)
    else:
        preparation_id = await begin_preparation(work, rule_id, name)
    version = await work.sql.value("SELECT version FROM rule WHERE id = $1 AND tenant_id = $2", rule_id, work.tenant_id)
    await record_changes(work, ObjectType.RULE, [(rule_id, version)])
    return RuleSaved(rule_id, backfill_id, preparation_id)


async def _judge(work: UnitOfWork, draft: RuleDraft) -> tuple[str, list[int], list[Condition]]:
    problems = ProblemList()
    name, content_ids, conditions = "", list[int](), list[Condition]()
    try:
        name = name_text(draft.name, path=["name"])
    except Invalid as error:
        problems.add(error)
    try:
        content_ids = await judge_contents(work.sql, work.principal, draft.contents)
    except Exception as error:
        problems.add_or_raise(error)
    try:
        conditions = await judge_conditions(work.sql, work.principal, draft.conditions)
    except Exception as error:
        problems.add_or_raise(error)
    problems.raise_if_any()
    return name, content_ids, conditions


async def judge_contents(
    sql: Statements, principal: Principal, contents: Sequence[ContentKey], *, smallest: int = 1
) -> list[int]:
    """Return the IDs of at most 100 target contents, each once."""
    if len(contents) < smallest:
        raise Invalid("At least one content.", path=["contents"])
    if len(contents) > MAX_CONTENTS:
        raise TooManyItems(limit=MAX_CONTENTS, path=["contents"])
    return list(dict.fromkeys(await resolve_contents(sql, principal, contents, path=["contents"])))


async def judge_conditions(
    sql: Statements, principal: Principal, conditions: Sequence[ConditionInput]
) -> list[Condition]:
    """Return 1 to 20 conditions with everything they name resolved."""
    if not conditions:
        raise Invalid("At least one condition.", path=["conditions"])
    if len(conditions) > MAX_CONDITIONS:
        raise TooManyItems(limit=MAX_CONDITIONS, path=["conditions"])
    return await resolve_conditions(sql, principal, conditions)


async def _require_room(work: UnitOfWork) -> None:
    row = (
        await work.sql.fetch(
            "SELECT rule_limit, (SELECT count(*) FROM rule WHERE tenant_id = $1 AND state <> 'DELETED') AS rule_count"
            "  FROM tenant WHERE id = $1",
            work.tenant_id,
        )
    )[0]
    if row["rule_count"] >= row["rule_limit"]:
        raise RuleLimitReached(limit=row["rule_limit"])


async def _insert(
    work: UnitOfWork, draft: RuleDraft, name: str, content_ids: Sequence[int], conditions: Sequence[Condition]
) -> int:
    compiled = compile_rule(draft.match, conditions)
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
            draft.match.value,
            draft.when_unmet.value,
            compiled.full_mask,
            compiled.negative_mask,
            compiled.is_met_by_default,
            work.principal.learner_id,
            work.principal.service_account_id,
            work.now,
        )
    except asyncpg.UniqueViolationError as error:
        raise AlreadyExists(path=["name"]) from error
    await work.sql.execute(
        "INSERT INTO rule_target (rule_id, content_id, tenant_id, position, added_at)"
        " SELECT $1, content_id, $3, position, $4"
        "   FROM unnest($2::bigint[]) WITH ORDINALITY AS t (content_id, position)",
        rule_id,
        list(content_ids),
        work.tenant_id,
        work.now,
    )
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
    return rule_id


def _as_json(condition: Condition) -> dict[str, object]:
    return {
        "kind": condition.kind.value,
        "objects": list(condition.object_ids),
        "status": condition.status.value if condition.status else None,
        "field": condition.field_number,
        "operator": condition.operator.value if condition.operator else None,
        "values": list(condition.ref_values),
    }
