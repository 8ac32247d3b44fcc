"""Giving reasons to be enrolled: one path for one learner and for ten thousand.

A reason opens the enrollment where it is not active, and is logged where access begins; a rule's is logged also where
access was there already (spec 3.7). A path brings its mandatory courses along. A task's reason binds from the beginning
(`binding`): whoever finds the task fulfilled takes that back.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain.enrollments.path_status import refresh_path_status
from domain.enrollments.progress.status_facts import StatusFactChange, record_status_facts
from domain.foundation.access import Source
from domain.foundation.unit_of_work import LISTED_RULE_ACTIONS, UnitOfWork


@dataclass(frozen=True, slots=True)
class Grant:
    """A reason that a learner shall have in a content.

    Rule (ID and name) and task are named in the log; of a reason they are part only where they are its source.
    """

    learner_id: int
    content_id: int
    source: Source
    rule_id: int | None = None
    rule_name: str | None = None
    task_id: int | None = None
    path_id: int | None = None
    #: When it began, where that was not now; of a path, for its courses too.
    began_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """The grants of one call as SQL: rows (learner_id, content_id, source, rule_id, rule_name, task_id, path_id).

    Arguments are numbered from `$7`, because the statement's own come first.
    """

    sql: str
    args: tuple[object, ...]
    #: Whether there is a column more, `began_at`: when the reason began, or null for now.
    is_dated: bool = False


FIRST_ARGUMENT = 7

#: Places that are logged although access was there, because they get a reason that was missing.
_WITH_ANOTHER_REASON = """
      OR (is_first AND enrollment_id IN (SELECT enrollment_id FROM cause WHERE is_missing))"""

_GRANT = """
WITH wanted AS MATERIALIZED ({wanted}),
-- What there is before this statement. The learners are locked, so nobody else makes or changes an enrollment or a
-- reason of theirs meanwhile: what is not there is new, and needs no look for conflicts. (Booleans that are columns are
-- taken to hold for every second row. A condition on NULL or on a number is taken to hold for hardly any, and joins of
-- what it leaves would be planned for one row.)
place AS MATERIALIZED (
  SELECT w.*, {since} AS since, CASE WHEN w.source = 'AUTO_ENROLLMENT' THEN w.rule_id END AS own_rule_id,
         CASE WHEN w.source = 'MANDATORY_TASK' THEN w.task_id END AS own_task_id,
         e.id AS known_id, e.id IS NULL AS is_new, e.status AS known_status, e.is_active,
         -- A rule's own reason is logged in any case: what a path brings beside it begins nothing.
         row_number() OVER (PARTITION BY w.learner_id, w.content_id
                                ORDER BY w.source = 'AUTO_ENROLLMENT' DESC, w.rule_id, w.path_id) = 1 AS is_first
    FROM wanted w LEFT JOIN enrollment e ON e.learner_id = w.learner_id AND e.content_id = w.content_id),
made AS (
  INSERT INTO enrollment (tenant_id, learner_id, content_id, status, is_active, is_waitlisted, progress_percent,
                          lessons_done, attempt, enrolled_at, version)
  SELECT $1, learner_id, content_id, 'NOT_STARTED', true, false, 0, 0, 1, since, 1
    FROM place WHERE is_new AND is_first ORDER BY learner_id, content_id
  RETURNING id, learner_id, content_id, status, version),
opened_again AS (
  UPDATE enrollment e SET is_active = true, is_waitlisted = false, waiting_source = NULL, waiting_number = NULL,
         version = e.version + 1,
         -- Who has only waited so far is enrolled for the first time.
         enrolled_at = CASE WHEN EXISTS (SELECT 1 FROM enrollment_reason r WHERE r.enrollment_id = e.id)
                            THEN e.enrolled_at ELSE p.since END
    FROM place p WHERE e.id = p.known_id AND NOT p.is_active AND p.is_first
  RETURNING e.id, e.learner_id, e.content_id, e.status, e.version),
opened AS (SELECT * FROM made UNION ALL SELECT * FROM opened_again),
held AS MATERIALIZED (
  SELECT p.*, coalesce(o.id, p.known_id) AS enrollment_id, o.id IS NOT NULL AS begins,
         coalesce(o.status, p.known_status) AS status
    FROM place p LEFT JOIN opened o ON o.learner_id = p.learner_id AND o.content_id = p.content_id),
