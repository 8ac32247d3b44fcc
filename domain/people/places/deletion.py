"""Deleting places. Nobody belongs to them afterwards, so the rules of all their members are evaluated."""

from collections.abc import Sequence

from domain.foundation.audit.recording import audit
from domain.foundation.errors import InUse
from domain.foundation.feed.changes import record_changes
from domain.foundation.keys import Reference
from domain.foundation.locks import share_rules
from domain.foundation.unit_of_work import UnitOfWork
from domain.people.events import Fact, FactKind, FactsChanged, LearnerListedOtherwise
from domain.people.learners.recording import LISTED_PLACES
from domain.people.locks import lock_learners
from domain.people.models import PlaceKind
from domain.people.places.access import lock_places_to_delete, require_place_rights
from domain.people.places.recording import OBJECT_TYPES, record_owner_change

#: People whom one statement takes out of a place, so that it stays within the time that a statement has.
_CHUNK = 10_000
_LISTED = frozenset(FactKind(kind.value) for kind in LISTED_PLACES)


async def delete_place(work: UnitOfWork, *, kind: PlaceKind, place: Reference) -> int:
    """Delete a place, a client with its sublicenses, and return its ID; raises InUse when a rule names one of them."""
    require_place_rights(work.principal, kind)
    await share_rules(work)
    places = await lock_places_to_delete(work, kind, place, path=["id"])
    ids = [each.id for each in places]
    rule_ids = await find_rules_naming(work, ids)
    if rule_ids:
        raise InUse(rule_ids=rule_ids, path=["id"])
    await _remove_members(work, ids)
    # Sublicenses before their client, which they refer to.
    await work.sql.execute(
        "DELETE FROM place WHERE tenant_id = $1 AND client_id = ANY ($2::bigint[])", work.tenant_id, ids
    )
    await work.sql.execute("DELETE FROM place WHERE tenant_id = $1 AND id = ANY ($2::bigint[])", work.tenant_id, ids)
    for each in places:
        object_type = OBJECT_TYPES[PlaceKind(each.kind)]
        await audit(work, object_type, each.id, each.name, [])
        await record_changes(work, object_type, [(each.id, each.version + 1)])
    await record_owner_change(work, *(each.owner_id for each in places))
    return ids[0]


async def find_rules_naming(work: UnitOfWork, place_ids: Sequence[int]) -> list[int]:
    """Return the rules whose conditions name one of the places; deleted rules name nothing."""
    return await work.sql.values(
        """
        SELECT DISTINCT a.rule_id FROM rule_atom a JOIN rule r ON r.id = a.rule_id
         WHERE a.tenant_id = $1 AND a.kind = ANY ($2::text[]) AND a.key = ANY ($3::bigint[])
           AND r.tenant_id = $1 AND r.state <> 'DELETED' ORDER BY a.rule_id
        """,
        work.tenant_id,
        [kind.value for kind in PlaceKind],
        list(place_ids),
    )


async def _remove_members(work: UnitOfWork, place_ids: Sequence[int]) -> None:
    members: list[int] = await work.sql.values(
        "SELECT DISTINCT learner_id FROM learner_place WHERE tenant_id = $1 AND place_id = ANY ($2::bigint[])"
        " ORDER BY learner_id",
        work.tenant_id,
        list(place_ids),
    )
    for start in range(0, len(members), _CHUNK):
        await _remove_from_places(work, place_ids, members[start : start + _CHUNK])


async def _remove_from_places(work: UnitOfWork, place_ids: Sequence[int], learner_ids: Sequence[int]) -> None:
    await lock_learners(work, learner_ids)
    await _record_people(work, place_ids, learner_ids)
    facts: dict[int, list[Fact]] = {}
    for record in await work.sql.fetch(
        "DELETE FROM learner_place WHERE tenant_id = $1 AND learner_id = ANY ($2::bigint[])"
        " AND place_id = ANY ($3::bigint[]) RETURNING learner_id, kind, place_id",
        work.tenant_id,
        list(learner_ids),
        list(place_ids),
    ):
        facts.setdefault(record["learner_id"], []).append(Fact(FactKind(record["kind"]), record["place_id"]))
    for learner_id, gone in facts.items():
        work.record(FactsChanged(learner_id, tuple(gone)))
        if any(fact.kind in _LISTED for fact in gone):
            work.record(LearnerListedOtherwise(learner_id))


async def _record_people(work: UnitOfWork, place_ids: Sequence[int], learner_ids: Sequence[int]) -> None:
    """Give the people who still belong to the places their new version, with audit entries and change rows."""
    await work.sql.execute(
        """
        WITH field AS (
          SELECT lp.learner_id, lp.kind,
                 jsonb_agg(p.name ORDER BY p.name) AS before,
                 jsonb_agg(p.name ORDER BY p.name) FILTER (WHERE p.id <> ALL ($3::bigint[])) AS after
            FROM learner_place lp JOIN place p ON p.id = lp.place_id
           WHERE lp.tenant_id = $1 AND lp.learner_id = ANY ($2::bigint[]) AND p.tenant_id = $1
           GROUP BY lp.learner_id, lp.kind HAVING bool_or(p.id = ANY ($3::bigint[]))),
        changed AS (
          UPDATE learner l SET version = version + 1, edited_version = version + 1
           WHERE l.tenant_id = $1 AND l.id IN (SELECT learner_id FROM field) RETURNING l.id, l.version, l.name),
        told AS (
          INSERT INTO change_pending (tenant_id, object_type, object_id, version, at)
          SELECT $1, 'LEARNER', id, version, $4 FROM changed ORDER BY id)
        INSERT INTO audit_entry (tenant_id, actor_learner_id, actor_service_account_id, operation, object_type,
                                 object_id, object_name, changes, occurred_at)
        SELECT $1, $5, $6, $7, 'LEARNER', c.id, c.name,
               jsonb_agg(CASE f.kind
                 WHEN 'D' THEN jsonb_build_object('field', 'department', 'before', f.before -> 0, 'after', NULL)
                 ELSE jsonb_build_object(
                   'field', CASE f.kind WHEN 'G' THEN 'learningGroups' WHEN 'C' THEN 'clients' ELSE 'sublicenses' END,
                   'before', f.before, 'after', f.after) END ORDER BY f.kind),
               $4
          FROM changed c JOIN field f ON f.learner_id = c.id GROUP BY c.id, c.name ORDER BY c.id
        """,
        work.tenant_id,
        list(learner_ids),
        list(place_ids),
        work.now,
        work.principal.learner_id,
        work.principal.service_account_id,
        work.operation,
    )
