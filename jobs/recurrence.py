"""Opens the next cycles of repeated tasks. Any number of processes may do so at once."""

from datetime import datetime

from domain.foundation.unit_of_work import UnitOfWork
from domain.mandatory_tasks.reopening import open_cycles
from jobs.sweeps import sweep_all

#: Tasks that one transaction opens.
CHUNK = 200


async def open_due_cycles(now: datetime) -> int:
    """Open every cycle whose time has come, and return how many that were."""

    async def begin(work: UnitOfWork, task_ids: list[int]) -> int:
        return await open_cycles(work, task_ids=task_ids)

    return await sweep_all("tasks_to_open", now, "recurrence", begin, together=CHUNK)
