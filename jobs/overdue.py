"""Tells the log and the feed which tasks have become overdue. Any number of processes may do so at once."""

from datetime import datetime

from domain.foundation.unit_of_work import UnitOfWork
from domain.mandatory_tasks.overdue import note_overdue
from jobs.sweeps import sweep_all

#: Tasks that one transaction notes.
CHUNK = 500


async def note_overdue_tasks(now: datetime) -> int:
    """Note every task that has become overdue, and return how many that were."""

    async def note(work: UnitOfWork, task_ids: list[int]) -> int:
        return await note_overdue(work, task_ids=task_ids)

    return await sweep_all("tasks_to_note_overdue", now, "overdue", note, together=CHUNK)