cause AS MATERIALIZED (
  SELECT DISTINCT ON (h.enrollment_id, h.source, coalesce(h.own_rule_id, h.own_task_id, h.path_id, 0))
         h.*, known.id AS reason_id, known.id IS NULL AS is_missing, known.is_permanent
    FROM held h
    LEFT JOIN LATERAL (
      SELECT r.id, r.is_permanent FROM enrollment_reason r
       WHERE r.enrollment_id = h.known_id AND r.source = h.source AND r.until_at IS NULL
         AND coalesce(r.rule_id, r.task_id, r.path_id, 0) = coalesce(h.own_rule_id, h.own_task_id, h.path_id, 0)
       LIMIT 1) known ON true),
given AS (
  INSERT INTO enrollment_reason (tenant_id, enrollment_id, learner_id, content_id, source, rule_id, rule_name,
         task_id, path_id, actor_learner_id, actor_service_account_id, is_permanent, is_binding, since_at)
  SELECT $1, enrollment_id, learner_id, content_id, source,
         own_rule_id, CASE WHEN own_rule_id IS NOT NULL THEN rule_name END, own_task_id, path_id,
         $3::bigint, $4::bigint, false, source = 'MANDATORY_TASK', since
    FROM cause WHERE is_missing
  RETURNING enrollment_id),
-- What was to stay for good because a rule was left is an ordinary reason once the rule is met again.
given_again AS (
  UPDATE enrollment_reason r SET is_permanent = false FROM cause c WHERE r.id = c.reason_id AND c.is_permanent
  RETURNING r.enrollment_id),
joined AS (
  -- No reason given here has an end; `voluntary` gives ends to its own afterwards.
  UPDATE enrollment e SET version = e.version + 1, expires_at = NULL
   WHERE e.id IN ((SELECT enrollment_id FROM given UNION SELECT enrollment_id FROM given_again)
                  EXCEPT SELECT id FROM opened)
  RETURNING e.id, e.version),
logged AS (
  INSERT INTO content_action (tenant_id, learner_id, content_id, action, source, rule_id, rule_name, task_id, path_id,
         actor_learner_id, actor_service_account_id, resulting_status, occurred_at, recorded_at)
  SELECT $1, learner_id, content_id, 'ENROLLED', coalesce($5, source), rule_id, rule_name, task_id, path_id,
         $3, $4, status, since, $2
    FROM held WHERE source = 'AUTO_ENROLLMENT' OR (begins AND is_first){also_logged}
   ORDER BY learner_id, rule_id, content_id
  RETURNING id, rule_id),
-- Rules whose counts this moves: whose log entries these are, and who share a place with a new reason.
counting AS (
  SELECT rule_id FROM logged WHERE rule_id IS NOT NULL
  UNION
  SELECT r.rule_id FROM cause c JOIN enrollment_reason r ON r.enrollment_id = c.known_id AND r.until_at IS NULL
   WHERE c.is_missing AND r.rule_id IS NOT NULL),
changed AS (
  INSERT INTO change_pending (tenant_id, object_type, object_id, version, at)
  SELECT $1, 'ENROLLMENT', id, version, $2 FROM opened
  UNION ALL SELECT $1, 'ENROLLMENT', id, version, $2 FROM joined
  UNION ALL SELECT $1, 'CONTENT_ACTION', id, 1, $2 FROM logged
  UNION ALL SELECT $1, 'RULE', rule_id, 0, $2 FROM counting)
SELECT (SELECT count(*) FROM logged) AS logged_count,
       (SELECT (array_agg(id ORDER BY id))[1:$6::int] FROM logged) AS logged_ids,
       (SELECT jsonb_agg(DISTINCT jsonb_build_array(w.learner_id, w.content_id, w.rule_id, w.rule_name))
          FROM wanted w JOIN content c ON c.id = w.content_id AND c.kind = 'LEARNING_PATH') AS paths
"""

_PATH_COURSES = """
SELECT w.learner_id, i.course_id AS content_id, 'LEARNING_PATH'::varchar AS source, w.rule_id, w.rule_name,
       w.task_id, w.content_id AS path_id{began_at}
  FROM ({wanted}) w JOIN learning_path_item i ON i.path_id = w.content_id AND i.is_mandatory
