"""Real-time evaluation: a change of facts becomes memberships that differ, and these become enrollments.

Only rules whose atoms name a fact that came or went can change their verdict, so only those are looked at, found
through the index on atoms: the cost of a change does not grow with the rules that do not care.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from domain.auto_assignment.evaluation.applying import Difference, apply_differences, tell_of_numbers
from domain.auto_assignment.evaluation.matching import HITS_OF_LEARNERS, HITS_OF_PAIRS, matching
from domain.foundation.jobs.running import BACKGROUND_THRESHOLD, Job, create_job
from domain.foundation.metrics import evaluation_of
from domain.foundation.models import JobKind
from domain.foundation.unit_of_work import UnitOfWork
from domain.people.events import Fact, FactsChanged, LearnerBecameActive, LearnerBecameInactive
from domain.people.queries import lock_learners, lock_learners_left

#: Learners that one transaction of a re-evaluation looks at.
CHUNK = 1_000

_IS_ON = "EXISTS (SELECT 1 FROM tenant WHERE id = $1 AND is_auto_assignment_enabled)"

#: Pairs whose verdict may have changed because one of these facts came or went.
_TOUCHED = f"""
SELECT DISTINCT t.learner_id, a.rule_id
  FROM unnest($2::bigint[], $3::text[], $4::bigint[], $5::text[]) AS t (learner_id, kind, key, value)
  JOIN rule_atom a ON a.tenant_id = $1
   AND a.kind = t.kind COLLATE "C" AND a.key = t.key AND a.value = t.value COLLATE "C"
 WHERE {_IS_ON}
"""

_COLUMNS = "r.when_unmet, r.state = 'PREPARING' AS is_preparing, r.has_enrolled"

#: Compares what the matching query says about the touched pairs with the stored memberships.
_DIFFERENCES_OF_CHANGES = f"""
WITH pair AS MATERIALIZED ({_TOUCHED}),
known_fact AS MATERIALIZED (
  SELECT f.learner_id, f.kind, f.key, f.value FROM fact f
   WHERE f.tenant_id = $1 AND f.learner_id = ANY (ARRAY(SELECT DISTINCT learner_id FROM pair))),
met AS MATERIALIZED ({matching(HITS_OF_PAIRS)})
SELECT p.learner_id, p.rule_id, met.rule_id IS NOT NULL AS is_met, {_COLUMNS}
  FROM pair p JOIN rule r ON r.id = p.rule_id AND r.state <> 'DELETED'
  LEFT JOIN met ON met.learner_id = p.learner_id AND met.rule_id = p.rule_id
  LEFT JOIN rule_member m ON m.learner_id = p.learner_id AND m.rule_id = p.rule_id
 WHERE (met.rule_id IS NULL) <> (m.rule_id IS NULL)
 ORDER BY p.learner_id, p.rule_id
"""

#: Compares what the matching query says about every rule and these learners with their stored memberships.
_DIFFERENCES_OF_LEARNERS = f"""
WITH known_fact AS MATERIALIZED (
  SELECT f.learner_id, f.kind, f.key, f.value FROM fact f
   WHERE f.tenant_id = $1 AND f.learner_id = ANY ($2::bigint[])),
met AS MATERIALIZED ({matching(HITS_OF_LEARNERS)}),
member AS MATERIALIZED (
  SELECT learner_id, rule_id FROM rule_member WHERE tenant_id = $1 AND learner_id = ANY ($2::bigint[])),
difference AS MATERIALIZED (
  SELECT learner_id, rule_id, true AS is_met FROM (SELECT * FROM met EXCEPT SELECT * FROM member) entered
  UNION ALL SELECT learner_id, rule_id, false FROM (SELECT * FROM member EXCEPT SELECT * FROM met) gone)
SELECT d.learner_id, d.rule_id, d.is_met, {_COLUMNS}
  FROM difference d JOIN rule r ON r.id = d.rule_id AND r.state <> 'DELETED'
 WHERE {_IS_ON}
 ORDER BY d.learner_id, d.rule_id
