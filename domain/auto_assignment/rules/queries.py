"""Reading rules. Rules are internal: only admins and READ see them; to everybody else they do not exist."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from domain.auto_assignment.conditions.atoms import Condition, ConditionKind, RefOperator
from domain.enrollments.models import EnrollmentStatus
from domain.foundation.access import Principal
from domain.foundation.database.sessions import Statements
from domain.foundation.errors import TooManyItems
from domain.foundation.pages_of_many import read_alike, read_pages
from domain.foundation.paging import Order, Page, PageRequest, Query, SortKey, read_page

#: Rules of a tenant whose whole list can be followed.
LONGEST_RULE_LIST = 200


@dataclass(frozen=True, slots=True)
class RuleRow:
    """A rule, without what it is linked to."""

    id: int
    name: str
    name_key: str
    match: str
    when_unmet: str
    state: str
    has_enrolled: bool
    created_by_learner_id: int | None
    created_by_service_account_id: int | None
    created_at: datetime
    updated_at: datetime
    version: int


_COLUMNS = (
    "r.id, r.name, r.name_key, r.match, r.when_unmet, r.state, r.has_enrolled, r.created_by_learner_id,"
    " r.created_by_service_account_id, r.created_at, r.updated_at, r.version"
)
_BY_NAME = Order((SortKey("r.name_key", "name_key", "text"), SortKey("r.id", "id")))
_LEARNERS_BY_NAME = Order((SortKey("l.name_key", "name_key", "text"), SortKey("l.id", "id")))


def query_rules(principal: Principal) -> Query:
    """Return the query of the rules that the viewer may see."""
    query = Query(_COLUMNS, "rule r").where("r.tenant_id = ?", principal.tenant_id).where("r.state <> 'DELETED'")
    return query if principal.sees_all else query.where("false")


async def list_rules(reads: Statements, principal: Principal, request: PageRequest) -> Page[RuleRow]:
    """Return the rules of the tenant by name. Raises Forbidden for who may not see rules."""
    principal.require_reading_all()
    return await read_page(reads, RuleRow, query_rules(principal), _BY_NAME, request)


async def load_rule_list(reads: Statements, principal: Principal) -> list[RuleRow]:
    """Return all rules of the tenant by name. Raises Forbidden, and TooManyItems where there are more than 200."""
    principal.require_reading_all()
    query = query_rules(principal)
    rows = await reads.rows(
        RuleRow, f"{query.text} ORDER BY r.name_key, r.id LIMIT {LONGEST_RULE_LIST + 1}", *query.args
    )
    if len(rows) > LONGEST_RULE_LIST:
        raise TooManyItems(limit=LONGEST_RULE_LIST)
    return rows


async def find_rule(reads: Statements, principal: Principal, rule_id: int) -> RuleRow | None:
    """Return a rule, or None where there is none that the principal may see."""
    query = query_rules(principal).where("r.id = ?", rule_id)
    return await reads.row(RuleRow, query.text, *query.args)


async def load_rules_by_id(reads: Statements, principal: Principal, ids: Sequence[int]) -> list[RuleRow | None]:
    """Return the visible rule for each ID, None for the others, in order."""
    query = query_rules(principal).where("r.id = ANY (?::bigint[])", list(ids))
    rows = {row.id: row for row in await reads.rows(RuleRow, query.text, *query.args)}
    return [rows.get(rule_id) for rule_id in ids]


async def load_changed_rules_by_id(reads: Statements, principal: Principal, ids: Sequence[int]) -> list[RuleRow | None]:
    """Return rules that the account has just saved: a tool sees their own fields without READ."""
    query = Query(_COLUMNS, "rule r").where("r.tenant_id = ?", principal.tenant_id)
    query.where("r.state <> 'DELETED'").where("r.id = ANY (?::bigint[])", list(ids))
    rows = {row.id: row for row in await reads.rows(RuleRow, query.text, *query.args)}
    return [rows.get(rule_id) for rule_id in ids]


async def load_conditions_by_rule(
    reads: Statements, principal: Principal, rule_ids: Sequence[int]
) -> list[list[Condition]]:
    """Return the conditions of each rule, in order."""
    found: dict[int, list[Condition]] = {rule_id: [] for rule_id in rule_ids}
    for row in await reads.fetch(
        "SELECT rule_id, kind, field_number, operator, status, object_ids, ref_values FROM rule_condition"
        " WHERE tenant_id = $1 AND rule_id = ANY ($2::bigint[]) ORDER BY rule_id, number",
        principal.tenant_id,
        list(rule_ids),
    ):
        found[row["rule_id"]].append(
            Condition(
                kind=ConditionKind(row["kind"]),
                object_ids=tuple(row["object_ids"]),
                status=EnrollmentStatus(row["status"]) if row["status"] else None,
                field_number=row["field_number"],
                operator=RefOperator(row["operator"]) if row["operator"] else None,
                ref_values=tuple(row["ref_values"]),
            )
        )
    return [found[rule_id] for rule_id in rule_ids]


async def load_visible_conditions_by_rule(
    reads: Statements, principal: Principal, rule_ids: Sequence[int]
) -> list[list[Condition]]:
    """Return the conditions of each rule as far as the viewer sees them: who writes rules need not be able to read."""
    return await load_conditions_by_rule(reads, principal, rule_ids) if principal.sees_all else [[] for _ in rule_ids]


async def load_target_ids_by_rule(reads: Statements, principal: Principal, rule_ids: Sequence[int]) -> list[list[int]]:
    """Return the target contents of each rule, in the order in which they were given."""
    found: dict[int, list[int]] = {rule_id: [] for rule_id in rule_ids}
    for row in await reads.fetch(
        "SELECT rule_id, content_id FROM rule_target WHERE tenant_id = $1 AND rule_id = ANY ($2::bigint[])"
        " ORDER BY rule_id, added_at, position, content_id",
        principal.tenant_id,
        list(rule_ids),
    ):
        found[row["rule_id"]].append(row["content_id"])
    return [found[rule_id] for rule_id in rule_ids]


async def load_enrolled_counts_by_rule(reads: Statements, principal: Principal, rule_ids: Sequence[int]) -> list[int]:
    """Return for each rule how many learners have access through it now."""
    rows = await reads.fetch(
        "SELECT rule_id, count(DISTINCT learner_id) AS n FROM enrollment_reason"
        " WHERE tenant_id = $1 AND rule_id = ANY ($2::bigint[]) AND until_at IS NULL GROUP BY rule_id",
        principal.tenant_id,
        list(rule_ids),
    )
    counts = {row["rule_id"]: row["n"] for row in rows}
    return [counts.get(rule_id, 0) for rule_id in rule_ids]


async def load_revocable_counts_by_rule(reads: Statements, principal: Principal, rule_ids: Sequence[int]) -> list[int]:
    """Return for each rule how many learners have a place that nothing but the rule holds."""
    rows = await reads.fetch(
        """
        SELECT r.rule_id, count(DISTINCT r.learner_id) AS n FROM enrollment_reason r
         WHERE r.tenant_id = $1 AND r.rule_id = ANY ($2::bigint[]) AND r.until_at IS NULL
           AND NOT EXISTS (SELECT 1 FROM enrollment_reason o WHERE o.enrollment_id = r.enrollment_id
                              AND o.until_at IS NULL AND o.id <> r.id)
         GROUP BY r.rule_id
        """,
        principal.tenant_id,
        list(rule_ids),
    )
    counts = {row["rule_id"]: row["n"] for row in rows}
    return [counts.get(rule_id, 0) for rule_id in rule_ids]


async def load_latest_backfill_ids_by_rule(
    reads: Statements, principal: Principal, rule_ids: Sequence[int]
) -> list[int | None]:
    """Return the latest backfill job of each rule, None where there was none."""
    rows = await reads.fetch(
        "SELECT subject_id, max(id) AS job_id FROM background_job WHERE tenant_id = $1 AND subject_type = 'RULE'"
        " AND subject_id = ANY ($2::bigint[]) AND kind = 'RULE_BACKFILL' GROUP BY subject_id",
        principal.tenant_id,
        list(rule_ids),
    )
    jobs = {row["subject_id"]: row["job_id"] for row in rows}
    return [jobs.get(rule_id) for rule_id in rule_ids]


@dataclass(frozen=True, slots=True)
class MemberRow:
    """A learner who meets a rule."""

    id: int
    name_key: str


@dataclass(frozen=True, slots=True)
class MembersOfRule:
    """Key of one page of the learners who meet a rule."""

    rule_id: int
    request: PageRequest


async def load_members_of_rules(
    reads: Statements, principal: Principal, keys: Sequence[MembersOfRule]
) -> list[Page[MemberRow]]:
    """Return a page of the learners who meet each rule now, by name; none for who may not see rules."""
    query = Query("l.id, l.name_key", "rule_member m JOIN learner l ON l.id = m.learner_id").where(
        "m.tenant_id = ? AND l.tenant_id = m.tenant_id AND l.is_active", principal.tenant_id
    )
    if not principal.sees_all:
        query.where("false")

    async def read(alike: list[MembersOfRule]) -> list[Page[MemberRow]]:
        parents = [(key.rule_id,) for key in alike]
        return await read_pages(
            reads, MemberRow, query, _LEARNERS_BY_NAME, alike[0].request, columns=["m.rule_id"], parents=parents
        )

    return await read_alike(keys, lambda key: key.request, read)


async def load_member_rule_ids_by_learner(
    reads: Statements, principal: Principal, learner_ids: Sequence[int]
) -> list[list[int]]:
    """Return the rules that each learner meets now, by name; none for who may not see rules."""
    found: dict[int, list[int]] = {learner_id: [] for learner_id in learner_ids}
    if principal.sees_all:
        for row in await reads.fetch(
            "SELECT m.learner_id, m.rule_id FROM rule_member m JOIN rule r ON r.id = m.rule_id AND r.state <> 'DELETED'"
            " WHERE m.tenant_id = $1 AND m.learner_id = ANY ($2::bigint[]) ORDER BY r.name_key, r.id",
            principal.tenant_id,
            list(learner_ids),
        ):
            found[row["learner_id"]].append(row["rule_id"])
    return [found[learner_id] for learner_id in learner_ids]
