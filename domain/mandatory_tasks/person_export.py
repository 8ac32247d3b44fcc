"""What is exported of one person's mandatory tasks: withdrawn ones too, each with all cycles and their ledger."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from domain.content.queries import ContentRow, load_contents_by_id
from domain.foundation.access import Principal
from domain.foundation.database.sessions import ReadScope
from domain.mandatory_tasks.queries import CycleRow, TaskView, load_all_cycles_by_task, tasks
from domain.mandatory_tasks.reminders.queries import (
    DeliveryRow,
    ReminderRow,
    load_deliveries_by_reminder,
    load_reminders_by_cycle,
)
from domain.people.learners.person_export import BATCH, require_export
from domain.people.queries import LearnerRow, load_learners_by_id


@dataclass(frozen=True, slots=True)
class ExportedTask:
    """A task with what it names, its cycles from the first on, and the ledger."""

    task: TaskView
    target: ContentRow
    #: None when a tool assigned it.
    assigner: LearnerRow | None
    cycles: Sequence[CycleRow]
    #: By number of the cycle, in order of time.
    reminders: Mapping[int, Sequence[ReminderRow]]
    #: By ID of the reminder.
    deliveries: Mapping[int, Sequence[DeliveryRow]]


async def export_tasks(
    reads: ReadScope, principal: Principal, learner_id: int
) -> AsyncGenerator[list[ExportedTask], None]:
    """Yield a person's tasks batch by batch, oldest first."""
    require_export(principal, learner_id)
    query = tasks(principal).where("t.learner_id = ?", learner_id)
    async with aclosing(reads.batches(f"{query.text} ORDER BY t.created_at, t.id", *query.args, size=BATCH)) as found:
        async for records in found:
            yield await _complete(reads, principal, [TaskView(**record) for record in records])


async def _complete(reads: ReadScope, principal: Principal, batch: Sequence[TaskView]) -> list[ExportedTask]:
    assigner_ids = sorted({task.assigner_learner_id for task in batch if task.assigner_learner_id is not None})
    assigners = {row.id: row for row in await load_learners_by_id(reads, principal, assigner_ids) if row is not None}
    target_ids = sorted({task.target_id for task in batch})
    targets = {row.id: row for row in await load_contents_by_id(reads, principal, target_ids) if row is not None}
    cycles = await load_all_cycles_by_task(reads, principal, [task.id for task in batch])
    keys = [(cycle.task_id, cycle.number) for of_task in cycles for cycle in of_task]
    reminders = dict(zip(keys, await load_reminders_by_cycle(reads, principal, keys), strict=True))
    ids = [reminder.id for of_cycle in reminders.values() for reminder in of_cycle]
    deliveries = dict(zip(ids, await load_deliveries_by_reminder(reads, principal, ids), strict=True))
    return [
        ExportedTask(
            task=task,
            target=targets[task.target_id],
            assigner=None if task.assigner_learner_id is None else assigners[task.assigner_learner_id],
            cycles=of_task,
            reminders={cycle.number: reminders[task.id, cycle.number] for cycle in of_task},
            deliveries={
                reminder.id: deliveries[reminder.id]
                for cycle in of_task
                for reminder in reminders[task.id, cycle.number]
            },
        )
        for task, of_task in zip(batch, cycles, strict=True)
    ]
