"""Erasing the personal data of somebody for good. What happened stays true: enrollments, tasks and the log are kept.

Nothing else knows who they were afterwards, so nothing can bring them back. What other features have written down about
them goes in the same transaction (`LearnerErased` in `domain.reactions`).
"""

from domain.content.trainer_removal import lock_trained, stop_training
from domain.foundation.access import Role
from domain.foundation.audit.recording import FieldChange, audit
from domain.foundation.errors import Forbidden
from domain.foundation.feed.changes import ObjectType, record_changes
from domain.foundation.locks import share_rules
from domain.foundation.text_validation import name_key
from domain.foundation.unit_of_work import UnitOfWork
from domain.people.errors import LastAdmin
from domain.people.events import LearnerBecameInactive, LearnerErased, LearnerListedOtherwise
from domain.people.learners.admins import AdminWatch
from domain.people.learners.keys import LearnerKey, resolve_learner
from domain.people.learners.personal_data import blank_traces, collect_traces
from domain.people.learners.recording import audited_field_names
from domain.people.learners.state import LearnerState, lock_states
from domain.people.locks import lock_learner_alone
from domain.people.models import ERASED_NAME


async def erase_learner(work: UnitOfWork, *, key: LearnerKey) -> int:
    """Erase a person and return their ID; who is erased already stays so, without another entry anywhere.

    Groups that they own keep them as owner until somebody names another one, as a group has to have one; what they
    trained has a trainer less. Raises Forbidden unless a person calls who is an admin, NotFound, and LastAdmin.
    """
    if not work.principal.is_person or work.principal.role is not Role.ADMIN:
        raise Forbidden
    await share_rules(work)
    learner_id = await resolve_learner(work.sql, work.principal, key)
    # Contents come before people.
    trained = await lock_trained(work, learner_id)
    await lock_learner_alone(work, learner_id)
    before = (await lock_states(work, [learner_id]))[learner_id]
    if before.is_erased:
        return learner_id
    after = LearnerState(
        id=learner_id,
        name=ERASED_NAME,
        is_active=False,
        is_erased=True,
        version=before.version + 1,
        edited_version=before.version + 1,
    )
    if not await AdminWatch(work).allows(before, after):
        raise LastAdmin(path=["learner"])
    traces = await collect_traces(work, before)
    await stop_training(work, learner_id, trained)
    await _write(work, after)
    await blank_traces(work, traces)
    await _record(work, before, after)
    return learner_id


async def _write(work: UnitOfWork, after: LearnerState) -> None:
    # The old secret of their calendar is of no use any more, but it was theirs.
    await work.sql.execute(
        """
        UPDATE learner
           SET external_id = NULL, email = NULL, email_key = NULL, name = $3, name_key = $4, role = $5,
               is_active = false, time_zone = NULL, calendar_key = gen_random_uuid(), erased_at = $6, version = $7,
               edited_version = $7
         WHERE tenant_id = $1 AND id = $2
        """,
        work.tenant_id,
        after.id,
        after.name,
        name_key(after.name),
        after.role.value,
        work.now,
        after.version,
    )
    for table in ("learner_ref", "learner_place"):
        await work.sql.execute(
            f"DELETE FROM {table} WHERE tenant_id = $1 AND learner_id = $2", work.tenant_id, after.id
        )


async def _record(work: UnitOfWork, before: LearnerState, after: LearnerState) -> None:
    """Write what stays of it: that there was something, and neither what it was nor whose."""
    changes = [FieldChange(name, None, None) for name in audited_field_names(before)]
    changes += [
        FieldChange(name, old, new)
        for name, old, new in (
            ("role", before.role, after.role),
            ("isActive", before.is_active, after.is_active),
        )
        if old != new
    ]
    await audit(work, ObjectType.LEARNER, after.id, after.name, changes)
    await record_changes(work, ObjectType.LEARNER, [(after.id, after.version)])
    await record_changes(work, ObjectType.ACCOUNT, [(after.id, after.version)])
    work.record(LearnerErased(after.id))
    work.record(LearnerListedOtherwise(after.id))
    if before.is_active:
        work.record(LearnerBecameInactive(after.id))
