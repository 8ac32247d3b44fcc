"""What raises the version of a rule besides its edits: the beginnings and ends of its backfills."""

from collections.abc import Collection, Sequence

from domain.foundation.feed.changes import ObjectType, record_changes
from domain.foundation.jobs.control import JobCancelled, JobResumed
from domain.foundation.jobs.running import JobGivenUp
from domain.foundation.models import JobKind
from domain.foundation.unit_of_work import UnitOfWork


async def touch_rules(work: UnitOfWork, rule_ids: Collection[int]) -> None:
    """Raise the versions of rules and tell the feed; deleted ones stay as they are."""
    changed = await work.sql.fetch(
        "UPDATE rule SET version = version + 1 WHERE id IN (SELECT id FROM rule WHERE tenant_id = $1"
        " AND id = ANY ($2::bigint[]) AND state <> 'DELETED' ORDER BY id FOR NO KEY UPDATE) RETURNING id, version",
        work.tenant_id,
        list(rule_ids),
    )
    await record_changes(work, ObjectType.RULE, [(row["id"], row["version"]) for row in changed])


async def note_turn_of_backfill(work: UnitOfWork, events: Sequence[JobCancelled | JobResumed | JobGivenUp]) -> None:
    """Note on the rules that a backfill was cancelled, goes on, or was given up."""
    rule_ids = {event.subject_id for event in events if event.kind is JobKind.RULE_BACKFILL and event.subject_id}
    if rule_ids:
        await touch_rules(work, rule_ids)