"""


@dataclass(frozen=True, slots=True)
class _Changes:
    """Who is concerned by the events of a transaction."""

    facts: dict[int, set[Fact]]
    everything: set[int]


def _concerned(events: Iterable[object]) -> _Changes:
    changes = _Changes(facts={}, everything=set())
    for event in events:
        match event:
            case FactsChanged(learner_id, facts):
                changes.facts.setdefault(learner_id, set()).update(facts)
            case LearnerBecameActive(learner_id) | LearnerBecameInactive(learner_id):
                changes.everything.add(learner_id)
    for learner_id in changes.everything:
        changes.facts.pop(learner_id, None)
    return changes


async def reevaluate_rules(
    work: UnitOfWork, events: Sequence[FactsChanged | LearnerBecameActive | LearnerBecameInactive]
) -> None:
    """Evaluate every rule that the events could concern and apply what follows, in this transaction.

    For 100 people or more a background job does it, unless the unit of work evaluates at once.
    """
    changes = _concerned(events)
    learner_ids = sorted(changes.facts.keys() | changes.everything)
    if changes.everything:
        await tell_of_numbers(work, sorted(changes.everything))
    if len(learner_ids) >= BACKGROUND_THRESHOLD and not work.evaluates_at_once:
        await _evaluate_later(work, learner_ids)
        return
    # Usually the change has locked them already; without the lock two changes of one learner could each miss what the
    # other did.
    await lock_learners_left(work, learner_ids)
    with evaluation_of(len(learner_ids)):
        differences: list[Difference] = []
        if changes.facts:
            differences += await _differences_of_changes(work, changes.facts)
        if changes.everything:
            differences += await _all_differences(work, sorted(changes.everything))
        # Together, so that of everybody in the transaction what ends is logged before what begins.
        await apply_differences(work, differences)


async def evaluate_everything(work: UnitOfWork, learner_ids: Sequence[int]) -> None:
    """Evaluate every rule for these learners, whatever has changed; they have to be locked."""
    with evaluation_of(len(learner_ids)):
        await apply_differences(work, await _all_differences(work, learner_ids))


async def _differences_of_changes(work: UnitOfWork, facts_of: dict[int, set[Fact]]) -> list[Difference]:
    tokens = [(learner_id, fact) for learner_id, facts in facts_of.items() for fact in facts]
    return await work.sql.rows(
        Difference,
        _DIFFERENCES_OF_CHANGES,
        work.tenant_id,
        [learner_id for learner_id, _ in tokens],
        [fact.kind.value for _, fact in tokens],
        [fact.key for _, fact in tokens],
        [fact.value for _, fact in tokens],
    )


async def _all_differences(work: UnitOfWork, learner_ids: Sequence[int]) -> list[Difference]:
    return await work.sql.rows(Difference, _DIFFERENCES_OF_LEARNERS, work.tenant_id, list(learner_ids))


async def _evaluate_later(work: UnitOfWork, learner_ids: Sequence[int]) -> None:
    """Have a background job evaluate these learners: it compares memberships with the facts that it finds then."""
    if not await work.sql.value(
        f"SELECT {_IS_ON} AND EXISTS (SELECT 1 FROM rule WHERE tenant_id = $1 AND state <> 'DELETED')", work.tenant_id
    ):
        return
    if work.reevaluation_job_id is None:
        work.reevaluation_job_id = await create_job(work, JobKind.RULE_REEVALUATION)
    await work.sql.execute(
        "INSERT INTO background_job_learner (job_id, learner_id, tenant_id)"
        " SELECT $1, unnest($2::bigint[]), $3 ON CONFLICT DO NOTHING",
        work.reevaluation_job_id,
        list(learner_ids),
        work.tenant_id,
    )


async def reevaluate_chunk(work: UnitOfWork, job: Job) -> bool:
    """Evaluate the next people of a RULE_REEVALUATION; `progress` has the last one, and whether everybody is meant."""
    after = job.progress.get("after", 0)
    if job.progress.get("is_everybody"):
        source = "SELECT id FROM learner WHERE tenant_id = $1 AND id > $2"
        count = "SELECT count(*) FROM learner WHERE tenant_id = $1"
        args: tuple[object, ...] = (work.tenant_id,)
    else:
        source = (
            "SELECT learner_id AS id FROM background_job_learner"
            " WHERE tenant_id = $1 AND learner_id > $2 AND job_id = $4"
        )
        count = "SELECT count(*) FROM background_job_learner WHERE tenant_id = $1 AND job_id = $2"
        args = (work.tenant_id, job.id)
    if job.total_count is None:
        job.total_count = await work.sql.value(count, *args)
    learner_ids = await work.sql.values(f"{source} ORDER BY id LIMIT $3", work.tenant_id, after, CHUNK, *args[1:])
    if learner_ids:
        await lock_learners(work, learner_ids)
        await evaluate_everything(work, learner_ids)
        job.progress["after"] = learner_ids[-1]
        job.processed_count += len(learner_ids)
    is_finished = len(learner_ids) < CHUNK
    if is_finished:
        job.total_count = job.processed_count
        await work.sql.execute(
            "DELETE FROM background_job_learner WHERE tenant_id = $1 AND job_id = $2", work.tenant_id, job.id
        )
    return is_finished
