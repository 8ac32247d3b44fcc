"""Who a rule has still to enroll or to make a member of: the matching query, less what the rule has done before.

Everybody who meets the rule is locked first, in one statement; what they lack is looked up after that, on a fresh
snapshot, so nobody works on facts that somebody is just changing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from domain.auto_assignment.evaluation.matching import hits_of_rules, matching
from domain.foundation.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True)
class Due:
    """A learner who meets the rule, a target that they are to be enrolled in, and whether they are a member already.

    No content: there is nothing to enroll them in, but they are no member yet.
    """

    learner_id: int
    content_id: int | None
    is_member: bool


def _met(*, after: str, until: str | None = None) -> str:
    """Return who meets rule `$2`, of the learner IDs given."""
    return matching(hits_of_rules("SELECT $2::bigint", after=after, until=until))


#: Looked up person by person, as everything else here: joined, all members of the rule and all that it ever gave could
#: be read for every chunk.
_MEMBERSHIP = "SELECT rule_id, since_at FROM rule_member WHERE learner_id = m.learner_id AND rule_id = $2 LIMIT 1"


def _due(met: str, *, targets: str) -> str:
    """Return what those who meet rule `$2` lack of the targets in array `targets` (null for all of them)."""
    return f"""
SELECT m.learner_id, g.content_id, k.rule_id IS NOT NULL AS is_member
  FROM ({met}) m
  LEFT JOIN LATERAL ({_MEMBERSHIP}) k ON true
  LEFT JOIN LATERAL (
    SELECT t.content_id FROM rule_target t
      LEFT JOIN enrollment e ON e.learner_id = m.learner_id AND e.content_id = t.content_id
      LEFT JOIN LATERAL (
        SELECT r.id FROM enrollment_reason r WHERE r.enrollment_id = e.id AND r.rule_id = $2 LIMIT 1) given ON true
      LEFT JOIN LATERAL (
        SELECT a.id FROM content_action a
         WHERE e.id IS NOT NULL AND k.rule_id IS NOT NULL
           AND a.tenant_id = $1 AND a.learner_id = m.learner_id AND a.content_id = t.content_id
           AND a.action = 'UNENROLLED' AND a.source IN ('MANAGER', 'INTEGRATION', 'LEARNER')
           AND a.recorded_at >= greatest(k.since_at, t.added_at) LIMIT 1) taken ON true
     WHERE t.rule_id = $2 AND ({targets}::bigint[] IS NULL OR t.content_id = ANY ({targets}))
       AND given.id IS NULL AND taken.id IS NULL) g ON true
 WHERE g.content_id IS NOT NULL OR k.rule_id IS NULL
"""


def _new(met: str) -> str:
    """Return who meets rule `$2` and is no member."""
    return f"""
SELECT m.learner_id FROM ({met}) m
  LEFT JOIN LATERAL ({_MEMBERSHIP}) k ON true
 WHERE k.rule_id IS NULL
"""


MET_IN_RANGE = _met(after="$3", until="$4")
NEW_IN_RANGE = _new(MET_IN_RANGE)
_DUE_IN_RANGE = _due(MET_IN_RANGE, targets="$5")
_FIRST_DUE = f"SELECT DISTINCT learner_id FROM (SELECT * FROM ({_DUE_IN_RANGE}) due LIMIT $6) enough"
_FIRST_NEW = f"{NEW_IN_RANGE} LIMIT $5"
_COUNT_MET = f"SELECT count(*) FROM ({_met(after='$3')}) met"
_COUNT_NEW = f"SELECT count(*) FROM ({_new(_met(after='$3'))}) new"
_COUNT_DUE = f"""
SELECT count(DISTINCT learner_id) FROM ({_due(_met(after="$3"), targets="$4")}) due WHERE content_id IS NOT NULL
"""


async def find_due(
    work: UnitOfWork, rule_id: int, content_ids: Sequence[int] | None, locked_ids: Sequence[int]
) -> list[Due]:
    """Return what of these contents, or of all targets, people lack who are locked."""
    if not locked_ids:
        return []
    args = (min(locked_ids) - 1, max(locked_ids), _array(content_ids))
    found = await work.sql.rows(Due, _DUE_IN_RANGE, work.tenant_id, rule_id, *args)
    # Who came to meet the rule after the others were locked is somebody else's work.
    locked = set(locked_ids)
    return [one for one in found if one.learner_id in locked]


async def find_new(work: UnitOfWork, rule_id: int, locked_ids: Sequence[int]) -> list[int]:
    """Return who of these people, who are locked, meets a rule without being a member."""
    if not locked_ids:
        return []
    found = await work.sql.values(NEW_IN_RANGE, work.tenant_id, rule_id, min(locked_ids) - 1, max(locked_ids))
    return sorted(set(locked_ids) & set(found))


async def find_some_due(
    work: UnitOfWork, rule_id: int, content_ids: Sequence[int] | None, after: int, until: int, *, enough: int
) -> list[int]:
    """Return people between these IDs who lack something or are no members: all of them, or `enough` and more."""
    # A learner comes once for every target, of which there are 100 at most.
    args = (after, until, _array(content_ids), enough * 100)
    learner_ids: list[int] = await work.sql.values(_FIRST_DUE, work.tenant_id, rule_id, *args)
    return learner_ids


async def find_some_new(work: UnitOfWork, rule_id: int, after: int, until: int, *, enough: int) -> list[int]:
    """Return people between these IDs who meet a rule and are no members: all of them, or `enough`."""
    learner_ids: list[int] = await work.sql.values(_FIRST_NEW, work.tenant_id, rule_id, after, until, enough)
    return learner_ids


async def count_due(
    work: UnitOfWork, rule_id: int, content_ids: Sequence[int] | None, after: int, *, is_unused: bool
) -> int:
    """Count people behind an ID who lack something.

    Where the rule is unused, has enrolled nobody and has no members, that is whoever meets it.
    """
    if is_unused:
        return int(await work.sql.value(_COUNT_MET, work.tenant_id, rule_id, after))
    return int(await work.sql.value(_COUNT_DUE, work.tenant_id, rule_id, after, _array(content_ids)))


async def count_new(work: UnitOfWork, rule_id: int, after: int) -> int:
    """Count people behind an ID who meet a rule and are no members."""
    return int(await work.sql.value(_COUNT_NEW, work.tenant_id, rule_id, after))


async def is_unused(work: UnitOfWork, rule_id: int) -> bool:
    """Tell whether a rule has enrolled nobody and has no members yet."""
    return bool(
        await work.sql.value(
            "SELECT NOT has_enrolled AND NOT EXISTS (SELECT 1 FROM rule_member WHERE rule_id = $2) FROM rule"
            " WHERE tenant_id = $1 AND id = $2",
            work.tenant_id,
            rule_id,
        )
    )


def _array(content_ids: Sequence[int] | None) -> list[int] | None:
    return None if content_ids is None else list(content_ids)
