"""Tasks as they change."""

from collections.abc import AsyncGenerator
from typing import Annotated, Any

import strawberry
from strawberry import ID

from domain.foundation.feed.live import LiveBatch, Seen
from domain.mandatory_tasks.live import live_tasks
from domain.mandatory_tasks.queries import TaskView
from gql.contract.arguments import FILTER, After
from gql.contract.change_stream import ChangeBatch, ChangeKind, follow_changes, place_of
from gql.contract.ids import MANDATORY_TASK, encode
from gql.execution.context import Context, Info
from gql.mandatory_tasks.list_inputs import MandatoryTaskFilterInput, task_filter
from gql.mandatory_tasks.types import MandatoryTask


@strawberry.type(description="Change of a mandatory task.")
class MandatoryTaskChange:
    """Change of a task."""

    kind: ChangeKind = strawberry.field(description="What happened.")
    mandatory_task_id: ID = strawberry.field(description="ID of the task.")
    version: int = strawberry.field(description="Version of the task at this change.")
    mandatory_task: MandatoryTask | None = strawberry.field(description="Task as it is now; null when REMOVED.")

    @classmethod
    def of(cls, seen: Seen[TaskView]) -> "MandatoryTaskChange":
        """Return a change as the API shows it."""
        return cls(
            kind=ChangeKind.of(seen.row),
            mandatory_task_id=encode(MANDATORY_TASK, seen.id),
            version=seen.version,
            mandatory_task=None if seen.row is None else MandatoryTask.from_row(seen.row),
        )


@strawberry.type(description="Changes of mandatory tasks.")
class MandatoryTaskChangeBatch(ChangeBatch):
    """Changes of tasks."""

    changes: list[MandatoryTaskChange] = strawberry.field(description="Changes in order, at most 100, one per task.")


def _batch(context: Context, batch: LiveBatch[Any]) -> MandatoryTaskChangeBatch:
    return MandatoryTaskChangeBatch(
        changes=[MandatoryTaskChange.of(seen) for seen in batch.changes], **place_of(context, batch)
    )


@strawberry.type
class MandatoryTasksSubscription:
    """Streams of tasks."""

    @strawberry.subscription(description="Mandatory tasks that appear in, change within or leave the filter.")
    async def mandatory_task_changes(
        self,
        info: Info,
        filter: Annotated[MandatoryTaskFilterInput | None, FILTER] = None,
        after: After = None,
    ) -> AsyncGenerator[MandatoryTaskChangeBatch, None]:
        """Follow tasks."""
        view = await live_tasks(info.context.reads, info.context.principal, task_filter(filter))
        async for batch in follow_changes(info, view, after, _batch):
            yield batch
