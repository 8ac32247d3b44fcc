"""What of enrollments goes when a person is erased: their places in queues. Everything else stays as it was."""

from collections.abc import Sequence

from domain.foundation.feed.changes import ObjectType, record_changes
from domain.foundation.unit_of_work import UnitOfWork
from domain.people.events import LearnerErased


async def leave_all_waitlists(work: UnitOfWork, events: Sequence[LearnerErased]) -> None:
    """Let erased people wait for nothing any more.

    Each of their enrollments gets a version and a change row, as what shows it shows a name with it.
    """
    changed = await work.sql.fetch(
        """
        UPDATE enrollment SET is_waitlisted = false, waiting_source = NULL, waiting_number = NULL, version = version + 1
         WHERE tenant_id = $1 AND learner_id = ANY ($2::bigint[]) RETURNING id, version
        """,
        work.tenant_id,
        [event.learner_id for event in events],
    )
    await record_changes(work, ObjectType.ENROLLMENT, sorted((row["id"], row["version"]) for row in changed))
