"""Queries of mandatory tasks."""

import strawberry

from domain.mandatory_tasks.reminders.queries import load_visible_reminders_by_id
from domain.mandatory_tasks.rights import require_reading_role
from gql.contract import ids
from gql.contract.arguments import ObjectId
from gql.execution.context import Info
from gql.mandatory_tasks.reminder_types import TaskReminder
from gql.mandatory_tasks.types import MandatoryTask


async def _find_reminder(info: Info, key: int) -> TaskReminder | None:
    row = await info.context.load(load_visible_reminders_by_id, key)
    return None if row is None else TaskReminder.from_row(row)


NODES = {ids.MANDATORY_TASK: MandatoryTask.find, ids.REMINDER: _find_reminder}


@strawberry.type
class MandatoryTasksQuery:
    """Queries of mandatory tasks."""

    @strawberry.field(description="Mandatory task by ID.")
    async def mandatory_task(self, info: Info, id: ObjectId) -> MandatoryTask | None:
        """Find a task."""
        require_reading_role(info.context.principal)
        key = ids.find_own_key(ids.MANDATORY_TASK, id)
        return None if key is None else await MandatoryTask.find(info, key)
