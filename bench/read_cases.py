"""What `reads` measures: operations of the API, and the same rows as one statement each."""

from dataclasses import dataclass
from typing import Any

PAGE, LOG_PAGE, RULE_PAGE, PROFILE_PAGE = 50, 100, 50, 25

_TASKS = """
query ($after: String) {
  mandatoryTasks(first: 50, after: $after, filter: {statuses: [ASSIGNED, IN_PROGRESS, OVERDUE]}) {
    nodes {
      id dueOn status version
      learner { id name email department { id name } }
      target { __typename id title }
    }
    pageInfo { hasNextPage endCursor }
  }
}
"""
_LOG = """
{
  contentActions(first: 100) {
    nodes {
      id action source occurredAt resultingStatus ruleName
      learner { id name } content { __typename id title } rule { id name } actor { __typename id name }
    }
    pageInfo { hasNextPage endCursor }
  }
}
"""
_RULES = """
{
  autoAssignmentRules(first: 50) {
    nodes {
      id name match whenUnmet version
      contents { __typename id title }
      conditions {
        __typename
        ... on RefValueCondition { field { number label } operator values }
        ... on DepartmentCondition { departments { id name } }
        ... on ContentStatusCondition { status contents { id title } }
      }
    }
  }
}
"""
_PROFILE = """
query ($id: ID!) {
  learner(by: {id: $id}) {
    id name email role department { id name }
    mandatoryTasks(first: 25) { nodes { id dueOn status target { __typename id title } } }
    enrollments(first: 25) { nodes { id status progressPercent enrolledAt content { __typename id title } } }
  }
}
"""

_PLAIN_TASKS = """
SELECT t.id::text, t.due_on, t.stage AS status, t.version, l.id::text AS learner_id, l.name, l.email,
       d.id::text AS department_id, d.name AS department_name, c.kind, c.id::text AS content_id, c.title
  FROM mandatory_task t JOIN learner l ON l.id = t.learner_id JOIN content c ON c.id = t.target_id
  LEFT JOIN learner_place p ON p.learner_id = l.id AND p.kind = 'D' LEFT JOIN place d ON d.id = p.place_id
 WHERE t.tenant_id = $1 AND t.withdrawn_at IS NULL AND NOT t.is_suspended AND t.stage <> 'COMPLETED'
   AND (t.due_on, t.id) > ($2, $3) ORDER BY t.due_on, t.id LIMIT 50
"""
_PLAIN_LOG = """
SELECT a.id::text, a.action, a.source, a.occurred_at, a.resulting_status, a.rule_name, l.id::text AS learner_id, l.name,
       c.kind, c.id::text AS content_id, c.title, r.id::text AS rule_id, r.name AS rule,
       o.id::text AS actor_id, o.name AS actor
  FROM content_action a JOIN learner l ON l.id = a.learner_id JOIN content c ON c.id = a.content_id
  LEFT JOIN rule r ON r.id = a.rule_id LEFT JOIN learner o ON o.id = a.actor_learner_id
 WHERE a.tenant_id = $1 ORDER BY a.recorded_at DESC, a.id DESC LIMIT 100
"""
_PLAIN_RULES = """
SELECT r.id::text, r.name, r.match, r.when_unmet, r.version,
       (SELECT json_agg(json_build_object('kind', c.kind, 'id', c.id::text, 'title', c.title))
          FROM rule_target t JOIN content c ON c.id = t.content_id WHERE t.rule_id = r.id)::text AS contents,
       (SELECT json_agg(json_build_object('kind', k.kind, 'number', k.field_number, 'operator', k.operator,
                        'values', k.ref_values, 'objects',
                        (SELECT json_agg(json_build_object('id', o.id, 'name', o.name))
                        FROM (SELECT id, name FROM place WHERE id = ANY (k.object_ids)
                              UNION ALL SELECT id, title FROM content WHERE id = ANY (k.object_ids)) o))
                        ORDER BY k.number) FROM rule_condition k WHERE k.rule_id = r.id)::text AS conditions
  FROM rule r WHERE r.tenant_id = $1 AND r.state <> 'DELETED' ORDER BY r.name_key, r.id LIMIT 50
"""
_PLAIN_PROFILE = """
SELECT l.id::text, l.name, l.email, l.role, d.id::text AS department_id, d.name AS department_name,
       (SELECT json_agg(t) FROM (SELECT t.id::text, t.due_on, t.stage, c.kind, c.id::text AS content_id, c.title
          FROM mandatory_task t JOIN content c ON c.id = t.target_id WHERE t.learner_id = l.id
         ORDER BY t.due_on, t.id LIMIT 25) t)::text AS tasks,
       (SELECT json_agg(e) FROM (SELECT e.id::text, e.status, e.progress_percent, e.enrolled_at, c.kind,
               c.id::text AS content_id, c.title
          FROM enrollment e JOIN content c ON c.id = e.content_id WHERE e.learner_id = l.id
         ORDER BY e.enrolled_at DESC, e.id DESC LIMIT 25) e)::text AS enrollments
  FROM learner l LEFT JOIN learner_place p ON p.learner_id = l.id AND p.kind = 'D'
  LEFT JOIN place d ON d.id = p.place_id
 WHERE l.tenant_id = $1 AND l.id = $2
"""

#: Statements of the floor by the path that answers them.
STATEMENTS = {"tasks": _PLAIN_TASKS, "log": _PLAIN_LOG, "rules": _PLAIN_RULES, "profile": _PLAIN_PROFILE}


@dataclass(frozen=True, slots=True)
class ReadCase:
    """An operation, what its answer has to contain, and the statement of the floor with its arguments."""

    name: str
    document: str
    variables: dict[str, Any]
    expected: bytes
    statement: str
    args: list[Any]


def read_cases(
    tenant_id: int, *, learner: tuple[int, str], deep_page: int, deep_cursor: str, deep_position: tuple[str, int]
) -> list[ReadCase]:
    """Return the cases for a company; the deep page begins after the position."""
    first = ["0001-01-01", 0]
    return [
        ReadCase(f"overview, {PAGE} tasks", _TASKS, {}, b'"pageInfo"', "tasks", [tenant_id, *first]),
        ReadCase(
            f"overview, page {deep_page:,}",
            _TASKS,
            {"after": deep_cursor},
            b'"pageInfo"',
            "tasks",
            [tenant_id, *deep_position],
        ),
        ReadCase(f"log, {LOG_PAGE} entries", _LOG, {}, b'"pageInfo"', "log", [tenant_id]),
        ReadCase(f"{RULE_PAGE} rules", _RULES, {}, b'"conditions"', "rules", [tenant_id]),
        ReadCase("learner profile", _PROFILE, {"id": learner[1]}, b'"enrollments"', "profile", [tenant_id, learner[0]]),
    ]


def cursor_document() -> str:
    """Return the operation that walks to the deep page."""
    return _TASKS
