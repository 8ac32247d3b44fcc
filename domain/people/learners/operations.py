"""Creating and changing one person."""

from collections.abc import Sequence

from domain.foundation.access import Scope
from domain.foundation.errors import DomainError, Problems, VersionConflict
from domain.foundation.unit_of_work import UnitOfWork
from domain.people.errors import LastAdmin
from domain.people.learners.admins import AdminWatch
from domain.people.learners.changes import LearnerChanges
from domain.people.learners.keys import LearnerKey, resolve_learner
from domain.people.learners.lookups import lock_surroundings
from domain.people.learners.recording import LearnerWrite
from domain.people.learners.state import LearnerState, lock_states
from domain.people.learners.validation import judge
from domain.people.learners.writing import write_learners


async def create_learner(work: UnitOfWork, *, learner: LearnerChanges) -> int:
    """Create a person and return their ID; fields left out are empty."""
    work.principal.require_write(Scope.WRITE_LEARNERS)
    surroundings = await lock_surroundings(work, [learner])
    created = judge(work.principal, LearnerState(id=0), learner, surroundings)
    [learner_id] = await write_learners(work, [LearnerWrite(None, accepted(created))])
    return learner_id


async def update_learner(
    work: UnitOfWork, *, key: LearnerKey, changes: LearnerChanges, expected_version: int | None = None
) -> int:
    """Change a person and return their ID."""
    work.principal.require_write(Scope.WRITE_LEARNERS)
    surroundings = await lock_surroundings(work, [changes])
    learner_id = await resolve_learner(work.sql, work.principal, key)
    before = (await lock_states(work, [learner_id]))[learner_id]
    if expected_version is not None and before.edited_version > expected_version:
        raise VersionConflict(current_version=before.version)
    after = accepted(judge(work.principal, before, changes, surroundings, path=["changes"], subject_path=["learner"]))
    if not await AdminWatch(work).allows(before, after):
        raise LastAdmin(path=["changes", "role"])
    await write_learners(work, [LearnerWrite(before, after)])
    return learner_id


def accepted(judged: LearnerState | Sequence[DomainError]) -> LearnerState:
    """Return the person that the judgment allows, or raise everything that it found."""
    if isinstance(judged, LearnerState):
        return judged
    raise judged[0] if len(judged) == 1 else Problems(judged)
