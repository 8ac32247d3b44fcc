"""Judging what a rule is asked to be: contents and conditions resolved, all problems together, each with its place."""

from collections.abc import Awaitable, Sequence
from typing import TypeVar

from domain.auto_assignment.conditions.atoms import MAX_CONDITIONS, Condition
from domain.auto_assignment.conditions.input import ConditionInput, resolve_conditions
from domain.auto_assignment.errors import FeatureDisabled, RuleLimitReached
from domain.content.queries import ContentKey, resolve_contents
from domain.foundation.access import Principal
from domain.foundation.database.sessions import Statements
from domain.foundation.errors import Invalid, ProblemList, TooManyItems
from domain.foundation.unit_of_work import UnitOfWork

MAX_CONTENTS = 100

Judged = TypeVar("Judged")


async def require_feature(sql: Statements, tenant_id: int) -> None:
    """Raise FeatureDisabled unless the tenant has Auto Assignment switched on."""
    if not await sql.value("SELECT is_auto_assignment_enabled FROM tenant WHERE id = $1", tenant_id):
        raise FeatureDisabled


async def require_room(work: UnitOfWork) -> None:
    """Raise RuleLimitReached when the tenant has as many rules as it may; the rules have to be locked."""
    row = (
        await work.sql.fetch(
            "SELECT rule_limit, (SELECT count(*) FROM rule WHERE tenant_id = $1 AND state <> 'DELETED') AS rule_count"
            "  FROM tenant WHERE id = $1",
            work.tenant_id,
        )
    )[0]
    if row["rule_count"] >= row["rule_limit"]:
        raise RuleLimitReached(limit=row["rule_limit"])


async def judged(problems: ProblemList, judgment: Awaitable[Judged], otherwise: Judged) -> Judged:
    """Return what a judgment says; note its expected failure, and go on with `otherwise`."""
    try:
        return await judgment
    except Exception as error:
        problems.add_or_raise(error)
        return otherwise


async def judge_contents(
    sql: Statements,
    principal: Principal,
    contents: Sequence[ContentKey],
    *,
    smallest: int = 1,
    path: Sequence[str] = ("contents",),
) -> list[int]:
    """Return the IDs of at most 100 contents, each once."""
    if len(contents) < smallest:
        raise Invalid("At least one content.", path=path)
    if len(contents) > MAX_CONTENTS:
        raise TooManyItems(limit=MAX_CONTENTS, path=path)
    return list(dict.fromkeys(await resolve_contents(sql, principal, contents, path=path)))


async def judge_conditions(
    sql: Statements,
    principal: Principal,
    conditions: Sequence[ConditionInput],
    *,
    path: Sequence[str] = ("conditions",),
) -> list[Condition]:
    """Return 1 to 20 conditions with everything they name resolved."""
    if not conditions:
        raise Invalid("At least one condition.", path=path)
    if len(conditions) > MAX_CONDITIONS:
        raise TooManyItems(limit=MAX_CONDITIONS, path=path)
    return await resolve_conditions(sql, principal, conditions, path=path)
