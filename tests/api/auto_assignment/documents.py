"""Every root field about rules, with variables that make it work, and a look at all tables."""

from collections.abc import Callable
from typing import TypeAlias

from domain.foundation.access import Principal
from tests.support.catalogue import Connection, all_tables
from tests.support.company import (
    BACKFILL_RULE,
    CREATE_RULE,
    DELETE_RULE,
    DUPLICATE_RULE,
    ONE_RULE,
    PREVIEW,
    RULES,
    UPDATE_RULE,
    Json,
    learner_id,
    ref_is,
)

EXPLANATION = """
query($rule: ID!, $learner: LearnerKeyInput!) {
  autoAssignmentRuleExplanation(ruleId: $rule, learner: $learner) {
    isMet metSinceAt rule { name } learner { name } conditions { isMet fact } } }
"""
SIMULATION = """
query($learner: LearnerKeyInput!, $changes: LearnerFactChangesInput!) {
  autoAssignmentSimulation(learner: $learner, changes: $changes) {
    entered { name } left { name } effects { action content { title } rule { name } } } }
"""

#: Makes the variables of an operation from the ID of a rule, the key of a content and somebody.
Variables: TypeAlias = Callable[[str, Json, Principal], Json]

QUERIES: dict[str, tuple[str, Variables]] = {
    "autoAssignmentRule": (ONE_RULE, lambda rule, content, person: {"id": rule}),
    "autoAssignmentRules": (RULES, lambda rule, content, person: {}),
    "autoAssignmentRulePreview": (
        PREVIEW,
        lambda rule, content, person: {"input": {"conditions": [ref_is(1, "x")], "contents": [content]}},
    ),
    "autoAssignmentRuleExplanation": (
        EXPLANATION,
        lambda rule, content, person: {"rule": rule, "learner": {"id": learner_id(person)}},
    ),
    "autoAssignmentSimulation": (
        SIMULATION,
        lambda rule, content, person: {
            "learner": {"id": learner_id(person)},
            "changes": {"refValues": [{"number": 1, "value": "y"}]},
        },
    ),
}
MUTATIONS: dict[str, tuple[str, Variables]] = {
    "createAutoAssignmentRule": (
        CREATE_RULE,
        lambda rule, content, person: {"input": {"name": "New", "conditions": [ref_is(1, "x")], "contents": [content]}},
    ),
    "updateAutoAssignmentRule": (
        UPDATE_RULE,
        lambda rule, content, person: {"input": {"id": rule, "changes": {"name": "Renamed"}}},
    ),
    "duplicateAutoAssignmentRule": (
        DUPLICATE_RULE,
        lambda rule, content, person: {"input": {"id": rule, "name": "Copy"}},
    ),
    "backfillAutoAssignmentRule": (BACKFILL_RULE, lambda rule, content, person: {"input": {"id": rule}}),
    "deleteAutoAssignmentRule": (
        DELETE_RULE,
        lambda rule, content, person: {"input": {"id": rule, "revokesAccess": True}},
    ),
}


async def everything(superuser: Connection) -> dict[str, str]:
    """Return a digest of each table; when a key was last used is no change."""
    return {
        table: await superuser.fetchval(
            f"SELECT count(*) || coalesce(md5(string_agg(row::text, '' ORDER BY row::text)), '') FROM {table} AS row"
        )
        for table in await all_tables(superuser)
        if table != "service_account"
    }
