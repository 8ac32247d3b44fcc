"""Where else a person's data is written down: in the audit log, and in what repeated calls are answered with."""

from dataclasses import dataclass

from domain.foundation.idempotency import AS_TEXT, storable, stored_in
from domain.foundation.unit_of_work import UnitOfWork
from domain.people.learners.state import LearnerState
from domain.people.models import ERASED_NAME

#: Every value that a field of the person has had, as the audit log has it; what is null was none.
_VALUES_EVER = """
SELECT DISTINCT c ->> 'field' AS field, said
  FROM audit_entry e CROSS JOIN jsonb_array_elements(e.changes) AS c
 CROSS JOIN LATERAL (VALUES (c ->> 'before'), (c ->> 'after')) AS v (said)
 WHERE e.tenant_id = $1 AND e.object_type = 'LEARNER' AND e.object_id = $2 AND said IS NOT NULL
   AND c ->> 'field' IN ('name', 'externalId')
"""

#: The same key is to give the same result later, so the row stays; it names people by our ID and by the partner's.
_BLANK_RESULTS = """
WITH named AS (
  SELECT k.id FROM idempotency_key k
   WHERE k.tenant_id = $1 AND k.operation = 'bulkUpsertLearners'
     AND EXISTS (SELECT 1 FROM jsonb_array_elements(k.result -> 'result') AS r
                  WHERE (r ->> 'learner_id')::bigint = $2 OR r ->> 'external_id' = ANY ($3::text[]))
   ORDER BY k.id FOR NO KEY UPDATE)
UPDATE idempotency_key k
   SET result = jsonb_set(k.result, '{result}', (
         SELECT jsonb_agg(
                  CASE WHEN (r ->> 'learner_id')::bigint = $2 OR r ->> 'external_id' = ANY ($3::text[])
                       THEN r || '{"external_id": ""}' ELSE r END ORDER BY place)
           FROM jsonb_array_elements(k.result -> 'result') WITH ORDINALITY AS x (r, place)))
  FROM named WHERE k.id = named.id AND k.tenant_id = $1
"""

#: Those that jsonb could not hold as they are. They are few.
_RESULTS_AS_TEXT = f"""
SELECT id, result FROM idempotency_key
 WHERE tenant_id = $1 AND operation = 'bulkUpsertLearners' AND result ? '{AS_TEXT}' ORDER BY id FOR NO KEY UPDATE
"""


@dataclass(frozen=True, slots=True)
class Traces:
    """What a person is recognised by where nothing but text is stored: what they are and have been called."""

    learner_id: int
    names: list[str]
    external_ids: list[str]


async def collect_traces(work: UnitOfWork, learner: LearnerState) -> Traces:
    """Return by what a person, who is locked, is to be recognised; has to come before anything is taken from them."""
    names, external_ids = {learner.name}, {learner.external_id} - {None}
    for record in await work.sql.fetch(_VALUES_EVER, work.tenant_id, learner.id):
        (names if record["field"] == "name" else external_ids).add(record["said"])
    return Traces(learner.id, sorted(names), sorted(one for one in external_ids if one is not None))


async def blank_traces(work: UnitOfWork, traces: Traces) -> None:
    """Take the personal values out of what stays; the person is marked as erased already."""
    await work.sql.fetch("SELECT blank_audit_entries($1, $2, $3::text[])", traces.learner_id, ERASED_NAME, traces.names)
    # What they have called themselves they cannot ask for again.
    await work.sql.execute(
        "DELETE FROM idempotency_key WHERE tenant_id = $1 AND account = $2",
        work.tenant_id,
        f"learner:{traces.learner_id}",
    )
    await work.sql.execute(_BLANK_RESULTS, work.tenant_id, traces.learner_id, traces.external_ids)
    await _blank_results_as_text(work, traces)


async def _blank_results_as_text(work: UnitOfWork, traces: Traces) -> None:
    for record in await work.sql.fetch(_RESULTS_AS_TEXT, work.tenant_id):
        stored = stored_in(record["result"])
        theirs = [
            row
            for row in stored["result"]
            if row["learner_id"] == traces.learner_id or row["external_id"] in traces.external_ids
        ]
        for row in theirs:
            row["external_id"] = ""
        if theirs:
            await work.sql.execute(
                "UPDATE idempotency_key SET result = $3 WHERE tenant_id = $1 AND id = $2",
                work.tenant_id,
                record["id"],
                storable(stored),
            )
