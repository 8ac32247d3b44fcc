"""Gives out the reminders whose time has come. Any number of processes may do so at once."""

from datetime import datetime

from domain.foundation.unit_of_work import UnitOfWork
from domain.mandatory_tasks.reminding import give_out_reminders
from jobs.sweeps import sweep_all

#: Tasks whose reminders one transaction settles.
CHUNK = 500


async def send_due_reminders(now: datetime) -> int:
    """Settle every reminder that is due, and return how many that were; emails then go out on their own."""

    async def give_out(work: UnitOfWork, task_ids: list[int]) -> int:
        return await give_out_reminders(work, task_ids=task_ids)

    return await sweep_all("tasks_with_due_reminders", now, "reminders", give_out, together=CHUNK)
