"""What follows from what. Read top to bottom; the order within a list is the order of execution.

Every handler runs in the transaction of the event and gets all events that it is for and the transaction has recorded,
in one call. Handlers run in the order in which they stand here first. What is in `FOLLOW_UPS` comes after the commit.
"""

from collections.abc import Mapping

from domain.auto_assignment.evaluation.backfill import backfill_chunk, preparation_chunk
from domain.auto_assignment.evaluation.evaluating import reevaluate_chunk, reevaluate_rules
from domain.auto_assignment.rules.deletion import revocation_chunk
from domain.auto_assignment.rules.jobs import lay_down_the_rest, resume_rule_work
from domain.auto_assignment.rules.versions import note_turn_of_backfill
from domain.auto_assignment.switch import reconcile_after_switch
from domain.content.events import SeatsFreed
from domain.enrollments.erasing import leave_all_waitlists
from domain.enrollments.events import ProgressChanged
from domain.enrollments.path_changes import follow_path_chunk
from domain.enrollments.relisting import tell_of_enrollments
from domain.enrollments.seats.promotion import offer_seats_to_reactivated, promote_after_commit
from domain.foundation.jobs.control import JobCancelled, JobResumed
from domain.foundation.jobs.running import Chunk, JobGivenUp
from domain.foundation.models import JobKind
from domain.foundation.unit_of_work import FollowUps, Reactions, install
from domain.mandatory_tasks.bulk.creation import bulk_assignment_chunk
from domain.mandatory_tasks.dates.time_zones import follow_learners, follow_tenant, time_zone_chunk
from domain.mandatory_tasks.erasing import forget_messages_about_tasks, withdraw_without_a_word
from domain.mandatory_tasks.following import follow_progress, resume_tasks, suspend_tasks
from domain.mandatory_tasks.relisting import tell_of_tasks
from domain.people.events import (
    FactsChanged,
    LearnerBecameActive,
    LearnerBecameInactive,
    LearnerErased,
    LearnerListedOtherwise,
    LearnerTimeZoneChanged,
)
from domain.tenants.events import AutoAssignmentSwitched, TenantTimeZoneChanged

REACTIONS: Reactions = {
    # Before what follows from being inactive: what is withdrawn neither rests nor keeps a rule from ending access.
    LearnerErased: [withdraw_without_a_word, leave_all_waitlists, forget_messages_about_tasks],
    ProgressChanged: [follow_progress],
    LearnerTimeZoneChanged: [follow_learners],
    TenantTimeZoneChanged: [follow_tenant],
    LearnerBecameActive: [resume_tasks, reevaluate_rules, offer_seats_to_reactivated],
    LearnerBecameInactive: [suspend_tasks, reevaluate_rules],
    FactsChanged: [reevaluate_rules],
    LearnerListedOtherwise: [tell_of_enrollments, tell_of_tasks],
    AutoAssignmentSwitched: [reconcile_after_switch],
    JobCancelled: [note_turn_of_backfill, lay_down_the_rest],
    JobResumed: [note_turn_of_backfill, resume_rule_work],
    JobGivenUp: [note_turn_of_backfill],
}

#: What comes after the commit, in transactions of its own; a sweep does what a crash loses of it.
FOLLOW_UPS: FollowUps = {
    SeatsFreed: promote_after_commit,
}

#: What one chunk of each kind of background job does.
CHUNKS: Mapping[str, Chunk] = {
    JobKind.BULK_ASSIGNMENT: bulk_assignment_chunk,
    JobKind.RULE_BACKFILL: backfill_chunk,
    JobKind.RULE_PREPARATION: preparation_chunk,
    JobKind.RULE_REVOCATION: revocation_chunk,
    JobKind.RULE_REEVALUATION: reevaluate_chunk,
    JobKind.LEARNING_PATH_CHANGE: follow_path_chunk,
    JobKind.TIME_ZONE_CHANGE: time_zone_chunk,
}

install(REACTIONS, FOLLOW_UPS)
