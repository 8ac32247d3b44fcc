"""Why people are and were enrolled. Rules are named only to those who may see rules."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from domain.foundation.access import Principal
from domain.foundation.database.sessions import Statements

#: Reasons that the history of one enrollment shows.
LONGEST_HISTORY = 100

_COLUMNS = (
    "r.enrollment_id, r.source, r.task_id, r.path_id, r.actor_learner_id, r.actor_service_account_id, r.since_at,"
    " r.until_at,"
    " CASE WHEN $3 THEN r.rule_id END AS rule_id, CASE WHEN $3 THEN r.rule_name END AS rule_name"
)


@dataclass(frozen=True, slots=True)
class ReasonRow:
    """One reason for an enrollment."""

    enrollment_id: int
    source: str
    task_id: int | None
    path_id: int | None
    actor_learner_id: int | None
    actor_service_account_id: int | None
    since_at: dt.datetime
    until_at: dt.datetime | None
    rule_id: int | None
    rule_name: str | None


async def load_reasons_by_enrollment(
    reads: Statements, principal: Principal, ids: Sequence[int]
) -> list[list[ReasonRow]]:
    """Return what holds each enrollment now, oldest first."""
    return await _load(
        reads,
        principal,
        ids,
        f"""
        SELECT {_COLUMNS} FROM enrollment_reason r
         WHERE r.tenant_id = $1 AND r.enrollment_id = ANY ($2::bigint[]) AND r.until_at IS NULL
         ORDER BY r.since_at, r.id
        """,
    )


async def load_reason_history_by_enrollment(
    reads: Statements, principal: Principal, ids: Sequence[int]
) -> list[list[ReasonRow]]:
    """Return the latest 100 reasons that each enrollment has had, newest first."""
    return await _load(
        reads,
        principal,
        ids,
        f"""
        SELECT latest.* FROM unnest($2::bigint[]) AS e (id) CROSS JOIN LATERAL (
          SELECT {_COLUMNS}, r.id FROM enrollment_reason r WHERE r.tenant_id = $1 AND r.enrollment_id = e.id
           ORDER BY r.since_at DESC, r.id DESC LIMIT {LONGEST_HISTORY}) latest
         ORDER BY latest.since_at DESC, latest.id DESC
        """,
    )


async def load_all_reasons_by_enrollment(
    reads: Statements, principal: Principal, ids: Sequence[int]
) -> list[list[ReasonRow]]:
    """Return every reason that each enrollment has had, oldest first, however many they are."""
    return await _load(
        reads,
        principal,
        ids,
        f"""
        SELECT {_COLUMNS} FROM enrollment_reason r WHERE r.tenant_id = $1 AND r.enrollment_id = ANY ($2::bigint[])
         ORDER BY r.since_at, r.id
        """,
    )


async def _load(reads: Statements, principal: Principal, ids: Sequence[int], sql: str) -> list[list[ReasonRow]]:
    reasons: dict[int, list[ReasonRow]] = {enrollment_id: [] for enrollment_id in ids}
    for record in await reads.fetch(sql, principal.tenant_id, list(ids), principal.sees_all):
        values = {name: value for name, value in record.items() if name != "id"}
        reasons[record["enrollment_id"]].append(ReasonRow(**values))
    return [reasons[enrollment_id] for enrollment_id in ids]
