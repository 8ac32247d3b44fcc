"""Mandatory tasks as rows, for tests about looking at many of them; what follows from assigning is left out."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from domain.enrollments.models import EnrollmentStatus
from domain.foundation.access import Principal
from domain.foundation.database.sessions import writing
from domain.mandatory_tasks.models import BulkAssignment, MandatoryTask
from domain.mandatory_tasks.status import TaskStage
from tests.support import factories

_STATUSES = {
    TaskStage.ASSIGNED: EnrollmentStatus.NOT_STARTED,
    TaskStage.IN_PROGRESS: EnrollmentStatus.IN_PROGRESS,
    TaskStage.COMPLETED: EnrollmentStatus.COMPLETED,
}


async def create_task(
    learner_id: int,
    target_id: int,
    *,
    by: Principal,
    due_on: date,
    stage: TaskStage = TaskStage.ASSIGNED,
    **columns: Any,
) -> MandatoryTask:
    """Make a task with its enrollment; it is due at the end of the date in UTC."""
    await factories.create_enrollment(by.tenant_id, learner_id, target_id, status=_STATUSES[stage], source=None)
    values: dict[str, Any] = {
        "created_at": factories.LONG_AGO,
        "updated_at": factories.LONG_AGO,
        "first_lead_days": 14,
        "due_at": datetime.combine(due_on, time(), UTC) + timedelta(days=1),
        "completed_at": factories.LONG_AGO if stage is TaskStage.COMPLETED else None,
    } | columns
    async with writing(by.tenant_id):
        return await MandatoryTask.create(
            tenant_id=by.tenant_id,
            learner_id=learner_id,
            target_id=target_id,
            assigner_learner_id=by.learner_id,
            assigner_service_account_id=by.service_account_id,
            due_on=due_on,
            stage=stage,
            **values,
        )


async def create_bulk_assignment(target_id: int, *, by: Principal, due_on: date) -> BulkAssignment:
    """Make a bulk assignment that somebody has started."""
    async with writing(by.tenant_id):
        return await BulkAssignment.create(
            tenant_id=by.tenant_id,
            target_id=target_id,
            due_on=due_on,
            reminders=[],
            created_by_learner_id=by.learner_id,
            created_by_service_account_id=by.service_account_id,
            created_at=factories.LONG_AGO,
        )