"""


async def grant(
    work: UnitOfWork,
    grants: Sequence[Grant],
    *,
    writes_facts: bool,
    logged_source: Source | None = None,
    logs_every_reason: bool = False,
) -> None:
    """Give every reason that is missing, and the courses of paths with them; the learners have to be locked.

    `writes_facts` is for everything but rules: the status facts become the status after it, and rules hear of it.
    `logged_source` replaces the reason's source in the log where who asked is another matter than why.
    `logs_every_reason` is for reasons that take the place of those that the log has told of.
    """
    if not grants:
        return
    place = FIRST_ARGUMENT
    is_dated = any(one.began_at is not None for one in grants)
    dates = (("began_at",), ("timestamptz",)) if is_dated else ((), ())
    columns = ("learner_id", "content_id", "source", "rule_id", "rule_name", "task_id", "path_id", *dates[0])
    types = ("bigint", "bigint", "text", "bigint", "text", "bigint", "bigint", *dates[1])
    arrays = tuple([getattr(one, column) for one in grants] for column in columns)
    wanted = Wanted(
        sql="SELECT "
        + ", ".join(f"{column}::varchar" if column == "source" else column for column in columns)
        + " FROM unnest("
        + ", ".join(f"${place + number}::{kind}[]" for number, kind in enumerate(types))
        + f") AS t ({', '.join(columns)})",
        args=arrays,
        is_dated=is_dated,
    )
    await grant_wanted(
        work, wanted, writes_facts=writes_facts, logged_source=logged_source, logs_every_reason=logs_every_reason
    )


async def grant_wanted(
    work: UnitOfWork,
    wanted: Wanted,
    *,
    writes_facts: bool,
    logged_source: Source | None = None,
    logs_every_reason: bool = False,
) -> None:
    """Do what `grant` does for grants that SQL tells, so that bulk work never brings them into Python."""
    paths = await _grant(work, wanted, logged_source, _WITH_ANOTHER_REASON if logs_every_reason else "")
    if paths:
        courses = _PATH_COURSES.format(wanted=wanted.sql, began_at=", w.began_at" if wanted.is_dated else "")
        await _grant(work, Wanted(courses, wanted.args, wanted.is_dated), None)
    if writes_facts:
        await _write_facts(work, wanted)
    if paths:
        rules = {(learner_id, path_id): (rule_id, rule_name) for learner_id, path_id, rule_id, rule_name in paths}
        await refresh_path_status(work, list(rules), writes_facts=writes_facts, rules=rules)


async def _grant(
    work: UnitOfWork, wanted: Wanted, logged_source: Source | None, also_logged: str = ""
) -> list[tuple[Any, ...]]:
    """Give the reasons and return the paths among them: learner, path, and ID and name of the rule if it is one's."""
    record = (
        await work.sql.fetch(
            _GRANT.format(
                wanted=wanted.sql,
                since="coalesce(w.began_at, $2)" if wanted.is_dated else "$2::timestamptz",
                also_logged=also_logged,
            ),
            work.tenant_id,
            work.now,
            work.principal.learner_id,
            work.principal.service_account_id,
            logged_source.value if logged_source else None,
            LISTED_RULE_ACTIONS,
            *wanted.args,
        )
    )[0]
    if work.collects_rule_actions:
        work.add_rule_actions(record["logged_ids"] or [], record["logged_count"])
    return record["paths"] or []


def _shifted(sql: str, first: int) -> str:
    """Return the SQL of grants with its arguments numbered from `first + 1`."""
    for number in range(FIRST_ARGUMENT, FIRST_ARGUMENT + 20):
        sql = sql.replace(f"${number}::", f"${number - FIRST_ARGUMENT + first + 1}::")
    return sql


async def _write_facts(work: UnitOfWork, wanted: Wanted) -> None:
    """Let the status facts of the granted contents, and of the courses of granted paths, follow the status."""
    shifted = _shifted(wanted.sql, 1)
    changes = await work.sql.rows(
        StatusFactChange,
        f"""
        WITH wanted AS ({shifted}),
        place AS (SELECT learner_id, content_id FROM wanted
                  UNION SELECT w.learner_id, i.course_id FROM wanted w
                          JOIN learning_path_item i ON i.path_id = w.content_id AND i.is_mandatory),
        old AS MATERIALIZED (
          SELECT e.id, e.learner_id, e.content_id, e.fact_status, e.status FROM place p
            JOIN enrollment e ON e.learner_id = p.learner_id AND e.content_id = p.content_id
           WHERE e.tenant_id = $1 AND e.fact_status IS DISTINCT FROM e.status),
        written AS (UPDATE enrollment e SET fact_status = e.status FROM old WHERE e.id = old.id)
        SELECT learner_id, content_id, fact_status AS before, status AS after FROM old ORDER BY learner_id, content_id
        """,
        work.tenant_id,
        *wanted.args,
    )
    record_status_facts(work, changes)
